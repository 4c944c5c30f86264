"""What every mapper keeps to."""

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import pytest

from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import Trajectory
from sfm.mapping.colmap_io import from_reconstruction
from sfm.mapping.incremental import MapperSettings

from .synthetic import CAMERA, along_a_street, along_a_wall, write_database

NAMES = [f"{i:02d}.jpg" for i in range(8)]


class Steps:
    def __init__(self):
        self.done = 0

    def advance(self, count=1, note=None):
        self.done += count


def assert_map_is(model, truth, at_most):
    """All images of `truth` registered, their centres at most that far off."""
    found = evaluate_poses(from_reconstruction(model).poses, Trajectory(truth.poses))
    assert found.registered == found.total
    assert found.ate_rmse < at_most


class MapperContract(ABC):
    """Inherit and say how to run the mapper."""

    @abstractmethod
    def run(self, database, out, settings, seed, step):
        """Run the mapper: models, largest first."""

    def map(self, tmp_path, *maps, settings=None, seed=0, step=None, cameras=None):
        write_database(tmp_path / "database.db", *maps, cameras=cameras)
        settings = settings or MapperSettings(threads=1)
        return self.run(tmp_path / "database.db", tmp_path / "scratch", settings, seed, step or Steps())

    def test_images_are_where_they_were(self, tmp_path):
        truth, step = along_a_wall(NAMES), Steps()
        (model,) = self.map(tmp_path, truth, step=step)
        # Side by side over 5.6 units.
        assert_map_is(model, truth, 0.02)
        assert model.num_points3D() > 150
        assert step.done == len(NAMES)
        assert not (tmp_path / "scratch").exists()

    def test_a_walk_straight_ahead(self, tmp_path):
        truth = along_a_street(NAMES)
        settings = MapperSettings(walk=True, held_cameras=frozenset({1}), threads=1)
        (model,) = self.map(tmp_path, truth, settings=settings)
        assert_map_is(model, truth, 0.1)

    def test_the_largest_model_is_first(self, tmp_path):
        small = along_a_wall([f"s{i}.jpg" for i in range(4)], seed=3)
        large = along_a_wall([f"t{i}.jpg" for i in range(7)], seed=4)
        models = self.map(tmp_path, small, large)
        assert [model.num_reg_images() for model in models] == [7, 4]
        assert_map_is(models[0], large, 0.02)
        assert_map_is(models[1], small, 0.02)

    def test_models_that_are_too_small_are_dropped(self, tmp_path):
        small, large = along_a_wall(["a.jpg", "b.jpg", "c.jpg"], seed=3), along_a_wall(NAMES[:6], seed=4)
        settings = MapperSettings(min_model_size=4, threads=1)
        models = self.map(tmp_path, small, large, settings=settings)
        assert [model.num_reg_images() for model in models] == [6]

    def test_nothing_to_start_from(self, tmp_path):
        lonely = [along_a_wall([name], seed=i) for i, name in enumerate(NAMES[:3])]
        assert self.map(tmp_path, *lonely) == []

    def test_held_intrinsics_stay_and_others_are_found(self, tmp_path):
        truth = along_a_wall(NAMES, points=600)
        wrong = {1: replace(CAMERA, params=(540.0, *CAMERA.params[1:]))}
        (held,) = self.map(
            tmp_path, truth, cameras=wrong, settings=MapperSettings(held_cameras=frozenset({1}), threads=1)
        )
        assert from_reconstruction(held).cameras[1].params == wrong[1].params
        (refined,) = self.run(
            tmp_path / "database.db", tmp_path / "scratch", MapperSettings(threads=1), 0, Steps()
        )
        assert from_reconstruction(refined).cameras[1].focal_px == pytest.approx(500, rel=0.02)

    def test_the_same_seed_gives_the_same_map(self, tmp_path):
        truth = along_a_wall(NAMES)
        write_database(tmp_path / "database.db", truth)
        maps = [
            from_reconstruction(
                self.run(
                    tmp_path / "database.db", tmp_path / "scratch", MapperSettings(threads=1), 5, Steps()
                )[0]
            )
            for _ in range(2)
        ]
        np.testing.assert_allclose(maps[0].xyz, maps[1].xyz, atol=1e-9)
        assert maps[0].poses.keys() == maps[1].poses.keys()

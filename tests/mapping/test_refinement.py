"""The last, robust adjustment: wrong observations that least squares would follow do not move the map."""

from dataclasses import replace

import numpy as np
import pycolmap
import pytest

from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import Trajectory
from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction
from sfm.mapping.refinement import refine_robustly, reprojection_errors

from .synthetic import CAMERA, NOISE_PX, along_a_wall

NAMES = [f"{i}.jpg" for i in range(8)]
OFF_PX = 4.0


def spoiled(share, seed=0):
    """A map of a wall, a share of whose observations is off to the same side in every second image, and the truth."""
    truth = of_points_seen_twice(along_a_wall(NAMES))
    rng = np.random.default_rng(seed)
    images = {}
    for i, image in truth.images.items():
        xy = image.xy.copy()
        if i % 2:
            xy[rng.random(len(xy)) < share] += [OFF_PX, 0]
        images[i] = replace(image, xy=xy)
    return to_reconstruction(replace(truth, images=images)), truth


def of_points_seen_twice(sparse_map):
    ids, counts = np.unique(
        np.concatenate([image.point_ids for image in sparse_map.images.values()]), return_counts=True
    )
    twice = ids[counts > 1]
    images = {}
    for i, image in sparse_map.images.items():
        seen = np.isin(image.point_ids, twice)
        images[i] = replace(image, xy=image.xy[seen], point_ids=image.point_ids[seen])
    kept = np.isin(sparse_map.point_ids, twice)
    return replace(
        sparse_map,
        images=images,
        **{
            name: getattr(sparse_map, name)[kept]
            for name in ("point_ids", "xyz", "rgb", "error_px", "track_length")
        },
    )


def error(model, truth):
    found = evaluate_poses(from_reconstruction(model).poses, Trajectory(truth.poses))
    return found.ate_rmse


def by_least_squares(model):
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()


def test_wrong_observations_do_not_bend_the_map():
    model, truth = spoiled(0.2)
    by_least_squares(model)
    bent = error(model, truth)
    refine_robustly(model, (), 10.0, 1.5)
    assert error(model, truth) < 0.5 * bent


def test_of_right_observations_it_makes_the_same_as_least_squares():
    (squares, truth), (robust, _) = spoiled(0), spoiled(0)
    by_least_squares(squares)
    refine_robustly(robust, (), 2.0, 1.5)
    assert error(robust, truth) < 1.2 * error(squares, truth)
    assert robust.num_points3D() > 0.98 * squares.num_points3D()


def test_what_is_too_far_off_is_dropped():
    model, _ = spoiled(0.2)
    before = model.compute_num_observations()
    wrong = sum(0.2 * len(image.points2D) for i, image in model.images.items() if i % 2)
    refine_robustly(model, (), 2.0, 1.5)
    assert 0.8 * wrong < before - model.compute_num_observations() < 1.3 * wrong
    assert reprojection_errors(model, model.reg_image_ids()).max() <= 2.0


def test_intrinsics_are_held_or_refined():
    for held, same in (([1], True), ([], False)):
        model, _ = spoiled(0)
        refine_robustly(model, held, 2.0, 1.5)
        (camera,) = from_reconstruction(model).cameras.values()
        assert (camera.params == pytest.approx(CAMERA.params, abs=1e-9)) == same
        assert camera.params[0] == pytest.approx(CAMERA.params[0], rel=0.02)


def test_errors_are_those_that_were_made():
    model, _ = spoiled(0)
    errors = reprojection_errors(model, model.reg_image_ids())
    assert len(errors) == model.compute_num_observations()
    assert np.median(errors) == pytest.approx(1.1774 * NOISE_PX, rel=0.05)
    assert len(reprojection_errors(model, [])) == 0


def test_an_empty_model_stays_empty():
    model = pycolmap.Reconstruction()
    refine_robustly(model, (), 2.0, 1.5)
    assert model.num_points3D() == 0

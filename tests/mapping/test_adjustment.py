"""Bundle adjustment: the scale of errors, and slow modes of a block that hardly change the cost."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.alignment.fit import align_poses
from sfm.geometry.pose import Pose
from sfm.mapping import adjustment
from sfm.mapping.adjustment import Adjustment, deviation
from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction

from .synthetic import NOISE_PX, along_a_wall, of_points_seen_twice

NAMES = [f"{i:02d}.jpg" for i in range(50)]
RADIUS_M = 400.0


def strip():
    return of_points_seen_twice(along_a_wall(NAMES, points=2500))


def bent(sparse_map):
    """The map with its path bent to an arc: each image agrees with its neighbours nearly as well as before."""

    def on_arc(xyz):
        angle, radius = xyz[..., 0] / RADIUS_M, RADIUS_M + xyz[..., 2]
        return np.stack([radius * np.sin(angle), xyz[..., 1], radius * np.cos(angle) - RADIUS_M], axis=-1)

    images = {}
    for i, image in sparse_map.images.items():
        pose = image.cam_from_world
        turn = Rotation.from_euler("y", pose.center[0] / RADIUS_M).as_matrix()
        rotation = pose.rotation @ turn.T
        images[i] = replace(image, cam_from_world=Pose(rotation, -rotation @ on_arc(pose.center)))
    return replace(sparse_map, images=images, xyz=on_arc(sparse_map.xyz))


def adjusted(sparse_map, to_the_end):
    model = to_reconstruction(sparse_map)
    by_noise = Adjustment(NOISE_PX, (), 1)
    by_noise.of(model)
    if to_the_end:
        by_noise.settle(model)
    return from_reconstruction(model).poses


def apart_m(poses, others):
    """How far the cameras of two maps of one scene are apart, metres."""
    return align_poses([poses[n] for n in NAMES], [others[n] for n in NAMES]).rmse


def test_a_bent_block_is_straightened_however_flat_the_cost_is():
    truth = strip()
    best = adjusted(truth, to_the_end=True)
    hasty, settled = (adjusted(bent(truth), to_the_end) for to_the_end in (False, True))
    assert apart_m(settled, best) < 0.002
    assert apart_m(hasty, best) > 10 * apart_m(settled, best)


def test_a_held_camera_stays_while_poses_settle():
    model = to_reconstruction(bent(strip()))
    before = model.camera(1).params.copy()
    Adjustment(NOISE_PX, (1,), 1).settle(model)
    assert model.camera(1).params == pytest.approx(before, abs=0)


@pytest.mark.parametrize(("images", "observations"), [(4, 500), (8, 1000)])
def test_the_scale_is_read_from_about_as_many_as_are_to_be_looked_at(monkeypatch, images, observations):
    """However many images there are beside those that are looked at."""
    model = to_reconstruction(strip())
    monkeypatch.setattr(adjustment, "_IMAGES_LOOKED_AT", images)
    monkeypatch.setattr(adjustment, "_OBSERVATIONS_LOOKED_AT", observations)
    read, looked_at = adjustment.reprojection_errors, []

    def noted(*given):
        looked_at.append(read(*given))
        return looked_at[-1]

    monkeypatch.setattr(adjustment, "reprojection_errors", noted)
    assert deviation(model) == pytest.approx(NOISE_PX, rel=0.15)
    assert observations <= len(looked_at[0]) < 2.5 * observations

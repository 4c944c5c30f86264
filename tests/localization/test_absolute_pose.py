from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm.geometry.camera import Camera
from sfm.geometry.pose import rotation_angle_deg
from sfm.localization.absolute_pose import (
    AbsolutePose,
    estimate_absolute_pose,
    refine_absolute_pose,
    reprojection_errors,
)
from sfm.localization.pose_parameters import Freedom, Prior
from tests.localization.scene import CAMERA, look

FREE_FOCAL = Freedom(focal=1.0)
POSE = look([0.5, -0.2, 0.3], (0.2, 0.1, -0.05))


def matches(count, seed, noise_px=0.0, outliers=0, pose=POSE, camera=CAMERA):
    rng = np.random.default_rng(seed)
    rays = np.column_stack([camera.normalize(rng.uniform(20, [980, 780], (count, 2))), np.ones(count)])
    xyz = pose.inverse().apply(rays * rng.uniform(3, 15, (count, 1)))
    xy = camera.project(pose.apply(xyz)) + rng.normal(0, noise_px, (count, 2)) * (noise_px > 0)
    xy[:outliers] = rng.uniform(0, [1000, 800], (outliers, 2))
    return xy, xyz


def errors(found, pose=POSE):
    turned = rotation_angle_deg(found.cam_from_world.rotation @ pose.rotation.T)
    return float(np.linalg.norm(found.cam_from_world.center - pose.center)), turned


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.tuples(*(st.floats(-0.6, 0.6) for _ in range(3))))
def test_exact_matches_give_the_exact_pose(seed, turn):
    pose = look(np.random.default_rng(seed).normal(size=3), turn)
    xy, xyz = matches(30, seed, pose=pose)
    found = estimate_absolute_pose(xy, xyz, Prior(CAMERA), 2.0)
    position, rotation = errors(found, pose)
    # Half a pixel of a wrong convention would turn the camera by 0.03 degrees.
    assert position < 1e-4
    assert rotation < 1e-3
    assert len(found.inliers) == 30


def test_outliers_are_left_out():
    xy, xyz = matches(200, 1, noise_px=0.7, outliers=140)
    found = estimate_absolute_pose(xy, xyz, Prior(CAMERA), 4.0, seed=3)
    assert set(range(140, 200)) >= set(found.inliers[found.inliers >= 140])
    assert (found.inliers >= 140).sum() >= 58
    assert (found.inliers < 140).sum() <= 3
    assert errors(found)[0] < 0.05


def test_the_same_seed_gives_the_same_pose():
    xy, xyz = matches(100, 2, noise_px=1.0, outliers=60)
    first, second = (estimate_absolute_pose(xy, xyz, Prior(CAMERA), 4.0, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.cam_from_world.translation, second.cam_from_world.translation)


def test_an_unknown_focal_length_is_estimated():
    xy, xyz = matches(
        150,
        3,
        noise_px=0.5,
        outliers=50,
        camera=Camera("SIMPLE_RADIAL", 1000, 800, (1300.0, 499.5, 399.5, 0.0)),
    )
    guess = Camera.from_focal("SIMPLE_RADIAL", 1000, 800, 1000.0, focal_is_known=False)
    found = estimate_absolute_pose(xy, xyz, Prior(guess, FREE_FOCAL), 4.0, estimate_focal=True)
    assert found.camera.focal_px == pytest.approx(1300, rel=0.01)
    assert found.camera.principal_point == guess.principal_point
    assert errors(found)[0] < 0.1


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_matches_give_none(count):
    xy, xyz = matches(count, 4)
    assert estimate_absolute_pose(xy, xyz, Prior(CAMERA), 4.0) is None


def test_a_focal_length_never_falls_below_zero():
    """Points mirrored through the principal point agree with a camera that there is not."""
    xy, xyz = matches(30, 2)
    mirrored = 2 * np.array(CAMERA.principal_point) - xy
    short = replace(CAMERA, params=(40.0, *CAMERA.params[1:3], 0.0))
    estimate = AbsolutePose(POSE, short, np.arange(30), Prior(CAMERA, FREE_FOCAL))
    assert refine_absolute_pose(estimate, mirrored, xyz, 2000.0).camera.focal_px > 0


def test_what_is_held_stays_and_what_is_free_is_found():
    """A corner cut out and squeezed: the pose is right only with all of it free."""
    true = Camera("OPENCV", 1000, 800, (1100.0, 1300.0, 820.0, 90.0, 0.0, 0.0, 0.0, 0.0))
    xy, xyz = matches(200, 8, noise_px=0.3, camera=true)
    free = Prior(CAMERA, Freedom(1.0, 0.5, 0.5, 0.05))
    start = AbsolutePose(POSE, free.start, np.arange(200), free)
    found = refine_absolute_pose(start, xy, xyz, 2000.0)
    np.testing.assert_allclose(found.camera.params[:4], true.params[:4], atol=12)
    assert errors(found)[0] < 0.1
    held = refine_absolute_pose(replace(start, camera=CAMERA, prior=Prior(CAMERA)), xy, xyz, 2000.0)
    assert held.camera == CAMERA


def test_points_behind_the_camera_are_infinitely_wrong():
    xy, xyz = matches(5, 5)
    xyz[0] = POSE.inverse().apply(np.array([[0.0, 0, -5]]))[0]
    assert np.isinf(reprojection_errors(POSE, CAMERA, xy, xyz)[0])

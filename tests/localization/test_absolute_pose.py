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
    pose_uncertainty,
    refine_absolute_pose,
    reprojection_errors,
)
from tests.localization.scene import CAMERA, look

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
    found = estimate_absolute_pose(xy, xyz, CAMERA, 2.0)
    position, rotation = errors(found, pose)
    # Half a pixel of a wrong convention would turn the camera by 0.03 degrees.
    assert position < 1e-4
    assert rotation < 1e-3
    assert len(found.inliers) == 30


def test_outliers_are_left_out():
    xy, xyz = matches(200, 1, noise_px=0.7, outliers=140)
    found = estimate_absolute_pose(xy, xyz, CAMERA, 4.0, seed=3)
    assert set(range(140, 200)) >= set(found.inliers[found.inliers >= 140])
    assert (found.inliers >= 140).sum() >= 58
    assert (found.inliers < 140).sum() <= 3
    assert errors(found)[0] < 0.05


def test_the_same_seed_gives_the_same_pose():
    xy, xyz = matches(100, 2, noise_px=1.0, outliers=60)
    first, second = (estimate_absolute_pose(xy, xyz, CAMERA, 4.0, seed=5) for _ in range(2))
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
    found = estimate_absolute_pose(xy, xyz, guess, 4.0, estimate_focal=True)
    assert found.camera.focal_px == pytest.approx(1300, rel=0.01)
    assert found.camera.principal_point == guess.principal_point
    assert errors(found)[0] < 0.1


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_matches_give_none(count):
    xy, xyz = matches(count, 4)
    assert estimate_absolute_pose(xy, xyz, CAMERA, 4.0) is None


def test_a_focal_length_that_falls_below_zero_is_not_taken():
    """Points mirrored through the principal point agree with a camera that there is not."""
    xy, xyz = matches(30, 2)
    mirrored = 2 * np.array(CAMERA.principal_point) - xy
    short = replace(CAMERA, params=(40.0, *CAMERA.params[1:3], 0.0))
    estimate = AbsolutePose(POSE, short, np.arange(30), focal_estimated=True)
    assert refine_absolute_pose(estimate, mirrored, xyz, 2000.0) is estimate


def test_points_behind_the_camera_are_infinitely_wrong():
    xy, xyz = matches(5, 5)
    xyz[0] = POSE.inverse().apply(np.array([[0.0, 0, -5]]))[0]
    assert np.isinf(reprojection_errors(POSE, CAMERA, xy, xyz)[0])


@pytest.mark.parametrize("estimate_focal", [False, True])
def test_uncertainty_is_what_the_noise_does(estimate_focal):
    """The spread of poses over many draws of the noise, against what one draw predicts."""
    clean, xyz = matches(80, 6)
    found, predicted = [], []
    for seed in range(60):
        xy = clean + np.random.default_rng(seed).normal(0, 1.0, clean.shape)
        start = AbsolutePose(POSE, CAMERA, np.arange(80), estimate_focal)
        pose = refine_absolute_pose(start, xy, xyz, 50.0)
        found.append([*pose.cam_from_world.center, 0.0])
        found[-1][3] = np.radians(errors(pose)[1])
        predicted.append(pose_uncertainty(pose, xy, xyz))
    spread = np.std(np.array(found)[:, :3], axis=0)
    expected = np.mean([np.sqrt(np.diag(u.position_covariance)) for u in predicted], axis=0)
    np.testing.assert_allclose(spread, expected, rtol=0.35)
    turned = np.sqrt(np.mean(np.array(found)[:, 3] ** 2))
    total = np.mean([np.sqrt(np.trace(u.rotation_covariance)) for u in predicted])
    assert turned == pytest.approx(total, rel=0.35)
    assert np.mean([u.sigma_px for u in predicted]) == pytest.approx(1.0, rel=0.15)


def test_points_that_fix_no_pose_have_no_uncertainty():
    xy, xyz = matches(2, 7)
    assert pose_uncertainty(AbsolutePose(POSE, CAMERA, np.arange(2)), xy, xyz) is None

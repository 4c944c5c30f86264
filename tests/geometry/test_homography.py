"""Homographies and rotations on exact and noisy data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sfm.geometry.epipolar import homogeneous
from sfm.geometry.homography import (
    RotationEstimator,
    homography_four_point,
    poses_from_homography,
    transfer_error_sq,
)
from sfm.geometry.pose import Pose, angle_between_deg, rotation_angle_deg


def mapped(H, xy):
    moved = homogeneous(xy) @ H.T
    return moved[:, :2] / moved[:, 2:]


@given(seed=st.integers(0, 10_000), count=st.integers(4, 20))
@settings(max_examples=50, deadline=None)
def test_exact_points_give_the_homography_back(seed, count):
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [1000, 0], [0, 800], [1000, 800.0]])
    xy = np.vstack([corners, rng.uniform(0, 800, (count - 4, 2))]) + rng.uniform(-50, 50, (count, 2))
    H = np.eye(3) + rng.uniform(-0.2, 0.2, (3, 3)) * [[1, 1, 50], [1, 1, 50], [1e-4, 1e-4, 0]]
    found = homography_four_point(xy, mapped(H, xy))
    np.testing.assert_allclose(found / found[2, 2], H / H[2, 2], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(transfer_error_sq(found, xy, mapped(H, xy)), 0, atol=1e-12)


def test_collinear_and_identical_samples_are_nan():
    line = np.column_stack([np.arange(4.0), np.arange(4.0)])
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    batch = homography_four_point(np.stack([line, np.ones((4, 2)), square]), np.stack([line, square, square]))
    assert np.isnan(batch[:2]).all()
    np.testing.assert_allclose(batch[2] / batch[2, 2, 2], np.eye(3), atol=1e-9)


def test_points_sent_to_infinity_have_an_infinite_error():
    H = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert np.isinf(transfer_error_sq(H, np.array([[0.0, 1.0]]), np.array([[0.0, 0.0]]))).all()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_two_points_give_the_rotation(seed):
    rng = np.random.default_rng(seed)
    R = Rotation.from_rotvec(rng.normal(0, 0.3, 3)).as_matrix()
    K1, K2 = np.diag([900.0, 900, 1]), np.diag([700.0, 700, 1])
    xy1 = np.array([[-300.0, 100], [250, -80]])
    estimator = RotationEstimator(K1, K2)
    models = estimator.fit_samples(xy1[None], mapped(K2 @ R @ np.linalg.inv(K1), xy1)[None])
    np.testing.assert_allclose(estimator.rotation(models[0]), R, atol=1e-9)


def test_one_of_the_poses_behind_a_plane_is_the_true_one():
    R, t = Rotation.from_rotvec([0.02, -0.1, 0.05]).as_matrix(), np.array([0.6, 0.0, -0.8])
    normal, distance = np.array([0.1, 0.2, 0.97]), 5.0
    truth = Pose(R, t)
    poses = poses_from_homography(R + np.outer(t, normal / np.linalg.norm(normal)) / distance)
    errors = [
        rotation_angle_deg(pose.rotation.T @ truth.rotation)
        + angle_between_deg(pose.translation, truth.translation)
        for pose in poses
    ]
    assert min(errors) == pytest.approx(0, abs=1e-5)

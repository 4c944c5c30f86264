"""Epipolar algebra on exact data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm.geometry.epipolar import (
    cross_matrix,
    essential_from_pose,
    fundamental_from_essential,
    homogeneous,
    in_front,
    nearest_essential,
    poses_from_essential,
    refine_pose,
    sampson_error_sq,
)
from sfm.geometry.pose import Pose, angle_between_deg, rotation_angle_deg

from .synthetic import CAMERA, make_scene, random_pose

seeds = st.integers(0, 10_000)


def views_of(pose, seed, count=20):
    xyz = np.random.default_rng(seed).uniform([-2, -2, 6], [2, 2, 12], (count, 3))
    moved = pose.apply(xyz)
    return xyz[:, :2] / xyz[:, 2:], moved[:, :2] / moved[:, 2:]


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_rays_of_one_point_satisfy_the_constraint(seed):
    pose = random_pose(np.random.default_rng(seed))
    rays1, rays2 = views_of(pose, seed)
    E = essential_from_pose(pose)
    np.testing.assert_allclose(
        np.einsum("ni,ij,nj->n", homogeneous(rays2), E, homogeneous(rays1)), 0, atol=1e-12
    )
    F = fundamental_from_essential(E, CAMERA.matrix, CAMERA.matrix)
    xy1, xy2 = ((homogeneous(rays) @ CAMERA.matrix.T)[:, :2] for rays in (rays1, rays2))
    np.testing.assert_allclose(sampson_error_sq(F, xy1, xy2), 0, atol=1e-15)


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_one_of_the_four_poses_is_the_true_one_and_only_it_sees_the_points(seed):
    truth = random_pose(np.random.default_rng(seed))
    rays1, rays2 = views_of(truth, seed)
    poses = poses_from_essential(-3 * essential_from_pose(truth))
    assert [np.linalg.det(pose.rotation) for pose in poses] == pytest.approx([1] * 4)
    seen = [int(in_front(pose, rays1, rays2).sum()) for pose in poses]
    assert sorted(seen)[:3] == [0, 0, 0]
    best = poses[int(np.argmax(seen))]
    assert max(seen) == len(rays1)
    assert rotation_angle_deg(best.rotation.T @ truth.rotation) < 1e-5
    assert angle_between_deg(best.translation, truth.translation) < 1e-5


@given(seeds)
def test_the_nearest_essential_matrix_has_two_equal_singular_values(seed):
    E = nearest_essential(np.random.default_rng(seed).normal(size=(3, 3)))
    np.testing.assert_allclose(np.linalg.svd(E)[1], [1, 1, 0], atol=1e-12)


@given(seeds)
def test_an_essential_matrix_is_its_own_nearest(seed):
    E = essential_from_pose(random_pose(np.random.default_rng(seed)))
    np.testing.assert_allclose(nearest_essential(E), E, atol=1e-9)


def test_cross_matrix():
    a, b = np.array([1.0, -2, 3]), np.array([0.5, 4, -1])
    np.testing.assert_allclose(cross_matrix(a) @ b, np.cross(a, b))


def test_sampson_error_of_a_sideways_pair_is_the_row_difference_over_sqrt_two():
    F = cross_matrix(np.array([1.0, 0, 0]))
    xy1, xy2 = np.array([[10.0, 20.0], [5.0, 7.0]]), np.array([[90.0, 23.0], [5.0, 7.0]])
    np.testing.assert_allclose(sampson_error_sq(F, xy1, xy2), [4.5, 0])


def test_sampson_error_does_not_depend_on_the_scale_of_f_or_the_batch():
    rng = np.random.default_rng(0)
    F, xy1, xy2 = rng.normal(size=(4, 3, 3)), rng.normal(size=(7, 2)), rng.normal(size=(7, 2))
    batch = sampson_error_sq(F, xy1, xy2)
    assert batch.shape == (4, 7)
    np.testing.assert_allclose(sampson_error_sq(-5 * F[2], xy1, xy2), batch[2])
    np.testing.assert_allclose(sampson_error_sq(F[2].T, xy2, xy1), batch[2])


def test_sampson_error_is_infinite_where_it_is_undefined():
    assert np.isinf(sampson_error_sq(np.zeros((3, 3)), np.zeros((2, 2)), np.zeros((2, 2)))).all()
    assert np.isinf(sampson_error_sq(np.eye(3), np.full((1, 2), np.nan), np.zeros((1, 2)))).all()


def test_points_behind_either_camera_are_not_in_front():
    sideways = Pose(np.eye(3), np.array([-1.0, 0, 0]))
    xyz = np.array([[0.3, 0.2, 5.0], [0.3, 0.2, -5.0]])
    moved = sideways.apply(xyz)
    seen = in_front(sideways, xyz[:, :2] / xyz[:, 2:], moved[:, :2] / moved[:, 2:])
    assert seen.tolist() == [True, False]


def test_refinement_finds_the_pose_from_nearby_in_spite_of_outliers():
    scene = make_scene(num_matches=300, outliers=0.1, noise_px=0.3)
    start = Pose(scene.truth.rotation @ random_turn(1.0), scene.truth.translation + np.array([0, 0.05, 0.05]))
    start = Pose(start.rotation, start.translation / np.linalg.norm(start.translation))
    xy1, xy2 = (CAMERA.normalize(xy) * CAMERA.focal_px for xy in (scene.xy1, scene.xy2))
    K = np.diag([CAMERA.focal_px, CAMERA.focal_px, 1])
    refined = refine_pose(start, xy1, xy2, K, K, scale=1.0)
    assert np.linalg.norm(refined.translation) == pytest.approx(1)
    assert rotation_angle_deg(refined.rotation.T @ scene.truth.rotation) < 0.05
    assert angle_between_deg(refined.translation, scene.truth.translation) < 0.3


def random_turn(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])

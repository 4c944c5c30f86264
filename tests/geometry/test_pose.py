"""Poses form a group, and angles are angles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from sfm.geometry.pose import Pose, angle_between_deg, rotation_angle_deg, rotation_angles_deg

vectors = arrays(np.float64, 3, elements=st.floats(-100, 100))
rotation_vectors = arrays(np.float64, 3, elements=st.floats(-1.8, 1.8))
poses = st.builds(lambda r, t: Pose(Rotation.from_rotvec(r).as_matrix(), t), rotation_vectors, vectors)
points = arrays(np.float64, (4, 3), elements=st.floats(-50, 50))


def assert_same(a, b):
    np.testing.assert_allclose(a.rotation, b.rotation, atol=1e-9)
    np.testing.assert_allclose(a.translation, b.translation, atol=1e-9)


@given(poses, points)
def test_inverse_undoes(pose, xyz):
    np.testing.assert_allclose(pose.inverse().apply(pose.apply(xyz)), xyz, atol=1e-9)
    assert_same(pose @ pose.inverse(), Pose.identity())


@given(poses, poses, points)
def test_composition_is_applying_one_after_the_other(a, b, xyz):
    np.testing.assert_allclose((a @ b).apply(xyz), a.apply(b.apply(xyz)), atol=1e-9)


@given(poses, poses, poses)
def test_composition_is_associative(a, b, c):
    assert_same((a @ b) @ c, a @ (b @ c))


@given(poses)
def test_the_centre_maps_to_the_origin(pose):
    np.testing.assert_allclose(pose.apply(pose.center[None]), 0, atol=1e-9)


@given(poses)
def test_quaternion_round_trip(pose):
    wxyz = pose.quaternion_wxyz
    assert wxyz[0] >= 0
    assert np.linalg.norm(wxyz) == pytest.approx(1)
    assert_same(Pose.from_quaternion(wxyz, pose.translation), pose)


def test_quaternion_order_is_colmaps():
    quarter_turn_about_z = Pose.from_quaternion(np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)]), np.zeros(3))
    np.testing.assert_allclose(quarter_turn_about_z.apply(np.array([[1.0, 0, 0]])), [[0, 1, 0]], atol=1e-12)


@given(st.floats(1e-7, 3.1), vectors.filter(lambda v: np.linalg.norm(v) > 1e-3))
def test_rotation_angle(angle, axis):
    rotation = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    assert rotation_angle_deg(rotation) == pytest.approx(np.degrees(angle), rel=1e-6)


def test_rotation_angles_of_many():
    degrees = np.array([[0, 1e-9, 1e-6], [1, 90, 179.999999]])
    axis = np.array([2.0, -1.0, 2.0]) / 3
    rotations = (
        Rotation.from_rotvec(np.radians(degrees).reshape(-1, 1) * axis).as_matrix().reshape(2, 3, 3, 3)
    )
    np.testing.assert_allclose(rotation_angles_deg(rotations), degrees, rtol=1e-9, atol=1e-12)
    assert rotation_angles_deg(np.empty((0, 3, 3))).shape == (0,)


@pytest.mark.parametrize("degrees", [0, 1e-6, 1, 90, 179.9999, 180])
def test_angle_between(degrees):
    turn = np.radians(degrees)
    angle = angle_between_deg(np.array([2.0, 0, 0]), np.array([np.cos(turn), np.sin(turn), 0]))
    assert angle == pytest.approx(degrees, abs=1e-9)

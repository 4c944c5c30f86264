"""Rigid poses and rotations. A pose is always `cam_from_world`: x_cam = R x_world + t."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """A rigid transform `cam_from_world`.

    Attributes
    ----------
    rotation : (3, 3) float64, orthonormal, determinant 1
    translation : (3,) float64, in the map's unit
    """

    rotation: Floats
    translation: Floats

    @staticmethod
    def identity() -> Pose:
        """Return the pose of a camera at the origin, looking along +z with y down."""
        return Pose(np.eye(3), np.zeros(3))

    @staticmethod
    def from_quaternion(wxyz: Floats, translation: Floats) -> Pose:
        """Build a pose from a unit quaternion in COLMAP's order (w, x, y, z) and a translation."""
        w, x, y, z = (float(v) for v in wxyz)
        return Pose(Rotation.from_quat([x, y, z, w]).as_matrix(), np.asarray(translation, np.float64))

    @property
    def quaternion_wxyz(self) -> Floats:
        """The rotation as a unit quaternion (w, x, y, z) with w >= 0, COLMAP's order."""
        x, y, z, w = Rotation.from_matrix(self.rotation).as_quat(canonical=True)
        return np.array([w, x, y, z])

    @property
    def center(self) -> Floats:
        """The camera's centre in world coordinates, (3,)."""
        return -self.rotation.T @ self.translation

    def inverse(self) -> Pose:
        """Return `world_from_cam`."""
        return Pose(self.rotation.T, self.center)

    def __matmul__(self, other: Pose) -> Pose:
        """Compose: `(a_from_b @ b_from_c)` is `a_from_c`."""
        return Pose(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def apply(self, points: Floats) -> Floats:
        """Transform (N, 3) points."""
        return points @ self.rotation.T + self.translation


def rotation_angle_deg(rotation: Floats) -> float:
    """Return the angle of a (3, 3) rotation; see `rotation_angles_deg`."""
    return float(rotation_angles_deg(rotation))


def rotation_angles_deg(rotations: Floats) -> Floats:
    """Return the angles of (..., 3, 3) rotations in degrees, 0 to 180, (...)."""
    R = rotations
    skew = np.stack(
        [R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]], axis=-1
    )
    # The arc tangent keeps tiny and nearly half-turn angles exact.
    sine, cosine = np.linalg.norm(skew, axis=-1), np.trace(R, axis1=-2, axis2=-1) - 1
    return np.asarray(np.degrees(np.arctan2(sine, cosine)))


def angle_between_deg(a: Floats, b: Floats) -> float:
    """Return the angle between two 3-vectors in degrees, 0 to 180."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), np.dot(a, b))))

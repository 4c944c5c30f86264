"""Where to stand to see a whole map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.pose import Pose
from sfm.images.decode import upright_axes
from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]

# The observer looks down on the scene and past the cameras' shoulders, so that path and points do not hide
# each other.
_ELEVATION_DEG = 30.0
_TURN_DEG = 35.0
# Points beyond these percentiles of each axis do not count for the framing: a sparse map has stray points.
_TRIM_PERCENT = 2.0
# Share of the picture that what is framed may fill.
_MARGIN = 0.94
# Below this length the mean of unit vectors says nothing about where they point.
_NO_COMMON_DIRECTION = 0.3


@dataclass(frozen=True)
class Viewpoint:
    """An observer of a map.

    Attributes
    ----------
    eye, target : (3,) float64
        Where the observer is and what is in the middle of the picture, in the map's unit.
    up : (3,) float64
        Unit vector against gravity, as far as the photographs tell.
    """

    eye: Floats
    target: Floats
    up: Floats

    @property
    def cam_from_world(self) -> Pose:
        """The pose of a camera there: x right, y down, z forward."""
        z = _unit(self.target - self.eye)
        x = _unit(np.cross(z, self.up))
        rotation = np.stack([x, np.cross(z, x), z])
        return Pose(rotation, -rotation @ self.eye)


def choose_viewpoint(
    sparse_map: SparseMap,
    fov_deg: float = 40.0,
    aspect: float = 16 / 9,
    orientations: Mapping[str, int] | None = None,
) -> Viewpoint:
    """Choose an oblique view from behind and above the cameras that shows the map and the whole path.

    Parameters
    ----------
    sparse_map
        The map; without points, its cameras are framed.
    fov_deg
        Vertical field of view of the picture.
    aspect
        Width of the picture over its height.
    orientations
        EXIF orientation of images by name, where it is not 1.
    """
    up = up_direction(sparse_map, orientations)
    shown = framed_points(sparse_map)
    if not len(shown):
        return Viewpoint(np.array([0.0, 0.0, -1.0]), np.zeros(3), up)
    heading = _heading(sparse_map, shown, up)
    side = np.cross(heading, up)
    turn, elevation = np.radians(_TURN_DEG), np.radians(_ELEVATION_DEG)
    forward = np.cos(elevation) * (np.cos(turn) * heading + np.sin(turn) * side) - np.sin(elevation) * up
    return _step_back(shown, Viewpoint(-forward, np.zeros(3), up), np.tan(np.radians(fov_deg) / 2), aspect)


def up_direction(sparse_map: SparseMap, orientations: Mapping[str, int] | None = None) -> Floats:
    """Estimate the unit vector against gravity from how photographs are held, (3,).

    Photographs are upright on the whole; where no common upright is seen (a drone that turns about and looks
    straight down), up is where the cameras are, seen from what they look at.

    Parameters
    ----------
    sparse_map
        The map.
    orientations
        EXIF orientation of images by name, where it is not 1: how the camera was held.
    """
    if not sparse_map.images:
        return np.array([0.0, -1.0, 0.0])
    tops, forwards = [], []
    for image in sparse_map.images.values():
        _, up = upright_axes((orientations or {}).get(image.name, 1))
        tops.append(up @ image.cam_from_world.rotation[:2])
        forwards.append(image.cam_from_world.rotation[2])
    top, forward = np.mean(tops, axis=0), np.mean(forwards, axis=0)
    if np.linalg.norm(top) > _NO_COMMON_DIRECTION or np.linalg.norm(forward) < _NO_COMMON_DIRECTION:
        return _unit(top, fallback=tops[0])
    return -_unit(forward)


def framed_points(sparse_map: SparseMap) -> Floats:
    """Return what a picture of the map has to show: the camera centres and all but stray points, (N, 3)."""
    centers = np.array([image.cam_from_world.center for image in sparse_map.images.values()]).reshape(-1, 3)
    xyz = sparse_map.xyz
    if not len(xyz):
        return centers
    low, high = np.percentile(xyz, [_TRIM_PERCENT, 100 - _TRIM_PERCENT], axis=0)
    kept = xyz[((xyz >= low) & (xyz <= high)).all(axis=1)]
    return np.concatenate([centers, kept])


def _heading(sparse_map: SparseMap, shown: Floats, up: Floats) -> Floats:
    """Return the horizontal unit vector along which the cameras look on the whole."""
    looks = np.array([image.cam_from_world.rotation[2] for image in sparse_map.images.values()]).reshape(
        -1, 3
    )
    mean = looks.mean(axis=0) if len(looks) else np.zeros(3)
    horizontal = mean - (mean @ up) * up
    if np.linalg.norm(horizontal) > _NO_COMMON_DIRECTION:
        return _unit(horizontal)
    # Cameras all round: across the longest horizontal side of the scene, which then fills the width.
    flat = shown - shown.mean(axis=0)
    flat = flat - np.outer(flat @ up, up)
    longest = np.linalg.svd(flat, full_matrices=False)[2][0]
    return _unit(np.cross(up, longest), fallback=np.cross(up, _unit(np.roll(up, 1) + 0.1)))


def _step_back(shown: Floats, view: Viewpoint, tangent: float, aspect: float) -> Viewpoint:
    """Move the observer, without turning, to the nearest place from which all of `shown` fits."""
    pose = view.cam_from_world
    x, y, z = pose.apply(shown).T
    slope_x, slope_y = tangent * aspect * _MARGIN, tangent * _MARGIN
    # Each side of the picture is a plane through the eye: the outermost points fix two of them a direction.
    left, right = (x + slope_x * z).min(), (x - slope_x * z).max()
    top, bottom = (y + slope_y * z).min(), (y - slope_y * z).max()
    extent = float(np.linalg.norm(np.ptp(shown, axis=0))) or 1.0
    back = max((right - left) / (2 * slope_x), (bottom - top) / (2 * slope_y), 0.01 * extent - z.min())
    eye = np.array([(left + right) / 2, (top + bottom) / 2, -back])
    target = eye + np.array([0, 0, np.median(z) + back])
    eye, target = pose.inverse().apply(np.stack([eye, target]))
    return Viewpoint(eye, target, view.up)


def _unit(vector: Floats, fallback: Floats | None = None) -> Floats:
    length = float(np.linalg.norm(vector))
    if length < 1e-12:
        return _unit(fallback) if fallback is not None else np.array([0.0, 0.0, 1.0])
    return np.asarray(vector / length)

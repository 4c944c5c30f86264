"""The shapes that stand for a map's cameras wherever it is drawn: a path for each folder of images, and frusta."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]

# Depth of a frustum, as a share of the typical step between neighbouring cameras.
_FRUSTUM_SHARE = 0.4


def names_by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    """Return image names by their folder ("" at the root), all in the order of names."""
    by_folder: dict[str, list[str]] = {}
    for name in sorted(names):
        by_folder.setdefault(name.rpartition("/")[0], []).append(name)
    return by_folder


def camera_paths(sparse_map: SparseMap) -> list[list[int]]:
    """Return the camera paths as lists of image ids: in the order of names, each folder a path of its own."""
    ids = {image.name: image_id for image_id, image in sparse_map.images.items()}
    return [[ids[name] for name in names] for names in names_by_folder(ids).values()]


def frustum_size(sparse_map: SparseMap) -> float:
    """Return a depth for drawn frusta that suits the map, in its unit."""
    centers = np.array([image.cam_from_world.center for image in sparse_map.images_by_name]).reshape(-1, 3)
    steps = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    if (steps > 0).any():
        return _FRUSTUM_SHARE * float(np.median(steps[steps > 0]))
    if len(centers) and len(sparse_map.xyz):
        distance = float(np.median(np.linalg.norm(sparse_map.xyz - centers[0], axis=1)))
        if distance > 0:
            return 0.1 * distance
    return 1.0


def frustum_corners(cam_from_world: Pose, camera: Camera, depth: float) -> Floats:
    """Return the image's four corners at `depth` in world coordinates, clockwise from the top left, (4, 3).

    They are edges of pixels, not their centres. Distortion is left out: it has no inverse far outside the image.
    """
    corners_px = (
        np.array([[0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]]) - 0.5
    )
    xy = (corners_px - camera.principal_point) / np.diag(camera.matrix)[:2]
    return cam_from_world.inverse().apply(depth * np.column_stack([xy, np.ones(4)]))

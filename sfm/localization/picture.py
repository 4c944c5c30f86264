"""A picture of what a pose rests on: the photograph's inliers, and the same points in a view of the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.sparse_map import MapImage, SparseMap

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_BACKGROUND = (24, 26, 30)
_DISC_SHARE = 1 / 300


def best_view(sparse_map: SparseMap, point_ids: NDArray[np.int64]) -> MapImage:
    """Return the view of the map that observes most of the points; raises `ValueError` for a map without images."""
    return max(sparse_map.images_by_name, key=lambda image: int(np.isin(point_ids, image.point_ids).sum()))


def seen_by(image: MapImage, point_ids: NDArray[np.int64]) -> tuple[NDArray[np.intp], Floats]:
    """Return which of the points a view observes, as indices (K,), and where, (K, 2) pixels."""
    observed = np.flatnonzero(image.point_ids >= 0)
    observed = observed[np.argsort(image.point_ids[observed], kind="stable")]
    ids = image.point_ids[observed]
    at = np.minimum(np.searchsorted(ids, point_ids), max(len(ids) - 1, 0))
    seen = np.flatnonzero(ids[at] == point_ids) if len(ids) else np.empty(0, np.intp)
    return seen, image.xy[observed[at[seen]]] if len(seen) else np.empty((0, 2))


def scaled_pixels(xy: Floats, scale: float) -> Floats:
    """Map (N, 2) pixels into a picture `scale` times the size; pixel centres are whole numbers in both."""
    return (xy + 0.5) * scale - 0.5


def draw_points(
    sparse_map: SparseMap, camera: Camera, cam_from_world: Pose, max_height: int
) -> tuple[Bytes, float]:
    """Draw the map's points as a camera sees them: for a view whose photograph is not at hand.

    Returns
    -------
    picture : (H, W, 3) uint8, RGB
    scale : float
        Pixels of the picture for one of the camera.
    """
    scale = min(1.0, max_height / camera.height)
    height, width = max(1, round(camera.height * scale)), max(1, round(camera.width * scale))
    picture = np.full((height, width, 3), _BACKGROUND, np.uint8)
    in_camera = cam_from_world.apply(sparse_map.xyz)
    xy = (camera.project(in_camera) + 0.5) * scale
    seen = np.flatnonzero(np.isfinite(xy).all(axis=1))
    seen = seen[((xy[seen] >= 0) & (xy[seen] < [width, height])).all(axis=1)]
    reach = max(1, round(height * _DISC_SHARE))
    for i in seen[np.argsort(-in_camera[seen, 2], kind="stable")]:
        x, y = xy[i].astype(int)
        picture[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = sparse_map.rgb[i]
    return picture, scale

"""A map packed for the viewer in the page: typed arrays in base64 and a little JSON."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.mapping.camera_shapes import camera_paths, frustum_corners, frustum_size
from sfm.mapping.database import VerifiedPair
from sfm.mapping.sparse_map import SparseMap
from sfm.report.statistics import image_statistics, observed_points
from sfm.report.viewpoint import choose_viewpoint

FOV_DEG = 40.0
# What a phone's graphics still turn smoothly.
MAX_SHOWN_POINTS = 200_000
# Together with the points, what a browser opens in a moment.
_MAX_OBSERVATIONS = 2_000_000
# Widths over heights of the viewer that a first view is prepared for, narrow to wide.
_ASPECTS = (0.5, 0.65, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.8, 2.1, 2.4)
# One byte a point is enough to colour by: tracks up to 255 images, errors in steps of 1/50 pixel.
ERROR_STEPS_PER_PX = 50


def pack_scene(
    sparse_map: SparseMap,
    pairs: Sequence[VerifiedPair] = (),
    *,
    max_points: int = MAX_SHOWN_POINTS,
    frame: SparseMap | None = None,
    orientations: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Return a map as JSON-ready values for the viewer.

    Parameters
    ----------
    sparse_map
        The map.
    pairs
        Matched pairs, of which each image's accepted ones are counted.
    max_points
        Larger clouds are thinned to this many points, evenly at random; the result says so.
    frame
        The map whose first views and frustum size to use, for maps shown side by side; default this one.
    orientations
        EXIF orientation of images by name, where it is not 1.

    Notes
    -----
    Positions are relative to `origin`, so that they keep their accuracy as float32 also far from the map's
    own origin. Points stand in random order: any first part of them is an even choice, which is all the
    viewer draws while a slow machine turns the map.
    """
    count = len(sparse_map.xyz)
    shown = np.random.default_rng(0).permutation(count)[:max_points]
    reference = frame or sparse_map
    views = [choose_viewpoint(reference, FOV_DEG, aspect, orientations) for aspect in _ASPECTS]
    origin = views[0].target
    depth = frustum_size(reference)
    verified = Counter(name for pair in pairs if pair.accepted for name in (pair.name1, pair.name2))
    ids = [image_id for path in camera_paths(sparse_map) for image_id in path]
    place = np.full(count, -1)
    place[shown] = np.arange(len(shown))
    seen = [_shown_rows(place, observed_points(sparse_map, image_id)) for image_id in ids]
    if sum(map(len, seen)) > _MAX_OBSERVATIONS:
        seen = [np.empty(0, np.uint32) for _ in ids]
    return {
        "fov_deg": FOV_DEG,
        "origin": origin.tolist(),
        "up": _rounded(views[0].up),
        "views": [
            {"aspect": aspect, "eye": _rounded(view.eye - origin), "target": _rounded(view.target - origin)}
            for aspect, view in zip(_ASPECTS, views, strict=True)
        ],
        "points": {
            "total": len(sparse_map.xyz),
            "shown": len(shown),
            "xyz": _base64(sparse_map.xyz[shown] - origin, "<f4"),
            "rgb": _base64(sparse_map.rgb[shown], "u1"),
            "track": _base64(np.minimum(sparse_map.track_length[shown], 255), "u1"),
            "error": _base64(np.clip(sparse_map.error_px[shown] * ERROR_STEPS_PER_PX, 0, 255), "u1"),
            "error_steps_per_px": ERROR_STEPS_PER_PX,
        },
        "cameras": [_camera(sparse_map, image_id, depth, origin, verified) for image_id in ids],
        "seen": {
            "counts": [len(rows) for rows in seen],
            "rows": _base64(np.concatenate([np.empty(0, np.uint32), *seen]), "<u4"),
        },
        "paths": [len(path) for path in camera_paths(sparse_map)],
    }


def _camera(
    sparse_map: SparseMap,
    image_id: int,
    depth: float,
    origin: NDArray[np.float64],
    verified: Counter[str],
) -> dict[str, Any]:
    image = sparse_map.images[image_id]
    camera = sparse_map.cameras[image.camera_id]
    numbers = image_statistics(sparse_map, image_id)
    has_points = numbers.observations > 0
    return {
        "name": image.name,
        "center": _rounded(image.cam_from_world.center - origin),
        "corners": _rounded(frustum_corners(image.cam_from_world, camera, depth) - origin),
        "observations": numbers.observations,
        "keypoints": numbers.keypoints,
        "error_px": round(numbers.mean_error_px, 3) if has_points else None,
        "track": round(numbers.mean_track_length, 2) if has_points else None,
        "pairs": verified[image.name] if verified else None,
        "focal_px": round(camera.focal_px, 1),
        "size": [camera.width, camera.height],
    }


def _shown_rows(place: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return at which rows `points` are shown, leaving out those that are not."""
    rows = place[points]
    return rows[rows >= 0].astype(np.uint32)


def _rounded(values: NDArray[np.float64]) -> list[Any]:
    """Return nested lists of floats with the digits float32 has."""
    return np.vectorize(lambda value: float(f"{value:.8g}"), otypes=[float])(values).tolist()


def _base64(array: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(array.astype(dtype)).tobytes()).decode("ascii")

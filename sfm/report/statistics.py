"""Numbers of a map that say how well it is held together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ImageStatistics:
    """Numbers of a registered image.

    Attributes
    ----------
    observations
        Points of the map it sees.
    keypoints
        Keypoints it has.
    mean_error_px
        Mean reprojection error of the points it sees, over all images that see them; NaN if it sees none.
    mean_track_length
        Mean number of images that see those points; NaN if it sees none.
    """

    observations: int
    keypoints: int
    mean_error_px: float
    mean_track_length: float


def observed_points(sparse_map: SparseMap, image_id: int) -> NDArray[np.int64]:
    """Return the rows of `sparse_map.xyz` that an image observes, ascending and without repetition."""
    ids = sparse_map.images[image_id].point_ids
    ids = np.unique(ids[ids >= 0])
    rows = np.searchsorted(sparse_map.point_ids, ids)
    # A model of other origin may name points it does not hold.
    known = rows < len(sparse_map.point_ids)
    known[known] = sparse_map.point_ids[rows[known]] == ids[known]
    return np.asarray(rows[known], np.int64)


def image_statistics(sparse_map: SparseMap, image_id: int) -> ImageStatistics:
    """Return the numbers of one image of the map."""
    image, rows = sparse_map.images[image_id], observed_points(sparse_map, image_id)
    return ImageStatistics(
        observations=len(rows),
        keypoints=len(image.xy),
        mean_error_px=float(sparse_map.error_px[rows].mean()) if len(rows) else float("nan"),
        mean_track_length=float(sparse_map.track_length[rows].mean()) if len(rows) else float("nan"),
    )


def triangulation_angles_deg(sparse_map: SparseMap) -> Floats:
    """Return the largest angle between two rays to each point, in degrees.

    Points seen by fewer than two images are left out, so the result has at most as many entries as the map
    has points.
    """
    rows, centers = [np.empty(0, np.int64)], [np.empty((0, 3))]
    for image_id, image in sparse_map.images.items():
        seen = observed_points(sparse_map, image_id)
        rows.append(seen)
        centers.append(np.broadcast_to(image.cam_from_world.center, (len(seen), 3)))
    point, center = np.concatenate(rows), np.concatenate(centers)
    order = np.argsort(point, kind="stable")
    point, center = point[order], center[order]
    rays = sparse_map.xyz[point] - center
    rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-300)
    smallest_cosine = np.full(len(sparse_map.xyz), np.inf)
    # Observations of one point are neighbours now: compare each with the one `gap` further on.
    gap, first = 1, np.arange(max(0, len(point) - 1))
    while len(first):
        first = first[first + gap < len(point)]
        first = first[point[first] == point[first + gap]]
        cosine = np.einsum("ij,ij->i", rays[first], rays[first + gap])
        np.minimum.at(smallest_cosine, point[first], cosine)
        gap += 1
    cosines = smallest_cosine[np.isfinite(smallest_cosine)]
    return np.asarray(np.degrees(np.arccos(np.clip(cosines, -1, 1))))

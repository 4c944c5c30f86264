"""Matches between the keypoints of a photograph and the points of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.localization.index import LocalizationIndex
from sfm.matching.mutual import match_mutual

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

# Unrelated unit vectors of these dimensions are about sqrt(2) apart; descriptors of one point are well below 1.
_FARTHEST = 1.0
_ROWS_AT_ONCE = 200_000


@dataclass(frozen=True)
class Correspondences:
    """Keypoints and the points they were matched with; every keypoint and every point at most once.

    Attributes
    ----------
    keypoints : (M,) int64
        Indices of keypoints of the photograph.
    point_ids : (M,) int64
        Ids of the map's points.
    votes : (M,) int64
        Number of views whose descriptor of the point was matched.
    """

    keypoints: NDArray[np.int64]
    point_ids: NDArray[np.int64]
    votes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keypoints)


def match_to_views(
    descriptors: Floats32, index: LocalizationIndex, views: Sequence[int], ratio: float
) -> Correspondences:
    """Match a photograph to the points seen by views of the map, view by view.

    A match is a mutual nearest neighbour that passes the ratio test among the points of the view. Where views
    disagree, most votes count, then the smallest distance.

    Parameters
    ----------
    descriptors : (N, D) float32
        Of the photograph's keypoints, rows of unit length.
    index
        The map's descriptors.
    views
        Views to match with, as positions in `index.view_names`.
    ratio
        Ratio test; 1 for none.
    """
    keypoints, points, distances = [], [], []
    for view in views:
        found = match_mutual(descriptors, index.descriptors_of(view)).below(ratio)
        keypoints.append(found.index[:, 0].astype(np.int64))
        points.append(index.points_of(view)[found.index[:, 1]])
        distances.append(found.distance)
    return _most_voted(*(np.concatenate([np.empty(0), *parts]) for parts in (keypoints, points, distances)))


def match_near_projections(
    xy: Floats,
    descriptors: Floats32,
    index: LocalizationIndex,
    views: Sequence[int],
    point_ids: NDArray[np.int64],
    projected: Floats,
    radius_px: float,
    ratio: float,
) -> Correspondences:
    """Match again, each point only with the keypoints near to where a pose puts it.

    The ratio test is taken between keypoints within the radius: what looks alike elsewhere does not matter any more.

    Parameters
    ----------
    xy, descriptors : (N, 2), (N, D)
        The photograph's keypoints.
    index, views
        The map's descriptors, and the views whose points are looked for.
    point_ids, projected : (P,), (P, 2)
        Ids of the map's points, ascending, and their pixels; NaN where the camera does not see them.
    radius_px
        How near.
    ratio
        Ratio test; 1 for none.
    """
    rows = np.concatenate([np.empty(0, np.int64), *(np.arange(*index.first[v : v + 2]) for v in views)])
    at = np.searchsorted(point_ids, index.point_ids[rows])
    seen = np.isfinite(projected[at]).all(axis=1)
    rows, at = rows[seen], at[seen]
    if not len(rows) or not len(xy):
        return _most_voted(np.empty(0), np.empty(0), np.empty(0))
    near = cKDTree(xy).query_ball_point(projected[at], radius_px)
    counts = np.array([len(group) for group in near])
    pair_row = np.repeat(np.arange(len(rows)), counts)
    if not len(pair_row):
        return _most_voted(np.empty(0), np.empty(0), np.empty(0))
    pair_keypoint = np.concatenate([np.asarray(group, np.int64) for group in near if group])
    similarity = _similarity(index, rows[pair_row], descriptors, pair_keypoint)
    # Nearest keypoint first within each observation; a second orientation of the nearest is no rival.
    order = np.lexsort((-similarity, pair_row))
    pair_row, pair_keypoint, similarity = pair_row[order], pair_keypoint[order], similarity[order]
    is_first = np.r_[True, pair_row[1:] != pair_row[:-1]]
    first = np.flatnonzero(is_first)
    owner = np.cumsum(is_first) - 1
    rival = np.abs(xy[pair_keypoint] - xy[pair_keypoint[first[owner]]]).max(axis=1) > 0
    runner_up = np.full(len(first), -1.0)
    np.maximum.at(runner_up, owner[rival], similarity[rival])
    distance, second = (np.sqrt(np.clip(2 - 2 * s, 0, 4)) for s in (similarity[first], runner_up))
    distinct = (distance < ratio * second) & (distance < _FARTHEST)
    return _most_voted(
        pair_keypoint[first][distinct],
        index.point_ids[rows[pair_row[first]]][distinct],
        distance[distinct],
    )


def _similarity(
    index: LocalizationIndex,
    rows: NDArray[np.int64],
    descriptors: Floats32,
    keypoints: NDArray[np.int64],
) -> NDArray[np.float64]:
    similarity = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        similarity[part] = np.einsum(
            "ij,ij->i", index.descriptors_at(rows[part]), descriptors[keypoints[part]]
        )
    return similarity


def visible(cam_from_world: Pose, camera: Camera, xyz: Floats) -> Floats:
    """Project (P, 3) points; NaN for those behind the camera or outside its image."""
    xy = camera.project(cam_from_world.apply(xyz))
    with np.errstate(invalid="ignore"):
        inside = np.all((xy >= -0.5) & (xy <= [camera.width - 0.5, camera.height - 0.5]), axis=1)
    return np.where(inside[:, None], xy, np.nan)


def _most_voted(keypoints: Floats, points: Floats, distances: Floats) -> Correspondences:
    """Count votes, and keep of every keypoint and of every point the match with most of them."""
    pairs = np.column_stack([keypoints, points]).astype(np.int64)
    unique, inverse, votes = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    nearest = np.full(len(unique), np.inf)
    np.minimum.at(nearest, inverse.reshape(-1), distances)
    order = np.lexsort((nearest, -votes))
    for column in (0, 1):
        _, first = np.unique(unique[order, column], return_index=True)
        order = order[np.sort(first)]
    order = order[np.argsort(unique[order, 0], kind="stable")]
    return Correspondences(unique[order, 0], unique[order, 1], votes[order])

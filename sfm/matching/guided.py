"""Matches that a known epipolar geometry settles although their descriptors alone did not.

The ratio test drops a match whose runner-up is nearly as near, wherever in the image that runner-up lies. Once
the geometry of the pair is known, only runners-up near the epipolar line still compete. So the test is taken
again among these alone: what was ambiguous in the whole image often is not along a line, while repeated
structure along the line, such as a row of windows, stays ambiguous and is still dropped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.matching.mutual import Matches, distance_of

Floats = NDArray[np.float64]

_LINES = 512
# A runner-up this near to the match is the same point of the surface, found twice.
_SAME_POINT_PX = 2.0


def settle_by_geometry(
    matches: Matches,
    F: Floats,
    xy1: NDArray[np.floating],
    xy2: NDArray[np.floating],
    rows1: NDArray[np.float32],
    rows2: NDArray[np.float32],
    band_px: float,
    ratio: float,
) -> NDArray[np.bool_]:
    """Take the ratio test again among the keypoints near the epipolar lines.

    Parameters
    ----------
    matches
        Mutual nearest neighbours without any ratio test.
    F : (3, 3)
        Fundamental matrix, x2^T F x1 = 0, in pixels.
    xy1, xy2 : (N, 2), (M, 2)
        All keypoints of both images, in pixels.
    rows1, rows2 : (N, D), (M, D) float32
        Their descriptors, rows of unit length.
    band_px
        Largest distance from the epipolar line, in either image.
    ratio
        Ratio test along the line.

    Returns
    -------
    (len(matches),) bool: near its epipolar lines, and distinct along both of them.
    """
    i, j = matches.index.T
    lines2, lines1 = _lines(F, xy1[i]), _lines(F.T, xy2[j])
    settled = (_offset(lines2, xy2[j]) <= band_px) & (_offset(lines1, xy1[i]) <= band_px)
    near = np.flatnonzero(settled)
    runner_up = np.maximum(
        _runner_up(rows1, i[near], lines2[near], rows2, xy2, xy2[j[near]], band_px),
        _runner_up(rows2, j[near], lines1[near], rows1, xy1, xy1[i[near]], band_px),
    )
    settled[near] = matches.distance[near] < ratio * distance_of(runner_up)
    return settled


def _runner_up(
    queries: NDArray[np.float32],
    query: NDArray[np.integer],
    lines: NDArray[np.float32],
    rows: NDArray[np.float32],
    xy: NDArray[np.floating],
    matched: NDArray[np.floating],
    band_px: float,
) -> NDArray[np.float32]:
    """Return, for each query, the largest similarity to a keypoint near its line that is not the match itself."""
    xy, matched = xy.astype(np.float32), matched.astype(np.float32)
    best = np.full(len(query), -1, np.float32)
    for start in range(0, len(query), _LINES):
        part = slice(start, start + _LINES)
        offset = lines[part, :2] @ xy.T
        offset += lines[part, 2:]
        # Few keypoints are near a line: only their descriptors are compared.
        line, keypoint = np.nonzero(np.abs(offset, out=offset) <= band_px)
        apart = (np.abs(xy[keypoint] - matched[part][line]) >= _SAME_POINT_PX).any(axis=1)
        line, keypoint = line[apart], keypoint[apart]
        similarity = np.einsum("ij,ij->i", queries[query[part][line]], rows[keypoint])
        np.maximum.at(best[part], line, similarity)
    return best


def _lines(F: Floats, xy: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the epipolar lines of (K, 2) points, (K, 3), normal of unit length."""
    lines = np.column_stack([xy, np.ones(len(xy))]) @ F.T
    lines /= np.maximum(np.linalg.norm(lines[:, :2], axis=1, keepdims=True), 1e-12)
    return lines.astype(np.float32)


def _offset(lines: NDArray[np.float32], xy: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.abs((lines[:, :2] * xy).sum(axis=1) + lines[:, 2])

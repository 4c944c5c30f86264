"""What each keypoint finds nearest under a descriptor, and whether the geometry of the pair agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.geometry.epipolar import homogeneous, sampson_error_sq
from sfm.matching.mutual import distance_of, distance_ratio, passes_ratio_test
from sfm.matching.two_view import VerifiedMatches

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# "right" and "wrong": beside the verified match, or not; "possible" and "off the line": judged by the epipolar
# line alone; "unknown": there is no geometry.
Verdict = Literal["right", "wrong", "possible", "off the line", "unknown"]

_ROWS_AT_ONCE = 1024
# A neighbour is the verified point itself, under another angle perhaps, within so many pixels or sigmas.
_SAME_PLACE_PX = 3.0


@dataclass(frozen=True)
class NearestNeighbours:
    """The two nearest rows of a second set for each row of a first.

    Attributes
    ----------
    index : (N, 2) int64
        Which rows, the nearest first.
    distance : (N, 2) float64
        Euclidean distances, 0 to 2.
    """

    index: NDArray[np.int64]
    distance: Floats

    @property
    def ratio(self) -> NDArray[np.floating]:
        """Nearest over second-nearest distance, (N,); 1 is no distinction at all."""
        return distance_ratio(self.distance[:, 0], self.distance[:, 1])


def nearest_neighbours(first: NDArray[np.float32], second: NDArray[np.float32]) -> NearestNeighbours:
    """Find the two nearest of at least two rows of `second` (M, D) for all of `first` (N, D), unit length each."""
    index, distance = np.empty((len(first), 2), np.int64), np.empty((len(first), 2))
    for start in range(0, len(first), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        similarity = first[rows] @ second.T
        best = np.argpartition(-similarity, 1, axis=1)[:, :2]
        values = np.take_along_axis(similarity, best, axis=1)
        order = np.argsort(-values, axis=1)
        index[rows] = np.take_along_axis(best, order, axis=1)
        distance[rows] = distance_of(np.take_along_axis(values, order, axis=1))
    return NearestNeighbours(index, distance)


@dataclass(frozen=True)
class PairTruth:
    """Where the keypoints of the first view are in the second, as far as verified matches tell.

    Attributes
    ----------
    source
        The descriptor whose geometry is gone by; empty if no geometry is beyond chance.
    xy2 : (N, 2) float64
        Verified position in the second view of each keypoint of the first; NaN where there is none.
    F : (3, 3) float64 or None
        Fundamental matrix of pixels, distortion neglected; None where none is known.
    threshold_px
        Largest epipolar error of a verified match.
    """

    source: str
    xy2: Floats
    F: Floats | None
    threshold_px: float

    def verdict(self, i: int, keypoints1: Keypoints, keypoints2: Keypoints, j: int) -> Verdict:
        """Judge the claim that keypoint `i` of the first view is keypoint `j` of the second."""
        if np.isfinite(self.xy2[i, 0]):
            near = _same_place(keypoints2.xy[j], keypoints2.scale[j], self.xy2[i])
            return "right" if near else "wrong"
        off = self.off_line_px(i, keypoints1, keypoints2, j)
        if off is None:
            return "unknown"
        return "possible" if off <= self.threshold_px else "off the line"

    def off_line_px(self, i: int, keypoints1: Keypoints, keypoints2: Keypoints, j: int) -> float | None:
        """Return the epipolar error of a match in pixels; None where no geometry is known."""
        if self.F is None:
            return None
        xy1, xy2 = (k.xy[[at]].astype(np.float64) for k, at in ((keypoints1, i), (keypoints2, j)))
        return float(np.sqrt(sampson_error_sq(self.F, xy1, xy2)[0]))

    def line(self, xy1: Floats, size: tuple[int, int]) -> Floats | None:
        """Return both ends of the epipolar line of `xy1` in a second view of `size`, (2, 2); None if outside."""
        if self.F is None:
            return None
        a, b, c = self.F @ homogeneous(np.asarray(xy1, np.float64))
        width, height = size[0] - 0.5, size[1] - 0.5
        ends = []
        for x in (-0.5, width):
            if abs(b) > 1e-12 and -0.5 <= (y := -(a * x + c) / b) <= height:
                ends.append((x, y))
        for y in (-0.5, height):
            if abs(a) > 1e-12 and -0.5 <= (x := -(b * y + c) / a) <= width:
                ends.append((x, y))
        return np.array([min(ends), max(ends)]) if len(ends) >= 2 else None


def truth_of_pair(
    found: Mapping[str, VerifiedMatches],
    fundamentals: Mapping[str, Floats | None],
    keypoints1: Keypoints,
    keypoints2: Keypoints,
) -> PairTruth:
    """Gather what the verified matches of several descriptors tell of one pair.

    The geometry is that of the descriptor with the most verified matches beyond chance. Matches of the others
    count if they agree with it; where two of them place a point differently, its place is not known.

    Parameters
    ----------
    found
        Verified matches by descriptor.
    fundamentals
        Fundamental matrix of each, None where none is known.
    keypoints1, keypoints2
        The keypoints that all of them matched.
    """
    xy2 = np.full((len(keypoints1), 2), np.nan)
    ranked = sorted(
        (name for name, matches in found.items() if matches.beyond_chance),
        key=lambda name: -len(found[name].geometry.inliers),
    )
    threshold = next((m.geometry.threshold_px for m in found.values()), np.nan)
    if not ranked:
        return PairTruth("", xy2, None, threshold)
    F = fundamentals[ranked[0]]
    doubtful = np.zeros(len(keypoints1), np.bool_)
    for name in ranked:
        pairs = found[name].index[found[name].geometry.inliers]
        places = keypoints2.xy[pairs[:, 1]].astype(np.float64)
        if F is not None:
            error_sq = sampson_error_sq(F, keypoints1.xy[pairs[:, 0]].astype(np.float64), places)
            agrees = error_sq <= threshold**2
            pairs, places = pairs[agrees], places[agrees]
        known = np.isfinite(xy2[pairs[:, 0], 0])
        elsewhere = known & ~_same_place(places, keypoints2.scale[pairs[:, 1]], xy2[pairs[:, 0]])
        doubtful[pairs[elsewhere, 0]] = True
        xy2[pairs[~known, 0]] = places[~known]
    xy2[doubtful] = np.nan
    return PairTruth(ranked[0], xy2, F, threshold)


@dataclass(frozen=True)
class ChosenPoint:
    """A keypoint of the first view that is worth looking at, and why."""

    index: int
    why: str


def choose_points(
    nearest: Mapping[str, NearestNeighbours],
    ratios: Mapping[str, float],
    truth: PairTruth,
    keypoints1: Keypoints,
    keypoints2: Keypoints,
    count: int,
) -> list[ChosenPoint]:
    """Choose keypoints that tell the descriptors apart: their successes, mistakes and doubts, by turns.

    Parameters
    ----------
    nearest
        The two nearest of every keypoint, by descriptor.
    ratios
        The ratio test of each.
    truth
        What is known of the pair.
    keypoints1, keypoints2
        The keypoints.
    count
        How many to choose at most.
    """
    names = list(nearest)
    known = np.isfinite(truth.xy2[:, 0])
    right = {n: known & _at_truth(nearest[n], truth, keypoints2) for n in names}
    ratio = {n: nearest[n].ratio for n in names}
    passes = {n: passes_ratio_test(ratio[n], ratios[n]) for n in names}
    found = {n: right[n] & passes[n] for n in names}
    hardest = np.max([ratio[n] for n in names], axis=0)
    easiest = np.min([ratio[n] for n in names], axis=0)
    by_all = np.logical_and.reduce([found[n] for n in names])
    right_by_all = np.logical_and.reduce([right[n] for n in names])

    groups: list[tuple[str, NDArray[np.int64]]] = [
        ("found by every descriptor", _ranked(by_all, hardest, 0.2))
    ]
    for n in names:
        others = [other for other in names if other != n]
        if others:
            alone = found[n] & ~np.logical_or.reduce([found[other] for other in others])
            failed = alone & ~np.logical_or.reduce([right[other] for other in others])
            groups.append((f"found by {n} alone", _ranked(failed if failed.any() else alone, ratio[n])))
    for n in names:
        mistaken = known & ~right[n] & passes[n]
        groups.append((f"a mistake of {n} that the ratio test lets pass", _ranked(mistaken, ratio[n])))
    doubtful = right_by_all & ~np.logical_and.reduce([passes[n] for n in names])
    groups.append(("right, but a ratio test does not trust it", _ranked(doubtful, -hardest)))
    lost = ~known & (easiest > 0.9) if truth.source else np.zeros(len(known), np.bool_)
    groups.append(("found by nobody", _ranked(lost, -keypoints1.response)))
    if not truth.source:
        groups.append(("most distinct; no geometry to judge it by", _ranked(~known, easiest)))

    return _by_turns(groups, keypoints1, count)


def _by_turns(
    groups: Sequence[tuple[str, NDArray[np.int64]]], keypoints: Keypoints, count: int
) -> list[ChosenPoint]:
    """Take the best of each group, then the next of each, leaving out what lies beside one taken already."""
    chosen: list[ChosenPoint] = []
    places: list[NDArray[np.float32]] = []
    waiting = [(why, list(rows[: 50 * count])) for why, rows in groups]
    while len(chosen) < count and any(rows for _, rows in waiting):
        for why, rows in waiting:
            while rows:
                i = int(rows.pop(0))
                apart = [float(np.linalg.norm(keypoints.xy[i] - place)) for place in places]
                if all(distance > 4 * keypoints.scale[i] + 10 for distance in apart):
                    chosen.append(ChosenPoint(i, why))
                    places.append(keypoints.xy[i])
                    break
            if len(chosen) == count:
                break
    order = {why: place for place, (why, _) in enumerate(groups)}
    return sorted(chosen, key=lambda point: order[point.why])


def _ranked(mask: Bools, score: NDArray[np.floating], skip: float = 0.0) -> NDArray[np.int64]:
    """Return the rows of `mask` by rising score, beginning after the share `skip` of them."""
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(score[rows], kind="stable")]
    return rows[int(skip * len(rows)) :]


def _at_truth(nearest: NearestNeighbours, truth: PairTruth, keypoints2: Keypoints) -> Bools:
    j = nearest.index[:, 0]
    return _same_place(keypoints2.xy[j], keypoints2.scale[j], truth.xy2)


def _same_place(xy: NDArray[np.floating], scale: NDArray[np.floating], place: Floats) -> Bools:
    near = np.linalg.norm(xy - place, axis=-1) <= np.maximum(_SAME_PLACE_PX, scale)
    return np.asarray(near)

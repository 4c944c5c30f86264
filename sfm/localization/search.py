"""Find a described photograph in a map: candidate views, matches, pose, a second look, and whether it is chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.geometry.chance import log10_nfa_of_pose
from sfm.localization.absolute_pose import AbsolutePose, refine_absolute_pose, reprojection_errors
from sfm.localization.camera_choice import Attempt, choose_again, most_likely, try_guesses
from sfm.localization.correspondences import (
    Correspondences,
    match_near_projections,
    match_to_views,
    visible,
)
from sfm.localization.index import LocalizationIndex
from sfm.localization.options import LocalizationOptions
from sfm.localization.pose_uncertainty import PoseUncertainty, pose_uncertainty
from sfm.localization.query_camera import CameraGuess
from sfm.mapping.sparse_map import SparseMap
from sfm.matching.retrieval import aggregate, rank_views
from sfm.stopwatch import Stopwatch

Floats = NDArray[np.float64]

# A pose counts if chance is expected to give one as good in a thousand photographs that are not in the map.
MAX_LOG10_NFA = -3.0
# Where to look again for a point, in inlier thresholds.
_SECOND_LOOK = 1.5
_SECOND_LOOKS = 2
# How many of the likeliest cameras look again, each by its own pose.
_SECOND_LOOKS_BY = 3


@dataclass(frozen=True)
class Query:
    """A described photograph.

    Attributes
    ----------
    keypoints, descriptors
        Its features, (N, D) rows of unit length.
    guesses
        Intrinsics to try.
    image_scale
        Pixels of the original photograph for one of the picture that was looked at.
    """

    keypoints: Keypoints
    descriptors: NDArray[np.float32]
    guesses: Sequence[CameraGuess]
    image_scale: float = 1.0


@dataclass(frozen=True)
class Found:
    """What the search came to.

    Attributes
    ----------
    pose
        The best pose, whether or not it is to be believed; None if there is none.
    guess
        The intrinsics it started from.
    xy, point_ids, xyz : (M, 2), (M,), (M, 3)
        The matches that `pose.inliers` indexes: pixels, the map's points and their positions.
    matches
        Number of matches before there was a pose.
    log10_nfa
        How far from chance.
    uncertainty
        Of the pose; None where the inliers do not determine it.
    views
        Candidate views, most alike first, as positions in the index.
    refusal
        Why the pose is not to be believed; empty if it is.
    """

    pose: AbsolutePose | None
    guess: CameraGuess | None
    xy: Floats
    point_ids: NDArray[np.int64]
    xyz: Floats
    matches: int
    log10_nfa: float
    uncertainty: PoseUncertainty | None
    views: tuple[int, ...]
    refusal: str

    @property
    def inliers(self) -> int:
        """Number of points of the map that agree with the pose."""
        return len(self.pose.inliers) if self.pose else 0


def search(
    query: Query,
    sparse_map: SparseMap,
    index: LocalizationIndex,
    ratio: float,
    options: LocalizationOptions,
    watch: Stopwatch | None = None,
) -> Found:
    """Find the pose of a photograph in a map.

    Parameters
    ----------
    query
        The photograph.
    sparse_map, index
        The map: points by `point_ids`, and the descriptors of their observations.
    ratio
        Ratio test that suits the descriptor; 1 for none.
    options
        What is chosen.
    watch
        Takes the time of every stage.
    """
    watch = watch or Stopwatch()
    threshold_px = options.max_error_px * query.image_scale
    xy = query.keypoints.xy.astype(np.float64)
    views, found = match_to_map(query, index, ratio, options.candidates, watch)
    matched_xy, matched_xyz = xy[found.keypoints], _positions(sparse_map, found.point_ids)
    with watch("pose"):
        attempts = try_guesses(query.guesses, matched_xy, matched_xyz, threshold_px, options.seed)
        likely = most_likely(attempts, matched_xy, matched_xyz, threshold_px, _SECOND_LOOKS_BY)
    if not likely:
        nothing = Correspondences(*(np.empty(0, np.int64),) * 3)
        refusal = f"only {len(found)} of its keypoints look like points of the map"
        return _found(None, nothing, xy, sparse_map, len(found), 99.0, None, views, refusal)
    best = likely[0]
    nfa = _log10_nfa(best, matched_xy, matched_xyz, threshold_px)
    refusal = _refusal(best, nfa, len(found), options)
    matches, uncertainty = found, None
    if not refusal:
        with watch("refine"):
            looks = [
                _look_again(query, attempt, found, sparse_map, index, views, threshold_px, ratio)
                for attempt in likely
            ]
            best, matches = _best_of(looks, xy, sparse_map, threshold_px)
            matched_xy, matched_xyz = xy[matches.keypoints], _positions(sparse_map, matches.point_ids)
            best, apart = choose_again(best, query.guesses, matched_xy, matched_xyz, threshold_px)
            uncertainty = pose_uncertainty(best.pose, matched_xy, matched_xyz)
            if uncertainty:
                uncertainty = uncertainty.widened(apart)
        if uncertainty is None:
            refusal = "the points that agree do not determine a pose"
    result = _found(best.pose, matches, xy, sparse_map, len(found), nfa, uncertainty, views, refusal)
    return replace(result, guess=best.guess)


def match_to_map(
    query: Query, index: LocalizationIndex, ratio: float, candidates: int, watch: Stopwatch | None = None
) -> tuple[list[int], Correspondences]:
    """Return the views that look most alike, and what a photograph has in common with them."""
    watch = watch or Stopwatch()
    with watch("retrieve"):
        views = candidate_views(query, index, candidates)
    with watch("match"):
        return views, match_to_views(query.descriptors, index, views, ratio)


def candidate_views(query: Query, index: LocalizationIndex, count: int) -> list[int]:
    """Return the views to match with: all of a small map, else those that look most alike, best first."""
    if not len(index.codebook) or not len(query.descriptors):
        return list(range(len(index.view_names)))[:count]
    ranked = rank_views(aggregate(query.descriptors, index.codebook), index.comparable_views, count)
    return [int(view) for view in ranked]


def _log10_nfa(best: Attempt, xy: Floats, xyz: Floats, threshold_px: float) -> float:
    # A keypoint with several orientations is one place.
    _, first = np.unique(xy, axis=0, return_index=True)
    camera, guess = best.pose.camera, best.guess
    return log10_nfa_of_pose(
        xy[first],
        camera.project(best.pose.cam_from_world.apply(xyz[first])),
        threshold_px,
        camera.width,
        camera.height,
        focal_estimated=guess.estimate_focal,
        intrinsics_estimated=guess.is_of_a_part,
    )


def _refusal(best: Attempt, log10_nfa: float, matches: int, options: LocalizationOptions) -> str:
    inliers = len(best.pose.inliers)
    if inliers < options.min_inliers:
        return f"only {inliers} of {matches} matches agree with a pose"
    if log10_nfa > MAX_LOG10_NFA:
        return f"{inliers} of {matches} matches agree with a pose, as could come about by chance"
    camera = best.pose.camera
    if best.guess.estimate_focal and not 0.2 < camera.focal_px / max(camera.width, camera.height) < 20:
        return "the pose that fits best has an impossible focal length"
    return ""


def _best_of(
    looks: Sequence[tuple[Attempt, Correspondences]], xy: Floats, sparse_map: SparseMap, threshold_px: float
) -> tuple[Attempt, Correspondences]:
    """Return the likeliest of several second looks, by the matches of all of them.

    A look finds the matches that suit its own pose: each has to explain those of the others too.
    """
    if len(looks) == 1:
        return looks[0]
    pairs = [np.column_stack([matches.keypoints, matches.point_ids]) for _, matches in looks]
    keypoints, point_ids = np.unique(np.concatenate(pairs), axis=0).T
    all_xy, all_xyz = xy[keypoints], _positions(sparse_map, point_ids)
    (best,) = most_likely([attempt for attempt, _ in looks], all_xy, all_xyz, threshold_px)
    return next(look for look in looks if look[0] is best)


def _look_again(
    query: Query,
    attempt: Attempt,
    found: Correspondences,
    sparse_map: SparseMap,
    index: LocalizationIndex,
    views: Sequence[int],
    threshold_px: float,
    ratio: float,
) -> tuple[Attempt, Correspondences]:
    """Match again near the projections of the map's points, and refine the pose with what is found."""
    pose = attempt.pose
    xy = query.keypoints.xy.astype(np.float64)
    for _ in range(_SECOND_LOOKS):
        projected = visible(pose.cam_from_world, pose.camera, sparse_map.xyz)
        matches = match_near_projections(
            xy,
            query.descriptors,
            index,
            views,
            sparse_map.point_ids,
            projected,
            _SECOND_LOOK * threshold_px,
            ratio,
        )
        xyz = _positions(sparse_map, matches.point_ids)
        errors = reprojection_errors(pose.cam_from_world, pose.camera, xy[matches.keypoints], xyz)
        inliers = np.flatnonzero(errors <= threshold_px)
        if len(inliers) < len(pose.inliers):
            break
        pose = refine_absolute_pose(replace(pose, inliers=inliers), xy[matches.keypoints], xyz, threshold_px)
        found = matches
    return replace(attempt, pose=pose), found


def _positions(sparse_map: SparseMap, point_ids: NDArray[np.int64]) -> Floats:
    return sparse_map.xyz[np.searchsorted(sparse_map.point_ids, point_ids)]


def _found(
    pose: AbsolutePose | None,
    matches: Correspondences,
    xy: Floats,
    sparse_map: SparseMap,
    first_matches: int,
    log10_nfa: float,
    uncertainty: PoseUncertainty | None,
    views: Sequence[int],
    refusal: str,
) -> Found:
    return Found(
        pose,
        None,
        xy[matches.keypoints],
        matches.point_ids,
        _positions(sparse_map, matches.point_ids),
        first_matches,
        log10_nfa,
        uncertainty,
        tuple(views),
        refusal,
    )

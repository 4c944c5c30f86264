"""Two described images to verified matches: nearest neighbours, geometry, chance, and a second look along the lines."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.geometry.camera import Camera
from sfm.geometry.chance import log10_nfa_of
from sfm.geometry.epipolar import sampson_error_sq
from sfm.geometry.two_view import TwoViewGeometry, Verifier, fundamental_of
from sfm.matching.distinct import match_distinct
from sfm.matching.guided import settle_by_geometry
from sfm.matching.mutual import match_mutual

# Pairs whose log10 number of false alarms is above this are left to chance: see `sfm.geometry.chance`.
MAX_LOG10_NFA = -1.0
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class DescribedView:
    """What is matched: an image's keypoints, their descriptors (rows of unit length), and its camera."""

    keypoints: Keypoints
    descriptors: NDArray[np.float32]
    camera: Camera


@dataclass(frozen=True)
class VerifiedMatches:
    """Matches of two views and what their geometry says.

    Attributes
    ----------
    index : (M, 2) int32
        Putative matches, as indices of keypoints.
    geometry
        The two-view geometry; its `inliers` are the verified matches.
    log10_nfa
        How far from chance, see `log10_nfa_of`.
    """

    index: NDArray[np.int32]
    geometry: TwoViewGeometry
    log10_nfa: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the views can be taken to show the same scene."""
        return self.geometry.kind != "degenerate" and self.log10_nfa <= MAX_LOG10_NFA


def match_views(
    view1: DescribedView,
    view2: DescribedView,
    verifier: Verifier,
    ratio: float,
    guided: bool,
    half: bool = False,
) -> VerifiedMatches:
    """Match two views and verify the matches.

    Mutual nearest neighbours that pass the ratio test are verified. If the geometry is beyond chance, the other
    mutual neighbours are looked at again along the epipolar lines (`settle_by_geometry`); those that are
    distinct there count as verified too.

    Parameters
    ----------
    view1, view2
        The views.
    verifier
        Who estimates the geometry.
    ratio
        Ratio test; 1 for none.
    guided
        Whether to take the second look.
    half
        Whether descriptors are compared in half precision first, see `match_distinct`; changes only the time.
    """
    rows1, rows2 = view1.descriptors, view2.descriptors
    if guided:
        mutual = match_mutual(rows1, rows2)
        distinct = mutual.below(ratio).index
    else:
        distinct = match_distinct(rows1, rows2, ratio, half)
    xy1 = view1.keypoints.xy[distinct[:, 0]].astype(np.float64)
    xy2 = view2.keypoints.xy[distinct[:, 1]].astype(np.float64)
    geometry = verifier.verify(xy1, xy2, view1.camera, view2.camera)
    nfa = log10_nfa_of(geometry, xy1, xy2, view1.camera, view2.camera)
    found = VerifiedMatches(distinct, geometry, nfa)
    F = fundamental_of(geometry, view1.camera, view2.camera)
    if not (guided and found.beyond_chance) or F is None:
        return found
    ambiguous = mutual.take(mutual.ratio >= ratio)
    settled = settle_by_geometry(
        ambiguous,
        F,
        view1.keypoints.xy,
        view2.keypoints.xy,
        rows1,
        rows2,
        _band_px(F, xy1[geometry.inliers], xy2[geometry.inliers], geometry.threshold_px),
        ratio,
    )
    added = np.arange(len(distinct), len(distinct) + settled.sum())
    inliers = np.concatenate([geometry.inliers, added])
    index = np.concatenate([distinct, ambiguous.index[settled]])
    return VerifiedMatches(index, replace(geometry, inliers=inliers), nfa)


def _band_px(
    F: NDArray[np.float64], xy1: NDArray[np.float64], xy2: NDArray[np.float64], threshold_px: float
) -> float:
    """Return how near to their epipolar lines the verified matches of a pair are: three robust deviations."""
    deviation = _MAD_TO_SIGMA * float(np.median(np.sqrt(sampson_error_sq(F, xy1, xy2))))
    return float(np.clip(3 * deviation, min(1.0, threshold_px), threshold_px))

"""Two described images to verified matches: nearest neighbours, geometry, chance, and a second look along the lines."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.features.ratio_tests import LOWES
from sfm.geometry.camera import Camera
from sfm.geometry.chance import log10_nfa_of
from sfm.geometry.epipolar import sampson_error_sq
from sfm.geometry.robust import MAD_TO_SIGMA
from sfm.geometry.two_view import TwoViewGeometry, Verifier, fundamental_of
from sfm.matching.cells import DescriptorCells, compared_with_all, match_in_cells
from sfm.matching.guided import settle_by_geometry
from sfm.matching.mutual import Matches
from sfm.matching.options import WEAK_INLIERS, MatchingOptions

# Pairs whose log10 number of false alarms is above this are left to chance: see `sfm.geometry.chance`.
MAX_LOG10_NFA = -1.0
# Where few match, one that is taken for more distinct than it is may lead the verifier astray.
_FEW_MATCHES = 512


@dataclass(frozen=True)
class DescribedView:
    """What is matched: an image's keypoints, their descriptors sorted into cells, and its camera."""

    keypoints: Keypoints
    cells: DescriptorCells
    camera: Camera


@dataclass(frozen=True)
class VerifiedMatches:
    """Matches of two views and what their geometry says.

    Attributes
    ----------
    index : (M, 2) int32
        Putative matches, as indices of keypoints; the surest first.
    geometry
        The two-view geometry; its `inliers` are the verified matches.
    log10_nfa
        How far from chance, see `log10_nfa_of`.
    ratio
        Ratio test that the matches passed.
    """

    index: NDArray[np.int32]
    geometry: TwoViewGeometry
    log10_nfa: float
    ratio: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the views can be taken to show the same scene."""
        return self.geometry.kind != "degenerate" and self.log10_nfa <= MAX_LOG10_NFA


def match_views(
    view1: DescribedView,
    view2: DescribedView,
    verifier: Verifier,
    options: MatchingOptions,
) -> VerifiedMatches:
    """Match two views and verify the matches.

    Mutual nearest neighbours that pass the strict ratio test are verified. If few of them are, those that pass the
    looser test are verified too, and the geometry that is farther from chance counts. If that is beyond chance and
    `options.guided`, the other mutual neighbours are looked at again along the epipolar lines (`settle_by_geometry`);
    those that are distinct there count as verified too.

    Parameters
    ----------
    view1, view2
        The views.
    verifier
        Who estimates the geometry.
    options
        The ratio tests (Lowe's where none are given), and whether to look again along the lines.
    """
    ratios = options.ratio_tests(LOWES)
    mutual = match_in_cells(view1.cells, view2.cells)
    hopeful = mutual.below(ratios.loosest)
    if len(hopeful) <= _FEW_MATCHES:
        hopeful = compared_with_all(hopeful, view1.cells, view2.cells)
    found = _verified(hopeful, ratios.strict, view1, view2, verifier)
    if len(found.geometry.inliers) < WEAK_INLIERS and ratios.weak > ratios.strict:
        second_try = _verified(hopeful, ratios.weak, view1, view2, verifier)
        if second_try.log10_nfa < found.log10_nfa:
            found = second_try
    if options.guided and found.beyond_chance:
        return _settled_along_lines(found, mutual, view1, view2)
    return found


def _verified(
    hopeful: Matches, ratio: float, view1: DescribedView, view2: DescribedView, verifier: Verifier
) -> VerifiedMatches:
    """Verify the matches that pass a ratio test, the most distinct first, and weigh them against chance."""
    passed = hopeful.below(ratio)
    index = passed.index[np.argsort(passed.ratio, kind="stable")]
    xy1, xy2 = _positions(index, view1, view2)
    geometry = verifier.verify(xy1, xy2, view1.camera, view2.camera)
    nfa = log10_nfa_of(geometry, xy1, xy2, view1.camera, view2.camera)
    return VerifiedMatches(index, geometry, nfa, ratio)


def _settled_along_lines(
    found: VerifiedMatches, mutual: Matches, view1: DescribedView, view2: DescribedView
) -> VerifiedMatches:
    """Add those of the mutual neighbours that failed the ratio test but pass it along the epipolar lines."""
    geometry = found.geometry
    F = fundamental_of(geometry, view1.camera, view2.camera)
    if F is None:
        return found
    xy1, xy2 = _positions(found.index[geometry.inliers], view1, view2)
    ambiguous = mutual.take(mutual.ratio >= found.ratio)
    settled = settle_by_geometry(
        ambiguous,
        F,
        view1.keypoints.xy,
        view2.keypoints.xy,
        view1.cells.descriptors,
        view2.cells.descriptors,
        _band_px(F, xy1, xy2, geometry.threshold_px),
        found.ratio,
    )
    added = np.arange(len(found.index), len(found.index) + settled.sum())
    inliers = np.concatenate([geometry.inliers, added])
    index = np.concatenate([found.index, ambiguous.index[settled]])
    return replace(found, index=index, geometry=replace(geometry, inliers=inliers))


def _positions(
    index: NDArray[np.int32], view1: DescribedView, view2: DescribedView
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where matches lie, (M, 2) pixels in each view."""
    return (
        view1.keypoints.xy[index[:, 0]].astype(np.float64),
        view2.keypoints.xy[index[:, 1]].astype(np.float64),
    )


def _band_px(
    F: NDArray[np.float64], xy1: NDArray[np.float64], xy2: NDArray[np.float64], threshold_px: float
) -> float:
    """Return how near to their epipolar lines the verified matches of a pair are: three robust deviations."""
    deviation = MAD_TO_SIGMA * float(np.median(np.sqrt(sampson_error_sq(F, xy1, xy2))))
    return float(np.clip(3 * deviation, min(1.0, threshold_px), threshold_px))

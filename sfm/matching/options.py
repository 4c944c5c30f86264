"""Options of matching, apart from the work because the command line is made from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sfm.features.ratio_tests import RatioTests
from sfm.options import option

WEAK_INLIERS = 100
"""Pairs with fewer verified matches are weak."""


@dataclass(frozen=True)
class MatchingOptions:
    """How descriptors of two images are matched.

    A strict ratio test keeps out what looks alike elsewhere, the other windows of a facade, and makes maps accurate. A
    looser one relates photographs that hardly overlap, and keeps maps whole. So every pair gets the strict test, and
    those that turn out weak get the looser one as well. How loose each may be is the descriptor's to say.
    """

    ratio: float | None = option(
        None,
        "Keep a match only if its distance is below this share of the distance to the second-nearest neighbour, "
        "in both directions (Lowe's ratio test); 1 switches the test off. Default: what suits the descriptor, 0.8 "
        "for sift.",
        minimum=0.01,
        maximum=1.0,
    )
    weak_ratio: float | None = option(
        None,
        f"The ratio test for pairs that have fewer than {WEAK_INLIERS} verified matches by --ratio: looser, it relates "
        "photographs that hardly overlap. At or below --ratio it is not tried. Default: what suits the descriptor, "
        "0.85 for sift.",
        minimum=0.0,
        maximum=1.0,
    )
    exact: bool = option(
        False,
        "Compare every descriptor with every other, not only with those that lie near: up to half a percent more "
        "matches in three to four times the time.",
    )
    guided: bool = option(
        False,
        "Once the geometry of a pair is known, take the ratio test again along the epipolar lines. More points; less "
        "accurate where the focal length is unknown or structure repeats.",
    )

    def ratio_tests(self, own: RatioTests) -> RatioTests:
        """Return the ratio tests to take: those given, else a descriptor's `own`."""
        return RatioTests(
            own.strict if self.ratio is None else self.ratio,
            own.weak if self.weak_ratio is None else self.weak_ratio,
        )

    def suited_to(self, own: RatioTests) -> MatchingOptions:
        """Return these options with a descriptor's `own` ratio tests where none are given."""
        tests = self.ratio_tests(own)
        return replace(self, ratio=tests.strict, weak_ratio=tests.weak)

"""Options of matching, apart from the work because the command line is made from them."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.options import option

WEAK_INLIERS = 100
"""Pairs with fewer verified matches are weak."""


@dataclass(frozen=True)
class MatchingOptions:
    """How descriptors of two images are matched.

    A strict ratio test keeps out what looks alike elsewhere, the other windows of a facade, and makes maps accurate. A
    looser one relates photographs that hardly overlap, and keeps maps whole. So every pair gets the strict test, and
    those that turn out weak get the looser one as well.
    """

    ratio: float = option(
        0.8,
        "Keep a match only if its distance is below this share of the distance to the second-nearest neighbour, "
        "in both directions (Lowe's ratio test); 1 switches the test off.",
        minimum=0.01,
        maximum=1.0,
    )
    weak_ratio: float = option(
        0.85,
        f"The ratio test for pairs that have fewer than {WEAK_INLIERS} verified matches by --ratio: looser, it relates "
        "photographs that hardly overlap. At or below --ratio it is not tried.",
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

    @property
    def loosest_ratio(self) -> float:
        """The looser one of both ratios."""
        return max(self.ratio, self.weak_ratio)

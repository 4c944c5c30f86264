"""Options of matching, and what ratio test comes of them: for which descriptor, and for which pairs."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.options import option

WEAK_INLIERS = 100
"""Pairs with fewer verified matches are weak."""


@dataclass(frozen=True)
class MatchingOptions:
    """How descriptors of two images are matched."""

    ratio: float | None = option(
        None,
        "Keep a match only if its distance is below this share of the distance to the second-nearest neighbour, "
        "in both directions (Lowe's ratio test); 1 switches the test off. Default: what suits the descriptor.",
        minimum=0.0,
        maximum=1.0,
    )
    weak_ratio: float | None = option(
        None,
        f"The ratio test for pairs that have fewer than {WEAK_INLIERS} verified matches by --ratio: looser, it relates "
        "photographs that hardly overlap. Default: what suits the descriptor, or --ratio if that is given.",
        minimum=0.0,
        maximum=1.0,
    )
    guided: bool = option(
        False,
        "Once the geometry of a pair is known, take the ratio test again along the epipolar lines. More points; less "
        "accurate where the focal length is unknown or structure repeats.",
    )


@dataclass(frozen=True)
class RatioTest:
    """Largest ratio of nearest to second-nearest distance at which a match counts; 1 for no test.

    A strict test keeps out what looks alike elsewhere, the other windows of a facade, and makes maps accurate. A
    looser one relates photographs that hardly overlap, and keeps maps whole. So pairs get the strict test, and those
    that turn out weak get the looser one as well.

    Attributes
    ----------
    strict
        For every pair.
    weak
        For pairs with fewer than `WEAK_INLIERS` verified matches; at most `strict` for no second try.
    """

    strict: float
    weak: float

    @property
    def loosest(self) -> float:
        """The looser one of both."""
        return max(self.strict, self.weak)


_OF_SIFT = RatioTest(0.8, 0.8)
_OF_NETWORKS = RatioTest(0.8, 0.85)


def ratio_test(options: MatchingOptions, descriptor: str) -> RatioTest:
    """Return the ratio test that was chosen, or the one that suits the descriptor.

    A `ratio` that is given holds for all pairs, unless a `weak_ratio` is given as well.
    """
    suits = _OF_SIFT if descriptor == "sift" else _OF_NETWORKS
    strict = suits.strict if options.ratio is None else options.ratio
    if options.weak_ratio is not None:
        return RatioTest(strict, options.weak_ratio)
    return RatioTest(strict, suits.weak if options.ratio is None else strict)

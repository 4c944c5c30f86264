"""Say how distinct a match must be, for each descriptor as it needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RatioTests:
    """Limits of the distance to the nearest over that to the second-nearest descriptor (Lowe, IJCV 2004).

    Attributes
    ----------
    strict
        For every pair of images.
    weak
        For pairs of which that leaves few matches.
    """

    strict: float
    weak: float

    @property
    def loosest(self) -> float:
        """The looser one of both."""
        return max(self.strict, self.weak)


LOWES = RatioTests(0.8, 0.85)
"""Those of SIFT: at 0.8, Lowe drops 90% of the wrong matches and 5% of the right ones."""

OF_NETWORKS = RatioTests(0.85, 0.92)
"""Those of networks whose weights do not say: they are then as precise as SIFT is at Lowe's."""

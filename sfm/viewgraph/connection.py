"""Which images have enough matches with others. Light to import: the command line is made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from sfm.options import option

# An image is well connected if it has so many verified matches with each of so many others, or with all that it was
# matched with where these are fewer.
_MATCHES = 200
_PARTNERS = 2


@dataclass(frozen=True)
class ConnectionOptions:
    """How much is described and matched before it is known to be needed."""

    describe_first: int = option(
        4096,
        "Describe and match so many keypoints of each image first, and all that are kept only where images then "
        "have few matches with others; 0: all at once.",
        minimum=0,
    )


class Matched(Protocol):
    """What is asked of two images that were matched."""

    @property
    def name1(self) -> str:
        """First image."""

    @property
    def name2(self) -> str:
        """Second image."""

    @property
    def inliers(self) -> int:
        """Number of verified matches."""

    @property
    def accepted(self) -> bool:
        """Whether the pair takes part in mapping."""


def poorly_connected(pairs: Iterable[Matched]) -> set[str]:
    """Return the names of images that have few verified matches with others, of all that were matched."""
    looked_at: Counter[str] = Counter()
    partners: Counter[str] = Counter()
    for pair in pairs:
        both = (pair.name1, pair.name2)
        looked_at.update(both)
        if pair.accepted and pair.inliers >= _MATCHES:
            partners.update(both)
    return {name for name, number in looked_at.items() if partners[name] < min(_PARTNERS, number)}

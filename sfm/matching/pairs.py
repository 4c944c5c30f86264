"""Which pairs of images are matched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sfm.options import option

Pair = tuple[str, str]

# Up to this many images `auto` matches every pair: 20,000 pairs, some minutes to an hour.
_EXHAUSTIVE_LIMIT = 200


@dataclass(frozen=True)
class PairOptions:
    """Which pairs of images are matched."""

    pairs: str = option(
        "auto",
        "Which images are matched with each other: every pair (exhaustive), each with the next ones in the "
        f"order of their names (sequential), or auto: exhaustive up to {_EXHAUSTIVE_LIMIT} images, sequential above.",
        choices=("auto", "exhaustive", "sequential"),
    )
    overlap: int = option(10, "Sequential pairs: match each image with this many next ones.", minimum=1)


def exhaustive_pairs(names: Sequence[str]) -> list[Pair]:
    """Return every pair of `names`, each once, in their order."""
    return list(combinations(names, 2))


def sequential_pairs(names: Sequence[str], overlap: int) -> list[Pair]:
    """Return the pairs of each name with its `overlap` successors, nearest first."""
    return [
        (names[i], names[i + step])
        for step in range(1, overlap + 1)
        for i in range(max(0, len(names) - step))
    ]


def select_pairs(names: Sequence[str], options: PairOptions) -> tuple[list[Pair], str]:
    """Choose pairs by `options`; returns them with a few words that say what was chosen."""
    chosen = options.pairs
    if chosen == "auto":
        chosen = "exhaustive" if len(names) <= _EXHAUSTIVE_LIMIT else "sequential"
    if chosen == "exhaustive":
        pairs = exhaustive_pairs(names)
        return pairs, f"every pair of {len(names)} images"
    pairs = sequential_pairs(names, options.overlap)
    return pairs, f"each of {len(names)} images with its next {options.overlap}"

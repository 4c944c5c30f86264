"""Which pairs of images are matched."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.files import read_text
from sfm.options import option

Pair = tuple[str, str]
Views = NDArray[np.float32]

# Up to this many images `auto` matches every pair: 20,000 pairs, some minutes to an hour.
_EXHAUSTIVE_LIMIT = 200
_ROWS_AT_ONCE = 1024
# A quoted name ends where white space follows the quote: the apostrophe of Tom's.jpg neither begins nor ends one.
_QUOTED = re.compile(r"""(["'])\S(?:.*?\S)?\1(?!\S)""")
_WORD = re.compile(rf"{_QUOTED.pattern}|\S+")


@dataclass(frozen=True)
class PairOptions:
    """Which pairs of images are matched."""

    pairs: str = option(
        "auto",
        "Which images are matched with each other: every pair (exhaustive), each with the next ones in the "
        "order of capture (sequential), each with those that look most like it (retrieval), or auto: "
        f"exhaustive up to {_EXHAUSTIVE_LIMIT} images, sequential and retrieval together above.",
        choices=("auto", "exhaustive", "sequential", "retrieval"),
    )
    overlap: int = option(10, "Sequential pairs: match each image with this many next ones.", minimum=1)
    similar: int = option(
        20, "Retrieval pairs: match each image with this many that look most like it.", minimum=1
    )
    pair_list: Path | None = option(
        None,
        "Match these pairs and no others: a text file with the names of two images on each line; names with spaces "
        "in quotes, or with a tab between the two.",
    )


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


def similar_pairs(names: Sequence[str], views: Views, count: int) -> list[Pair]:
    """Return the pairs of each image with the `count` that look most like it, each once, in the order of `names`.

    Parameters
    ----------
    names
        N names.
    views : (N, G) float32
        Their global descriptors (`sfm.matching.retrieval`), rows of unit length.
    count
        How many an image chooses; it may be chosen by more.
    """
    count = min(count, len(names) - 1)
    chosen: set[tuple[int, int]] = set()
    for start in range(0, len(names) if count > 0 else 0, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(names)))
        similarity = views[rows] @ views.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
        chosen.update(
            (min(i, j), max(i, j))
            for i, row in zip(rows.tolist(), nearest.tolist(), strict=True)
            for j in row
        )
    return [(names[i], names[j]) for i, j in sorted(chosen)]


def listed_pairs(path: Path, names: Sequence[str]) -> list[Pair]:
    """Read pairs from a text file, two names a line; empty lines and comments, which begin with #, are passed over.

    Names with spaces stand in quotes, "my photo.jpg" other.jpg, or the two have a tab between them. Elsewhere than
    around a name, quotes and apostrophes are part of it.

    Raises `InputError` if the file cannot be read or holds no pair, or a line is not a pair of two of the images.
    """
    lines = read_text(path, "the --pair-list").splitlines()
    order = {name: i for i, name in enumerate(names)}
    pairs: dict[Pair, None] = {}
    for number, line in enumerate(lines, start=1):
        found = _names_in(line)
        # An image may be named #1.jpg.
        if not found or (found[0].startswith("#") and found[0] not in order):
            continue
        if len(found) != 2 or found[0] == found[1]:
            raise InputError(
                f"{path}, line {number}: not two names of images: {line.strip()[:80]} (put names with spaces in "
                "quotes, or a tab between the two)."
            )
        for name in found:
            if name not in order:
                raise InputError(f"{path}, line {number}: there is no image {name}, or it has no features.")
        first, second = sorted(found, key=order.__getitem__)
        pairs[first, second] = None
    if not pairs:
        raise InputError(f"{path} names no pair: write the names of two images on each line.")
    return list(pairs)


def _names_in(line: str) -> list[str]:
    words = line.split("\t") if "\t" in line.strip() else [word[0] for word in _WORD.finditer(line)]
    names = [word.strip() for word in words if word.strip()]
    return [name[1:-1] if _QUOTED.fullmatch(name) else name for name in names]


def select_pairs(
    names: Sequence[str], options: PairOptions, look: Callable[[], Views]
) -> tuple[list[Pair], str]:
    """Choose pairs by `options`; returns them with a few words that say what was chosen.

    Parameters
    ----------
    names
        N images, in the order of capture.
    options
        How to choose.
    look
        Returns (N, G) global descriptors of the images; called only where likeness counts.

    Raises
    ------
    InputError
        See `listed_pairs`.
    """
    if options.pair_list is not None:
        return listed_pairs(options.pair_list, names), f"the pairs of {options.pair_list.name}"
    many = len(names) > _EXHAUSTIVE_LIMIT
    if options.pairs == "exhaustive" or (options.pairs == "auto" and not many):
        return exhaustive_pairs(names), f"every pair of {len(names)} images"
    pairs: list[Pair] = []
    told = []
    if options.pairs in ("auto", "sequential"):
        pairs += sequential_pairs(names, options.overlap)
        told.append(f"its next {options.overlap}")
    if options.pairs in ("auto", "retrieval"):
        pairs += similar_pairs(names, look(), options.similar)
        told.append(f"the {options.similar} that look most like it")
    return list(dict.fromkeys(pairs)), f"each of {len(names)} images with {' and '.join(told)}"

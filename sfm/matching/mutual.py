"""Mutual nearest neighbours between two sets of unit-length descriptors, without the whole N x M matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.options import option

# A tile of float32 similarities that stays in a core's cache while it is reduced in both directions.
_TILE_ROWS = 512
_TILE_COLUMNS = 1024
# Similarities are rounded by some 1e-7, differently within a tile and at its border: so far apart may equal rows be.
_INDISTINCT = np.float32(1e-3)


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
    guided: bool = option(
        False,
        "Once the geometry of a pair is known, take the ratio test again along the epipolar lines. More points; less "
        "accurate where the focal length is unknown or structure repeats.",
    )


@dataclass(frozen=True)
class Matches:
    """Mutual nearest neighbours.

    Attributes
    ----------
    index : (M, 2) int32
        Row of the first and row of the second set, ascending in the first; every row at most once.
    distance : (M,) float32
        Euclidean distance between the two descriptors, 0 to 2.
    ratio : (M,) float32
        Distance over the distance to the second-nearest neighbour, the larger of both directions; 1 is no
        distinction at all.
    """

    index: NDArray[np.int32]
    distance: NDArray[np.float32]
    ratio: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.index)

    def below(self, ratio: float) -> Matches:
        """Return the matches whose ratio is below `ratio`; 1 keeps them all."""
        return self.take((self.ratio < ratio) | (ratio >= 1))

    def take(self, mask: NDArray[np.bool_]) -> Matches:
        """Return the matches where `mask` (M,) is true."""
        return Matches(self.index[mask], self.distance[mask], self.ratio[mask])


def match_mutual(first: NDArray[np.float32], second: NDArray[np.float32]) -> Matches:
    """Find the mutual nearest neighbours between rows of `first` (N, D) and `second` (M, D), all of unit length.

    Memory is that of one tile and a few vectors. Of several equally near rows the first is taken.
    """
    if len(first) == 0 or len(second) == 0:
        return Matches(np.empty((0, 2), np.int32), np.empty(0, np.float32), np.empty(0, np.float32))
    rows, columns = _BestTwo(len(first)), _BestTwo(len(second))
    for r in range(0, len(first), _TILE_ROWS):
        a = first[r : r + _TILE_ROWS]
        for c in range(0, len(second), _TILE_COLUMNS):
            _reduce_tile(a @ second[c : c + _TILE_COLUMNS].T, r, c, rows, columns)
    i = np.flatnonzero(columns.nearest[rows.nearest] == np.arange(len(first)))
    j = rows.nearest[i]
    distance = _distance(rows.best[i])
    runner_up = _distance(np.maximum(rows.second[i], columns.second[j]))
    ratio = np.maximum(distance, _INDISTINCT) / np.maximum(runner_up, _INDISTINCT)
    return Matches(np.column_stack([i, j]).astype(np.int32), distance, ratio.astype(np.float32))


class _BestTwo:
    """The largest and second-largest similarity seen by each row (or column), and where the largest was."""

    def __init__(self, size: int) -> None:
        self.best = np.full(size, -2, np.float32)
        self.second = np.full(size, -2, np.float32)
        self.nearest = np.full(size, -1, np.int64)

    def offer(
        self, at: NDArray[np.int64] | slice, value: NDArray[np.float32], where: NDArray[np.int64]
    ) -> None:
        """Take in one candidate for each of the distinct places `at`."""
        best = self.best[at]
        wins = value > best
        self.second[at] = np.maximum(self.second[at], np.where(wins, best, value))
        self.best[at] = np.where(wins, value, best)
        self.nearest[at] = np.where(wins, where, self.nearest[at])

    def offer_second(self, at: slice, value: NDArray[np.float32]) -> None:
        """Take in values that are known not to belong to the nearest of a mutual pair."""
        wins = value > self.best[at]
        self.second[at] = np.maximum(self.second[at], np.where(wins, self.best[at], value))
        self.best[at] = np.where(wins, value, self.best[at])
        self.nearest[at] = np.where(wins, -1, self.nearest[at])


def _reduce_tile(tile: NDArray[np.float32], r: int, c: int, rows: _BestTwo, columns: _BestTwo) -> None:
    """Fold one tile of similarities into the best two of its rows and columns; overwrites the tile.

    A mutual pair is the best of its row in its tile. So it is enough to fold those into the columns one by one,
    and of all other entries only each column's maximum: one argmax and two maxima over the tile in all.
    """
    count = np.arange(len(tile))
    nearest = tile.argmax(axis=1)
    best = tile[count, nearest]
    tile[count, nearest] = -2
    in_rows, in_columns = slice(r, r + tile.shape[0]), slice(c, c + tile.shape[1])
    rows.offer(in_rows, best, nearest + c)
    rows.second[in_rows] = np.maximum(rows.second[in_rows], tile.max(axis=1))

    # Rows that chose the same column: the strongest of each column first, then the next strongest, then none other.
    order = np.lexsort((count, -best, nearest))
    chosen = nearest[order]
    is_first = np.r_[True, chosen[1:] != chosen[:-1]]
    is_next = np.r_[False, is_first[:-1]] & ~is_first
    columns.offer(chosen[is_first] + c, best[order][is_first], order[is_first] + r)
    runner_up = np.full(tile.shape[1], -2, np.float32)
    runner_up[chosen[is_next]] = best[order][is_next]
    columns.offer_second(in_columns, np.maximum(runner_up, tile.max(axis=0)))


def _distance(similarity: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sqrt(np.clip(2 - 2 * similarity, 0, 4))

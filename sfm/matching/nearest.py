"""The two nearest neighbours in both directions, from blocks of a matrix that is never held as a whole."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
# Which rows: a slice, or their indices.
Places = slice | NDArray[np.int64]

_FARTHEST = np.float32(2)
# Rows on each side of a block of similarities that stays in a core's cache; fewer of one side leave room for the other.
_BLOCK = 1024


class TwoNearest:
    """The nearest and second-nearest seen by each row, where that matters for mutual neighbours.

    Attributes
    ----------
    best : (N,) float32
        The smallest opposite of a similarity.
    second : (N,) float32
        The second-smallest; of rows that are not the nearest of their own nearest it may be too small.
    index : (N,) int64
        Whose the smallest is; of such rows it may be -1.
    """

    def __init__(self, size: int) -> None:
        self.best = np.full(size, _FARTHEST)
        self.second = np.full(size, _FARTHEST)
        self.index = np.full(size, -1, np.int64)

    def offer(self, at: Places, best: Rows, second: Rows, index: NDArray[np.int64]) -> None:
        """Take in the two smallest entries of a block for the places `at`; of equal ones the earlier stays."""
        known, runner_up = self.best[at], self.second[at]
        self.index[at] = np.where(best < known, index, self.index[at])
        self.second[at] = np.minimum(np.maximum(known, best), np.minimum(runner_up, second))
        self.best[at] = np.minimum(known, best)


def two_nearest(
    first: Rows, second: Rows, blocks: Iterable[tuple[Places, Places]]
) -> tuple[TwoNearest, TwoNearest]:
    """Find the two nearest of every row among the rows of the other set that it is compared with.

    Parameters
    ----------
    first, second : (N, D), (M, D) float32
        Rows of unit length.
    blocks
        Rows of the first and of the second set that are compared with each other, no two rows twice; so few at a time
        that their similarities stay in a core's cache while they are read four times.

    Returns
    -------
    Those of the first set and those of the second.
    """
    of_first, of_second = TwoNearest(len(first)), TwoNearest(len(second))
    for rows, columns in blocks:
        _fold(-_rows_at(first, rows) @ _rows_at(second, columns).T, rows, columns, of_first, of_second)
    return of_first, of_second


def parts(start: int, stop: int, others: int = _BLOCK) -> list[slice]:
    """Cut a range of rows into parts that make blocks for `two_nearest`, with at most so many others.

    Every block takes some dozen small steps, before each of which threads wait for each other: fewer are faster.
    """
    size = max(_BLOCK, _BLOCK**2 // others)
    return [slice(i, min(i + size, stop)) for i in range(start, stop, size)]


def _rows_at(rows: Rows, places: Places) -> Rows:
    # `take` copies rows several times as fast as indexing with an array does.
    return rows[places] if isinstance(places, slice) else np.take(rows, places, axis=0)


def _fold(block: Rows, rows: Places, columns: Places, of_first: TwoNearest, of_second: TwoNearest) -> None:
    """Fold opposite similarities into the two nearest of their rows and columns; overwrites them.

    Only pairs that are mutual within their block can be mutual in the whole matrix. These alone are taken out before
    the second-smallest are looked for; whatever else is smallest can only be another's second.
    """
    nearest = block.argmin(axis=1)
    best_of_rows = block[np.arange(len(block)), nearest]
    best_of_columns = block.min(axis=0)
    (mutual,) = np.nonzero(best_of_rows == best_of_columns[nearest])
    partner = np.full(block.shape[1], -1, np.int64)
    # From behind: of equally near rows the first one takes the column.
    partner[nearest[mutual][::-1]] = mutual[::-1]
    (taken,) = np.nonzero(partner >= 0)
    block[partner[taken], taken] = _FARTHEST
    partner[taken] = _indices(rows, partner[taken])
    of_first.offer(rows, best_of_rows, block.min(axis=1), _indices(columns, nearest))
    of_second.offer(columns, best_of_columns, block.min(axis=0), partner)


def _indices(places: Places, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which rows those `at` some of the places are."""
    return at + places.start if isinstance(places, slice) else places[at]

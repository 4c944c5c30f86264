"""The two nearest neighbours in both directions from one pass over a matrix that is never held as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Entries (i, j) for rows and columns in these slices: smaller is nearer. It is overwritten.
TileOf = Callable[[slice, slice], NDArray[Any]]


class TwoNearest:
    """The nearest and second-nearest seen by each row (or column), where that matters for mutual neighbours.

    Attributes
    ----------
    best : (N,)
        The smallest entry.
    second : (N,)
        The second-smallest entry; of rows that are not the nearest of their own nearest it may be too small.
    index : (N,) int64
        Where the smallest entry is; of such rows it may be -1.
    """

    def __init__(self, size: int, farthest: Any) -> None:
        self.best = np.full(size, farthest)
        self.second = np.full(size, farthest)
        self.index = np.full(size, -1, np.int64)

    def offer(self, at: slice, best: NDArray[Any], second: NDArray[Any], index: NDArray[np.int64]) -> None:
        """Take in the two smallest entries of a tile for the places `at`; of equal ones the earlier stays."""
        self.index[at] = np.where(best < self.best[at], index, self.index[at])
        larger = np.maximum(self.best[at], best)
        self.second[at] = np.minimum(larger, np.minimum(self.second[at], second))
        self.best[at] = np.minimum(self.best[at], best)


def two_nearest(
    tile_of: TileOf, shape: tuple[int, int], tile_shape: tuple[int, int], farthest: Any
) -> tuple[TwoNearest, TwoNearest]:
    """Find the two nearest of every row and of every column.

    Parameters
    ----------
    tile_of
        Makes a part of the matrix.
    shape
        Rows and columns of the matrix.
    tile_shape
        Rows and columns of a tile: small enough to stay in a core's cache while it is read four times.
    farthest
        A scalar of the tiles' dtype that is larger than any entry.

    Returns
    -------
    Those of the rows and those of the columns.
    """
    rows, columns = (TwoNearest(size, farthest) for size in shape)
    for r in range(0, shape[0], tile_shape[0]):
        in_rows = slice(r, min(r + tile_shape[0], shape[0]))
        for c in range(0, shape[1], tile_shape[1]):
            in_columns = slice(c, min(c + tile_shape[1], shape[1]))
            _reduce(tile_of(in_rows, in_columns), in_rows, in_columns, rows, columns, farthest)
    return rows, columns


def _reduce(
    tile: NDArray[Any],
    in_rows: slice,
    in_columns: slice,
    rows: TwoNearest,
    columns: TwoNearest,
    farthest: Any,
) -> None:
    """Fold a tile into the two nearest of its rows and columns.

    Only pairs that are mutual within their tile can be mutual in the whole matrix. These alone are taken out before
    the second-smallest are looked for; whatever else is smallest can only be another's second.
    """
    nearest = tile.argmin(axis=1)
    best_of_rows = np.take_along_axis(tile, nearest[:, None], axis=1)[:, 0]
    best_of_columns = tile.min(axis=0)
    (mutual,) = np.nonzero(best_of_rows == best_of_columns[nearest])
    # Of equally near rows the first one takes the column.
    taken, first = np.unique(nearest[mutual], return_index=True)
    mutual = mutual[first]
    tile[mutual, taken] = farthest
    index_in_columns = np.full(tile.shape[1], -1, np.int64)
    index_in_columns[taken] = mutual + in_rows.start
    rows.offer(in_rows, best_of_rows, tile.min(axis=1), nearest + in_columns.start)
    columns.offer(in_columns, best_of_columns, tile.min(axis=0), index_in_columns)

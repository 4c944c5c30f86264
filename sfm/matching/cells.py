"""Mutual nearest neighbours among descriptors that lie in neighbouring cells, a fraction of the whole product.

What passes a ratio test lies much nearer than anything else, so it is found although most rows are never compared:
each image's descriptors are sorted into cells by k-means, and those of another image are compared with the few cells
whose centres are nearest (the inverted file of H. Jegou, M. Douze and C. Schmid, "Product quantization for nearest
neighbor search", TPAMI 2011, with exact distances).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sfm.matching.codebook import train_codebook, word_affinity
from sfm.matching.mutual import Matches, distance_of, distance_ratio, mutual_of
from sfm.matching.nearest import Places, parts, two_nearest

Rows = NDArray[np.float32]

_ROWS_A_CELL = 128
# With how many cells of the other image a row is compared on average. Against the exact search at a ratio of 0.8, this
# loses 0.01% of the matches by RootSIFT (castle-P19) and 0.31% by SOSNet (fountain-P11), whose cells are less distinct.
_CELLS_LOOKED_INTO = 12
_TRAINING_ROWS_A_CELL = 43
_ITERATIONS = 4
# Which affinities are looked at to tell how near the nearest cells are.
_EVERY = 16


@dataclass(frozen=True)
class DescriptorCells:
    """The descriptors of an image, sorted into cells.

    Attributes
    ----------
    rows : (N, D) float32
        Descriptors of unit length, cell after cell.
    order : (N,) int64
        Which keypoint each row describes.
    start : (C + 1,) int64
        Cell c holds the rows `start[c]` to `start[c + 1]`.
    centres : (C, D) float32
        Of the cells.
    """

    rows: Rows
    order: NDArray[np.int64]
    start: NDArray[np.int64]
    centres: Rows

    @staticmethod
    def of(descriptors: Rows, exact: bool = False) -> DescriptorCells:
        """Sort descriptors (N, D), rows of unit length, into cells; the same ones always into the same.

        With `exact`, or where there are few, all are in one cell, and comparing them is exact.
        """
        cells = 1 if exact else len(descriptors) // _ROWS_A_CELL
        if cells <= _CELLS_LOOKED_INTO:
            start = np.array([0, len(descriptors)])
            return DescriptorCells(descriptors, np.arange(len(descriptors)), start, descriptors[:1])
        centres = train_codebook(descriptors, cells, _TRAINING_ROWS_A_CELL, _ITERATIONS)
        cell = word_affinity(descriptors, centres).argmax(axis=1)
        order = np.argsort(cell, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centres)))])
        return DescriptorCells(descriptors[order], order, start, centres)

    @cached_property
    def row_of(self) -> NDArray[np.int64]:
        """Which row describes each keypoint, (N,) int64."""
        row_of = np.empty_like(self.order)
        row_of[self.order] = np.arange(len(self.order))
        return row_of

    @property
    def descriptors(self) -> Rows:
        """The descriptors in the order of the keypoints, (N, D) float32."""
        return self.rows[self.row_of]

    def blocks(self, others: Rows) -> Iterator[tuple[Places, Places]]:
        """Tell which rows are compared with which of `others` (M, D): those that lie near their cell."""
        if not len(self.rows) or not len(others):
            return
        affinity = np.ascontiguousarray(word_affinity(others, self.centres).T)
        behind = affinity.max(axis=0) - affinity
        share = _CELLS_LOOKED_INTO / len(self.centres)
        far = np.quantile(behind[:, ::_EVERY], share) if share < 1 else np.inf
        for c, near in enumerate(behind <= far):
            (at,) = np.nonzero(near)
            for cell in parts(self.start[c], self.start[c + 1]):
                for part in parts(0, len(at), cell.stop - cell.start):
                    yield cell, at[part]


def match_in_cells(first: DescriptorCells, second: DescriptorCells) -> Matches:
    """Find the mutual nearest neighbours of two images, as `match_mutual` does, but for those in cells far apart.

    The fewer compete with a match, the likelier it is found; what passes a ratio test of 0.8 nearly always is. A
    second-nearest neighbour that was not compared makes a ratio too small.
    """
    of_second, of_first = two_nearest(second.rows, first.rows, second.blocks(first.rows))
    found = mutual_of(of_first, of_second)
    index = np.column_stack([first.order[found.index[:, 0]], second.order[found.index[:, 1]]])
    order = np.argsort(index[:, 0])
    return Matches(index[order].astype(np.int32), found.distance[order], found.ratio[order])


def compared_with_all(matches: Matches, first: DescriptorCells, second: DescriptorCells) -> Matches:
    """Return matches of `match_in_cells` with their exact ratios: above 1 where another neighbour is nearer.

    It takes two rows of the whole product for each match; none where there is one cell, for then ratios are exact.
    """
    if len(second.centres) == 1:
        return matches
    at1, at2 = first.row_of[matches.index[:, 0]], second.row_of[matches.index[:, 1]]
    runner_up = np.minimum(
        _runner_up(first.rows, at1, second.rows, at2), _runner_up(second.rows, at2, first.rows, at1)
    )
    return replace(matches, ratio=distance_ratio(matches.distance, runner_up).astype(np.float32))


def _runner_up(rows: Rows, of: NDArray[np.int64], others: Rows, matched: NDArray[np.int64]) -> Rows:
    """Return how far the nearest of others but the matched one is, (K,) for K rows."""
    similarity = np.empty(len(of), np.float32)
    for part in parts(0, len(of)):
        block = rows[of[part]] @ others.T
        block[np.arange(len(block)), matched[part]] = -1
        similarity[part] = block.max(axis=1)
    return distance_of(similarity)

"""Mutual nearest neighbours between two sets of unit-length descriptors, without the whole N x M matrix."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfm.matching.nearest import TwoNearest, parts, two_nearest

# Similarities are rounded by up to 1e-6, differently within a tile and at its border: so far apart may equal rows be.
_INDISTINCT = np.float32(2e-3)


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
        return self.take(passes_ratio_test(self.ratio, ratio))

    def take(self, mask: NDArray[np.bool_]) -> Matches:
        """Return the matches where `mask` (M,) is true."""
        return Matches(self.index[mask], self.distance[mask], self.ratio[mask])


def match_mutual(first: NDArray[np.float32], second: NDArray[np.float32]) -> Matches:
    """Find the mutual nearest neighbours between rows of `first` (N, D) and `second` (M, D), all of unit length.

    Memory is that of one tile and a few vectors. Of several equally near rows the first is taken.
    """
    tiles = product(parts(0, len(first)), parts(0, len(second)))
    return mutual_of(*two_nearest(first, second, tiles))


def mutual_of(of_first: TwoNearest, of_second: TwoNearest) -> Matches:
    """Return the matches among the two nearest of N and of M rows."""
    i = np.flatnonzero(of_first.index >= 0)
    i = i[of_second.index[of_first.index[i]] == i]
    j = of_first.index[i]
    best, runner_up = of_first.best[i], np.minimum(of_first.second[i], of_second.second[j])
    ratio = distance_ratio(distance_of(-best), distance_of(-runner_up)).astype(np.float32)
    return Matches(np.column_stack([i, j]).astype(np.int32), distance_of(-best), ratio)


def distance_ratio(nearest: ArrayLike, second: ArrayLike) -> NDArray[np.floating]:
    """Return the nearest over the second-nearest distance; 1 is no distinction at all."""
    return np.maximum(np.asarray(nearest), _INDISTINCT) / np.maximum(np.asarray(second), _INDISTINCT)


def passes_ratio_test(ratio: ArrayLike, limit: float) -> NDArray[np.bool_]:
    """Return which ratios of distances are below `limit`; 1 lets all pass."""
    return np.asarray((np.asarray(ratio) < limit) | (limit >= 1))


def distance_of(similarity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far rows of unit length are from each other, given their similarity."""
    return np.sqrt(np.clip(2 - 2 * similarity, 0, 4))

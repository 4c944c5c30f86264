"""Matches that pass the ratio test, from a product in half precision where that is faster.

A match that passes is nearer than all that compete with it by a margin, far wider than most roundings. So the product
is taken in bfloat16, with a bound on its error, and only where the bound leaves the ratio test open are rows compared
again in float32. The matches are those of float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sfm.matching.mutual import Matches, match_mutual, ratio_of
from sfm.matching.nearest import TwoNearest, two_nearest

if TYPE_CHECKING:
    import torch

Rows = NDArray[np.float32]

# A tile of bfloat16 that stays in a core's cache; the product wants large ones.
_TILE = 1024, 2048
_ROWS_AGAIN = 256
_FEW_MATCHES = 512
# bfloat16 has 8 significant bits.
_HALF_ULP = 2.0**-8
# What else may be off: rows of not quite unit length, sums in another order, half squares of two numbers.
_FLOAT32 = 3e-5
# Above this share of rows to compare again, or with a looser ratio, float32 is as fast from the start.
_MOST_AGAIN = 0.25
_LARGEST_RATIO = 0.97
_FARTHEST = np.int16(0x4000)  # the bfloat16 2.0, as an integer


def match_distinct(first: Rows, second: Rows, ratio: float, half: bool = False) -> NDArray[np.int32]:
    """Find the mutual nearest neighbours that pass the ratio test in both directions.

    Parameters
    ----------
    first, second : (N, D), (M, D) float32
        Descriptors, rows of unit length.
    ratio
        Largest ratio of the distance to that of the second-nearest neighbour; 1 for no such test.
    half
        Whether the product is taken in bfloat16; worth it where `sfm.features.precision` says so. It changes nothing
        but the time.

    Returns
    -------
    (K, 2) int32: rows of the first and of the second set, ascending in the first; every row at most once.
    """
    return Comparison(first, second, half).distinct(ratio)


class Comparison:
    """Two sets of descriptors compared once, for any number of ratio tests.

    Parameters are those of `match_distinct`.
    """

    def __init__(self, first: Rows, second: Rows, half: bool = False) -> None:
        self._first, self._second = first, second
        self._half = half and len(first) > 0 and len(second) > 0
        # No cached_property: before Python 3.12 its lock is one for all instances, and pairs would wait for each other.
        self._mutual: Matches | None = None
        self._in_half: _InHalf | None = None

    def distinct(self, ratio: float) -> NDArray[np.int32]:
        """Return the matches that pass a ratio test, as `match_distinct` does."""
        if self._half and ratio <= _LARGEST_RATIO:
            if self._in_half is None:
                self._in_half = _InHalf.compared(self._first, self._second)
            found = self._in_half.distinct(ratio)
            if found is not None:
                return found
        return self.mutual.below(ratio).index

    @property
    def mutual(self) -> Matches:
        """All mutual nearest neighbours, in float32."""
        if self._mutual is None:
            self._mutual = match_mutual(self._first, self._second)
        return self._mutual


def surest_first(index: NDArray[np.int32], first: Rows, second: Rows) -> NDArray[np.int32]:
    """Sort matches (M, 2) by how likely they are right, which is what a verifier wants to know.

    The ratio to the second-nearest neighbour tells it best: what repeats is near, and not distinct. It takes a product
    for every match, so many matches, of which most are right, are sorted by distance alone.
    """
    i, j = index.T
    if len(index) > _FEW_MATCHES:
        doubt = -np.einsum("md,md->m", first[i], second[j])
    else:
        doubt = np.maximum(_ratios(first[i], second, j), _ratios(second[j], first, i))
    return index[np.argsort(doubt, kind="stable")]


@dataclass(frozen=True)
class _Bounded:
    """What is certain of each row (or column) although its entries are rounded.

    Attributes
    ----------
    certain
        The nearest is the nearest.
    passes
        It also passes the ratio test.
    may_pass
        Some entry may pass the ratio test.
    """

    certain: NDArray[np.bool_]
    passes: NDArray[np.bool_]
    may_pass: NDArray[np.bool_]


@dataclass(frozen=True)
class _InHalf:
    """The two nearest of every row and column in bfloat16, and what rounding may have done to a similarity."""

    first: Rows
    second: Rows
    rows: TwoNearest
    columns: TwoNearest
    error: float

    @staticmethod
    def compared(first: Rows, second: Rows) -> _InHalf:
        # Distances do not change when all rows are moved, and shorter rows lose less by rounding.
        middle = (first.mean(axis=0) + second.mean(axis=0)) / 2
        rows1, rows2 = _Rounded.of(first - middle), _Rounded.of(second - middle)
        error = rows1.error * rows2.longest + rows2.error * (rows1.longest + rows1.error)
        return _InHalf(first, second, *_two_nearest_in_half(rows1, rows2), error)

    def distinct(self, ratio: float) -> NDArray[np.int32] | None:
        """Return the distinct matches, or None if too many rows would have to be compared again."""
        of_rows = _bounded(self.rows, self.error, ratio)
        of_columns = _bounded(self.columns, self.error, ratio)
        (i,) = np.nonzero(of_rows.may_pass)
        j = self.rows.index[i]
        mutual = self.columns.index[j] == i
        matched = mutual & of_rows.passes[i] & of_columns.passes[j]
        refused = of_rows.certain[i] & (~of_columns.may_pass[j] | (of_columns.certain[j] & ~mutual))
        again = i[~matched & ~refused]
        if len(again) > _MOST_AGAIN * len(self.first):
            return None
        settled = _match_rows(self.first, self.second, again, ratio)
        matches = np.concatenate([np.column_stack([i[matched], j[matched]]), settled]).astype(np.int32)
        return matches[np.argsort(matches[:, 0])]


@dataclass(frozen=True)
class _Rounded:
    """Rows in bfloat16.

    Attributes
    ----------
    rows : (N, D) bfloat16
    half_square : (N, 2) bfloat16
        Half of the exact rows' squared lengths, as a sum of two numbers, for one has too few digits.
    error, longest : float
        Length of the largest difference to an exact row, and of the longest of these.
    """

    rows: torch.Tensor
    half_square: torch.Tensor
    error: float
    longest: float

    @staticmethod
    def of(exact: Rows) -> _Rounded:
        import torch

        full = torch.from_numpy(exact)
        rows = full.bfloat16()
        half_square = full.square().sum(dim=1, keepdim=True) / 2
        coarse = half_square.bfloat16()
        rest = (half_square - coarse.float()).bfloat16()
        error = float((full - rows.float()).norm(dim=1).max())
        return _Rounded(rows, torch.cat([coarse, rest], dim=1), error, float((2 * half_square.max()).sqrt()))


def _two_nearest_in_half(first: _Rounded, second: _Rounded) -> tuple[TwoNearest, TwoNearest]:
    """Find the two nearest by half the squared distance in bfloat16, the numbers of which order as their bits do.

    Of unit rows that is 1 - similarity. It comes out of one product, summed before it is rounded, so that near
    neighbours keep their digits: (-a, |a|^2 / 2, 1) (b, 1, |b|^2 / 2).
    """
    import torch

    ones1, ones2 = (torch.ones_like(rounded.half_square) for rounded in (first, second))
    left = torch.cat([-first.rows, first.half_square, ones1], dim=1)
    right = torch.cat([second.rows, ones2, second.half_square], dim=1)

    def tile(r: slice, c: slice) -> NDArray[np.int16]:
        bits: NDArray[np.int16] = (left[r] @ right[c].T).view(torch.int16).numpy()
        return bits

    with torch.inference_mode():
        return two_nearest(tile, (len(left), len(right)), _TILE, _FARTHEST)


def _bounded(found: TwoNearest, error: float, ratio: float) -> _Bounded:
    """Bound 1 - similarity of the nearest two from both sides and take the ratio test on the bounds.

    Distances relate as the square roots of 1 - similarity. `error` bounds that of a similarity before it is rounded:
    |ab - a'b'| <= |a - a'| |b| + |a'| |b - b'|.
    """
    nearest, runner_up = (
        (bits.astype(np.int32) << 16).view(np.float32) for bits in (found.best, found.second)
    )
    off = error * (1 + _HALF_ULP) + _FLOAT32
    share = 1.01 * _HALF_ULP
    low, high = nearest - off - share * np.abs(nearest), nearest + off + share * np.abs(nearest)
    low2, high2 = runner_up - off - share * np.abs(runner_up), runner_up + off + share * np.abs(runner_up)
    # So near that rounding may have swapped an entry that passes with its runner-up: nothing is known but that.
    swapped = 2 * off / (1 / ratio**2 - 1 - 2 * share / ratio**2)
    return _Bounded(high < low2, high < ratio**2 * low2, (low < ratio**2 * high2) | (low < swapped))


def _match_rows(first: Rows, second: Rows, rows: NDArray[np.int64], ratio: float) -> NDArray[np.int64]:
    """Return those of the given rows of `first` that are distinct matches, with their partners, in float32."""
    partner, passed = _nearest_distinct(first, rows, second, ratio)
    rows, partner = rows[passed], partner[passed]
    back, passed = _nearest_distinct(second, partner, first, ratio)
    kept = passed & (back == rows)
    return np.column_stack([rows[kept], partner[kept]])


def _nearest_distinct(
    queries: Rows, chosen: NDArray[np.int64], others: Rows, ratio: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the nearest of `others` to each chosen query, and whether it passes the ratio test."""
    nearest = np.empty(len(chosen), np.int64)
    passed = np.empty(len(chosen), bool)
    for start in range(0, len(chosen), _ROWS_AGAIN):
        part = slice(start, start + _ROWS_AGAIN)
        similarity = queries[chosen[part]] @ others.T
        nearest[part] = similarity.argmax(axis=1)
        passed[part] = _ratios_of(similarity, nearest[part]) < ratio
    return nearest, passed


def _ratios(queries: Rows, others: Rows, nearest: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the ratio of each query, given the nearest of `others` to it."""
    return _ratios_of(queries @ others.T, nearest)


def _ratios_of(similarity: NDArray[np.float32], nearest: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the ratio of each row of similarities, given its largest entry; that is overwritten."""
    largest = np.arange(len(similarity)), nearest
    best = similarity[largest]
    similarity[largest] = -1
    return ratio_of(-best, -similarity.max(axis=1, initial=-1))

"""An image and its halvings, from which any size is read without aliasing."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_SMALLEST_SIDE = 8
# cv2.remap takes at most 32767 rows at once.
_ROWS_AT_ONCE = 16384


def pyramid(pixels: Bytes, largest_step: float) -> list[Bytes]:
    """Return the image and its halvings, down to the level whose pixels are as large as `largest_step`.

    Halving keeps pixel (0, 0) where it is, so that positions just halve with every level.
    """
    levels = [pixels]
    while largest_step > 2 ** (len(levels) - 0.5) and min(levels[-1].shape) > _SMALLEST_SIDE:
        levels.append(cv2.pyrDown(levels[-1]))
    return levels


def level_of(step: NDArray[np.floating], levels: int) -> NDArray[np.int64]:
    """Return which of so many levels has pixels nearest in size to steps of so many pixels, (N,) int64."""
    return np.clip(np.rint(np.log2(np.maximum(step, 1e-6))).astype(np.int64), 0, levels - 1)


def parts_to_read(rows: int) -> Iterator[slice]:
    """Cut so many rows into parts that `read_at` takes."""
    for start in range(0, rows, _ROWS_AT_ONCE):
        yield slice(start, start + _ROWS_AT_ONCE)


def read_at(pixels: Bytes, x: NDArray[np.float32], y: NDArray[np.float32]) -> Bytes:
    """Read a level bilinearly at (N, S) positions; beyond the border the border's pixels are repeated."""
    return np.asarray(cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

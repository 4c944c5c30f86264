"""An image and its halvings, from which any size is read without aliasing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_SMALLEST_SIDE = 8


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

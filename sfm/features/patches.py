"""Patches: what a network sees of a keypoint, cut out upright, at one size, without aliasing."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.images.gray import GrayImage

Bytes = NDArray[np.uint8]

# Side of a patch in sigmas of its keypoint. SIFT's own window is 12, and what lies around it tells points apart.
PATCH_SCALE = 32.0
# cv2.remap takes at most 32767 rows at once.
_ROWS_AT_ONCE = 16384


def extract_patches(
    image: GrayImage, keypoints: Keypoints, patch_scale: float = PATCH_SCALE, size: int = 32
) -> Bytes:
    """Cut a square patch around every keypoint, turned to its angle.

    The patch covers `patch_scale` sigmas of the keypoint, and is read bilinearly from that level of an image
    pyramid (Gaussian, octaves) whose pixels are nearest in size to the patch's own. Beyond the border the
    border's pixels are repeated.

    Parameters
    ----------
    image
        What is looked at, perhaps smaller than the original.
    keypoints
        N keypoints in pixels of the original image.
    patch_scale
        Side of the patch in sigmas.
    size
        Side of the patch in pixels.

    Returns
    -------
    (N, 1, size, size) uint8
    """
    xy = image.from_original(keypoints.xy)
    step = patch_scale / size * keypoints.scale / image.scale.mean()
    pyramid = _pyramid(image.pixels, float(step.max(initial=1.0)))
    level = np.clip(np.rint(np.log2(np.maximum(step, 1e-6))), 0, len(pyramid) - 1).astype(int)
    offset = (np.arange(size) - (size - 1) / 2).astype(np.float32)
    u, v = (grid.ravel() for grid in np.meshgrid(offset, offset))
    patches = np.empty((len(keypoints), size * size), np.uint8)
    for index, pixels in enumerate(pyramid):
        (rows,) = np.nonzero(level == index)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chosen = rows[start : start + _ROWS_AT_ONCE]
            # Halving keeps pixel (0, 0) where it is, so that positions just halve with every level.
            x, y = (xy[chosen] / 2**index).astype(np.float32).T
            cos, sin = _step_vectors(step[chosen] / 2**index, keypoints.angle[chosen])
            map_x = np.outer(cos, u) - np.outer(sin, v) + x[:, None]
            map_y = np.outer(sin, u) + np.outer(cos, v) + y[:, None]
            patches[chosen] = cv2.remap(
                pixels, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
    return patches.reshape(-1, 1, size, size)


def is_flat(patches: Bytes) -> NDArray[np.bool_]:
    """Tell which of (N, 1, S, S) patches have no variation at all: they would all get one descriptor."""
    rows = patches.reshape(len(patches), math.prod(patches.shape[1:]))
    return (rows == rows[:, :1]).all(axis=1)


def _step_vectors(step: NDArray[Any], angle: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (cos, sin) of the angles times the steps, float32: one patch pixel to the right."""
    return (step * np.cos(angle)).astype(np.float32), (step * np.sin(angle)).astype(np.float32)


def _pyramid(pixels: Bytes, largest_step: float) -> list[Bytes]:
    """Return the image and its halvings, down to the level whose pixels are as large as `largest_step`."""
    levels = [pixels]
    while largest_step > 2 ** (len(levels) - 0.5) and min(levels[-1].shape) > 8:
        levels.append(cv2.pyrDown(levels[-1]))
    return levels

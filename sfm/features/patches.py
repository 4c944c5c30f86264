"""Patches: what a network sees of a keypoint, cut out upright, at one size, without aliasing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

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
    samples = patch_samples(size)
    patches = np.empty((len(keypoints), size * size), np.uint8)
    for level in patch_levels(image, keypoints, patch_scale, size):
        for start in range(0, len(level.rows), _ROWS_AT_ONCE):
            some = slice(start, start + _ROWS_AT_ONCE)
            map_x, map_y = (level.affine[some, axis] @ samples for axis in (0, 1))
            patches[level.rows[some]] = cv2.remap(
                level.pixels, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
    return patches.reshape(-1, 1, size, size)


@dataclass(frozen=True)
class PatchLevel:
    """A level of an image's pyramid, and where patches lie in it.

    Attributes
    ----------
    pixels : (H, W) uint8
    rows : (M,) int64
        Which keypoints' patches are read from this level.
    affine : (M, 2, 3) float32
        Takes a patch's samples (`patch_samples`) to pixels of the level.
    """

    pixels: Bytes
    rows: NDArray[np.int64]
    affine: NDArray[np.float32]


def patch_samples(size: int) -> NDArray[np.float32]:
    """Return the samples of a patch row by row, (3, size * size): x and y in steps from the middle, and 1."""
    offset = np.arange(size) - (size - 1) / 2
    x, y = np.meshgrid(offset, offset)
    return np.stack([x.ravel(), y.ravel(), np.ones(size * size)]).astype(np.float32)


def patch_levels(
    image: GrayImage, keypoints: Keypoints, patch_scale: float, size: int
) -> Iterator[PatchLevel]:
    """Yield the levels that the patches of `extract_patches` are read from; each keypoint is in one of them."""
    xy = image.from_original(keypoints.xy)
    step = patch_scale / size * keypoints.scale / image.scale.mean()
    pyramid = _pyramid(image.pixels, float(step.max(initial=1.0)))
    nearest = np.clip(np.rint(np.log2(np.maximum(step, 1e-6))), 0, len(pyramid) - 1).astype(int)
    for index, pixels in enumerate(pyramid):
        (rows,) = np.nonzero(nearest == index)
        if len(rows):
            # Halving keeps pixel (0, 0) where it is, so that positions just halve with every level.
            length, angle = step[rows] / 2**index, keypoints.angle[rows]
            cos, sin = length * np.cos(angle), length * np.sin(angle)
            x, y = (xy[rows] / 2**index).T
            affine = np.stack([cos, -sin, x, sin, cos, y], axis=1).reshape(-1, 2, 3)
            yield PatchLevel(pixels, rows, affine.astype(np.float32))


def is_flat(patches: Bytes) -> NDArray[np.bool_]:
    """Tell which of (N, 1, S, S) patches have no variation at all: they would all get one descriptor."""
    rows = patches.reshape(len(patches), math.prod(patches.shape[1:]))
    return (rows == rows[:, :1]).all(axis=1)


def _pyramid(pixels: Bytes, largest_step: float) -> list[Bytes]:
    """Return the image and its halvings, down to the level whose pixels are as large as `largest_step`."""
    levels = [pixels]
    while largest_step > 2 ** (len(levels) - 0.5) and min(levels[-1].shape) > 8:
        levels.append(cv2.pyrDown(levels[-1]))
    return levels

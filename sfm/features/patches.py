"""Patches: what a network sees of a keypoint, cut out upright, at one size, without aliasing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import EVEN_WINDOW, PatchWindow
from sfm.images.gray import GrayImage
from sfm.images.pyramid import level_of, parts_to_read, pyramid, read_at

Bytes = NDArray[np.uint8]


def extract_patches(
    image: GrayImage, keypoints: Keypoints, window: PatchWindow = EVEN_WINDOW, size: int = 32
) -> Bytes:
    """Cut a square patch around every keypoint, turned to its angle.

    The patch shows `window`, and every sample is read bilinearly from that level of an image pyramid (Gaussian,
    octaves) whose pixels are nearest in size to the distance between samples there. Beyond the border the border's
    pixels are repeated.

    Parameters
    ----------
    image
        What is looked at, perhaps smaller than the original.
    keypoints
        N keypoints in pixels of the original image.
    window
        What a patch shows around its keypoint.
    size
        Side of the patch in pixels.

    Returns
    -------
    (N, 1, size, size) uint8
    """
    samples = patch_samples(window, size)
    patches = np.empty((len(keypoints), size * size), np.uint8)
    for level in patch_levels(image, keypoints, window, samples):
        offsets = samples.offsets[:, level.samples]
        for some in parts_to_read(len(level.rows)):
            x, y = (level.affine[some, axis] @ offsets for axis in (0, 1))
            patches[level.rows[some], level.samples] = read_at(level.pixels, x, y)
    return patches[:, samples.order].reshape(-1, 1, size, size)


@dataclass(frozen=True)
class PatchSamples:
    """Where a patch's pixels are read, ring by ring from the middle outwards.

    Attributes
    ----------
    offsets : (3, size * size) float32
        x and y in steps of the middle, and 1.
    rings : slices of the samples
        In ring k the distance between samples is nearest to 2**k steps of the middle.
    order : (size * size,) int64
        The samples that are the patch's pixels row by row.
    size
        Side of the patch in pixels.
    """

    offsets: NDArray[np.float32]
    rings: tuple[slice, ...]
    order: NDArray[np.int64]
    size: int


def patch_samples(window: PatchWindow, size: int) -> PatchSamples:
    """Return where the pixels of a patch of `size` pixels a side are read."""
    x, y = (grid.ravel() for grid in np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 2))
    stretch = window.stretch(np.hypot(x, y) / (size / 2))
    # Steps grow by s = 1 + f r^2 across the radius, and by 1 + 3 f r^2 = 3 s - 2 along it.
    ring = np.rint(np.log2((3 * stretch - 2) * stretch) / 2).astype(int)
    outwards_first = np.argsort(ring, kind="stable")
    ends = np.cumsum(np.bincount(ring)).tolist()
    offsets = np.stack([x * stretch, y * stretch, np.ones(size * size)])
    return PatchSamples(
        offsets=offsets[:, outwards_first].astype(np.float32),
        rings=tuple(slice(start, end) for start, end in itertools.pairwise([0, *ends])),
        order=np.argsort(outwards_first),
        size=size,
    )


@dataclass(frozen=True)
class PatchLevel:
    """A level of an image's pyramid, and which samples of which patches lie in it.

    Attributes
    ----------
    pixels : (H, W) uint8
    rows : (M,) int64
        Keypoints.
    samples : slice
        Of `PatchSamples.offsets`.
    affine : (M, 2, 3) float32
        Takes those offsets to pixels of the level.
    """

    pixels: Bytes
    rows: NDArray[np.int64]
    samples: slice
    affine: NDArray[np.float32]


def patch_levels(
    image: GrayImage, keypoints: Keypoints, window: PatchWindow, samples: PatchSamples
) -> Iterator[PatchLevel]:
    """Yield what the patches of `extract_patches` are read from; every sample of a keypoint is in one of them."""
    xy = image.from_original(keypoints.xy)
    step = window.middle_step(samples.size) * keypoints.scale / image.scale.mean()
    levels = pyramid(image.pixels, float(step.max(initial=1.0)) * 2 ** (len(samples.rings) - 1))
    for further, ring in enumerate(samples.rings):
        nearest = level_of(step * 2**further, len(levels))
        for index, pixels in enumerate(levels):
            (rows,) = np.nonzero(nearest == index)
            if len(rows):
                length, angle = step[rows] / 2**index, keypoints.angle[rows]
                cos, sin = length * np.cos(angle), length * np.sin(angle)
                x, y = (xy[rows] / 2**index).T
                affine = np.stack([cos, -sin, x, sin, cos, y], axis=1).reshape(-1, 2, 3)
                yield PatchLevel(pixels, rows, ring, affine.astype(np.float32))


def is_flat(patches: Bytes) -> NDArray[np.bool_]:
    """Tell which of (N, 1, S, S) patches have no variation at all: they would all get one descriptor."""
    rows = patches.reshape(len(patches), math.prod(patches.shape[1:]))
    return (rows == rows[:, :1]).all(axis=1)

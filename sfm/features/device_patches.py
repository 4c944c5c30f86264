"""Patches cut where the network runs: a GPU gets the image and the keypoints, and no patches travel."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import patch_levels, patch_samples
from sfm.images.gray import GrayImage

# 256 MB of sampling positions of patches of 32 pixels.
_ROWS_AT_ONCE = 32768


def extract_patches_on(
    device: torch.device, image: GrayImage, keypoints: Keypoints, window: PatchWindow, size: int = 32
) -> Tensor:
    """Cut the patches of `sfm.features.patches.extract_patches` on a device.

    They differ from those by a grey level here and there: OpenCV interpolates with weights of 1/32.

    Parameters
    ----------
    device
        Where to cut, and where the patches stay.
    image, keypoints, window, size
        As there.

    Returns
    -------
    (N, 1, size, size) uint8 tensor on `device`
    """
    samples = patch_samples(window, size)
    offsets = _sent(samples.offsets, device)
    patches = torch.empty((len(keypoints), size * size), dtype=torch.uint8, device=device)
    for level in patch_levels(image, keypoints, window, samples):
        pixels, rows, affine = (_sent(values, device) for values in (level.pixels, level.rows, level.affine))
        for some, placed in zip(rows.split(_ROWS_AT_ONCE), affine.split(_ROWS_AT_ONCE), strict=True):
            patches[some, level.samples] = _bilinear(pixels, placed @ offsets[:, level.samples])
    return patches[:, _sent(samples.order, device)].reshape(-1, 1, size, size)


def _bilinear(pixels: Tensor, positions: Tensor) -> Tensor:
    """Read (H, W) uint8 pixels at (M, 2, K) positions, x before y: (M, K) uint8. The border is repeated."""
    height, width = pixels.shape
    size = torch.tensor([width, height], device=pixels.device)
    # -1 and 1 are the outer edges of the first and the last pixel.
    relative = (2 * positions.transpose(1, 2) + 1) / size - 1
    read = torch.nn.functional.grid_sample(
        pixels.float()[None, None], relative[None], padding_mode="border", align_corners=False
    )
    return read[0, 0].round().to(torch.uint8)


def _sent(values: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device, from pinned memory where that lets the copy overlap with work."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

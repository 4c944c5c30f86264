"""Patches brought to zero mean and unit variance, each for itself."""

from __future__ import annotations

import torch
from torch import Tensor


def standardised(patches: Tensor) -> Tensor:
    """Bring every patch to zero mean and unit variance.

    Parameters
    ----------
    patches : (N, 1, S, S), any dtype

    Returns
    -------
    (N, 1, S, S) float32; zeros where a patch is flat.
    """
    # Without autocast: a variance of grey levels overflows half precision and an epsilon vanishes in it.
    with torch.autocast(patches.device.type, enabled=False):
        centred = patches.float()
        centred = centred - centred.mean(dim=(2, 3), keepdim=True)
        # `torch.std` takes fifty times as long as the length of the centred patch does on a CPU.
        length = torch.linalg.vector_norm(centred, dim=(2, 3), keepdim=True)
        pixels = patches.shape[-1] * patches.shape[-2]
        return centred / (length / (pixels - 1) ** 0.5 + 1e-7)

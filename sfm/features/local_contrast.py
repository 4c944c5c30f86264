"""Local contrast: patches as they look when the light that fell on them is evened out.

A grey level is what a surface reflects times the light that falls on it, and by night that light comes from lamps: it
is unlike from one side of a patch to the other. The logarithm turns the product into a sum, and the slow part of the
sum, which is mostly light, is taken away; then every part of the patch is brought to the same spread (local contrast
normalisation: K. Jarrett et al., "What is the Best Multi-Stage Architecture for Object Recognition?", ICCV 2009).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sfm.features.standardise import standardised

# Grey levels added before the logarithm: what is darker is mostly the sensor's noise.
_DARK = 16.0
# Standard deviation, in pixels of the patch, of the window that is local.
_REACH = 6.0
# Spread, in that of the whole patch, that is added to the local one: flat parts stay flat.
_LEAST_SPREAD = 0.5


def local_contrast(patches: Tensor) -> Tensor:
    """Even out the light of patches.

    Parameters
    ----------
    patches : (N, 1, S, S), any dtype
        Grey levels, 0 to 255.

    Returns
    -------
    (N, 1, S, S) float32, about -3 to 3; zeros where a patch is flat.
    """
    # Without autocast: in half precision the logarithms of neighbouring grey levels are the same number.
    with torch.autocast(patches.device.type, enabled=False):
        light = standardised(torch.log(patches.float() + _DARK))
        window = _window(patches.shape[-1], patches.device)
        light = light - window @ light @ window.T
        local_spread = (window @ light.square() @ window.T).sqrt()
        return light / (local_spread + _LEAST_SPREAD)


def _window(size: int, device: torch.device) -> Tensor:
    """Return the (size, size) matrix that takes local means of columns; at the border, of what there is."""
    at = torch.arange(size, device=device, dtype=torch.float32)
    weights = torch.exp(-((at[:, None] - at[None, :]) ** 2) / (2 * _REACH**2))
    return weights / weights.sum(dim=1, keepdim=True)

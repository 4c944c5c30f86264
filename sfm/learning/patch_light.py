"""Light that falls on a patch anew each time it is drawn, so that a network never sees the same one twice.

The views of a patch set were lit when it was built: real ones by the day they were taken, most of them minutes
apart. This adds what changes between noon and night, patch by patch and cheaply enough for every batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def relit(patches: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Light a share of the patches anew: tone curve, fall-off, shadow edge, blur and noise.

    Parameters
    ----------
    patches : (N, 1, S, S) uint8 or float32
        Grey levels, 0 to 255.
    share
        Which share of the patches is changed, 0 to 1.
    generator
        Draws everything, on the CPU.

    Returns
    -------
    (N, 1, S, S) float32 grey levels. Brightness and contrast of a whole patch are not kept: networks normalise
    them away.
    """
    given = patches.float()
    if share <= 0:
        return given
    count, size = len(patches), patches.shape[-1]

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count, 1, 1, 1).uniform_(low, high, generator=generator)

    low, high = given.amin(dim=(2, 3), keepdim=True), given.amax(dim=(2, 3), keepdim=True)
    light = (given - low) / (high - low).clamp(min=1)
    # A lamp's side of the patch is brighter; a shadow's edge crosses one patch in three.
    along = _ramp(size, uniform(-torch.pi, torch.pi))
    light = (light + 0.15) * (1 + uniform(-0.8, 0.8) * along).clamp(min=0.1)
    edge = torch.sigmoid((_ramp(size, uniform(-torch.pi, torch.pi)) - uniform(-0.7, 0.7)) * uniform(3, 20))
    light = light * (1 - edge * uniform(0.2, 0.8) * (uniform(0, 1) < 1 / 3))
    light = light / light.amax(dim=(2, 3), keepdim=True)
    light = light ** (2 ** uniform(-1, 1))
    # Highlights saturate: everything above the limit is white.
    light = light.minimum(uniform(0.6, 1.8))
    blurred = torch.nn.functional.avg_pool2d(light, 3, stride=1, padding=1, count_include_pad=False)
    light = torch.lerp(light, blurred, uniform(0, 1) * (uniform(0, 1) < 0.5))
    noise = torch.empty_like(light).normal_(generator=generator)
    deviation = light.std(dim=(2, 3), keepdim=True)
    light = light + noise * deviation * uniform(-0.3, 0.3).clamp(min=0)
    return torch.where(uniform(0, 1) < share, 255 * light, given)


def _ramp(size: int, angle: Tensor) -> Tensor:
    """Return (N, 1, S, S) planes that rise from -1 to 1 across the patch in the direction of `angle`."""
    axis = torch.linspace(-1, 1, size)
    return torch.cos(angle) * axis[None, None, None, :] + torch.sin(angle) * axis[None, None, :, None]

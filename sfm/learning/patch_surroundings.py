"""Patches whose surroundings change each time they are drawn, so that a network learns what to hold on to.

Between noon and night a surface stays while windows light up beside it, the sky behind it goes dark and lamps outshine
what is near them. The two views of a point in a patch set seldom differ so. Here a part of the patch that does not hold
the keypoint shows another patch instead, or a lamp: cutting and mixing (S. Yun et al., "CutMix: Regularization Strategy
to Train Strong Classifiers with Localizable Features", ICCV 2019), with the label staying at the centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

# How far from the keypoint it begins to change, in halves of the patch's side: around it, or on one side of it.
_AROUND = (0.55, 1.2)
_BESIDE = (0.15, 0.9)
_SHARE_AROUND = 0.4
# How hard the border is: a hundred grey levels rise over a pixel or over a fifth of the patch.
_HARDNESS = (6.0, 30.0)
_CONTRAST, _BRIGHTNESS = (0.5, 2.0), (-60.0, 60.0)
# Lamps: how many patches have one, how large it is, how far from the keypoint it stays.
_LAMPS = 0.3
_LAMP_RADIUS, _LAMP_HARDNESS, _LAMP_DISTANCE = (0.05, 0.35), (5.0, 40.0), 0.25
_WHITE = 255.0


def with_other_surroundings(patches: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Change the surroundings of a share of the patches.

    Parameters
    ----------
    patches : (N, 1, S, S) uint8 or float32
        Grey levels, 0 to 255, of keypoints at their centres.
    share
        Which share of the patches is changed, 0 to 1.
    generator
        Draws everything, on the CPU.

    Returns
    -------
    (N, 1, S, S) float32 grey levels.
    """
    given = patches.float()
    if share <= 0:
        return given
    count, size = len(given), given.shape[-1]

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(count, 1, 1, 1).uniform_(low, high, generator=generator)

    along = torch.linspace(-1, 1, size)
    x, y = along[None, None, None, :], along[None, None, :, None]
    around = torch.sigmoid(((x**2 + y**2).sqrt() - uniform(*_AROUND)) * uniform(*_HARDNESS))
    turn = uniform(-math.pi, math.pi)
    beside = torch.sigmoid(
        (torch.cos(turn) * x + torch.sin(turn) * y - uniform(*_BESIDE)) * uniform(*_HARDNESS)
    )
    changed = torch.where(uniform(0, 1) < _SHARE_AROUND, around, beside)
    mixed = torch.lerp(given, _others(given, uniform, generator), changed)

    lamp_x, lamp_y, radius = uniform(-1, 1), uniform(-1, 1), uniform(*_LAMP_RADIUS)
    lit = (uniform(0, 1) < _LAMPS) & ((lamp_x**2 + lamp_y**2).sqrt() - radius > _LAMP_DISTANCE)
    distance = ((x - lamp_x) ** 2 + (y - lamp_y) ** 2).sqrt()
    lamp = torch.sigmoid((radius - distance) * uniform(*_LAMP_HARDNESS)) * lit
    mixed = torch.lerp(mixed, torch.full_like(mixed, _WHITE), lamp)
    return torch.where(uniform(0, 1) < share, mixed, given)


def _others(given: Tensor, uniform: Callable[[float, float], Tensor], generator: torch.Generator) -> Tensor:
    """Return for each patch another one as bright, about, and of more or less contrast."""
    other = given[torch.randperm(len(given), generator=generator)]
    mean, mean_of_other = (levels.mean(dim=(2, 3), keepdim=True) for levels in (given, other))
    seen = (other - mean_of_other) * uniform(*_CONTRAST) + mean + uniform(*_BRIGHTNESS)
    return seen.clamp(0, _WHITE)

"""The window that a patch shows: how far it reaches around a keypoint, and how its samples are spread.

What lies around a point tells it apart, but only its middle is found again exactly. A foveated window has both: samples
are close to each other in the middle and ever farther apart outwards, so that as many pixels show twice as much.
Log-polar patches do the same in other coordinates (P. Ebel et al., "Beyond Cartesian Representations for Local
Descriptors", ICCV 2019); here a turn of the image stays a turn of the patch, and flips stay flips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Radius = TypeVar("Radius", float, NDArray[np.float64])

# Side of a patch in sigmas of its keypoint, for weights that do not tell. SIFT's own window is 12.
PATCH_SCALE = 32.0
_NEWTON_STEPS = 20


@dataclass(frozen=True)
class PatchWindow:
    """What of an image a patch shows.

    Attributes
    ----------
    scale
        Side of the patch, through its middle, in sigmas of its keypoint.
    foveation
        How much closer than on average the samples lie in the middle: 0 for evenly spread ones; with 0.5 a step there
        is 1 / 1.5 of the side over the number of pixels.
    """

    scale: float = PATCH_SCALE
    foveation: float = 0.0

    def middle_step(self, size: int) -> float:
        """Return the distance of two samples in the middle of a patch of `size` pixels a side, in sigmas."""
        return self.scale / size / self.stretch(1.0)

    def stretch(self, radius: Radius) -> Radius:
        """Return how much farther from the keypoint a patch shows at `radius` half sides than even steps would."""
        return 1 + self.foveation * radius**2

    def distance(self, radius: float) -> float:
        """Return how far from the keypoint, in sigmas, a patch shows at `radius` half sides from its middle."""
        return self.scale / 2 * radius * self.stretch(radius) / self.stretch(1.0)

    def radius(self, distance: float) -> float:
        """Return how many half sides from its middle a patch shows what is `distance` sigmas from the keypoint."""
        wanted = 2 * distance / self.scale * self.stretch(1.0)
        radius = min(wanted, 1.0)
        for _ in range(_NEWTON_STEPS):
            over = radius * self.stretch(radius) - wanted
            radius -= over / (1 + 3 * self.foveation * radius**2)
        return radius


EVEN_WINDOW = PatchWindow()

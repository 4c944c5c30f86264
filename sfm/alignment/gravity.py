"""Which way is up, from the way cameras are held.

People and vehicles tilt cameras up and down but seldom to the side: the rows of most photographs are level. So
up is the direction most perpendicular to all of the cameras' x axes, turned to where their tops are.
R. Szeliski, "Image Alignment and Stitching", 2006, section 5.1, straightens panoramas this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.robust import MAD_TO_SIGMA
from sfm.images.decode import upright_axes
from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]

# How much the tops of the cameras count beside their x axes: enough where all cameras look the same way, when
# the x axes leave open how far they look up or down.
_WEIGHT_OF_TOPS = 0.02
_ITERATIONS = 20
_SMALLEST_CUTOFF = np.sin(np.radians(3.0))
_LARGEST_ROLL_DEG = 15.0
_LARGEST_TILT_DEG = 60.0


@dataclass(frozen=True)
class Gravity:
    """The upward direction of a map, and how well its cameras agree on it.

    Attributes
    ----------
    up : (3,) float64
        Unit vector in the map's frame.
    roll_deg
        Median angle between the rows of a photograph and the horizon.
    tilt_deg
        Median angle by which cameras look up or down.
    cameras
        Number of cameras asked.
    """

    up: Floats
    roll_deg: float
    tilt_deg: float
    cameras: int

    @property
    def reliable(self) -> bool:
        """Whether the cameras are held as the assumption has it: level to the side, and not all looking down."""
        return (
            self.cameras > 0 and self.roll_deg < _LARGEST_ROLL_DEG and abs(self.tilt_deg) < _LARGEST_TILT_DEG
        )


def estimate_gravity(sparse_map: SparseMap, orientations: Mapping[str, int] | None = None) -> Gravity:
    """Find the upward direction from the cameras of a map.

    Parameters
    ----------
    sparse_map
        The map.
    orientations
        EXIF orientation of images by name, where it is not 1.
    """
    images = list(sparse_map.images.values())
    if not images:
        return Gravity(np.array([0.0, -1.0, 0.0]), np.inf, 0.0, 0)
    axes = [upright_axes((orientations or {}).get(image.name, 1)) for image in images]
    turns = [image.cam_from_world.rotation for image in images]
    rights, tops = np.stack([a @ R[:2] for a, R in zip(axes, turns, strict=True)], axis=1)
    up = _fit(rights, tops)
    rolls = np.degrees(np.arcsin(np.clip(np.abs(rights @ up), 0, 1)))
    tilts = np.degrees(np.arcsin(np.clip([R[2] @ up for R in turns], -1, 1)))
    return Gravity(up, float(np.median(rolls)), float(np.median(tilts)), len(images))


def _fit(rights: Floats, tops: Floats) -> Floats:
    """Minimise the squared slopes of the rows, with less weight to cameras held askew."""
    weights = np.ones(len(rights))
    up = tops.mean(axis=0)
    for _ in range(_ITERATIONS):
        w = weights / max(weights.sum(), 1e-12)
        mean_top = w @ tops
        cost = (rights * w[:, None]).T @ rights - _WEIGHT_OF_TOPS * np.outer(mean_top, mean_top)
        before, up = up, np.linalg.eigh(cost)[1][:, 0]
        up = up if up @ mean_top >= 0 else -up
        slopes = np.abs(rights @ up)
        cutoff = max(4 * MAD_TO_SIGMA * float(np.median(slopes)), _SMALLEST_CUTOFF)
        weights = np.clip(1 - (slopes / cutoff) ** 2, 0, None) ** 2
        if weights.sum() < 1e-9 or np.linalg.norm(up - before) < 1e-10:
            break
    return up

"""Refuse alignments that positions do not support, before they are written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.alignment.gravity import Gravity
from sfm.geometry.similarity import Alignment
from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]

# Median residual over the median distance from the middle: shuffled positions have 0.6 and more.
_LARGEST_SHARE = 0.35
_STEEP = np.sin(np.radians(45.0))


def problem_of(
    sparse_map: SparseMap, fit: Alignment, targets: Floats, gravity: Gravity | None, *, noise_m: float = 0.0
) -> str | None:
    """Say what makes an alignment absurd, in a clause; None for a plausible one.

    Parameters
    ----------
    sparse_map
        The map, before the alignment.
    fit
        The alignment.
    targets : (N, 3)
        The positions it was fitted to.
    gravity
        Which way is up in the map, where the alignment claims that z is up; else None.
    noise_m
        Residual that says nothing, up to half of the spread.
    """
    scale = fit.sim3.scale
    if not np.isfinite(fit.sim3.matrix).all() or not np.isfinite(1 / scale if scale > 0 else np.inf):
        return "they give the map no size"
    residual = float(np.median(fit.residuals))
    spread = float(np.median(np.linalg.norm(targets - np.median(targets, axis=0), axis=1)))
    if residual > max(_LARGEST_SHARE * spread, min(noise_m, 0.5 * spread)):
        return f"half of the cameras are {residual:.3g} or more off them, and half of them lie within {spread:.3g}"
    if gravity is not None and _upside_down(sparse_map, fit, gravity):
        return "by them the map is upside down, the ground above the cameras"
    return None


def _upside_down(sparse_map: SparseMap, fit: Alignment, gravity: Gravity) -> bool:
    """Tell whether most cameras look steeply up, or cameras held level stand on their heads."""
    forward = np.array([pose.rotation[2] for pose in sparse_map.poses.values()])
    looks_up = float(np.median((forward @ fit.sim3.rotation.T)[:, 2]))
    up = float((fit.sim3.rotation @ gravity.up)[2])
    return looks_up > _STEEP or (gravity.reliable and up < -_STEEP)

"""The fundamental matrix most matches agree with: PoseLib's seven-point algorithm in locally optimised RANSAC.

R. Hartley and A. Zisserman, "Multiple View Geometry in Computer Vision", 2nd edition, 2004, section 11.1.2; O. Chum,
J. Matas and J. Kittler, "Locally Optimized RANSAC", DAGM 2003; V. Larsson, "PoseLib - Minimal Solvers for Camera Pose
Estimation", 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.ransac import PoselibSearch
from sfm.geometry.two_view import IdealView

Floats = NDArray[np.float64]


def find_fundamental(
    view1: IdealView, view2: IdealView, search: PoselibSearch
) -> tuple[Floats, NDArray[np.int64]]:
    """Find the fundamental matrix, and the matches that agree with it.

    Parameters
    ----------
    view1, view2
        At least seven matches.
    search
        How to look for it.

    Returns
    -------
    F : (3, 3) float64
        x2^T F x1 = 0 for ideal pixels, of Frobenius norm 1; zeros where every sample was degenerate.
    inliers : (K,) int64
        Indices of matches, ascending; empty in that case.
    """
    import poselib

    F, info = poselib.estimate_fundamental(view1.xy, view2.xy, *search.options)
    F = np.asarray(F, np.float64)
    if not (np.isfinite(F).all() and F.any()):
        return np.zeros((3, 3)), np.empty(0, np.int64)
    return F / np.linalg.norm(F), np.flatnonzero(np.asarray(info["inliers"], bool))

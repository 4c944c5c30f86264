"""The fundamental matrix most matches agree with: PoseLib's seven-point algorithm in locally optimised RANSAC.

R. Hartley and A. Zisserman, "Multiple View Geometry in Computer Vision", 2nd edition, 2004, section 11.1.2; O. Chum,
J. Matas and J. Kittler, "Locally Optimized RANSAC", DAGM 2003; V. Larsson, "PoseLib - Minimal Solvers for Camera Pose
Estimation", 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.ransac import poselib_options
from sfm.geometry.two_view import IdealView

Floats = NDArray[np.float64]


def find_fundamental(
    view1: IdealView, view2: IdealView, threshold_px: float, seed: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Find F for pixels of the images freed from distortion, and the matches that agree with it.

    Parameters
    ----------
    view1, view2
        At least seven matches.
    threshold_px
        Largest Sampson error of an inlier.
    seed
        Of the samples drawn.

    Returns
    -------
    F : (3, 3) float64
        Of Frobenius norm 1, x2^T F x1 = 0.
    inliers : (K,) int64
        Indices of matches, ascending; empty where every sample was degenerate.
    """
    import poselib

    found, info = poselib.estimate_fundamental(view1.xy, view2.xy, *poselib_options(threshold_px, seed))
    F = np.linalg.inv(view2.to_pixels).T @ found @ np.linalg.inv(view1.to_pixels)
    if not np.isfinite(F).all():
        return np.zeros((3, 3)), np.empty(0, np.int64)
    return F / np.linalg.norm(F), np.flatnonzero(np.asarray(info["inliers"], bool))

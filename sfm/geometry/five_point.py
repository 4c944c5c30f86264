"""The verifier for calibrated cameras: PoseLib's five-point algorithm in locally optimised RANSAC.

D. Nister, "An Efficient Solution to the Five-Point Relative Pose Problem", PAMI 2004; O. Chum, J. Matas and
J. Kittler, "Locally Optimized RANSAC", DAGM 2003; V. Larsson, "PoseLib - Minimal Solvers for Camera Pose
Estimation", 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.epipolar import essential_from_pose, fundamental_from_essential
from sfm.geometry.homography import find_rotation
from sfm.geometry.pose import Pose
from sfm.geometry.ransac import PoselibSearch
from sfm.geometry.two_view import IdealView, TwoViewGeometry, Verifier

Floats = NDArray[np.float64]


class FivePointVerifier(Verifier):
    """Five-point LO-RANSAC on pixels freed from distortion, focal lengths taken as given.

    Planes need no care: five coplanar points determine the pose up to a twofold choice that matches off the
    plane, or in front of the cameras, mostly settle.
    """

    name = "five-point"

    def _estimate(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> TwoViewGeometry | None:
        threshold = self.options.max_error_px
        view1, view2 = IdealView.of(xy1, camera1), IdealView.of(xy2, camera2)
        pose, inliers = find_relative_pose(view1, view2, PoselibSearch(threshold, self.seed))
        if pose is None or len(inliers) < self.options.min_inliers:
            return None
        rng = np.random.default_rng(self.seed)
        panoramic = find_rotation(view1, view2, inliers, threshold, rng)
        if panoramic is not None:
            return panoramic
        E = essential_from_pose(pose)
        F = fundamental_from_essential(E, camera1.matrix, camera2.matrix)
        return TwoViewGeometry("calibrated", inliers, E, F, None, pose, threshold)


def find_relative_pose(
    view1: IdealView, view2: IdealView, search: PoselibSearch
) -> tuple[Pose | None, NDArray[np.int64]]:
    """Find the pose of the second camera relative to the first, and the matches that agree with it.

    Parameters
    ----------
    view1, view2
        At least five matches.
    search
        How to look for it.

    Returns
    -------
    pose
        `cam2_from_cam1` with a translation of length 1; None where every sample was degenerate.
    inliers : (K,) int64
        Indices of matches, ascending; empty in that case.
    """
    import poselib

    cameras = _ideal_camera(view1), _ideal_camera(view2)
    found, info = poselib.estimate_relative_pose(view1.xy, view2.xy, *cameras, *search.options)
    length = float(np.linalg.norm(found.t))
    if not (np.isfinite(length) and length > 0):
        return None, np.empty(0, np.int64)
    pose = Pose(np.array(found.R), np.array(found.t) / length)
    return pose, np.flatnonzero(np.asarray(info["inliers"], bool))


def _ideal_camera(view: IdealView) -> dict[str, object]:
    # The size does not matter to a camera without distortion.
    return {"model": "SIMPLE_PINHOLE", "width": 1, "height": 1, "params": [view.K[0, 0], 0.0, 0.0]}

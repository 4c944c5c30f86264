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
from sfm.geometry.ransac import poselib_options
from sfm.geometry.two_view import IdealView, TwoViewGeometry, Verifier

Floats = NDArray[np.float64]


class FivePointVerifier(Verifier):
    """Five-point LO-RANSAC on pixels freed from distortion, focal lengths taken as given.

    Planes need no care: five coplanar points determine the pose up to a twofold choice that matches off the
    plane, or in front of the cameras, mostly settle.
    """

    name = "five-point"

    def _estimate(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> TwoViewGeometry | None:
        import poselib

        threshold = self.options.max_error_px
        view1, view2 = IdealView.of(xy1, camera1), IdealView.of(xy2, camera2)
        estimate, info = poselib.estimate_relative_pose(
            view1.xy,
            view2.xy,
            _ideal_camera(camera1),
            _ideal_camera(camera2),
            *poselib_options(threshold, self.seed),
        )
        inliers = np.flatnonzero(np.asarray(info["inliers"], bool))
        if len(inliers) < self.options.min_inliers or not np.isfinite(estimate.t).all():
            return None
        rng = np.random.default_rng(self.seed)
        panoramic = find_rotation(view1, view2, inliers, threshold, rng)
        if panoramic is not None:
            return panoramic
        pose = Pose(np.array(estimate.R), np.array(estimate.t) / np.linalg.norm(estimate.t))
        E = essential_from_pose(pose)
        F = fundamental_from_essential(E, camera1.matrix, camera2.matrix)
        return TwoViewGeometry("calibrated", inliers, E, F, None, pose, threshold)


def _ideal_camera(camera: Camera) -> dict[str, object]:
    return {
        "model": "SIMPLE_PINHOLE",
        "width": camera.width,
        "height": camera.height,
        "params": [camera.focal_px, 0.0, 0.0],
    }

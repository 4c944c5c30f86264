"""Verification by COLMAP's two-view estimation, and the way of any two-view geometry into its database.

J. Schoenberger and J.-M. Frahm, "Structure-from-Motion Revisited", CVPR 2016, section 4.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.eight_point import EightPointVerifier
from sfm.geometry.five_point import FivePointVerifier
from sfm.geometry.seven_point import find_fundamental
from sfm.geometry.two_view import IdealView, Kind, TwoViewGeometry, VerificationOptions, Verifier
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import (
    HALF_PIXEL,
    camera_to_colmap,
    pose_from_colmap,
    pose_to_colmap,
    xy_to_colmap,
)
from sfm.options import check

Floats = NDArray[np.float64]

_CONFIGURATIONS: dict[Kind, pycolmap.TwoViewGeometryConfiguration] = {
    "calibrated": pycolmap.TwoViewGeometryConfiguration.CALIBRATED,
    "uncalibrated": pycolmap.TwoViewGeometryConfiguration.UNCALIBRATED,
    "planar": pycolmap.TwoViewGeometryConfiguration.PLANAR,
    "panoramic": pycolmap.TwoViewGeometryConfiguration.PANORAMIC,
    "planar_or_panoramic": pycolmap.TwoViewGeometryConfiguration.PLANAR_OR_PANORAMIC,
    "degenerate": pycolmap.TwoViewGeometryConfiguration.DEGENERATE,
}
# Watermarks (matches that stay at the image border) and everything else COLMAP may answer relate no scene.
_KINDS = {int(configuration): kind for kind, configuration in _CONFIGURATIONS.items()}

_TO_COLMAP = np.array([[1.0, 0.0, HALF_PIXEL], [0.0, 1.0, HALF_PIXEL], [0.0, 0.0, 1.0]])
_FROM_COLMAP = np.linalg.inv(_TO_COLMAP)


class ColmapVerifier(Verifier):
    """COLMAP's choice among essential matrix, fundamental matrix and homography.

    Cameras whose focal length is a guess are treated as uncalibrated.

    Of such, COLMAP draws 10,000 samples of seven matches, and as many of four, wherever few matches agree. PoseLib
    draws the seven ten times faster, and so tells first which pairs are hopeless. Its answer for the others is not
    taken: where few matches agree, COLMAP's choice keeps more right ones, and maps that hang on such pairs keep more
    images. Known focal lengths need but five matches a sample, and find what seven do not.
    """

    name = "colmap"

    def _estimate(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> TwoViewGeometry | None:
        if not (camera1.focal_is_known and camera2.focal_is_known):
            views = IdealView.of(xy1, camera1), IdealView.of(xy2, camera2)
            _, agreeing = find_fundamental(*views, self.options.max_error_px, self.seed)
            if len(agreeing) < self.options.min_inliers:
                return None
        every = np.arange(len(xy1), dtype=np.uint32)
        found = pycolmap.estimate_two_view_geometry(
            camera_to_colmap(camera1),
            xy_to_colmap(xy1),
            camera_to_colmap(camera2),
            xy_to_colmap(xy2),
            np.column_stack([every, every]),
            self._colmap_options(),
        )
        kind = _KINDS.get(int(found.config), "degenerate")
        if kind == "degenerate":
            return None
        pose = None if found.cam2_from_cam1 is None else pose_from_colmap(found.cam2_from_cam1)
        return TwoViewGeometry(
            kind,
            np.sort(found.inlier_matches[:, 0]).astype(np.int64),
            found.E,
            None if found.F is None else _TO_COLMAP.T @ found.F @ _TO_COLMAP,
            None if found.H is None else _FROM_COLMAP @ found.H @ _TO_COLMAP,
            pose,
            self.options.max_error_px,
        )

    def _colmap_options(self) -> pycolmap.TwoViewGeometryOptions:
        options = pycolmap.TwoViewGeometryOptions()
        options.min_num_inliers = self.options.min_inliers
        options.compute_relative_pose = True
        options.ransac.max_error = self.options.max_error_px
        options.ransac.random_seed = self.seed
        return options


def make_verifier(options: VerificationOptions, seed: int = 0) -> Verifier:
    """Return the verifier that `options.verifier` names. Raises `InputError` if there is none."""
    check(options)
    verifiers = (ColmapVerifier, FivePointVerifier, EightPointVerifier)
    return next(kind for kind in verifiers if kind.name == options.verifier)(options, seed)


def to_colmap_two_view(geometry: TwoViewGeometry, matches: NDArray[np.integer]) -> pycolmap.TwoViewGeometry:
    """Return the geometry of any verifier as COLMAP's database keeps it.

    Parameters
    ----------
    geometry
        What `Verifier.verify` answered.
    matches : (M, 2) integers
        The matches it was given, as indices of keypoints in the first and second image.
    """
    optional = {
        "E": geometry.E,
        "F": None if geometry.F is None else _FROM_COLMAP.T @ geometry.F @ _FROM_COLMAP,
        "H": None if geometry.H is None else _TO_COLMAP @ geometry.H @ _FROM_COLMAP,
        "cam2_from_cam1": None
        if geometry.cam2_from_cam1 is None
        else pose_to_colmap(geometry.cam2_from_cam1),
    }
    return pycolmap.TwoViewGeometry(
        config=_CONFIGURATIONS[geometry.kind],
        inlier_matches=np.asarray(matches, np.uint32).reshape(-1, 2)[geometry.inliers],
        **{name: value for name, value in optional.items() if value is not None},
    )

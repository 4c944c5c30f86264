"""Verification by COLMAP's two-view estimation, and the way of any two-view geometry into its database.

J. Schoenberger and J.-M. Frahm, "Structure-from-Motion Revisited", CVPR 2016, section 4.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.eight_point import EightPointVerifier
from sfm.geometry.epipolar import essential_from_pose, fundamental_from_essential, sampson_error_sq
from sfm.geometry.five_point import FivePointVerifier, find_relative_pose
from sfm.geometry.ransac import PoselibSearch
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

# Of five matches and of seven, the surest first.
_SAMPLES_OF_POSE, _SAMPLES_OF_F = 1000, 3000
# Share of the matches a pair needs that make it worth COLMAP's look, which may find a few more.
_HOPEFUL = 0.6
# How far from it a match may be to be shown to COLMAP, in errors allowed.
_NEAR = 4

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

    Where few matches agree, COLMAP draws up to 10,000 samples for each of the three, from all matches alike. PoseLib
    draws from the surest matches first, and a few thousand samples tell which pairs are hopeless, and near which
    epipolar geometry to look. COLMAP is shown the matches there.
    """

    name = "colmap"

    def _estimate(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> TwoViewGeometry | None:
        near = self._near_best(xy1, xy2, camera1, camera2)
        if len(near) < self.options.min_inliers:
            return None
        every = np.arange(len(near), dtype=np.uint32)
        found = pycolmap.estimate_two_view_geometry(
            camera_to_colmap(camera1),
            xy_to_colmap(xy1[near]),
            camera_to_colmap(camera2),
            xy_to_colmap(xy2[near]),
            np.column_stack([every, every]),
            self._colmap_options(),
        )
        kind = _KINDS.get(int(found.config), "degenerate")
        if kind == "degenerate":
            return None
        pose = None if found.cam2_from_cam1 is None else pose_from_colmap(found.cam2_from_cam1)
        return TwoViewGeometry(
            kind,
            near[np.sort(found.inlier_matches[:, 0]).astype(np.int64)],
            found.E,
            None if found.F is None else _TO_COLMAP.T @ found.F @ _TO_COLMAP,
            None if found.H is None else _FROM_COLMAP @ found.H @ _TO_COLMAP,
            pose,
            self.options.max_error_px,
        )

    def _near_best(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> NDArray[np.int64]:
        """Return the matches near the epipolar geometry that most agree with; none if the pair is hopeless."""
        view1, view2 = IdealView.of(xy1, camera1), IdealView.of(xy2, camera2)
        F, agreeing = self._best(view1, view2, camera1.focal_is_known and camera2.focal_is_known)
        if len(agreeing) < _HOPEFUL * self.options.min_inliers:
            return np.empty(0, np.int64)
        error_sq = sampson_error_sq(F, view1.xy, view2.xy)
        return np.flatnonzero(error_sq <= (_NEAR * self.options.max_error_px) ** 2)

    def _best(self, view1: IdealView, view2: IdealView, calibrated: bool) -> tuple[Floats, NDArray[np.int64]]:
        """Return F for ideal pixels and the matches that agree with it; zeros and none if there is no such thing."""
        samples = _SAMPLES_OF_POSE if calibrated else _SAMPLES_OF_F
        search = PoselibSearch(self.options.max_error_px, self.seed, samples)
        if not calibrated:
            return find_fundamental(view1, view2, search)
        pose, agreeing = find_relative_pose(view1, view2, search)
        if pose is None:
            return np.zeros((3, 3)), agreeing
        return fundamental_from_essential(essential_from_pose(pose), view1.K, view2.K), agreeing

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

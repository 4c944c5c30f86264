"""The geometry of two views: the result of verifying their matches, and the contract of those who verify."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.options import as_recorded, option

if TYPE_CHECKING:  # poses import SciPy, and the command line needs the options below at once
    from sfm.geometry.pose import Pose

Floats = NDArray[np.float64]
Kind = Literal["calibrated", "uncalibrated", "planar", "panoramic", "planar_or_panoramic", "degenerate"]


@dataclass(frozen=True)
class VerificationOptions:
    """How matches are verified by the geometry of two views."""

    verifier: str = option(
        "colmap",
        "Who checks that matches agree with one relative pose: COLMAP's choice among essential matrix, "
        "fundamental matrix and homography; PoseLib's five-point; or this project's eight-point.",
        choices=("colmap", "five-point", "eight-point"),
    )
    max_error_px: float = option(
        2.0, "Largest epipolar error of a verified match, pixels of the original image.", minimum=0.01
    )
    min_inliers: int = option(15, "Fewest verified matches that relate two images.", minimum=5)


@dataclass(frozen=True)
class TwoViewGeometry:
    """How the second view relates to the first.

    Attributes
    ----------
    kind
        'calibrated' and 'uncalibrated' say that the scene has depth and whether the focal lengths are
        trusted; 'planar' that the inliers may all lie on one plane; 'panoramic' that the camera only turned;
        'planar_or_panoramic' that either may be; 'degenerate' that no relation was found.
    inliers : (K,) int64
        Indices into the matches given, ascending.
    E, F, H : (3, 3) float64 or None
        x2^T E x1 = 0 in normalised coordinates; x2^T F x1 = 0 and x2 ~ H x1 in pixels freed from distortion,
        the first pixel's centre at (0, 0).
    cam2_from_cam1 : Pose or None
        Relative pose with a translation of length 1, of length 0 where the camera only turned.
    threshold_px
        Largest error of an inlier.
    """

    kind: Kind
    inliers: NDArray[np.int64]
    E: Floats | None
    F: Floats | None
    H: Floats | None
    cam2_from_cam1: Pose | None
    threshold_px: float

    @staticmethod
    def degenerate(threshold_px: float) -> TwoViewGeometry:
        """Return the finding that nothing relates the two views."""
        return TwoViewGeometry("degenerate", np.empty(0, np.int64), None, None, None, None, threshold_px)


def fundamental_of(geometry: TwoViewGeometry, camera1: Camera, camera2: Camera) -> Floats | None:
    """Return a fundamental matrix for pixels, (3, 3), distortion neglected; None where none is known."""
    if geometry.kind == "calibrated" and geometry.E is not None:
        from sfm.geometry.epipolar import fundamental_from_essential

        return fundamental_from_essential(geometry.E, camera1.matrix, camera2.matrix)
    return geometry.F


class Verifier(ABC):
    """Finds the geometry that most matches of two views agree with.

    Attributes
    ----------
    name
        What `VerificationOptions.verifier` calls it.
    """

    name: str

    def __init__(self, options: VerificationOptions, seed: int = 0) -> None:
        self.options = options
        self.seed = seed

    @property
    def identity(self) -> dict[str, object]:
        """What the result depends on, JSON-ready. Part of the fingerprint."""
        return {**as_recorded(self.options), "verifier": self.name, "seed": self.seed}

    def verify(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> TwoViewGeometry:
        """Relate two views by their matches.

        Parameters
        ----------
        xy1, xy2 : (M, 2)
            Matching points, pixels of the original images, the surest first where that is known: a verifier may
            try these first. Matches that are not finite, or that no ray of the camera sees, are outliers.
        camera1, camera2
            Intrinsics.

        Returns
        -------
        The geometry; of kind 'degenerate', without inliers, if fewer than `min_inliers`
        matches, or distinct matches, agree on one.
        The same matches, options and seed give the same geometry, in whatever order pairs are verified.
        """
        xy1 = np.asarray(xy1, np.float64).reshape(-1, 2)
        xy2 = np.asarray(xy2, np.float64).reshape(-1, 2)
        if len(xy1) != len(xy2):
            raise ValueError(f"matches come in pairs, not {len(xy1)} and {len(xy2)} points")
        rays1, rays2 = camera1.normalize(xy1), camera2.normalize(xy2)
        usable = np.flatnonzero(np.isfinite(np.hstack([xy1, xy2, rays1, rays2])).all(axis=1))
        nothing = TwoViewGeometry.degenerate(self.options.max_error_px)
        if len(np.unique(np.hstack([xy1, xy2])[usable], axis=0)) < self.options.min_inliers:
            return nothing
        geometry = self._estimate(xy1[usable], xy2[usable], camera1, camera2)
        if geometry is None or len(geometry.inliers) < self.options.min_inliers:
            return nothing
        return replace(geometry, inliers=usable[geometry.inliers])

    @abstractmethod
    def _estimate(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> TwoViewGeometry | None:
        """Relate the views by at least `min_inliers` finite matches; None if nothing relates them."""


@dataclass(frozen=True)
class IdealView:
    """Points of one view as a camera without distortion, with the same mean focal length, would see them.

    Thresholds in pixels hold unchanged for ideal pixels, up to the distortion's own magnification.

    Attributes
    ----------
    xy : (M, 2) float64
        Pixels about the principal point.
    rays : (M, 2) float64
        The same points in normalised coordinates.
    K : (3, 3) float64
        From rays to ideal pixels.
    to_pixels : (3, 3) float64
        From ideal pixels to pixels of the image freed from distortion.
    """

    xy: Floats
    rays: Floats
    K: Floats
    to_pixels: Floats

    @staticmethod
    def of(xy: Floats, camera: Camera) -> IdealView:
        """Take the distortion of `camera` off the pixels `xy` (M, 2)."""
        rays, focal = camera.normalize(xy), camera.focal_px
        K = np.diag([focal, focal, 1.0])
        return IdealView(rays * focal, rays, K, camera.matrix @ np.linalg.inv(K))

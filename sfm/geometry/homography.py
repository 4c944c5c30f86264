"""Homographies and rotations between two views: for scenes without depth and cameras that only turned.

R. Hartley and A. Zisserman, "Multiple View Geometry in Computer Vision", 2nd edition, 2004, chapter 4.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.geometry.epipolar import homogeneous
from sfm.geometry.linear import conditioning, null_vector
from sfm.geometry.pose import Pose
from sfm.geometry.ransac import RansacResult, ransac
from sfm.geometry.two_view import IdealView, TwoViewGeometry

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# As COLMAP's max_H_inlier_ratio: from this share of the epipolar inliers on, a homography explains the pair.
MAX_HOMOGRAPHY_RATIO = 0.8
# Where 80% agree, one of 100 samples of four is clean with a probability of 1 - 1e-23.
_MAX_ITERATIONS = 100


def transfer_error_sq(H: Floats, xy1: Floats, xy2: Floats) -> Floats:
    """Return squared distances in the second view between H x1 and x2.

    Parameters
    ----------
    H : (..., 3, 3)
        One or many homographies.
    xy1, xy2 : (M, 2)
        Matching points.

    Returns
    -------
    (..., M) float64, infinite where a point maps to infinity.
    """
    mapped = H @ homogeneous(xy1).T
    with np.errstate(divide="ignore", invalid="ignore"):
        error = ((mapped[..., :2, :] / mapped[..., 2:, :] - xy2.T) ** 2).sum(axis=-2)
    return np.where(np.isfinite(error), error, np.inf)


def homography_four_point(xy1: Floats, xy2: Floats) -> Floats:
    """Fit homographies to sets of four or more matches by the normalised direct linear transform.

    Parameters
    ----------
    xy1, xy2 : (..., N, 2) float64
        Matching points, N >= 4.

    Returns
    -------
    (..., 3, 3) float64 of Frobenius norm 1; NaN where the points do not determine H.
    """
    T1, T2 = conditioning(xy1), conditioning(xy2)
    x1 = homogeneous(xy1) @ np.swapaxes(T1, -1, -2)
    x2 = homogeneous(xy2) @ np.swapaxes(T2, -1, -2)
    zero = np.zeros_like(x1)
    u, v = x2[..., 0:1] * x1, x2[..., 1:2] * x1
    rows = np.concatenate(
        [np.concatenate([x1, zero, -u], axis=-1), np.concatenate([zero, x1, -v], axis=-1)], axis=-2
    )
    solution = null_vector(rows).reshape(*rows.shape[:-2], 3, 3)
    determined = np.asarray(np.isfinite(T2 + solution).all(axis=(-2, -1)))
    H = np.linalg.inv(np.where(determined[..., None, None], T2, np.eye(3))) @ solution @ T1
    return H / np.linalg.norm(H, axis=(-2, -1), keepdims=True)


class HomographyEstimator:
    """Four points and the transfer error, for RANSAC."""

    sample_size = 4

    def fit_samples(self, xy1: Floats, xy2: Floats) -> Floats:
        """Fit one H to each of B samples (B, 4, 2)."""
        return homography_four_point(xy1, xy2)

    def fit(self, xy1: Floats, xy2: Floats, start: Floats) -> Floats | None:
        """Fit H to (N, 2) points by linear least squares."""
        H = homography_four_point(xy1, xy2)
        return H if np.isfinite(H).all() else None

    def errors_sq(self, models: Floats, xy1: Floats, xy2: Floats) -> Floats:
        """Return squared transfer errors (..., M)."""
        return transfer_error_sq(models, xy1, xy2)


class RotationEstimator:
    """The homography K2 R K1^-1 of a camera that only turned, from two points; for RANSAC.

    R is the least-squares rotation between unit rays (B. Horn, "Closed-Form Solution of Absolute Orientation
    Using Unit Quaternions", 1987; here by the singular value decomposition).
    """

    sample_size = 2

    def __init__(self, K1: Floats, K2: Floats) -> None:
        self.K1, self.K2 = K1, K2
        self._K1_inv, self._K2_inv = np.linalg.inv(K1), np.linalg.inv(K2)

    def fit_samples(self, xy1: Floats, xy2: Floats) -> Floats:
        """Fit one homography to each of B samples (B, 2, 2); also to larger ones."""
        rays1, rays2 = self._unit_rays(xy1, self._K1_inv), self._unit_rays(xy2, self._K2_inv)
        u, _, vt = np.linalg.svd(np.swapaxes(rays2, -1, -2) @ rays1)
        u[..., :, 2] *= np.linalg.det(u @ vt)[..., None]
        return self.K2 @ u @ vt @ self._K1_inv

    def fit(self, xy1: Floats, xy2: Floats, start: Floats) -> Floats | None:
        """Fit to (N, 2) points by least squares."""
        model: Floats = self.fit_samples(xy1, xy2)
        return model

    def errors_sq(self, models: Floats, xy1: Floats, xy2: Floats) -> Floats:
        """Return squared transfer errors (..., M)."""
        return transfer_error_sq(models, xy1, xy2)

    def rotation(self, model: Floats) -> Floats:
        """Return the rotation R of a fitted homography."""
        R: Floats = self._K2_inv @ model @ self.K1
        return R

    @staticmethod
    def _unit_rays(xy: Floats, K_inv: NDArray[Any]) -> Floats:
        rays = homogeneous(xy) @ K_inv.T
        unit: Floats = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        return unit


def find_homography(
    view1: IdealView, view2: IdealView, inliers: Indices, threshold: float, rng: np.random.Generator
) -> Floats | None:
    """Return the homography (3, 3) in ideal pixels that explains most of the epipolar `inliers`, or None."""
    xy1, xy2 = view1.xy[inliers], view2.xy[inliers]
    found = ransac(HomographyEstimator(), xy1, xy2, threshold, rng, max_iterations=_MAX_ITERATIONS)
    return found.model if found is not None and _explains(found, inliers) else None


def find_rotation(
    view1: IdealView, view2: IdealView, inliers: Indices, threshold: float, rng: np.random.Generator
) -> TwoViewGeometry | None:
    """Return the panoramic geometry if a rotation explains most of the epipolar `inliers`, else None."""
    estimator = RotationEstimator(view1.K, view2.K)
    xy1, xy2 = view1.xy[inliers], view2.xy[inliers]
    found = ransac(estimator, xy1, xy2, threshold, rng, max_iterations=_MAX_ITERATIONS)
    if found is None or not _explains(found, inliers):
        return None
    return TwoViewGeometry(
        kind="panoramic",
        inliers=inliers[found.inliers],
        E=None,
        F=None,
        H=view2.to_pixels @ found.model @ np.linalg.inv(view1.to_pixels),
        cam2_from_cam1=Pose(estimator.rotation(found.model), np.zeros(3)),
        threshold_px=threshold,
    )


def poses_from_homography(H: Floats) -> list[Pose]:
    """Return the up to four poses `cam2_from_cam1` of unit translation behind a homography of rays.

    E. Malis and M. Vargas, "Deeper Understanding of the Homography Decomposition for Vision-Based Control",
    INRIA 2007, as implemented in OpenCV.
    """
    _, rotations, translations, _ = cv2.decomposeHomographyMat(H, np.eye(3))
    lengths = [max(float(np.linalg.norm(t)), 1e-12) for t in translations]
    return [Pose(R, t[:, 0] / length) for R, t, length in zip(rotations, translations, lengths, strict=True)]


def _explains(found: RansacResult, inliers: Indices) -> bool:
    return len(found.inliers) >= MAX_HOMOGRAPHY_RATIO * len(inliers)

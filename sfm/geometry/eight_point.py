"""The normalised eight-point algorithm and the verifier made from it.

R. Hartley, "In Defense of the Eight-Point Algorithm", PAMI 1997.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.epipolar import (
    essential_from_pose,
    fundamental_from_essential,
    homogeneous,
    in_front,
    nearest_essential,
    poses_from_essential,
    refine_pose,
    sampson_error_sq,
)
from sfm.geometry.homography import find_homography, find_rotation, poses_from_homography
from sfm.geometry.linear import conditioning, null_vector
from sfm.geometry.pose import Pose
from sfm.geometry.ransac import ransac
from sfm.geometry.two_view import IdealView, Kind, TwoViewGeometry, Verifier

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# The first to what agrees with F, more to what agrees with the pose.
_REFINEMENTS = 3


def fundamental_eight_point(xy1: Floats, xy2: Floats, weights: Floats | None = None) -> Floats:
    """Fit fundamental matrices to sets of eight or more matches by linear least squares.

    Parameters
    ----------
    xy1, xy2 : (..., N, 2) float64
        Matching points, N >= 8, in any unit.
    weights : (..., N) float64, optional
        Factors of the algebraic errors before they are squared.

    Returns
    -------
    (..., 3, 3) float64 of rank 2 and Frobenius norm 1, x2^T F x1 = 0; NaN where the points do not determine F
    (coinciding, collinear or coplanar ones).
    """
    T1, T2 = conditioning(xy1), conditioning(xy2)
    x1 = homogeneous(xy1) @ np.swapaxes(T1, -1, -2)
    x2 = homogeneous(xy2) @ np.swapaxes(T2, -1, -2)
    rows = (x2[..., :, None] * x1[..., None, :]).reshape(*x1.shape[:-1], 9)
    if weights is not None:
        rows = rows * weights[..., None]
    solution = null_vector(rows).reshape(*rows.shape[:-2], 3, 3)
    determined = np.asarray(np.isfinite(solution).all(axis=(-2, -1)))[..., None, None]
    u, s, vt = np.linalg.svd(np.where(determined, solution, 0))
    s[..., 2] = 0
    F = np.swapaxes(T2, -1, -2) @ np.where(determined, (u * s[..., None, :]) @ vt, np.nan) @ T1
    return F / np.linalg.norm(F, axis=(-2, -1), keepdims=True)


class FundamentalEstimator:
    """The eight-point algorithm and the Sampson error, for RANSAC."""

    sample_size = 8

    def fit_samples(self, xy1: Floats, xy2: Floats) -> Floats:
        """Fit one F to each of B samples (B, 8, 2)."""
        return fundamental_eight_point(xy1, xy2)

    def fit(self, xy1: Floats, xy2: Floats, start: Floats) -> Floats | None:
        """Fit F to (N, 2) points, weighted so that algebraic errors become Sampson errors near `start`."""
        line2 = homogeneous(xy1) @ start.T
        line1 = homogeneous(xy2) @ start
        gradient = np.hypot(np.linalg.norm(line1[:, :2], axis=1), np.linalg.norm(line2[:, :2], axis=1))
        F = fundamental_eight_point(xy1, xy2, gradient.mean() / np.maximum(gradient, 1e-6 * gradient.mean()))
        return F if np.isfinite(F).all() else None

    def errors_sq(self, models: Floats, xy1: Floats, xy2: Floats) -> Floats:
        """Return squared Sampson errors (..., M)."""
        return sampson_error_sq(models, xy1, xy2)


class EightPointVerifier(Verifier):
    """Normalised eight-point in RANSAC, on pixels freed from distortion.

    Eight coplanar points, or views between which the camera only turned, do not determine F. Where one
    homography explains most of what F explains, the relative pose therefore comes from the homography.

    The kind is 'uncalibrated' where a focal length is a guess; E is then left out, and the pose is as good
    as the guess.
    """

    name = "eight-point"

    def _estimate(self, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera) -> TwoViewGeometry | None:
        threshold = self.options.max_error_px
        rng = np.random.default_rng(self.seed)
        view1, view2 = IdealView.of(xy1, camera1), IdealView.of(xy2, camera2)
        found = ransac(FundamentalEstimator(), view1.xy, view2.xy, threshold, rng)
        if found is None or len(found.inliers) < self.options.min_inliers:
            return None
        panoramic = find_rotation(view1, view2, found.inliers, threshold, rng)
        if panoramic is not None:
            return panoramic

        H = find_homography(view1, view2, found.inliers, threshold, rng)
        if H is None:
            E = nearest_essential(view2.K.T @ found.model @ view1.K)
            poses = poses_from_essential(E)
        else:
            poses = poses_from_homography(np.linalg.inv(view2.K) @ H @ view1.K)
        pose, inliers = _best_pose(poses, view1, view2, found.inliers, threshold)

        from_pixels1, from_pixels2 = np.linalg.inv(view1.to_pixels), np.linalg.inv(view2.to_pixels)
        H_px = None if H is None else view2.to_pixels @ H @ from_pixels1
        if not (camera1.focal_is_known and camera2.focal_is_known):
            F = from_pixels2.T @ found.model @ from_pixels1
            kind: Kind = "uncalibrated" if H is None else "planar_or_panoramic"
            return TwoViewGeometry(kind, found.inliers, None, F / np.linalg.norm(F), H_px, pose, threshold)
        E = essential_from_pose(pose)
        F = fundamental_from_essential(E, camera1.matrix, camera2.matrix)
        return TwoViewGeometry("calibrated" if H is None else "planar", inliers, E, F, H_px, pose, threshold)


def _best_pose(
    poses: list[Pose], view1: IdealView, view2: IdealView, inliers: Indices, threshold: float
) -> tuple[Pose, Indices]:
    """Choose the pose that most matches agree with in front of both cameras, and refine it to `inliers`.

    Returns
    -------
    The pose, and the indices of the matches within `threshold` of it.
    """

    def agreeing(pose: Pose) -> Indices:
        F = fundamental_from_essential(essential_from_pose(pose), view1.K, view2.K)
        near = sampson_error_sq(F, view1.xy, view2.xy) <= threshold**2
        return np.flatnonzero(near & in_front(pose, view1.rays, view2.rays))

    pose = max(poses, key=lambda pose: len(agreeing(pose)))
    for _ in range(_REFINEMENTS):
        pose = refine_pose(pose, view1.xy[inliers], view2.xy[inliers], view1.K, view2.K, scale=threshold / 2)
        inliers = agreeing(pose)
        if len(inliers) < FundamentalEstimator.sample_size:
            break
    return pose, inliers

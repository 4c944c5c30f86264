"""Epipolar algebra: fundamental and essential matrices, errors, and the pose behind an essential matrix.

F and E satisfy x2^T F x1 = 0. R. Hartley and A. Zisserman, "Multiple View Geometry in Computer Vision", 2nd
edition, 2004, chapters 9 and 11.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sfm.geometry.pose import Pose

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def homogeneous(xy: Floats) -> Floats:
    """Append a 1 to the last axis: (..., 2) to (..., 3)."""
    return np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], axis=-1)


def cross_matrix(v: Floats) -> Floats:
    """Return the (3, 3) matrix of the cross product with `v` from the left."""
    x, y, z = v
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=np.float64)


def sampson_error_sq(F: Floats, xy1: Floats, xy2: Floats) -> Floats:
    """Return squared Sampson errors: to first order, squared distances to the epipolar constraint.

    Parameters
    ----------
    F : (..., 3, 3)
        One or many fundamental matrices.
    xy1, xy2 : (M, 2)
        Matching points, in the unit that F is made for.

    Returns
    -------
    (..., M) float64, that unit squared; infinite where the error is undefined.

    References
    ----------
    P. Sampson, "Fitting Conic Sections to Very Scattered Data", 1982; Hartley and Zisserman, section 11.4.3.
    """
    x1, x2 = homogeneous(xy1).T, homogeneous(xy2).T
    products = (x2[:, None] * x1[None]).reshape(9, -1)
    gradient_sq = (F[..., 0, :] @ x1) ** 2
    for part in (F[..., 1, :] @ x1, F[..., :, 0] @ x2, F[..., :, 1] @ x2):
        gradient_sq += part**2
    algebraic = F.reshape(*F.shape[:-2], 9) @ products
    with np.errstate(divide="ignore", invalid="ignore"):
        error: Floats = algebraic**2 / gradient_sq
    error[~np.isfinite(error)] = np.inf
    return error


def essential_from_pose(cam2_from_cam1: Pose) -> Floats:
    """Return E = [t]x R, (3, 3), for the pose of the second camera seen from the first."""
    return cross_matrix(cam2_from_cam1.translation) @ cam2_from_cam1.rotation


def fundamental_from_essential(E: Floats, K1: Floats, K2: Floats) -> Floats:
    """Return F = K2^-T E K1^-1, (3, 3), scaled to unit norm; for pixels freed from distortion."""
    F = np.linalg.inv(K2).T @ E @ np.linalg.inv(K1)
    return F / np.linalg.norm(F)


def nearest_essential(E: Floats) -> Floats:
    """Return the essential matrix nearest to `E`: singular values (1, 1, 0), Frobenius norm sqrt(2)."""
    u, _, vt = np.linalg.svd(E)
    return u @ np.diag([1.0, 1.0, 0.0]) @ vt


def poses_from_essential(E: Floats) -> list[Pose]:
    """Return the four poses `cam2_from_cam1` of unit translation that share the essential matrix `E`."""
    u, _, vt = np.linalg.svd(E)
    u, vt = u * np.linalg.det(u), vt * np.linalg.det(vt)
    w = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    rotations, t = (u @ w @ vt, u @ w.T @ vt), u[:, 2]
    return [Pose(rotation, sign * t) for rotation in rotations for sign in (1, -1)]


def in_front(cam2_from_cam1: Pose, rays1: Floats, rays2: Floats) -> Bools:
    """Tell which matches meet in front of both cameras, (M,) bool.

    Parameters
    ----------
    cam2_from_cam1
        Relative pose.
    rays1, rays2 : (M, 2)
        Normalised image coordinates.

    Notes
    -----
    Depths are those of the midpoint of the shortest segment between the two rays. The test is on their signs
    alone, so that no division by a vanishing parallax is needed.
    """
    a = homogeneous(rays1) @ cam2_from_cam1.rotation.T
    b, t = homogeneous(rays2), cam2_from_cam1.translation
    # z1 a + t = z2 b in the least-squares sense.
    aa, bb, ab = (a * a).sum(axis=1), (b * b).sum(axis=1), (a * b).sum(axis=1)
    at, bt = a @ t, b @ t
    return (ab * bt - bb * at > 0) & (aa * bt - ab * at > 0)


def refine_pose(pose: Pose, xy1: Floats, xy2: Floats, K1: Floats, K2: Floats, scale: float) -> Pose:
    """Return the relative pose that minimises Sampson errors, starting from `pose`.

    Parameters
    ----------
    pose
        `cam2_from_cam1` with a translation of length 1.
    xy1, xy2 : (M, 2)
        Matching pixels, M >= 5.
    K1, K2 : (3, 3)
        Calibration matrices of those pixels.
    scale
        Pixels at which the robust loss (Cauchy) begins to discount an error.
    """
    from scipy.optimize import least_squares  # slow to import, and most runs refine no pose here

    x1, x2 = homogeneous(xy1), homogeneous(xy2)
    K1_inv, K2_inv = np.linalg.inv(K1), np.linalg.inv(K2)
    tangent = np.linalg.svd(pose.translation[None])[2][1:]

    def moved(step: Floats) -> Pose:
        t = pose.translation + step[3:] @ tangent
        return Pose(Rotation.from_rotvec(step[:3]).as_matrix() @ pose.rotation, t / np.linalg.norm(t))

    def signed_sampson_errors(step: Floats) -> Floats:
        F = K2_inv.T @ essential_from_pose(moved(step)) @ K1_inv
        line2, line1 = x1 @ F.T, x2 @ F
        gradient_sq = (line1[:, :2] ** 2).sum(axis=1) + (line2[:, :2] ** 2).sum(axis=1)
        errors: Floats = (x2 * line2).sum(axis=1) / np.sqrt(np.maximum(gradient_sq, 1e-30))
        return errors

    solution = least_squares(signed_sampson_errors, np.zeros(5), loss="cauchy", f_scale=scale, max_nfev=20)
    return moved(solution.x)

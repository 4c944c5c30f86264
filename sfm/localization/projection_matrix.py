"""Find the projection of an unknown camera, from six matches at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import rq

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose

Floats = NDArray[np.float64]

_SAMPLE = 6
_SAMPLES = 3000
_AT_ONCE = 250
_SCORED = 400
_ENOUGH = 5  # samples without an outlier, as expected


def estimate_projection(
    xy: Floats, xyz: Floats, width: int, height: int, threshold_px: float, seed: int
) -> tuple[Pose, Camera] | None:
    """Find the projection that matches agree with best, by truncated squares (MSAC), and take it apart.

    A direct linear transform of six matches each (R. Hartley and A. Zisserman, "Multiple View Geometry in Computer
    Vision", 2003, 7.1) knows nothing of the intrinsics, and needs points that do not lie in a plane.

    Parameters
    ----------
    xy, xyz : (M, 2), (M, 3)
        Matched pixels and points.
    width, height
        Size of the photograph.
    threshold_px
        Largest reprojection error of an inlier.
    seed
        Of the samples.

    Returns
    -------
    A pose and a PINHOLE camera, its skew left out; None where there is none with all of the sample's points ahead.
    """
    if len(xy) < _SAMPLE:
        return None
    rng = np.random.default_rng(seed)
    to_unit_2d, xy_1 = _normalized(xy)
    to_unit_3d, xyz_1 = _normalized(xyz)
    scored = rng.permutation(len(xy))[:_SCORED]
    best, best_cost, drawn = None, np.inf, 0
    while drawn < _SAMPLES:
        samples = rng.integers(0, len(xy), (_AT_ONCE, _SAMPLE))
        matrices = np.linalg.inv(to_unit_2d) @ _solve(xy_1[samples], xyz_1[samples]) @ to_unit_3d
        errors = _errors(matrices, xy[scored], xyz[scored])
        costs = np.minimum(errors, threshold_px**2).sum(axis=1)
        drawn += _AT_ONCE
        if costs.min() < best_cost:
            first = int(costs.argmin())
            best, best_cost = matrices[first], costs[first]
            inliers = float(np.mean(errors[first] < threshold_px**2))
        if drawn * inliers**_SAMPLE > _ENOUGH * 10:
            break
    return None if best is None else _taken_apart(best, xy, xyz, width, height, threshold_px)


def _normalized(points: Floats) -> tuple[Floats, Floats]:
    """Return a transform to mean 0 and spread 1, and the homogeneous points after it."""
    n = points.shape[1]
    scale = 1 / max(float(points.std()), 1e-12)
    transform = np.diag([scale] * n + [1.0])
    transform[:n, n] = -scale * points.mean(axis=0)
    return transform, np.column_stack([points, np.ones(len(points))]) @ transform.T


def _solve(xy: Floats, xyz: Floats) -> Floats:
    """Return (S, 3, 4) matrices from (S, K, 3) pixels and (S, K, 4) points."""
    nothing = np.zeros_like(xyz)
    x, y = xy[..., 0:1] * xyz, xy[..., 1:2] * xyz
    rows = np.concatenate(
        [np.concatenate([xyz, nothing, -x], axis=2), np.concatenate([nothing, xyz, -y], axis=2)], axis=1
    )
    return np.linalg.svd(rows, full_matrices=False)[2][:, -1].reshape(-1, 3, 4)


def _errors(matrices: Floats, xy: Floats, xyz: Floats) -> Floats:
    """Return (S, N) squared reprojection errors."""
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = matrices @ np.column_stack([xyz, np.ones(len(xyz))]).T
        errors = ((seen[:, :2] / seen[:, 2:] - xy.T) ** 2).sum(axis=1)
    return np.where(np.isfinite(errors), errors, np.inf)


def _taken_apart(
    matrix: Floats, xy: Floats, xyz: Floats, width: int, height: int, threshold_px: float
) -> tuple[Pose, Camera] | None:
    """Split a projection into intrinsics, without skew, and a pose, after a fit to all of its inliers."""
    inliers = _errors(matrix[None], xy, xyz)[0] < threshold_px**2
    if inliers.sum() >= _SAMPLE:
        (to_unit_2d, xy_1), (to_unit_3d, xyz_1) = _normalized(xy[inliers]), _normalized(xyz[inliers])
        matrix = np.linalg.inv(to_unit_2d) @ _solve(xy_1[None], xyz_1[None])[0] @ to_unit_3d
    if np.linalg.det(matrix[:, :3]) < 0:
        matrix = -matrix
    upper, rotation = rq(matrix[:, :3])
    signs = np.sign(np.diag(upper))
    upper, rotation = upper * signs, signs[:, None] * rotation
    if not (np.isfinite(upper).all() and (np.diag(upper) > 0).all()):
        return None
    translation = np.linalg.solve(upper, matrix[:, 3])
    K = upper / upper[2, 2]
    camera = Camera(
        "PINHOLE", width, height, (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))
    )
    return Pose(rotation, translation), camera

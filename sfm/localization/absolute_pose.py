"""A camera's pose, and its intrinsics where they are not known, from matches between pixels and points of the map.

RANSAC over minimal samples is COLMAP's. With an unknown focal length the sample is four points:
V. Larsson, Z. Kukelova and Y. Zheng, "Making Minimal Solvers for Absolute Pose Estimation Compact and Robust",
ICCV 2017.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.geometry.robust import MEDIAN_LENGTH_2D
from sfm.localization.pose_parameters import POSE_PARAMETERS, Prior
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import (
    camera_from_colmap,
    camera_to_colmap,
    pose_from_colmap,
    xy_to_colmap,
)

Floats = NDArray[np.float64]

# Inlier ratios down to 3% are found with the samples drawn; fewer inliers are not told from chance anyway.
_MAX_TRIALS = 50_000
_MIN_INLIER_RATIO = 0.01
_SMALLEST_SAMPLE = 4
# A residual is a keypoint's error and the map point's: never better than this, however few points agree.
LEAST_SIGMA_PX = 0.25
# Inliers are looked for again so often at most, each time after so many steps at most.
_MAX_ROUNDS = 8
_MAX_STEPS = 30
_NO_GAIN = 0.999
_SMALL_STEP = 1e-3  # of a standard deviation
_MAX_DAMPING = 1e8


@dataclass(frozen=True)
class AbsolutePose:
    """A pose that many matches agree with.

    Attributes
    ----------
    cam_from_world
        The pose.
    camera
        Intrinsics, as estimated where they were free.
    inliers : (K,) int64
        Indices of the matches within the threshold, ascending.
    prior
        What was known of the intrinsics.
    """

    cam_from_world: Pose
    camera: Camera
    inliers: NDArray[np.int64]
    prior: Prior


def estimate_absolute_pose(
    xy: Floats,
    xyz: Floats,
    prior: Prior,
    threshold_px: float,
    *,
    estimate_focal: bool = False,
    seed: int = 0,
) -> AbsolutePose | None:
    """Find the pose that most matches agree with, and refine it on them.

    Parameters
    ----------
    xy : (M, 2)
        Pixels of the photograph.
    xyz : (M, 3)
        The map's points they were matched with.
    prior
        What is known of the intrinsics.
    threshold_px
        Largest reprojection error of an inlier.
    estimate_focal
        Whether samples are to give the focal length too.
    seed
        Of the samples.

    Returns
    -------
    The pose, or None where no sample gives one.
    """
    if len(xy) < _SMALLEST_SAMPLE:
        return None
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.estimate_focal_length = estimate_focal
    options.ransac.max_error = threshold_px
    options.ransac.max_num_trials = _MAX_TRIALS
    options.ransac.min_inlier_ratio = _MIN_INLIER_RATIO
    options.ransac.random_seed = seed
    colmap_camera = camera_to_colmap(prior.camera)
    found = pycolmap.estimate_absolute_pose(xy_to_colmap(xy), xyz, colmap_camera, options)
    # With an unknown focal length, COLMAP leaves its estimate in the camera it was given.
    if found is None or not colmap_camera.mean_focal_length() > 0:
        return None
    camera = replace(
        camera_from_colmap(colmap_camera),
        focal_is_known=prior.camera.focal_is_known,
        fixed=prior.camera.fixed,
    )
    estimate = AbsolutePose(
        pose_from_colmap(found["cam_from_world"]),
        prior.adapt(camera),
        np.flatnonzero(found["inlier_mask"]),
        prior,
    )
    return refine_absolute_pose(estimate, xy, xyz, threshold_px)


def refine_absolute_pose(
    estimate: AbsolutePose, xy: Floats, xyz: Floats, threshold_px: float
) -> AbsolutePose:
    """Minimise the reprojection errors of the inliers, and look again which matches are inliers, until they stay.

    Cauchy's loss discounts errors from one standard deviation on, for many an inlier is a near miss: what repeats.
    What is known of free intrinsics weighs as so many measurements.

    Parameters are those of `estimate_absolute_pose`; where errors grow, cut off at the
    threshold, `estimate` stands.
    """
    for _ in range(_MAX_ROUNDS):
        if len(estimate.inliers) < _SMALLEST_SAMPLE:
            return estimate
        before = reprojection_errors(estimate.cam_from_world, estimate.camera, xy, xyz)
        pose, camera = _minimise(estimate, xy[estimate.inliers], xyz[estimate.inliers])
        after = reprojection_errors(pose, camera, xy, xyz)
        if np.minimum(after, threshold_px).sum() > np.minimum(before, threshold_px).sum():
            return estimate
        earlier, inliers = estimate.inliers, np.flatnonzero(after <= threshold_px)
        estimate = replace(estimate, cam_from_world=pose, camera=camera, inliers=inliers)
        if np.array_equal(earlier, inliers) and after[inliers].sum() > _NO_GAIN * before[inliers].sum():
            return estimate
    return estimate


def reprojection_errors(cam_from_world: Pose, camera: Camera, xy: Floats, xyz: Floats) -> Floats:
    """Return the distance in pixels of each match (M,); infinite for points that the camera cannot see."""
    errors = np.linalg.norm(camera.project(cam_from_world.apply(xyz)) - xy, axis=1)
    return np.where(np.isfinite(errors), errors, np.inf)


def sigma_px_of(errors: Floats) -> float:
    """Return the standard deviation along one axis of errors of so many pixels; never below what a keypoint has."""
    return max(float(np.median(errors)) / MEDIAN_LENGTH_2D, LEAST_SIGMA_PX)


def _minimise(estimate: AbsolutePose, xy: Floats, xyz: Floats) -> tuple[Pose, Camera]:
    """Take damped Gauss-Newton steps (Levenberg and Marquardt's) with reweighted residuals."""
    pose, camera, prior = estimate.cam_from_world, estimate.camera, estimate.prior
    sigma_px = sigma_px_of(reprojection_errors(pose, camera, xy, xyz))
    cost, damping = _cost(pose, camera, prior, xy, xyz, sigma_px), 1e-4
    for _ in range(_MAX_STEPS):
        normal, gradient = _normal_equations(pose, camera, prior, xy, xyz, sigma_px)
        while damping < _MAX_DAMPING:
            step = np.asarray(
                -np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient), np.float64
            )
            candidate = prior.step(pose, camera, step)
            candidate_cost = _cost(*candidate, prior, xy, xyz, sigma_px)
            if candidate_cost <= cost:
                break
            damping *= 10
        else:
            return pose, camera
        (pose, camera), cost, damping = candidate, candidate_cost, damping / 10
        if step @ normal @ step < _SMALL_STEP**2:
            break
    return pose, camera


def _cost(pose: Pose, camera: Camera, prior: Prior, xy: Floats, xyz: Floats, sigma_px: float) -> float:
    errors = reprojection_errors(pose, camera, xy, xyz) / sigma_px
    departure = prior.departure(camera) / prior.sigmas
    return float(np.log1p(errors**2).sum() + departure @ departure)


def _normal_equations(
    pose: Pose, camera: Camera, prior: Prior, xy: Floats, xyz: Floats, sigma_px: float
) -> tuple[Floats, Floats]:
    jacobian = prior.jacobian(pose, camera, xyz) / sigma_px
    residuals = (camera.project(pose.apply(xyz)) - xy) / sigma_px
    weighted = jacobian / (1 + (residuals**2).sum(axis=1))[:, None, None]
    normal = np.einsum("nip,niq->pq", weighted, jacobian)
    gradient = np.einsum("nip,ni->p", weighted, residuals)
    intrinsics = np.arange(POSE_PARAMETERS, len(normal))
    normal[intrinsics, intrinsics] += prior.sigmas**-2.0
    gradient[intrinsics] += prior.departure(camera) / prior.sigmas**2
    return normal, gradient

"""A camera's pose from matches between its pixels and points of the map, and how uncertain it is.

RANSAC over minimal samples and refinement are COLMAP's. With an unknown focal length the sample is four points:
V. Larsson, Z. Kukelova and Y. Zheng, "Making Minimal Solvers for Absolute Pose Estimation Compact and Robust",
ICCV 2017.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.geometry.robust import MAD_TO_SIGMA, MEDIAN_LENGTH_2D
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import (
    camera_from_colmap,
    camera_to_colmap,
    pose_from_colmap,
    pose_to_colmap,
    xy_to_colmap,
)

Floats = NDArray[np.float64]

# Inlier ratios down to 3% are found with the samples drawn; fewer inliers are not told from chance anyway.
_MAX_TRIALS = 50_000
_MIN_INLIER_RATIO = 0.01
_SMALLEST_SAMPLE = 4
# A residual is a keypoint's error and the map point's: never better than this, however few points agree.
_LEAST_SIGMA_PX = 0.25
_POSITION_STEP = 1e-6
_ANGLE_STEP = 1e-6
_FOCAL_STEP = 1e-6


@dataclass(frozen=True)
class AbsolutePose:
    """A pose that many matches agree with.

    Attributes
    ----------
    cam_from_world
        The pose.
    camera
        Intrinsics, the focal length as estimated if it was to be.
    inliers : (K,) int64
        Indices of the matches within the threshold, ascending.
    focal_estimated
        Whether the focal length was estimated with the pose.
    """

    cam_from_world: Pose
    camera: Camera
    inliers: NDArray[np.int64]
    focal_estimated: bool = False


@dataclass(frozen=True)
class PoseUncertainty:
    """One standard deviation of a pose, from the residuals and the geometry of its inliers.

    What the map itself is wrong by is not in it.

    Attributes
    ----------
    position_covariance : (3, 3) float64
        Of the camera's centre, in squared units of the map, along the map's axes.
    rotation_covariance : (3, 3) float64
        Of the rotation vector in the camera's axes, in squared radians.
    sigma_px
        Standard deviation of a residual along one axis.
    """

    position_covariance: Floats
    rotation_covariance: Floats
    sigma_px: float

    @property
    def position(self) -> float:
        """Standard deviation of the centre in its worst direction, in the map's unit."""
        return float(np.sqrt(np.linalg.eigvalsh(self.position_covariance)[-1]))

    @property
    def rotation_deg(self) -> float:
        """Standard deviation of the orientation about its worst axis, in degrees."""
        return float(np.degrees(np.sqrt(np.linalg.eigvalsh(self.rotation_covariance)[-1])))


def estimate_absolute_pose(
    xy: Floats,
    xyz: Floats,
    camera: Camera,
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
    camera
        Intrinsics of the photograph.
    threshold_px
        Largest reprojection error of an inlier.
    estimate_focal
        Whether the focal length in `camera` is not to be relied on and is estimated too.
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
    colmap_camera = camera_to_colmap(camera)
    found = pycolmap.estimate_absolute_pose(xy_to_colmap(xy), xyz, colmap_camera, options)
    if found is None:
        return None
    # With an unknown focal length, COLMAP leaves its estimate in the camera it was given.
    estimate = AbsolutePose(
        pose_from_colmap(found["cam_from_world"]),
        _like(camera_from_colmap(colmap_camera), camera),
        np.flatnonzero(found["inlier_mask"]),
        estimate_focal,
    )
    return refine_absolute_pose(estimate, xy, xyz, threshold_px)


def refine_absolute_pose(
    estimate: AbsolutePose, xy: Floats, xyz: Floats, threshold_px: float
) -> AbsolutePose:
    """Minimise the reprojection errors of the inliers, and look again which matches are inliers.

    Cauchy's loss discounts errors from one standard deviation on, for many an inlier is a near miss: what repeats.

    Parameters are those of `estimate_absolute_pose`; where errors grow, cut off at the
    threshold, `estimate` stands.
    """
    if len(estimate.inliers) < _SMALLEST_SAMPLE:
        return estimate
    options = pycolmap.AbsolutePoseRefinementOptions()
    options.refine_focal_length = estimate.focal_estimated
    before = reprojection_errors(estimate.cam_from_world, estimate.camera, xy, xyz)
    sigma_px = float(np.median(before[estimate.inliers])) / MEDIAN_LENGTH_2D
    options.loss_function_scale = max(sigma_px, _LEAST_SIGMA_PX)
    mask = np.zeros(len(xy), bool)
    mask[estimate.inliers] = True
    colmap_camera = camera_to_colmap(estimate.camera)
    found = pycolmap.refine_absolute_pose(
        pose_to_colmap(estimate.cam_from_world), xy_to_colmap(xy), xyz, mask, colmap_camera, options
    )
    # Too few points to determine a focal length may take it below zero.
    if found is None or colmap_camera.mean_focal_length() <= 0:
        return estimate
    camera = _like(camera_from_colmap(colmap_camera), estimate.camera)
    pose = pose_from_colmap(found["cam_from_world"])
    after = reprojection_errors(pose, camera, xy, xyz)
    if np.minimum(after, threshold_px).sum() > np.minimum(before, threshold_px).sum():
        return estimate
    return replace(
        estimate, cam_from_world=pose, camera=camera, inliers=np.flatnonzero(after <= threshold_px)
    )


def reprojection_errors(cam_from_world: Pose, camera: Camera, xy: Floats, xyz: Floats) -> Floats:
    """Return the distance in pixels of each match (M,); infinite for points that the camera cannot see."""
    errors = np.linalg.norm(camera.project(cam_from_world.apply(xyz)) - xy, axis=1)
    return np.where(np.isfinite(errors), errors, np.inf)


def pose_uncertainty(pose: AbsolutePose, xy: Floats, xyz: Floats) -> PoseUncertainty | None:
    """Propagate the residuals of the inliers into the pose, to first order.

    Parameters
    ----------
    pose
        The refined pose.
    xy, xyz : (M, 2), (M, 3)
        The matches that `pose.inliers` indexes.

    Returns
    -------
    The uncertainty, that of the focal length included if it was estimated; None where the inliers do not determine
    the pose.
    """
    xy, xyz = xy[pose.inliers], xyz[pose.inliers]
    jacobian = _jacobian(pose, xyz)
    residuals = (pose.camera.project(pose.cam_from_world.apply(xyz)) - xy).reshape(-1)
    freedom = len(residuals) - jacobian.shape[1]
    if freedom <= 0 or not np.isfinite(jacobian).all():
        return None
    spread = MAD_TO_SIGMA * float(np.median(np.abs(residuals)))
    sigma = max(spread * np.sqrt(len(residuals) / freedom), _LEAST_SIGMA_PX)
    # Columns scaled to length 1: positions may be in any unit.
    lengths = np.linalg.norm(jacobian, axis=0)
    if not (lengths > 0).all():
        return None
    normal = (jacobian / lengths).T @ (jacobian / lengths)
    if np.linalg.cond(normal) > 1e12:
        return None
    covariance = sigma**2 * np.linalg.inv(normal) / np.outer(lengths, lengths)
    return PoseUncertainty(covariance[:3, :3], covariance[3:6, 3:6], float(sigma))


def _jacobian(pose: AbsolutePose, xyz: Floats) -> Floats:
    """Return the derivatives of (2K,) pixels by centre, rotation vector and, if it was estimated, focal length."""
    world_from_cam = pose.cam_from_world.inverse()
    rotation, center, camera = pose.cam_from_world.rotation, world_from_cam.translation, pose.camera
    depth = float(np.median(pose.cam_from_world.apply(xyz)[:, 2]))

    def project(shift: Floats, turn: Floats, focal_share: float) -> Floats:
        turned = Rotation.from_rotvec(turn).as_matrix() @ rotation
        seen = Pose(turned, -turned @ (center + shift))
        with_focal = camera if focal_share == 0 else _with_focal(camera, focal_share)
        return with_focal.project(seen.apply(xyz)).reshape(-1)

    steps = [(step, np.zeros(3), 0.0) for step in np.eye(3) * _POSITION_STEP * abs(depth)]
    steps += [(np.zeros(3), step, 0.0) for step in np.eye(3) * _ANGLE_STEP]
    sizes = [_POSITION_STEP * abs(depth)] * 3 + [_ANGLE_STEP] * 3
    if pose.focal_estimated:
        steps.append((np.zeros(3), np.zeros(3), _FOCAL_STEP))
        sizes.append(_FOCAL_STEP)
    columns = [
        (project(shift, turn, focal) - project(-shift, -turn, -focal)) / (2 * size)
        for (shift, turn, focal), size in zip(steps, sizes, strict=True)
    ]
    return np.stack(columns, axis=1)


def _with_focal(camera: Camera, share: float) -> Camera:
    """Return the camera with its focal lengths larger by a share."""
    n = len(camera.params) - 2 - len(camera.distortion)
    params = tuple(p * (1 + share) if i < n else p for i, p in enumerate(camera.params))
    return replace(camera, params=params)


def _like(camera: Camera, original: Camera) -> Camera:
    """Return `camera` with what COLMAP's camera does not carry."""
    return replace(camera, focal_is_known=original.focal_is_known, fixed=original.fixed)

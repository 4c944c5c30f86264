"""How uncertain the pose of a photograph is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.robust import MAD_TO_SIGMA
from sfm.localization.absolute_pose import LEAST_SIGMA_PX, AbsolutePose
from sfm.localization.pose_parameters import POSE_PARAMETERS

Floats = NDArray[np.float64]

# Points of one part of an image were placed by the same views of the map and are wrong together: by this share of a
# residual's deviation, the image having so many parts along either side. Chosen on ROOM and fountain-P11.
_WRONG_TOGETHER = 0.5
_PARTS = 4
_LARGEST_CONDITION = 1e12


@dataclass(frozen=True)
class PoseUncertainty:
    """One standard deviation of a pose, from the residuals and the geometry of its inliers.

    Points near each other in the image are taken to be wrong together, as those of a map are. A bend of the map as a
    whole is not in it.

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

    def widened(self, covariance: Floats) -> PoseUncertainty:
        """Return the uncertainty with more of it in the position."""
        return replace(self, position_covariance=self.position_covariance + covariance)


def pose_uncertainty(pose: AbsolutePose, xy: Floats, xyz: Floats) -> PoseUncertainty | None:
    """Propagate the residuals of the inliers, and what the map may be wrong by, into the pose, to first order.

    Parameters
    ----------
    pose
        The refined pose.
    xy, xyz : (M, 2), (M, 3)
        The matches that `pose.inliers` indexes.

    Returns
    -------
    The uncertainty, that of free intrinsics included; None where the inliers do not determine the pose.
    """
    xy, xyz = xy[pose.inliers], xyz[pose.inliers]
    jacobian = pose.prior.jacobian(pose.cam_from_world, pose.camera, xyz)
    residuals = pose.camera.project(pose.cam_from_world.apply(xyz)) - xy
    freedom = residuals.size - POSE_PARAMETERS
    if freedom <= 0 or not np.isfinite(jacobian).all():
        return None
    spread = MAD_TO_SIGMA * float(np.median(np.abs(residuals)))
    sigma = max(spread * np.sqrt(residuals.size / freedom), LEAST_SIGMA_PX)
    normal = np.einsum("nip,niq->pq", jacobian, jacobian) / sigma**2
    intrinsics = np.arange(POSE_PARAMETERS, len(normal))
    normal[intrinsics, intrinsics] += pose.prior.sigmas**-2.0
    # Scaled to a diagonal of 1: positions may be in any unit.
    lengths = np.sqrt(np.diag(normal))
    if not (lengths > 0).all() or np.linalg.cond(normal / np.outer(lengths, lengths)) > _LARGEST_CONDITION:
        return None
    inverse = np.linalg.inv(normal / np.outer(lengths, lengths)) / np.outer(lengths, lengths)
    together = _summed_by_part(jacobian, xy) / sigma**2 @ inverse
    covariance = inverse + (_WRONG_TOGETHER * sigma) ** 2 * together.T @ together
    found = PoseUncertainty(covariance[:3, :3], covariance[3:6, 3:6], float(sigma))
    # Who may as well stand behind what is seen has not been located.
    return found if found.position < np.median(pose.cam_from_world.apply(xyz)[:, 2]) else None


def _summed_by_part(jacobian: Floats, xy: Floats) -> Floats:
    """Return the (G, P) derivatives of a shift, along x or y, of all pixels in one part of the image."""
    spread = np.maximum(np.ptp(xy, axis=0), 1e-9)
    column, row = np.minimum((_PARTS * (xy - xy.min(axis=0)) / spread).astype(int), _PARTS - 1).T
    part = row * _PARTS + column
    sums = np.zeros((_PARTS**2, *jacobian.shape[1:]))
    np.add.at(sums, part, jacobian)
    return sums.reshape(-1, jacobian.shape[2])

"""Accuracy of a map's camera poses against known ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.evaluation.trajectory import Trajectory
from sfm.geometry.pose import Pose, rotation_angle_deg, rotation_angles_deg
from sfm.geometry.similarity import Degeneracy, Sim3, align_poses
from sfm.json_values import to_json
from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]

AUC_THRESHOLDS_DEG = (1, 3, 5, 10)
UNREGISTERED_DEG = 180.0
# A similarity takes any two points exactly onto any two others.
_FEWEST_FOR_ATE = 3


@dataclass(frozen=True)
class ImageError:
    """Error of one registered image after alignment.

    Attributes
    ----------
    name
        The image.
    position
        Distance of the camera centres, in the ground truth's unit; NaN where the ATE is.
    rotation_deg
        Angle between the orientations; NaN of a single image.
    """

    name: str
    position: float
    rotation_deg: float


@dataclass(frozen=True)
class Evaluation:
    """How a map's camera poses compare with ground truth.

    Attributes
    ----------
    registered, total
        Images of the ground truth that the map has, and all of them.
    ate_rmse, ate_median, ate_max
        Absolute trajectory error: distances of camera centres after the best Sim3 over all registered images
        (Umeyama 1991), in the ground truth's unit. NaN with fewer than three images, or true centres in one place:
        these fit whatever the map is.
    rotation_median_deg, rotation_max_deg
        Angles between orientations after the same alignment. NaN with fewer than two images.
    auc_percent
        Area under the recall curve of relative-pose errors up to each threshold in degrees, over all pairs of
        ground-truth images; see `pose_auc` and `relative_pose_errors_deg`. NaN with fewer than two images.
    truth_from_map
        The alignment.
    degeneracy
        What the camera centres leave undetermined in it; see `sfm.geometry.similarity.Alignment`. With
        images all on a line, the ATE is optimistic and part of the rotation comes from the orientations.
    images
        Errors of the registered images, in the order of names.
    unregistered
        Names of ground-truth images that the map lacks.
    without_truth
        Names of map images that the ground truth lacks; they take no part.
    """

    registered: int
    total: int
    ate_rmse: float
    ate_median: float
    ate_max: float
    rotation_median_deg: float
    rotation_max_deg: float
    auc_percent: dict[int, float]
    truth_from_map: Sim3
    degeneracy: Degeneracy
    images: tuple[ImageError, ...]
    unregistered: tuple[str, ...]
    without_truth: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the results as JSON-ready values; undefined numbers are None."""
        return to_json(
            {
                "registered": self.registered,
                "total": self.total,
                "ate_rmse": self.ate_rmse,
                "ate_median": self.ate_median,
                "ate_max": self.ate_max,
                "rotation_median_deg": self.rotation_median_deg,
                "rotation_max_deg": self.rotation_max_deg,
                "auc_percent": self.auc_percent,
                "truth_from_map": self.truth_from_map.matrix,
                "scale": self.truth_from_map.scale,
                "degeneracy": self.degeneracy,
                "images": [
                    {"name": i.name, "position_error": i.position, "rotation_error_deg": i.rotation_deg}
                    for i in self.images
                ],
                "unregistered": self.unregistered,
                "without_truth": self.without_truth,
            }
        )


def evaluate_map(estimate: SparseMap, truth: Trajectory) -> Evaluation:
    """Compare the poses of a map with ground truth, image by image name.

    Raises
    ------
    InputError
        If the truth has no pose, or the map has images but none that the truth names.
    """
    return evaluate_poses(estimate.poses, truth)


def evaluate_poses(estimate: dict[str, Pose], truth: Trajectory) -> Evaluation:
    """Compare `cam_from_world` poses by image name with ground truth; see `evaluate_map`."""
    names = sorted(truth.poses)
    if not names:
        raise InputError(f"{truth.source} has no pose: there is nothing to compare with.")
    common = [name for name in names if name in estimate]
    if estimate and not common:
        raise InputError(
            f"The map and {truth.source} share no image name: the map has {len(estimate)} like "
            f"{min(estimate)!r}, the ground truth {len(names)} like {names[0]!r}. Use the same names in both."
        )
    alignment = align_poses([estimate[n] for n in common], [truth.poses[n] for n in common])
    positions = alignment.residuals if _measures_positions(truth, common) else np.full(len(common), np.nan)
    rotations = np.array(
        [
            rotation_angle_deg(
                alignment.sim3.transform_pose(estimate[n]).rotation @ truth.poses[n].rotation.T
            )
            for n in common
        ]
    )
    if len(common) < 2:
        rotations[:] = np.nan  # it was turned onto its truth
    pairs = relative_pose_errors_deg([estimate.get(n) for n in names], [truth.poses[n] for n in names])
    auc = pose_auc(pairs, AUC_THRESHOLDS_DEG)
    return Evaluation(
        registered=len(common),
        total=len(names),
        ate_rmse=_or_nan(_rms, positions),
        ate_median=_or_nan(np.median, positions),
        ate_max=_or_nan(np.max, positions),
        rotation_median_deg=_or_nan(np.median, rotations),
        rotation_max_deg=_or_nan(np.max, rotations),
        auc_percent={t: 100 * area for t, area in zip(AUC_THRESHOLDS_DEG, auc, strict=True)},
        truth_from_map=alignment.sim3,
        degeneracy=alignment.degeneracy,
        images=tuple(
            ImageError(n, float(p), float(r)) for n, p, r in zip(common, positions, rotations, strict=True)
        ),
        unregistered=tuple(n for n in names if n not in estimate),
        without_truth=tuple(sorted(n for n in estimate if n not in truth.poses)),
    )


def relative_pose_errors_deg(estimate: Sequence[Pose | None], truth: Sequence[Pose]) -> Floats:
    """Return the relative-pose error of every pair of images, (N (N - 1) / 2,), in degrees.

    The error of a pair is the larger of the angle between the relative rotations and the angle between the
    directions of the relative translations. A map knows the sign of a translation, so that the angle runs to
    180 degrees (two-view benchmarks fold it at 90). A pair with an unregistered image (None) counts as 180.
    Where the true centres coincide there is no direction, and the rotation alone counts.
    """
    n = len(truth)
    registered = np.array([pose is not None for pose in estimate], np.bool_)
    R, c = _stacked([pose if pose is not None else Pose.identity() for pose in estimate])
    R_true, c_true = _stacked(truth)
    size = np.linalg.norm(c_true - c_true.mean(axis=0), axis=1).max(initial=0.0) if n else 0.0
    errors = []
    for i in range(n - 1):
        j = slice(i + 1, n)
        # Relative rotation j_from_i and the direction from j to i in the camera axes of j.
        relative, relative_true = R[j] @ R[i].T, R_true[j] @ R_true[i].T
        rotation = rotation_angles_deg(relative @ relative_true.transpose(0, 2, 1))
        t = np.einsum("nij,nj->ni", R[j], c[i] - c[j])
        t_true = np.einsum("nij,nj->ni", R_true[j], c_true[i] - c_true[j])
        sine = np.linalg.norm(np.cross(t, t_true), axis=1)
        direction = np.degrees(np.arctan2(sine, np.einsum("ni,ni->n", t, t_true)))
        has_direction = np.linalg.norm(t_true, axis=1) > 1e-9 * size
        error = np.maximum(rotation, np.where(has_direction, direction, 0.0))
        # Estimated centres that coincide although the true ones do not have no right direction either.
        lost = has_direction & (np.linalg.norm(t, axis=1) == 0)
        errors.append(np.where(registered[i] & registered[j] & ~lost, error, UNREGISTERED_DEG))
    return np.concatenate(errors) if errors else np.empty(0)


def pose_auc(errors_deg: Floats, thresholds_deg: Sequence[float]) -> list[float]:
    """Return the area under the recall curve up to each threshold, divided by the threshold: 0 to 1.

    The exact area under the piecewise linear curve through (0, 0) and (k-th smallest error, k / N), cut at
    the threshold: the definition of SuperGlue (Sarlin et al., CVPR 2020) and of the matching papers after it,
    not the mean of a histogram with 1-degree bins as in the Image Matching Challenge. NaN without errors.
    """
    errors = np.sort(np.asarray(errors_deg, np.float64))
    if not len(errors):
        return [math.nan] * len(thresholds_deg)
    recall = np.concatenate([[0.0], np.arange(1, len(errors) + 1) / len(errors)])
    errors = np.concatenate([[0.0], errors])
    areas = []
    for threshold in thresholds_deg:
        below = int(np.searchsorted(errors, threshold))
        y = np.append(recall[:below], recall[below - 1])
        x = np.append(errors[:below], threshold)
        areas.append(float(np.sum((y[1:] + y[:-1]) / 2 * np.diff(x)) / threshold))
    return areas


def _stacked(poses: Sequence[Pose]) -> tuple[Floats, Floats]:
    rotations = np.array([pose.rotation for pose in poses]).reshape(-1, 3, 3)
    return rotations, np.array([pose.center for pose in poses]).reshape(-1, 3)


def _measures_positions(truth: Trajectory, common: Sequence[str]) -> bool:
    """Tell whether an alignment leaves errors of positions: it takes any two points, or one place, onto any."""
    centers = np.array([truth.poses[name].center for name in common]).reshape(-1, 3)
    if len(common) < _FEWEST_FOR_ATE:
        return False
    return bool(np.ptp(centers, axis=0).max() > 1e-9 * max(np.abs(centers).max(), 1e-300))


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _or_nan(reduce: Any, values: Floats) -> float:
    return float(reduce(values)) if len(values) else math.nan

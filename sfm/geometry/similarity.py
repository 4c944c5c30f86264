"""Similarity transforms (Sim3) and the alignment of point sets and camera paths.

A map made from photographs alone has no scale, origin or orientation of its own; before it can be compared
with ground truth, with GPS or with another map, the similarity between the two has to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sfm.geometry.pose import Pose
from sfm.geometry.robust import MEDIAN_LENGTH_2D, MEDIAN_LENGTH_3D

Floats = NDArray[np.float64]
Degeneracy = Literal["none", "line", "point"]

# Points whose second spread is below this share of their first lie on a line as far as float64 data can tell.
_FLAT = 1e-6
_SAMPLE_SIZE = 3
_SAMPLES = 2000
_SAMPLE_BATCH = 200
# Points that judge the samples; a thousand know the median well enough.
_JUDGES = 1000
# Residuals longer than this many standard deviations of one coordinate get no weight; Gaussian noise in 3D
# exceeds half of it (where the weight is still 0.56) once in 30 times.
_CUTOFF = 6.0


@dataclass(frozen=True)
class Sim3:
    """A similarity `b_from_a`: x_b = scale * rotation @ x_a + translation.

    Attributes
    ----------
    scale
        Positive factor: units of b per unit of a.
    rotation : (3, 3) float64, orthonormal, determinant 1
    translation : (3,) float64, in units of b
    """

    scale: float
    rotation: Floats
    translation: Floats

    @staticmethod
    def identity() -> Sim3:
        """Return the similarity that changes nothing."""
        return Sim3(1.0, np.eye(3), np.zeros(3))

    @property
    def matrix(self) -> Floats:
        """The (4, 4) homogeneous matrix."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.scale * self.rotation
        matrix[:3, 3] = self.translation
        return matrix

    def apply(self, points: Floats) -> Floats:
        """Transform (N, 3) points, or one of shape (3,), from a to b."""
        return self.scale * (np.asarray(points, np.float64) @ self.rotation.T) + self.translation

    def inverse(self) -> Sim3:
        """Return `a_from_b`."""
        return Sim3(1.0 / self.scale, self.rotation.T, -(self.rotation.T @ self.translation) / self.scale)

    def __matmul__(self, other: Sim3) -> Sim3:
        """Compose: `(c_from_b @ b_from_a)` is `c_from_a`."""
        return Sim3(self.scale * other.scale, self.rotation @ other.rotation, self.apply(other.translation))

    def transform_pose(self, cam_from_a: Pose) -> Pose:
        """Return `cam_from_b` of a camera given as `cam_from_a`; depths grow by `scale`."""
        rotation = cam_from_a.rotation @ self.rotation.T
        return Pose(rotation, -rotation @ self.apply(cam_from_a.center))


@dataclass(frozen=True)
class Alignment:
    """A similarity fitted to corresponding points, and how far to trust it.

    Attributes
    ----------
    sim3
        `target_from_source`.
    residuals : (N,) float64
        Distances between transformed source points and target points, in the target's unit.
    inliers : (N,) bool
        Points that took part in the fit (all of them unless the fit was robust).
    degeneracy
        What the points leave undetermined. "none": nothing. "line": they lie on one line (or are only two),
        so the rotation about it cannot be seen. "point": they coincide (or there is at most one), so that
        neither rotation nor scale can be seen. `align_poses` takes what is missing from the orientations
        where they show it; `align_points` takes the smallest rotation and, for "point", scale 1.
    """

    sim3: Sim3
    residuals: Floats
    inliers: NDArray[np.bool_]
    degeneracy: Degeneracy

    @property
    def rmse(self) -> float:
        """Root mean square of all residuals, outliers included, in the target's unit; NaN without points."""
        return float(np.sqrt(np.mean(self.residuals**2))) if len(self.residuals) else float("nan")


def align_points(source: Floats, target: Floats, weights: Floats | None = None) -> Alignment:
    """Find the similarity that takes `source` onto `target` with least squared distances.

    Parameters
    ----------
    source, target : (N, 3)
        Corresponding points; any N, also 0.
    weights : (N,), optional
        Non-negative weights of the squared distances.

    References
    ----------
    S. Umeyama, "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns",
    TPAMI 1991.
    """
    source, target = _checked(source, target)
    weights = np.ones(len(source)) if weights is None else np.asarray(weights, np.float64)
    used = weights > 0
    degeneracy = _degeneracy(source[used], target[used])
    if degeneracy == "none":
        scale, rotation, translation = _umeyama(source[None], target[None], weights[None])
        sim3 = Sim3(float(scale[0]), rotation[0], translation[0])
    else:
        sim3 = _align_degenerate(source, target, weights, degeneracy)
    residuals = np.linalg.norm(sim3.apply(source) - target, axis=1)
    return Alignment(sim3, residuals, used, degeneracy)


def align_points_robust(
    source: Floats, target: Floats, *, seed: int = 0, least_sigma: float = 0.0
) -> Alignment:
    """Find the similarity that takes most of `source` onto `target`, whatever the others do.

    Least median of squares over samples of three points needs no threshold and stands up to nearly half of
    outliers; Tukey's biweight, with its scale from the median residual, then brings the accuracy of least
    squares back where the noise is Gaussian. Deterministic for one `seed`.

    Parameters
    ----------
    source, target : (N, 3)
        Corresponding points. With fewer than five, outliers cannot be told and the fit is `align_points`.
    least_sigma
        Noise that is granted to a coordinate of the target however well the points fit.

    References
    ----------
    P. Rousseeuw, "Least Median of Squares Regression", JASA 1984. A. Beaton and J. Tukey, "The Fitting of
    Power Series, Meaning Polynomials, Illustrated on Band-Spectroscopic Data", Technometrics 1974.
    """
    source, target = _checked(source, target)
    plain = align_points(source, target)
    if len(source) < 5 or plain.degeneracy == "point":
        return plain
    best = min((plain, _least_median(source, target, seed)), key=lambda fit: np.median(fit.residuals))
    # A median fitted to few points is too small; the correction is Rousseeuw's.
    correction = 1 + 5 / max(1, len(source) - _SAMPLE_SIZE)
    noise_floor = max(least_sigma, 1e-9 * _spread(target))
    for _ in range(30):
        sigma = max(correction * float(np.median(best.residuals)) / MEDIAN_LENGTH_3D, noise_floor)
        weights = np.clip(1 - (best.residuals / (_CUTOFF * sigma)) ** 2, 0, None) ** 2
        refined = align_points(source, target, weights)
        moved = np.abs(refined.residuals - best.residuals).max()
        best = refined
        if moved <= 1e-6 * sigma:
            break
    return best


def align_upright_robust(
    source: Floats, target: Floats, source_up: Floats, *, seed: int = 0, least_sigma: float = 0.0
) -> Alignment:
    """Find the similarity that takes `source` onto `target` and `source_up` onto z, whatever some points do.

    With the vertical given, what positions decide is the heading, the scale and the place. Robust as
    `align_points_robust`, horizontally; the height is the median's.

    Parameters
    ----------
    source, target : (N, 3)
        Corresponding points, N >= 2; z is up in the target.
    source_up : (3,)
        Upward unit vector in the source.
    least_sigma
        As in `align_points_robust`.

    Returns
    -------
    The alignment; its residuals are horizontal distances. "point" where the points are apart in height only, so
    that heading and scale cannot be seen.
    """
    source, target = _checked(source, target)
    level = source @ shortest_rotation(np.asarray(source_up, np.float64), np.array([0.0, 0.0, 1.0])).T
    a, b = level[:, 0] + 1j * level[:, 1], target[:, 0] + 1j * target[:, 1]
    if min(np.abs(a - a.mean()).max(), np.abs(b - b.mean()).max()) <= 1e-9 * max(
        np.abs(source).max(), 1e-300
    ):
        plain = align_points(source, target)
        horizontal = np.linalg.norm((plain.sim3.apply(source) - target)[:, :2], axis=1)
        return Alignment(plain.sim3, horizontal, plain.inliers, "point")
    weights = np.ones(len(a))
    turn, shift = _level_fit(a, b, weights)
    if len(a) >= 5:
        start = _least_median_level(a, b, seed)
        if np.median(np.abs(start[0] * a + start[1] - b)) < np.median(np.abs(turn * a + shift - b)):
            turn, shift = start
        correction, noise_floor = 1 + 5 / max(1, len(a) - 2), max(least_sigma, 1e-9 * _spread(target))
        for _ in range(30):
            residuals = np.abs(turn * a + shift - b)
            sigma = max(correction * float(np.median(residuals)) / MEDIAN_LENGTH_2D, noise_floor)
            weights = np.clip(1 - (residuals / (_CUTOFF * sigma)) ** 2, 0, None) ** 2
            turn, shift = _level_fit(a, b, weights)
    scale = float(abs(turn))
    heading = Rotation.from_rotvec([0, 0, np.angle(turn)]).as_matrix()
    rotation = heading @ shortest_rotation(np.asarray(source_up, np.float64), np.array([0.0, 0.0, 1.0]))
    height = float(np.median((target[:, 2] - scale * level[:, 2])[weights > 0]))
    sim3 = Sim3(scale, rotation, np.array([shift.real, shift.imag, height]))
    residuals = np.abs(turn * a + shift - b)
    return Alignment(sim3, residuals, weights > 0, "none")


def turn_about_line(sim3: Sim3, target: Floats, source_up: Floats) -> Sim3:
    """Turn a similarity about the line through the target's points until `source_up` is as near to z as can be.

    For points on one line, which leave that turn open.

    Parameters
    ----------
    sim3
        `target_from_source`.
    target : (N, 3)
        The points, on one line; z is up.
    source_up : (3,)
        Upward unit vector in the source.
    """
    votes = np.outer([0.0, 0.0, 1.0], sim3.rotation @ source_up)
    extra = _best_rotation_about(_direction(target), votes)
    middle = target.mean(axis=0)
    return Sim3(sim3.scale, extra @ sim3.rotation, middle + extra @ (sim3.translation - middle))


def _level_fit(
    a: NDArray[np.complex128], b: NDArray[np.complex128], weights: Floats
) -> tuple[complex, complex]:
    """Fit b = turn a + shift by least squares; the turn carries the scale."""
    w = weights / weights.sum()
    mean_a, mean_b = w @ a, w @ b
    turn = np.vdot(a - mean_a, w * (b - mean_b)) / max(float(w @ np.abs(a - mean_a) ** 2), 1e-300)
    return complex(turn), complex(mean_b - turn * mean_a)


def _least_median_level(
    a: NDArray[np.complex128], b: NDArray[np.complex128], seed: int
) -> tuple[complex, complex]:
    """Fit samples of two points and keep the fit with the smallest median residual."""
    rng = np.random.default_rng(seed)
    i, j = rng.integers(len(a), size=(2, _SAMPLES))
    apart = np.abs(a[i] - a[j]) > 1e-9 * np.abs(a - a.mean()).max()
    i, j = i[apart], j[apart]
    turns = (b[i] - b[j]) / (a[i] - a[j])
    shifts = b[i] - turns * a[i]
    judges = rng.permutation(len(a))[:_JUDGES]
    medians = np.median(np.abs(turns[:, None] * a[judges] + shifts[:, None] - b[judges]), axis=1)
    best = int(np.argmin(medians))
    return complex(turns[best]), complex(shifts[best])


def align_poses(source: Sequence[Pose], target: Sequence[Pose]) -> Alignment:
    """Find the similarity that takes one camera path onto another by the cameras' centres.

    Where the centres leave something open (`Alignment.degeneracy`), the orientations settle it: the rotation
    about the line of centres or, for cameras in one place, the whole rotation (scale stays 1). The field
    still names the degeneracy, because nothing but orientations supports that part.

    Parameters
    ----------
    source, target
        Corresponding `cam_from_world` poses.
    """
    source_centers = np.array([pose.center for pose in source]).reshape(-1, 3)
    target_centers = np.array([pose.center for pose in target]).reshape(-1, 3)
    fit = align_points(source_centers, target_centers)
    if fit.degeneracy == "none" or not len(source_centers):
        return fit
    rotation = fit.sim3.rotation
    # Sum of target_from_source as each camera sees it, after the rotation found so far.
    votes = sum(t.rotation.T @ (s.rotation @ rotation.T) for s, t in zip(source, target, strict=True))
    if fit.degeneracy == "line":
        extra = _best_rotation_about(_direction(target_centers), np.asarray(votes))
    else:
        extra = _nearest_rotation(np.asarray(votes))
    rotation = extra @ rotation
    middle = target_centers.mean(axis=0)
    translation = middle - fit.sim3.scale * rotation @ source_centers.mean(axis=0)
    sim3 = Sim3(fit.sim3.scale, rotation, translation)
    residuals = np.linalg.norm(sim3.apply(source_centers) - target_centers, axis=1)
    return Alignment(sim3, residuals, fit.inliers, fit.degeneracy)


def _checked(source: Floats, target: Floats) -> tuple[Floats, Floats]:
    source = np.asarray(source, np.float64).reshape(-1, 3)
    target = np.asarray(target, np.float64).reshape(-1, 3)
    if source.shape != target.shape:
        raise ValueError(f"{len(source)} source points cannot correspond to {len(target)} target points")
    return source, target


def _spread(points: Floats) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean())) if len(points) else 0.0


def _degeneracy(source: Floats, target: Floats) -> Degeneracy:
    if len(source) < 2:
        return "point"
    ranks = []
    for points in (source, target):
        spreads = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if spreads[0] <= 1e-12 * max(np.abs(points).max(), 1e-300):
            return "point"
        ranks.append(1 if len(spreads) < 2 or spreads[1] <= _FLAT * spreads[0] else 2)
    return "line" if min(ranks) == 1 else "none"


def _umeyama(source: Floats, target: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Solve a batch of alignments: (B, N, 3) points and (B, N) weights -> (B,), (B, 3, 3), (B, 3)."""
    w = weights / weights.sum(axis=1, keepdims=True)
    source_mean = np.einsum("bn,bni->bi", w, source)
    target_mean = np.einsum("bn,bni->bi", w, target)
    source_centred = source - source_mean[:, None]
    target_centred = target - target_mean[:, None]
    covariance = np.einsum("bn,bni,bnj->bij", w, target_centred, source_centred)
    U, S, Vt = np.linalg.svd(covariance)
    # A mirror image is no camera motion: turn the weakest direction where the best fit would be one.
    sign = np.ones_like(S)
    sign[:, 2] = np.where(np.linalg.det(U) * np.linalg.det(Vt) < 0, -1.0, 1.0)
    rotation = (U * sign[:, None, :]) @ Vt
    variance = np.einsum("bn,bni->b", w, source_centred**2)
    scale = (S * sign).sum(axis=1) / np.maximum(variance, 1e-300)
    translation = target_mean - scale[:, None] * np.einsum("bij,bj->bi", rotation, source_mean)
    return scale, rotation, translation


def _align_degenerate(source: Floats, target: Floats, weights: Floats, degeneracy: Degeneracy) -> Sim3:
    if not (weights > 0).any():
        return Sim3.identity()
    w = weights / weights.sum()
    source_mean, target_mean = w @ source, w @ target
    if degeneracy == "point":
        return Sim3(1.0, np.eye(3), target_mean - source_mean)
    source_centred, target_centred = source - source_mean, target - target_mean
    a, b = _direction(source_centred[weights > 0]), _direction(target_centred[weights > 0])
    along_source, along_target = source_centred @ a, target_centred @ b
    covariance = float((w * along_source * along_target).sum())
    if covariance < 0:
        b = -b
    scale = abs(covariance) / float((w * along_source**2).sum())
    rotation = shortest_rotation(a, b)
    return Sim3(scale, rotation, target_mean - scale * rotation @ source_mean)


def _direction(points: Floats) -> Floats:
    """Direction of the line through points that lie on one, (3,)."""
    return np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0]


def shortest_rotation(a: Floats, b: Floats) -> Floats:
    """Smallest rotation that takes unit vector `a` to unit vector `b`."""
    axis, cosine = np.cross(a, b), float(a @ b)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-12:
        if cosine > 0:
            return np.eye(3)
        axis = np.cross(a, np.eye(3)[int(np.argmin(np.abs(a)))])
        return Rotation.from_rotvec(np.pi * axis / np.linalg.norm(axis)).as_matrix()
    return Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine)).as_matrix()


def _best_rotation_about(axis: Floats, votes: Floats) -> Floats:
    """Rotation about the unit vector `axis` with the largest trace(R.T @ votes)."""
    skew = np.array([votes[2, 1] - votes[1, 2], votes[0, 2] - votes[2, 0], votes[1, 0] - votes[0, 1]])
    angle = np.arctan2(axis @ skew, np.trace(votes) - axis @ votes @ axis)
    return Rotation.from_rotvec(angle * axis).as_matrix()


def _nearest_rotation(matrix: Floats) -> Floats:
    U, _, Vt = np.linalg.svd(matrix)
    return U @ np.diag([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))]) @ Vt


def _least_median(source: Floats, target: Floats, seed: int) -> Alignment:
    """Fit samples of three points and keep the fit with the smallest median residual."""
    rng = np.random.default_rng(seed)
    judges = rng.permutation(len(source))[:_JUDGES]
    a, b = source[judges], target[judges]
    best_median, best = np.inf, Sim3.identity()
    for _ in range(_SAMPLES // _SAMPLE_BATCH):
        samples = rng.integers(len(a), size=(_SAMPLE_BATCH, _SAMPLE_SIZE))
        scale, rotation, translation = _umeyama(a[samples], b[samples], np.ones(samples.shape))
        moved = scale[:, None, None] * np.einsum("bij,nj->bni", rotation, a) + translation[:, None]
        medians = np.median(np.linalg.norm(moved - b, axis=2), axis=1)
        # A sample of one point taken three times has no scale.
        medians[scale <= 0] = np.inf
        i = int(np.argmin(medians))
        if medians[i] < best_median:
            best_median, best = medians[i], Sim3(float(scale[i]), rotation[i], translation[i])
    residuals = np.linalg.norm(best.apply(source) - target, axis=1)
    return Alignment(best, residuals, np.ones(len(source), np.bool_), "none")

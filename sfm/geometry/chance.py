"""Whether a two-view geometry could have come about by chance.

A-contrario reasoning: the number of false alarms (NFA) bounds how many geometries, among all that samples of
the matches can define, are expected to gather as many inliers if the matches are unrelated. Below 1, chance
does not explain the inliers; far below 1, they are meaningful.

The background model has matches independent and their points uniform over the images. Matches of unrelated
photographs are worse than that: points crowd on textured parts, and repeated structure aligns them. So the
probability that a match agrees by chance is also measured, on wrong pairings of the very points.

L. Moisan and B. Stival, "A Probabilistic Criterion to Detect Rigid Point Matches Between Two Images and
Estimate the Fundamental Matrix", IJCV 2004; P. Moulon, P. Monasse and R. Marlet, "Adaptive Structure from
Motion with a Contrario Model Estimation", ACCV 2012. They choose the threshold too, and so bound the binomial
tail by its number of subsets. Here the threshold is given and the tail itself is used, which also holds where
many inliers are to be expected by chance.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from sfm.geometry.camera import Camera
from sfm.geometry.epipolar import homogeneous
from sfm.geometry.two_view import TwoViewGeometry, fundamental_of

Floats = NDArray[np.float64]

ESSENTIAL_SAMPLE, ESSENTIAL_MODELS = 5, 10
FUNDAMENTAL_SAMPLE, FUNDAMENTAL_MODELS = 7, 3
POSE_SAMPLE, POSE_MODELS = 3, 4
POSE_AND_FOCAL_SAMPLE, POSE_AND_FOCAL_MODELS = 4, 10
PROJECTION_SAMPLE, PROJECTION_MODELS = 6, 1

_LN10 = float(np.log(10))
_PAIRINGS = 20_000
_NOT_RELATED = 99.0


def epipolar_probability(threshold_px: float, width: int, height: int) -> float:
    """Return the probability that a random match has a Sampson error of at most `threshold_px`.

    The area of the band about the epipolar line over that of the image. The band is at most as long as the
    diagonal, and 2 sqrt(2) t wide: where a match is equally far from the lines in both images, its Sampson
    error is that distance over sqrt(2).
    """
    return min(1.0, 2 * np.sqrt(2) * threshold_px * float(np.hypot(width, height)) / (width * height))


def transfer_probability(threshold_px: float, width: int, height: int) -> float:
    """Return the probability that a random match lies within `threshold_px` of its image by a homography."""
    return min(1.0, np.pi * threshold_px**2 / (width * height))


def log10_nfa(
    num_matches: ArrayLike,
    num_inliers: ArrayLike,
    probability: ArrayLike,
    sample_size: int = ESSENTIAL_SAMPLE,
    models_per_sample: int = ESSENTIAL_MODELS,
) -> Floats:
    """Return log10 of the number of false alarms: NFA = models C(M, s) P[Binomial(M - s, p) >= K - s].

    Parameters
    ----------
    num_matches
        M, the matches verified.
    num_inliers
        K, those that agree with the model.
    probability
        p, that one random match agrees; from `epipolar_probability` or `transfer_probability`.
    sample_size
        s, the matches that define a model.
    models_per_sample
        The models that s matches can define at most.

    Returns
    -------
    float64 array of the shape the arguments broadcast to. Never above log10 of the number of models tested.
    Where the inliers exceed what is expected by chance, the tail is bounded from above by its first term
    times a geometric series (W. Feller, "An Introduction to Probability Theory", 1968, VI.3): it neither
    underflows nor comes out too small. Elsewhere it is taken as 1.
    """
    m, k, p = np.broadcast_arrays(
        np.asarray(num_matches, np.float64),
        np.asarray(num_inliers, np.float64),
        np.asarray(probability, float),
    )
    n = np.maximum(m - sample_size, 0)
    k = np.clip(k - sample_size, 0, n)
    log_tests = np.log(models_per_sample) + _log_binomial(np.maximum(m, sample_size), sample_size)
    above_chance = k > (n + 1) * p
    safe_p = np.clip(p, 1e-300, 1 - 1e-16)
    first_term = _log_binomial(n, k) + k * np.log(safe_p) + (n - k) * np.log1p(-safe_p)
    with np.errstate(divide="ignore", invalid="ignore"):
        series = np.log((k + 1) * (1 - safe_p)) - np.log(k + 1 - (n + 1) * safe_p)
    log_tail = np.where(above_chance, np.minimum(first_term + series, 0), 0)
    return np.asarray((log_tests + log_tail) / _LN10)


def empirical_probability(F: Floats, xy1: Floats, xy2: Floats, threshold_px: float) -> float:
    """Return the share of wrong pairings of the matched points that a fundamental matrix accepts all the same.

    Every point of the first image is paired with points of the second that it was not matched with. Where
    points crowd on a few textured parts, or along the horizon of a street, many more of such pairings lie
    near their epipolar lines than uniform points would: this measures how many, for these points and this
    geometry.

    Parameters
    ----------
    F : (3, 3)
        Fundamental matrix, x2^T F x1 = 0, pixels.
    xy1, xy2 : (M, 2)
        Matched points, in pixels.
    threshold_px
        Largest Sampson error of an inlier.
    """
    m = len(xy1)
    if m < 2:
        return 1.0
    # As `sampson_error_sq`, but the lines of a point are the same whatever it is paired with.
    a, b, c = F @ homogeneous(xy1).T
    d, e, _ = F.T @ homogeneous(xy2).T
    x2, y2, gradient2_sq = (_paired_wrongly(values) for values in (*xy2.T, d**2 + e**2))
    gradient_sq = a**2 + b**2 + gradient2_sq
    accepted = ((a * x2 + b * y2 + c) ** 2 <= threshold_px**2 * gradient_sq) & (gradient_sq > 0)
    return float(np.mean(accepted))


def log10_nfa_of(
    geometry: TwoViewGeometry, xy1: Floats, xy2: Floats, camera1: Camera, camera2: Camera
) -> float:
    """Return log10 NFA of a verified pair; 99 if nothing relates the views.

    A match agrees by chance with the larger of two probabilities: that of uniform points, and the empirical one
    of these points. Matches between the same two positions (a keypoint with several orientations) count once.

    Every kind is weighed as epipolar geometry, whose band holds more matches by chance than a homography's
    disc: a bound on the safe side for planar and panoramic pairs.

    Parameters
    ----------
    geometry
        What `Verifier.verify` answered.
    xy1, xy2 : (M, 2)
        The matches it was given, in pixels.
    camera1, camera2
        Their cameras.
    """
    if geometry.kind == "degenerate":
        return _NOT_RELATED
    both = np.hstack([np.asarray(xy1, np.float64), np.asarray(xy2, np.float64)])
    _, first = np.unique(both, axis=0, return_index=True)
    is_inlier = np.zeros(len(both), bool)
    is_inlier[geometry.inliers] = True
    both, is_inlier = both[first], is_inlier[first]
    probability = max(
        epipolar_probability(geometry.threshold_px, camera.width, camera.height)
        for camera in (camera1, camera2)
    )
    F = fundamental_of(geometry, camera1, camera2)
    if F is not None:
        probability = max(
            probability, empirical_probability(F, both[:, :2], both[:, 2:], geometry.threshold_px)
        )
    uncalibrated = geometry.kind in ("uncalibrated", "planar_or_panoramic")
    sample, models = (
        (FUNDAMENTAL_SAMPLE, FUNDAMENTAL_MODELS) if uncalibrated else (ESSENTIAL_SAMPLE, ESSENTIAL_MODELS)
    )
    return float(log10_nfa(len(both), is_inlier.sum(), min(probability, 1.0), sample, models))


def log10_nfa_of_pose(
    xy: Floats,
    projected: Floats,
    threshold_px: float,
    width: int,
    height: int,
    *,
    focal_estimated: bool = False,
    intrinsics_estimated: bool = False,
) -> float:
    """Return log10 NFA of a camera's pose in a map; 99 without matches.

    A match agrees by chance with the larger of two probabilities: that a uniform point lies within the
    threshold of the projection, and the share of wrong pairings of these very points that do.

    Parameters
    ----------
    xy : (M, 2)
        Matched pixels of the photograph, each position once.
    projected : (M, 2)
        Where the pose puts the points they were matched with; NaN where the camera cannot see them.
    threshold_px
        Largest distance of an inlier.
    width, height
        Size of the photograph in pixels.
    focal_estimated
        Whether the focal length was estimated with the pose, which takes one more match and fits more.
    intrinsics_estimated
        Whether the principal point was, too.
    """
    m = len(xy)
    if m == 0:
        return _NOT_RELATED

    with np.errstate(invalid="ignore"):
        inliers = int((((projected - xy) ** 2).sum(axis=1) <= threshold_px**2).sum())
        probability = transfer_probability(threshold_px, width, height)
        if m > 1:
            x, y = (_paired_wrongly(values) for values in projected.T)
            wrong = (x - xy[:, 0]) ** 2 + (y - xy[:, 1]) ** 2 <= threshold_px**2
            probability = max(probability, float(np.mean(wrong)))
    sample, models = POSE_SAMPLE, POSE_MODELS
    if intrinsics_estimated:
        sample, models = PROJECTION_SAMPLE, PROJECTION_MODELS
    elif focal_estimated:
        sample, models = POSE_AND_FOCAL_SAMPLE, POSE_AND_FOCAL_MODELS
    return float(log10_nfa(m, inliers, min(probability, 1.0), sample, models))


def _paired_wrongly(values: Floats) -> Floats:
    """Return (S, M): the (M,) values of matched points, S times shifted against those they belong to.

    That makes about 20,000 pairings of different matches, every point equally often, and leaves nothing to chance.
    """
    m = len(values)
    shifts = np.unique(np.linspace(1, m - 1, min(m - 1, max(1, _PAIRINGS // m))).astype(np.int64))
    return np.asarray(sliding_window_view(np.tile(values, 2), m)[m - shifts])


def _log_binomial(n: ArrayLike, k: ArrayLike) -> Floats:
    n, k = np.asarray(n, np.float64), np.asarray(k, np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

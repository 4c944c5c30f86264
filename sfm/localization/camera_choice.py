"""Try each guess of a photograph's camera, and choose by what their residuals say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfm.localization.absolute_pose import (
    AbsolutePose,
    estimate_absolute_pose,
    refine_absolute_pose,
    reprojection_errors,
    sigma_px_of,
)
from sfm.localization.pose_parameters import POSE_PARAMETERS
from sfm.localization.projection_matrix import estimate_projection
from sfm.localization.query_camera import CameraGuess

Floats = NDArray[np.float64]

# A residual beyond so many standard deviations is a wrong match's, and says no more than that.
_FARTHEST = 3.0
# Twice the logarithm of a likelihood by which few matches may err, and by which more of them will decide.
_OUT_OF_THE_QUESTION = 50.0
# Neighbouring residuals are alike: so many say as much as one.
_ALIKE = 4.0


@dataclass(frozen=True)
class Attempt:
    """A pose that was found with one guess of the camera.

    Attributes
    ----------
    guess
        The intrinsics it started from.
    pose
        The pose, and the intrinsics as estimated.
    """

    guess: CameraGuess
    pose: AbsolutePose


def try_guesses(
    guesses: Sequence[CameraGuess], xy: Floats, xyz: Floats, threshold_px: float, seed: int
) -> list[Attempt]:
    """Return the pose of every guess that gives one.

    A guess for whole photographs gets samples of its own. Those for parts of photographs start from the best of these,
    and from a projection that knows of no intrinsics.

    Parameters
    ----------
    guesses
        From the narrowest to the freest.
    xy, xyz : (M, 2), (M, 3)
        Matched pixels and the map's points.
    threshold_px
        Largest reprojection error of an inlier.
    seed
        Of the samples.
    """
    attempts = [
        Attempt(guess, pose)
        for guess in guesses
        if not guess.is_of_a_part
        and (
            pose := estimate_absolute_pose(
                xy, xyz, guess.prior, threshold_px, estimate_focal=guess.estimate_focal, seed=seed
            )
        )
    ]
    parts = [guess for guess in guesses if guess.is_of_a_part]
    if not parts:
        return attempts
    starts = [_cost_px(attempt.pose, xy, xyz, threshold_px) for attempt in attempts]
    poses = [attempts[int(np.argmin(starts))].pose] if starts else []
    camera = parts[0].camera
    free = estimate_projection(xy, xyz, camera.width, camera.height, threshold_px, seed)
    if free is not None:
        seen_from, pinhole = free
        errors = reprojection_errors(seen_from, pinhole, xy, xyz)
        poses.append(
            AbsolutePose(seen_from, pinhole, np.flatnonzero(errors <= threshold_px), parts[-1].prior)
        )
    return attempts + [
        Attempt(
            guess,
            min(
                (start_again(pose, guess, xy, xyz, threshold_px) for pose in poses),
                key=lambda pose: _cost_px(pose, xy, xyz, threshold_px),
            ),
        )
        for guess in parts
        if poses
    ]


def choose_again(
    attempt: Attempt, guesses: Sequence[CameraGuess], xy: Floats, xyz: Floats, threshold_px: float
) -> tuple[Attempt, Floats]:
    """Return what becomes of an attempt with more matches, and how far likely guesses are apart.

    The latter is a (3, 3) covariance of the centre about that of the attempt returned, each guess weighing by its
    likelihood (J. Hoeting et al., "Bayesian Model Averaging", Statistical Science 1999).
    """
    attempts = [Attempt(guess, start_again(attempt.pose, guess, xy, xyz, threshold_px)) for guess in guesses]
    attempts = [attempt, *attempts]
    values = _unlikelihoods(attempts, xy, xyz, threshold_px)
    best = attempts[int(values.argmin())]
    weights = np.exp((values.min() - values) / 2)
    apart = np.array([one.pose.cam_from_world.center - best.pose.cam_from_world.center for one in attempts])
    return best, (weights / weights.sum() * apart.T) @ apart


def start_again(
    start: AbsolutePose, guess: CameraGuess, xy: Floats, xyz: Floats, threshold_px: float
) -> AbsolutePose:
    """Refine a pose under another guess of its camera, from the inliers it has; its intrinsics are kept where free."""
    prior, held = guess.prior, guess.freedom
    f = start.camera.matrix
    begun = prior.start
    n = len(begun.params) - 2 - len(begun.distortion)
    focals = (f[0, 0], f[1, 1]) if held.aspect else (float(np.sqrt(f[0, 0] * f[1, 1])),) * n
    if held.focal:
        params = list(begun.params)
        params[:n] = focals
        if guess.is_of_a_part:
            params[n : n + 2] = start.camera.principal_point
        if begun.distortion and start.camera.distortion:
            params[n + 2] = start.camera.distortion[0]
        begun = replace(begun, params=tuple(float(v) for v in params))
    return refine_absolute_pose(replace(start, camera=begun, prior=prior), xy, xyz, threshold_px)


def most_likely(
    attempts: Sequence[Attempt], xy: Floats, xyz: Floats, threshold_px: float, most: int = 1
) -> list[Attempt]:
    """Return the attempts whose cameras the residuals make most likely, the likeliest first.

    Squared residuals, cut off where matches are wrong, and what freedom costs: the logarithm of how much of
    what a guess allows beforehand the residuals leave (D. MacKay, "Bayesian Interpolation", Neural Computation 1992).

    Parameters
    ----------
    attempts
        To choose from.
    xy, xyz, threshold_px
        What they were made of.
    most
        Return at most so many, and none that is out of the question beside the likeliest.
    """
    if not attempts:
        return []
    values = _unlikelihoods(attempts, xy, xyz, threshold_px)
    order = np.argsort(values, kind="stable")[:most]
    return [attempts[i] for i in order if values[i] - values[order[0]] <= _OUT_OF_THE_QUESTION]


def _unlikelihoods(attempts: Sequence[Attempt], xy: Floats, xyz: Floats, threshold_px: float) -> Floats:
    closest = min(
        (attempt.pose for attempt in attempts), key=lambda pose: _cost_px(pose, xy, xyz, threshold_px)
    )
    errors = reprojection_errors(closest.cam_from_world, closest.camera, xy, xyz)
    inliers = errors[errors <= threshold_px]
    sigma_px = sigma_px_of(inliers) if len(inliers) else threshold_px
    return np.array([unlikelihood(attempt.pose, xy, xyz, sigma_px) for attempt in attempts])


def unlikelihood(pose: AbsolutePose, xy: Floats, xyz: Floats, sigma_px: float) -> float:
    """Return twice the negative logarithm of a camera's likelihood, up to a constant of the matches."""
    errors = reprojection_errors(pose.cam_from_world, pose.camera, xy, xyz) / sigma_px
    departure = pose.prior.departure(pose.camera) / pose.prior.sigmas
    misfit = np.minimum(errors**2, _FARTHEST**2).sum() / _ALIKE
    close = errors <= _FARTHEST
    return float(misfit + departure @ departure + _price_of_freedom(pose, xyz[close], sigma_px))


def _price_of_freedom(pose: AbsolutePose, xyz: Floats, sigma_px: float) -> float:
    if not len(pose.prior.sigmas) or not len(xyz):
        return 0.0
    jacobian = pose.prior.jacobian(pose.cam_from_world, pose.camera, xyz) / sigma_px
    normal = np.einsum("nip,niq->pq", jacobian, jacobian) / _ALIKE
    by_pose, both = normal[:POSE_PARAMETERS, :POSE_PARAMETERS], normal[:POSE_PARAMETERS, POSE_PARAMETERS:]
    left = normal[POSE_PARAMETERS:, POSE_PARAMETERS:] - both.T @ np.linalg.pinv(by_pose, 1e-12) @ both
    sigmas = pose.prior.sigmas
    return float(np.linalg.slogdet(np.eye(len(sigmas)) + left * np.outer(sigmas, sigmas))[1])


def _cost_px(pose: AbsolutePose, xy: Floats, xyz: Floats, threshold_px: float) -> float:
    errors = reprojection_errors(pose.cam_from_world, pose.camera, xy, xyz)
    return float(np.minimum(errors, threshold_px).dot(np.minimum(errors, threshold_px)))

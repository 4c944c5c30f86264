"""RANSAC that draws, fits and scores many hypotheses at once.

M. Fischler and R. Bolles, "Random Sample Consensus", CACM 1981, with the truncated quadratic score of
P. Torr and A. Zisserman, "MLESAC", CVIU 2000 (MSAC), and the local optimisation of O. Chum, J. Matas and
J. Kittler, "Locally Optimized RANSAC", DAGM 2003.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_ITERATIONS = 10_000
CONFIDENCE = 0.999

_FIRST_BATCH = 64
_LARGEST_BATCH = 1024
_SCORES_AT_ONCE = 1_000_000  # 8 MB per temporary array
_OPTIMISATION_STEPS = 5


class Estimator(Protocol):
    """What RANSAC needs to know of a model that is a (3, 3) matrix relating matching points."""

    sample_size: int

    def fit_samples(self, xy1: Floats, xy2: Floats) -> Floats:
        """Fit one model to each of B minimal samples (B, sample_size, 2): (B, 3, 3), NaN where degenerate."""

    def fit(self, xy1: Floats, xy2: Floats, start: Floats) -> Floats | None:
        """Fit to (N, 2) points, N > sample_size, near the model `start`; None where degenerate."""

    def errors_sq(self, models: Floats, xy1: Floats, xy2: Floats) -> Floats:
        """Return squared errors (..., M) of (..., 3, 3) models."""


@dataclass(frozen=True)
class PoselibSearch:
    """How PoseLib looks for what most matches agree with: RANSAC with the limits of this module, and refinement.

    Attributes
    ----------
    threshold_px
        Largest Sampson error of an inlier.
    seed
        Of the samples drawn.
    progressive_samples
        So many samples suffice where the matches come surest first: those drawn first are of the first matches alone
        (PROSAC: O. Chum and J. Matas, "Matching with PROSAC - Progressive Sample Consensus", CVPR 2005). None if
        their order says nothing.
    """

    threshold_px: float
    seed: int
    progressive_samples: int | None = None

    @property
    def options(self) -> tuple[dict[str, object], dict[str, object]]:
        """PoseLib's options of RANSAC and of refinement."""
        sampling: dict[str, object] = {
            "max_epipolar_error": self.threshold_px,
            "max_iterations": self.progressive_samples or MAX_ITERATIONS,
            "min_iterations": 100,
            "success_prob": CONFIDENCE,
            "progressive_sampling": self.progressive_samples is not None,
            "seed": self.seed,
        }
        return sampling, {"loss_type": "CAUCHY", "loss_scale": self.threshold_px / 2}


@dataclass(frozen=True)
class RansacResult:
    """The best model found.

    Attributes
    ----------
    model : (3, 3) float64
    inliers : (K,) int64
        Indices of the points within the threshold, ascending.
    score
        MSAC score: the sum of squared errors, each cut off at the squared threshold. Lower is better.
    iterations
        Samples drawn.
    """

    model: Floats
    inliers: NDArray[np.int64]
    score: float
    iterations: int


def draw_samples(rng: np.random.Generator, population: int, size: int, count: int) -> NDArray[np.int64]:
    """Draw `count` uniform samples of `size` distinct indices below `population`, (count, size).

    R. Floyd's algorithm (in J. Bentley, "Programming Pearls", CACM 1987), all samples in step.
    """
    samples = np.empty((count, size), np.int64)
    for column, largest in enumerate(range(population - size, population)):
        drawn = rng.integers(0, largest + 1, count)
        taken = (samples[:, :column] == drawn[:, None]).any(axis=1)
        samples[:, column] = np.where(taken, largest, drawn)
    return samples


def ransac(
    estimator: Estimator,
    xy1: Floats,
    xy2: Floats,
    threshold: float,
    rng: np.random.Generator,
    *,
    max_iterations: int = MAX_ITERATIONS,
    confidence: float = CONFIDENCE,
) -> RansacResult | None:
    """Fit a model to matching points of which many may be wrong.

    Parameters
    ----------
    estimator
        The model.
    xy1, xy2 : (M, 2) float64
        Matching points, finite.
    threshold
        Largest error of an inlier, in the unit of the points.
    rng
        Where the samples come from; the same state gives the same result.
    max_iterations
        Samples drawn at most.
    confidence
        Probability of drawing one sample without outliers, at which sampling stops.

    Returns
    -------
    The best model, or None if there are fewer points than a sample needs or every sample was degenerate.
    """
    if len(xy1) < estimator.sample_size:
        return None
    best: RansacResult | None = None
    drawn, needed, batch = 0, max_iterations, _FIRST_BATCH
    while drawn < needed:
        batch = min(batch, needed - drawn)
        samples = draw_samples(rng, len(xy1), estimator.sample_size, batch)
        drawn += batch
        batch = min(2 * batch, _LARGEST_BATCH)
        models = estimator.fit_samples(xy1[samples], xy2[samples])
        scores = _scores(estimator, models, xy1, xy2, threshold)
        winner = int(np.argmin(scores))
        if not np.isfinite(scores[winner]) or (best is not None and scores[winner] >= best.score):
            continue
        best = _optimised(
            estimator, _result(estimator, models[winner], xy1, xy2, threshold), xy1, xy2, threshold
        )
        enough = _enough_samples(len(best.inliers) / len(xy1), estimator.sample_size, confidence)
        needed = min(max_iterations, enough)
    if best is None:
        return None
    return RansacResult(best.model, best.inliers, best.score, drawn)


def _enough_samples(inlier_ratio: float, sample_size: int, confidence: float) -> int:
    """Return how many samples it takes to draw a clean one with probability `confidence`."""
    clean = inlier_ratio**sample_size
    if clean >= 1:
        return 1
    return math.ceil(math.log(1 - confidence) / math.log1p(-max(clean, 1e-12)))


def _scores(estimator: Estimator, models: Floats, xy1: Floats, xy2: Floats, threshold: float) -> Floats:
    """Return the MSAC score of each model, infinite for degenerate ones, in chunks of bounded memory."""
    scores = np.full(len(models), np.inf)
    valid = np.flatnonzero(np.isfinite(models).all(axis=(1, 2)))
    for part in np.array_split(valid, math.ceil(len(valid) * len(xy1) / _SCORES_AT_ONCE) or 1):
        errors = estimator.errors_sq(models[part], xy1, xy2)
        scores[part] = np.minimum(errors, threshold**2).sum(axis=1)
    return scores


def _result(estimator: Estimator, model: Floats, xy1: Floats, xy2: Floats, threshold: float) -> RansacResult:
    errors = estimator.errors_sq(model, xy1, xy2)
    score = float(np.minimum(errors, threshold**2).sum())
    return RansacResult(model, np.flatnonzero(errors <= threshold**2), score, 0)


def _optimised(
    estimator: Estimator, best: RansacResult, xy1: Floats, xy2: Floats, threshold: float
) -> RansacResult:
    """Refit to all inliers while that improves the score."""
    for _ in range(_OPTIMISATION_STEPS):
        if len(best.inliers) <= estimator.sample_size:
            break
        model = estimator.fit(xy1[best.inliers], xy2[best.inliers], best.model)
        if model is None:
            break
        refined = _result(estimator, model, xy1, xy2, threshold)
        if refined.score >= best.score:
            break
        best = refined
    return best

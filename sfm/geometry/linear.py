"""Homogeneous linear least squares, for one set of points or many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RANK_TOLERANCE = 1e-12  # of eigenvalues of A^T A: 1e-6 of the singular values of A


def conditioning(xy: Floats) -> Floats:
    """Return the similarity that takes the centroid to the origin and the mean distance from it to sqrt(2).

    R. Hartley, "In Defense of the Eight-Point Algorithm", PAMI 1997.

    Parameters
    ----------
    xy : (..., N, 2)
        Points.

    Returns
    -------
    (..., 3, 3) float64; NaN where all points coincide.
    """
    centroid = xy.mean(axis=-2)
    spread = np.linalg.norm(xy - centroid[..., None, :], axis=-1).mean(axis=-1)
    scale = np.sqrt(2) / np.where(spread > 0, spread, np.nan)
    T = np.zeros((*xy.shape[:-2], 3, 3))
    T[..., 0, 0] = T[..., 1, 1] = scale
    T[..., :2, 2] = -scale[..., None] * centroid
    T[..., 2, 2] = 1
    return T


def null_vector(A: Floats) -> Floats:
    """Return the unit vector x that minimises |A x|.

    Parameters
    ----------
    A : (..., R, N)
        Systems of equations, R >= N - 1, finite or NaN.

    Returns
    -------
    (..., N) float64; NaN where A is not finite or leaves more than one direction free.
    """
    normal = np.swapaxes(A, -1, -2) @ A
    finite = np.asarray(np.isfinite(normal).all(axis=(-2, -1)))
    eigenvalues, eigenvectors = np.linalg.eigh(np.where(finite[..., None, None], normal, 0))
    unique = finite & (eigenvalues[..., 1] > _RANK_TOLERANCE * eigenvalues[..., -1])
    return np.where(unique[..., None], eigenvectors[..., 0], np.nan)

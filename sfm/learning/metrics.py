"""Figures of merit of a descriptor: verification, matching and retrieval of patches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]


def fpr_at_recall(positive: Floats, negative: Floats, recall: float = 0.95) -> float:
    """Return the share of wrong pairs accepted at the distance that accepts `recall` of the true ones.

    Parameters
    ----------
    positive, negative
        Distances of true and of wrong pairs.
    """
    threshold = np.sort(positive)[max(0, int(np.ceil(recall * len(positive))) - 1)]
    return float(np.mean(negative <= threshold))


def average_precision(correct: NDArray[np.bool_], distance: Floats, num_relevant: int | None = None) -> float:
    """Return the area under precision over recall of pairs ranked by distance.

    Parameters
    ----------
    correct
        Which pairs are true.
    distance
        Their distances; the smallest is ranked first.
    num_relevant
        How many true pairs there are; None for those among `correct`.
    """
    total = int(correct.sum()) if num_relevant is None else num_relevant
    if total == 0:
        return 0.0
    ranked = correct[np.argsort(distance, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].sum() / total)


def nearest_is_own(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell for which rows of `left` the nearest row of `right` is the one of the same index."""
    own: NDArray[np.bool_] = (left @ right.T).argmax(axis=1) == np.arange(len(left))
    return own

"""Which images look alike: local descriptors aggregated to one global descriptor each.

VLAD: H. Jegou, M. Douze, C. Schmid and P. Perez, "Aggregating local descriptors into a compact image
representation", CVPR 2010; with the intra-normalisation of R. Arandjelovic and A. Zisserman, "All about VLAD",
CVPR 2013. Nothing is trained but the codebook, which comes from the images' own descriptors, so that the global
descriptor stands the changes of light that the local one stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sfm.matching.codebook import ROWS_PER_WORD, train_codebook, word_affinity

Floats32 = NDArray[np.float32]

WORDS = 64
_TRAINING_ROWS = WORDS * ROWS_PER_WORD


def aggregate(rows: Floats32, codebook: Floats32) -> Floats32:
    """Aggregate the local descriptors of one image.

    Parameters
    ----------
    rows : (N, D) float32
        Local descriptors; any N, also 0.
    codebook : (W, D) float32
        Visual words.

    Returns
    -------
    (W * D,) float32 of length 1; zero where there is nothing to aggregate.
    """
    vlad = np.zeros(codebook.shape, np.float32)
    if len(rows) and len(codebook):
        nearest = word_affinity(rows, codebook).argmax(axis=1)
        order = np.argsort(nearest, kind="stable")
        used, first = np.unique(nearest[order], return_index=True)
        counts = np.diff(np.append(first, len(rows)))
        vlad[used] = np.add.reduceat(rows[order], first, axis=0) - counts[:, None] * codebook[used]
    vlad /= np.maximum(np.linalg.norm(vlad, axis=1, keepdims=True), 1e-12)
    return (vlad / max(float(np.linalg.norm(vlad)), 1e-12)).reshape(-1)


def describe_views(images: Sequence[Callable[[], Floats32]]) -> Floats32:
    """Describe images by a codebook of their own.

    Parameters
    ----------
    images
        For each of V images what reads its (N, D) local descriptors; called twice.

    Returns
    -------
    (V, W * D) float32, rows of length 1, or zero where an image has no local descriptors.
    """
    codebook = codebook_of(images)
    views = [aggregate(read(), codebook) for read in images]
    return np.array(views, np.float32).reshape(len(images), codebook.size)


def codebook_of(images: Sequence[Callable[[], Floats32]]) -> Floats32:
    """Train a codebook on rows of all images, the same share of each; parameters are those of `describe_views`."""
    most = 1 + _TRAINING_ROWS // max(len(images), 1)
    samples = []
    for read in images:
        rows = read()
        samples.append(rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)])
    return train_codebook(np.concatenate(samples) if samples else np.empty((0, 0), np.float32), WORDS)


def rank_views(query: Floats32, views: Floats32, count: int) -> NDArray[np.intp]:
    """Return the indices of the `count` rows of `views` (V, G) most similar to `query` (G,), best first."""
    return np.argsort(-(views @ query), kind="stable")[:count]

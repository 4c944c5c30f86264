"""A codebook of descriptors: the centres of the clusters they form, called visual words.

J. Sivic and A. Zisserman, "Video Google: a text retrieval approach to object matching in videos", ICCV 2003.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

Floats32 = NDArray[np.float32]

ROWS_PER_WORD = 256
"""Of how many rows a word is the mean, where there are so many."""
_FEWEST_ROWS_PER_WORD = 8


def train_codebook(
    rows: Floats32, words: int, rows_per_word: int = ROWS_PER_WORD, iterations: int = 12, seed: int = 0
) -> Floats32:
    """Cluster local descriptors into visual words by k-means.

    Parameters
    ----------
    rows : (N, D) float32
        Descriptors of the images, or a fair sample of them.
    words
        Number of words; fewer where there are not eight rows for each.
    rows_per_word
        Of more rows a sample is taken.
    iterations
        Of k-means.
    seed
        Of the choice of rows and of the first centres.

    Returns
    -------
    (W, D) float32, W <= words; (0, D) without rows.
    """
    words = min(words, len(rows) // _FEWEST_ROWS_PER_WORD)
    if words == 0:
        return np.empty((0, rows.shape[1]), np.float32)
    rng = np.random.default_rng(seed)
    most = words * rows_per_word
    chosen = rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]
    import faiss

    kmeans = faiss.Kmeans(
        rows.shape[1],
        words,
        niter=iterations,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=rows_per_word,
    )
    # So small a problem is no faster on many threads, and on a busy machine they spin while they wait for each other.
    with threadpool_limits(limits=1):
        kmeans.train(np.ascontiguousarray(chosen, np.float32))
    return np.asarray(kmeans.centroids, np.float32).reshape(words, rows.shape[1])


def word_affinity(rows: Floats32, codebook: Floats32) -> Floats32:
    """Return how near N rows are to W words, (N, W): larger is nearer, and differences in a row are comparable.

    It is half the squared length of a row less half the squared distance.
    """
    affinity: Floats32 = rows @ codebook.T
    affinity -= (codebook**2).sum(axis=1) / 2
    return affinity

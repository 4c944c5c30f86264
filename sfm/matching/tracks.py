"""Tracks: matches chained through images, each a surface point if its matches are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]


def chain_matches(
    sizes: Sequence[int], pairs: NDArray[np.integer], matches: Sequence[NDArray[np.integer]]
) -> tuple[list[Ints], Ints]:
    """Chain matches into tracks.

    Parameters
    ----------
    sizes
        Number of keypoints of each image.
    pairs : (P, 2)
        The matched images.
    matches
        For each pair (M, 2) indices of keypoints.

    Returns
    -------
    tracks
        For each image the track of every keypoint, (N,) int64; a keypoint without matches is a track of its own.
    images : (T,) int64
        How many images see each track; 0 for a track with two keypoints in one image, which contradicts itself.
    """
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    links = [match + first[pair] for pair, match in zip(pairs, matches, strict=True)]
    edges = np.concatenate(links) if links else np.empty((0, 2), np.int64)
    total = int(first[-1])
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(total, total))
    _, labels = connected_components(graph, directed=False)
    track = labels.astype(np.int64)
    image = np.repeat(np.arange(len(sizes)), sizes)
    length = np.bincount(track)
    images = np.bincount(np.unique(track * len(sizes) + image) // max(len(sizes), 1))
    return np.split(track, first[1:-1]), np.where(images < length, 0, length)

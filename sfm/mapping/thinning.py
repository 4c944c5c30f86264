"""Fewer matches for the mapper: those of the longest tracks, as many of every pair as it needs.

What the mapper does takes time with every observation, and a few hundred well connected ones place an image as well as
thousands do. The others become points when all images are placed (`sfm.mapping.incremental.complete`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.mapping.colmap import pycolmap
from sfm.mapping.database import fresh_copy
from sfm.matching.tracks import chain_matches

Matches = tuple[int, int, NDArray[np.integer]]

# COLMAP begins a map with a pair of as many matches.
FEWEST = 100
# So many are left of a pair that is not among the strongest of either of its images: where all images overlap, a
# hundred of every pair would be nearly all.
FEWEST_OF_WEAK = 20
_STRONGEST = 6
# COLMAP's mapper passes over what fewer images see.
_SEEN_BY = 3


def thin_out(database: Path, copy: Path, share: float) -> float:
    """Copy COLMAP's database, and leave in the copy the verified matches that `in_long_tracks` chooses.

    Parameters
    ----------
    database
        The file that is copied.
    copy
        Where to; a file that is there is replaced.
    share
        Of the matches of each pair, so many are left at least, and `FEWEST`, or `FEWEST_OF_WEAK`.

    Returns
    -------
    The share of what the mapper works on that is left, see `in_long_tracks`.
    """
    with closing(sqlite3.connect(database)) as rows, fresh_copy(rows, copy) as thinned:
        return _keep(thinned, share)


def _keep(rows: sqlite3.Connection, share: float) -> float:
    pairs = rows.execute("SELECT pair_id, data FROM two_view_geometries").fetchall()
    matches = [
        (*pycolmap.pair_id_to_image_pair(pair_id), np.frombuffer(data or b"", "<u4").reshape(-1, 2))
        for pair_id, data in pairs
    ]
    kept, left = in_long_tracks(matches, share)
    rows.executemany(
        "UPDATE two_view_geometries SET rows = ?, data = ? WHERE pair_id = ?",
        [
            (int(mask.sum()), of_pair[mask].tobytes(), pair_id)
            for mask, (_, _, of_pair), (pair_id, _) in zip(kept, matches, pairs, strict=True)
        ],
    )
    return left


def in_long_tracks(
    pairs: Sequence[Matches],
    share: float,
    fewest: int = FEWEST,
    fewest_of_weak: int = FEWEST_OF_WEAK,
    strongest: int = _STRONGEST,
) -> tuple[list[NDArray[np.bool_]], float]:
    """Choose whole tracks: those that are among the longest of any of their pairs.

    Every pair has a share of its matches chosen, and at least the fewest, or all it has. So pairs with many matches
    still have more than others, by which COLMAP decides where to begin and how to go on, and what hangs together by one
    pair still does. Of tracks of one length, chance decides, the same for all pairs. Tracks with two keypoints in one
    image hold wrong matches, which make them long; they come last.

    Parameters
    ----------
    pairs
        Two images' numbers, and (M, 2) indices of their keypoints.
    share
        0 to 1.
    fewest
        Number of matches of a pair that is among the `strongest`, by matches, of either of its images.
    fewest_of_weak
        Of the other pairs.
    strongest
        See there.

    Returns
    -------
    For each pair an (M,) mask, and the share of the observations, by tracks that three images or more see, which are
    of chosen tracks.
    """
    counts = np.array([len(matches) for _, _, matches in pairs], np.int64)
    if not counts.sum():
        return [np.zeros(0, bool) for _ in pairs], 1.0
    weak = ~_among_strongest(np.array([images for *images, _ in pairs]), counts, strongest)
    least = np.maximum(share * counts, np.where(weak, fewest_of_weak, fewest))
    track, seen_by = _tracks(pairs)
    chance = np.random.default_rng(0).random(len(seen_by))
    pair = np.repeat(np.arange(len(pairs)), counts)
    order = np.lexsort((chance[track], -seen_by[track], pair))
    chosen = np.zeros(len(seen_by), bool)
    chosen[track[order[_place_in_group(pair) < least[pair]]]] = True
    observations = np.where(seen_by >= _SEEN_BY, seen_by, 0)
    left = observations[chosen].sum() / max(1, observations.sum())
    return np.split(chosen[track], np.cumsum(counts)[:-1]), float(left)


def _among_strongest(
    images: NDArray[np.int64], counts: NDArray[np.int64], strongest: int
) -> NDArray[np.bool_]:
    """Return which of (P, 2) pairs of images are among so many of either with the most matches, (P,)."""
    image, pair = images.ravel(), np.repeat(np.arange(len(counts)), 2)
    order = np.lexsort((-counts[pair], image))
    among = np.zeros(len(counts), bool)
    among[pair[order[_place_in_group(image[order]) < strongest]]] = True
    return among


def _place_in_group(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each entry among those equal to it, (N,) from 0, for sorted entries."""
    return np.arange(len(groups)) - np.searchsorted(groups, groups)


def _tracks(pairs: Sequence[Matches]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the track of every match, pair after pair, and how many images see each track, see `chain_matches`."""
    sizes: dict[int, int] = {}
    for *images, matches in pairs:
        for image, largest in zip(images, matches.max(axis=0, initial=0), strict=True):
            sizes[image] = max(sizes.get(image, 0), int(largest) + 1)
    place = {image: i for i, image in enumerate(sizes)}
    numbers = np.array([(place[image1], place[image2]) for image1, image2, _ in pairs])
    tracks, seen_by = chain_matches(list(sizes.values()), numbers, [matches for _, _, matches in pairs])
    return np.concatenate([tracks[place[image]][matches[:, 0]] for image, _, matches in pairs]), seen_by

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

# COLMAP begins a map with a pair of as many.
FEWEST = 100


def thin_out(database: Path, copy: Path, share: float) -> float:
    """Copy COLMAP's database, and leave in the copy the verified matches that `in_long_tracks` chooses.

    Parameters
    ----------
    database
        The file that is copied.
    copy
        Where to; a file that is there is replaced.
    share
        Of the matches of each pair, so many are left at least, and `FEWEST`.

    Returns
    -------
    The share of all matches that is left.
    """
    with closing(sqlite3.connect(database)) as rows, fresh_copy(rows, copy) as thinned:
        return _keep(thinned, share)


def _keep(rows: sqlite3.Connection, share: float) -> float:
    pairs = rows.execute("SELECT pair_id, data FROM two_view_geometries").fetchall()
    matches = [
        (*pycolmap.pair_id_to_image_pair(pair_id), np.frombuffer(data or b"", "<u4").reshape(-1, 2))
        for pair_id, data in pairs
    ]
    kept = in_long_tracks(matches, share)
    rows.executemany(
        "UPDATE two_view_geometries SET rows = ?, data = ? WHERE pair_id = ?",
        [
            (int(mask.sum()), of_pair[mask].tobytes(), pair_id)
            for mask, (_, _, of_pair), (pair_id, _) in zip(kept, matches, pairs, strict=True)
        ],
    )
    return sum(int(mask.sum()) for mask in kept) / max(1, sum(len(mask) for mask in kept))


def in_long_tracks(pairs: Sequence[Matches], share: float, fewest: int = FEWEST) -> list[NDArray[np.bool_]]:
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
        Number of matches.

    Returns
    -------
    For each pair an (M,) mask.
    """
    counts = np.array([len(matches) for _, _, matches in pairs], np.int64)
    if not counts.sum():
        return [np.zeros(0, bool) for _ in pairs]
    track, length = _tracks(pairs)
    chance = np.random.default_rng(0).random(len(length))
    pair = np.repeat(np.arange(len(pairs)), counts)
    order = np.lexsort((chance[track], -length[track], pair))
    place = np.arange(len(order)) - (np.cumsum(counts) - counts)[pair]
    chosen = np.zeros(len(length), bool)
    chosen[track[order[place < np.maximum(share * counts, fewest)[pair]]]] = True
    return np.split(chosen[track], np.cumsum(counts)[:-1])


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

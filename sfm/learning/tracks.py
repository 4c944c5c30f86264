"""Real views of surface points: tracks of keypoints through overlapping photographs.

Photographs are matched by hand-made descriptors (RootSIFT), each pair is verified by its epipolar geometry,
and matches are chained into tracks. A track with two keypoints in one photograph contradicts itself and is
dropped.

Where all keypoints of a photograph have one angle, a first matching by gradients tells how the photographs are turned
against each other, and a second one is of keypoints that are turned so: it finds what gradients had hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.features.descriptor import Descriptor
from sfm.features.keypoints import Keypoints
from sfm.features.orientation import turned_to
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import extract_patches, is_flat
from sfm.images.gray import GrayImage
from sfm.learning.leftover_turns import turned_nearly_to
from sfm.learning.patch_set import PointPatches
from sfm.matching.mutual import match_mutual
from sfm.matching.tracks import chain_matches
from sfm.viewgraph.rolls import RollVote, aligned_with, relative_roll, synchronise

Ints = NDArray[np.int64]

RATIO = 0.9
EPIPOLAR_THRESHOLD_PX = 1.5
MIN_INLIERS = 25
MIN_INLIER_RATIO = 0.3


def training_pairs(count: int, max_pairs: int, rng: np.random.Generator) -> Ints:
    """Choose which of `count` photographs, in order of capture, to match.

    All pairs if they are at most `max_pairs`; else half of them near in time and the rest at random.

    Returns
    -------
    (P, 2) int64, first index below second.
    """
    i, j = np.triu_indices(count, 1)
    if len(i) <= max_pairs:
        return np.column_stack([i, j])
    by_gap = np.argsort(j - i, kind="stable")
    near, far = by_gap[: max_pairs // 2], by_gap[max_pairs // 2 :]
    chosen = np.concatenate([near, rng.choice(far, max_pairs - len(near), replace=False)])
    return np.column_stack([i, j])[np.sort(chosen)]


def verified_matches(
    first: Keypoints, second: Keypoints, descriptors: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> Ints:
    """Match two photographs and keep what agrees with one fundamental matrix (MAGSAC++; Barath et al. 2020).

    Returns
    -------
    (M, 2) int64 indices into both; empty if the photographs do not show the same scene.
    """
    index = match_mutual(*descriptors).below(RATIO).index.astype(np.int64)
    if len(index) < MIN_INLIERS:
        return np.empty((0, 2), np.int64)
    _, mask = cv2.findFundamentalMat(
        first.xy[index[:, 0]].astype(np.float64),
        second.xy[index[:, 1]].astype(np.float64),
        cv2.USAC_MAGSAC,
        EPIPOLAR_THRESHOLD_PX,
        0.999,
        2000,
    )
    inlier = np.zeros(len(index), bool) if mask is None else mask.ravel().astype(bool)
    if inlier.sum() < max(MIN_INLIERS, MIN_INLIER_RATIO * len(index)):
        return np.empty((0, 2), np.int64)
    return index[inlier]


def chain(sizes: Sequence[int], pairs: Ints, matches: Sequence[Ints]) -> list[Ints]:
    """Chain matches into tracks.

    Parameters
    ----------
    sizes
        Number of keypoints of each photograph.
    pairs : (P, 2)
        The matched photographs.
    matches
        For each pair (M, 2) indices of keypoints.

    Returns
    -------
    For each photograph the track of every keypoint, (N,) int64; -1 for keypoints without one, and for those
    of tracks that have two keypoints in one photograph.
    """
    tracks, seen_by = chain_matches(sizes, pairs, matches)
    return [np.where(seen_by[track] >= 2, track, -1) for track in tracks]


def real_points(
    images: Sequence[GrayImage],
    keypoints: Sequence[Keypoints],
    descriptor: Descriptor,
    rng: np.random.Generator,
    *,
    max_pairs: int,
    window: PatchWindow,
    orientation: str,
) -> PointPatches:
    """Match overlapping photographs and cut the patches of every track.

    Parameters
    ----------
    images, keypoints
        Photographs in order of capture and what was detected in them, turned to gradients.
    descriptor
        Matches them.
    rng
        Draws pairs of photographs, and what is left over of their turns.
    max_pairs
        How many pairs are matched at most.
    window
        What a patch shows.
    orientation
        "image" or "gradient", see `PatchSetOptions`.
    """
    pairs = training_pairs(len(images), max_pairs, rng)
    matches = _match(images, keypoints, descriptor, pairs)
    if orientation == "image":
        rolls = rolls_of(keypoints, pairs, matches)
        keypoints = [turned_to(found, roll) for found, roll in zip(keypoints, rolls, strict=True)]
        matches = _match(images, keypoints, descriptor, pairs)
        keypoints = [turned_nearly_to(found, roll, rng) for found, roll in zip(keypoints, rolls, strict=True)]
    tracks = chain([len(found) for found in keypoints], pairs, matches)
    return patches_of_tracks(images, keypoints, tracks, window)


def rolls_of(keypoints: Sequence[Keypoints], pairs: Ints, matches: Sequence[Ints]) -> list[float]:
    """Return how every photograph is turned, in radians, so that most are upright; 0 where no pair tells.

    Parameters
    ----------
    keypoints
        Of each photograph, turned to gradients.
    pairs : (P, 2)
        The matched photographs.
    matches
        For each pair (M, 2) indices of keypoints, verified.
    """
    votes = []
    for (i, j), match in zip(pairs.tolist(), matches, strict=True):
        one, other = keypoints[i].angle, keypoints[j].angle
        told = relative_roll(one[match[:, 0]], other[match[:, 1]], one, other)
        if told is not None:
            votes.append(RollVote(str(i), str(j), *told))
    rolls: dict[str, float] = {}
    for part in synchronise(votes):
        rolls |= aligned_with(part.rolls_rad, {})
    return [rolls.get(str(i), 0.0) for i in range(len(keypoints))]


def _match(
    images: Sequence[GrayImage], keypoints: Sequence[Keypoints], descriptor: Descriptor, pairs: Ints
) -> list[Ints]:
    """Describe all photographs; match and verify the pairs."""
    described = [descriptor.describe(image, found) for image, found in zip(images, keypoints, strict=True)]
    return [
        verified_matches(keypoints[i], keypoints[j], (described[i], described[j])) for i, j in pairs.tolist()
    ]


def patches_of_tracks(
    images: Iterable[GrayImage], keypoints: Sequence[Keypoints], tracks: Sequence[Ints], window: PatchWindow
) -> PointPatches:
    """Cut the patches of keypoints that have a track (-1: none), grouped by track.

    `images` are taken one after the other and not kept, so that they may be decoded on the way.
    """
    patches, points = [], []
    for image, found, track in zip(images, keypoints, tracks, strict=True):
        seen = track >= 0
        cut = extract_patches(image, found.take(seen), window)
        useful = ~is_flat(cut)
        patches.append(cut[useful])
        points.append(track[seen][useful])
    return PointPatches.grouped(patches, points)

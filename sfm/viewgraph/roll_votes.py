"""Let pairs of images vote on how they are turned, by their first keypoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.matching.mutual import match_mutual
from sfm.viewgraph.orientations import (
    BY_GRADIENT,
    ImageOrientations,
    decide_orientations,
    upright_by_exif,
)
from sfm.viewgraph.rolls import RollVote, relative_roll, synchronise

# Loose, for wrong matches are spread over all angles.
_RATIO = 0.9
_FEW_IMAGES_SAMPLE = 2048


@dataclass(frozen=True)
class Sample:
    """The first keypoints of an image, turned to their gradients.

    Attributes
    ----------
    angles : (N,) float32
        Radians, clockwise.
    rows : (N, D) float16
        Descriptors.
    """

    angles: NDArray[np.float32]
    rows: NDArray[np.float16]

    @staticmethod
    def of(keypoints: Keypoints, rows: NDArray[np.float32]) -> Sample:
        """Keep what is needed of keypoints and their descriptors."""
        return Sample(keypoints.angle, rows.astype(np.float16))


def vote_of(name1: str, name2: str, samples: Mapping[str, Sample]) -> RollVote | None:
    """Return how the second of two images is turned against the first; None if their matches do not tell."""
    first, second = samples[name1], samples[name2]
    index = match_mutual(first.rows.astype(np.float32), second.rows.astype(np.float32)).below(_RATIO).index
    told = relative_roll(first.angles[index[:, 0]], second.angles[index[:, 1]], first.angles, second.angles)
    return None if told is None else RollVote(name1, name2, *told)


def orientations_of_few(
    detected: Mapping[str, Keypoints],
    pairs: Iterable[tuple[str, str]],
    describe: Callable[[str, Keypoints], NDArray[np.float32]],
    exif_turn_deg: Mapping[str, int],
    orientation: str,
) -> ImageOrientations:
    """Decide what the keypoints of a few images, all of them at hand, are turned to.

    Parameters
    ----------
    detected
        Keypoints by the name of the image, as the detector found them.
    pairs
        Names of the images that are matched with each other.
    describe
        Describes some keypoints of the image of a name: rows of unit length.
    exif_turn_deg
        See `decide_orientations`.
    orientation
        See `OrientationOptions`.
    """
    if orientation == "gradient":
        return BY_GRADIENT
    if orientation == "upright":
        return upright_by_exif(exif_turn_deg)
    first = {name: keypoints.take(slice(_FEW_IMAGES_SAMPLE)) for name, keypoints in detected.items()}
    samples = {name: Sample.of(keypoints, describe(name, keypoints)) for name, keypoints in first.items()}
    votes = [vote for pair in pairs if (vote := vote_of(*pair, samples)) is not None]
    return decide_orientations(synchronise(votes), len(votes), exif_turn_deg, orientation == "auto")

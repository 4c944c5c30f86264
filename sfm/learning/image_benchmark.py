"""Descriptors on pairs of photographs whose true relation is known: how many matches are right.

The same keypoints are described by every descriptor and matched as mutual nearest neighbours, so that
nothing but the descriptor makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.evaluation.poses import pose_auc
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.features.orientation import oriented
from sfm.features.patches import extract_patches, is_flat
from sfm.features.rootsift import RootSift
from sfm.images.gray import GrayImage
from sfm.learning.image_pairs import CORRECT_PX, Pair, PlaneTruth, PoseTruth, gray_pixels
from sfm.matching.mutual import Matches, match_mutual, passes_ratio_test
from sfm.viewgraph.orientations import ImageOrientations
from sfm.viewgraph.roll_votes import orientations_of_few

Floats = NDArray[np.float64]

THRESHOLDS_PX = (1.0, 3.0, 5.0)
AUC_DEG = (1.0, 5.0, 10.0)
# Ratios at which a curve of precision is sampled.
RATIOS = np.round(np.arange(0.60, 1.0001, 0.01), 2)


@dataclass(frozen=True)
class Matched:
    """A pair matched by one descriptor.

    Attributes
    ----------
    pair
        The pair.
    matches
        Mutual nearest neighbours.
    xy1, xy2 : (M, 2) float64
        Where the matched keypoints are.
    num_keypoints
        Number of keypoints of the image that has fewer.
    size
        (width, height) of the first image in pixels.
    """

    pair: Pair
    matches: Matches
    xy1: Floats
    xy2: Floats
    num_keypoints: int
    size: tuple[int, int]

    @cached_property
    def errors_px(self) -> Floats:
        """Error of every match, (M,)."""
        return self.pair.truth.errors_px(self.xy1, self.xy2)

    @property
    def surest_first(self) -> NDArray[np.intp]:
        """The matches in the order of their ratio."""
        return np.argsort(self.matches.ratio, kind="stable")


class DescribedImages:
    """Keypoints of the images of a test, the same for all descriptors, and their descriptors, each computed once.

    Keypoints on flat patches are dropped: no descriptor can tell them apart. How images are turned is read from their
    matches by RootSIFT, whichever descriptors are measured.

    Parameters
    ----------
    pairs
        All pairs of the test.
    max_keypoints
        The strongest keypoints of an image that are taken.
    orientation
        What they are turned to, see `OrientationOptions`.
    """

    def __init__(self, pairs: Sequence[Pair], max_keypoints: int, orientation: str = "auto") -> None:
        self._pairs, self._orientation = pairs, orientation
        self._detector = DogDetector(DetectionOptions(max_keypoints=max_keypoints))
        self._grays: dict[Path, GrayImage] = {}
        self._images: dict[Path, tuple[GrayImage, Keypoints]] = {}
        self._rows: dict[tuple[int, Path], NDArray[np.float32]] = {}

    def keypoints(self, path: Path) -> Keypoints:
        """Return the keypoints of an image. Raises `InputError` if it cannot be read."""
        return self._image(path)[1]

    def match(self, pair: Pair, descriptor: Descriptor) -> Matched:
        """Match a pair."""
        first, second = self.keypoints(pair.first), self.keypoints(pair.second)
        matches = match_mutual(
            self._described(pair.first, descriptor), self._described(pair.second, descriptor)
        )
        xy1 = first.xy[matches.index[:, 0]].astype(np.float64)
        xy2 = second.xy[matches.index[:, 1]].astype(np.float64)
        height, width = self._image(pair.first)[0].pixels.shape
        return Matched(pair, matches, xy1, xy2, min(len(first), len(second)), (width, height))

    def _image(self, path: Path) -> tuple[GrayImage, Keypoints]:
        if path not in self._images:
            image = self._gray(path)
            keypoints = oriented(
                self._detector.detect(image), self._orientations.of(str(path)), self._detector.limit
            )
            flat = is_flat(extract_patches(image, keypoints))
            self._images[path] = image, keypoints.take(~flat)
        return self._images[path]

    def _gray(self, path: Path) -> GrayImage:
        if path not in self._grays:
            self._grays[path] = GrayImage.of(gray_pixels(path))
        return self._grays[path]

    @cached_property
    def _orientations(self) -> ImageOrientations:
        names = sorted({path for pair in self._pairs for path in (pair.first, pair.second)})
        told_by = RootSift()
        return orientations_of_few(
            {str(path): self._detector.detect(self._gray(path)) for path in names},
            [(str(pair.first), str(pair.second)) for pair in self._pairs],
            lambda name, keypoints: told_by.describe(self._gray(Path(name)), keypoints),
            {str(path): 0 for path in names},
            self._orientation,
        )

    def _described(self, path: Path, descriptor: Descriptor) -> NDArray[np.float32]:
        key = id(descriptor), path
        if key not in self._rows:
            self._rows[key] = descriptor.describe(*self._image(path))
        return self._rows[key]


@dataclass(frozen=True)
class PlaneFigures:
    """Matches under known homographies, over all pairs of a sequence.

    Attributes
    ----------
    matches
        Number of mutual matches.
    correct
        How many are right within 3 px.
    precision
        Their share.
    matching_score
        Correct matches over keypoints (of the image with fewer), mean over pairs.
    accuracy
        Share of matches right within 1, 3 and 5 px, mean over pairs.
    solved
        Share of pairs whose homography, estimated from the matches, is right: corners within 3 px on average.
    """

    matches: int
    correct: int
    precision: float
    matching_score: float
    accuracy: tuple[float, ...]
    solved: float


def plane_figures(matched: Sequence[Matched]) -> PlaneFigures:
    """Sum up pairs with a `PlaneTruth`."""
    correct = [int((m.errors_px <= CORRECT_PX).sum()) for m in matched]
    total = sum(len(m.matches) for m in matched)
    accuracy = [[_share(m.errors_px <= limit) for limit in THRESHOLDS_PX] for m in matched]
    score = [c / max(1, m.num_keypoints) for c, m in zip(correct, matched, strict=True)]
    return PlaneFigures(
        matches=total,
        correct=sum(correct),
        precision=sum(correct) / max(1, total),
        matching_score=float(np.mean(score)),
        accuracy=tuple(float(value) for value in np.mean(accuracy, axis=0)),
        solved=float(np.mean([_homography_error_px(m) <= CORRECT_PX for m in matched])),
    )


def _homography_error_px(matched: Matched) -> float:
    assert isinstance(matched.pair.truth, PlaneTruth)
    order = matched.surest_first
    return matched.pair.truth.estimate_error_px(matched.xy1[order], matched.xy2[order], matched.size)


@dataclass(frozen=True)
class PoseFigures:
    """Matches under known poses, at one ratio.

    Attributes
    ----------
    ratio
        The ratio test's threshold.
    matches
        Matches left by it, mean over pairs.
    correct
        How many of them agree with the true epipolar geometry within 3 px, mean over pairs.
    precision
        Their share over all pairs.
    auc : tuple of float
        Area under the recall curve of the relative pose at 1, 5 and 10 degrees.
    """

    ratio: float
    matches: float
    correct: float
    precision: float
    auc: tuple[float, ...]


def precision_at(matched: Sequence[Matched], ratio: float) -> float:
    """Return the share of correct matches below a ratio, over all pairs."""
    correct, total = _counts(matched, ratio)
    return correct / max(1, total)


def correct_below(matched: Sequence[Matched], ratio: float) -> int:
    """Return the number of correct matches below a ratio, over all pairs."""
    return _counts(matched, ratio)[0]


def ratio_of_precision(matched: Sequence[Matched], precision: float) -> float:
    """Return the largest ratio at which at least `precision` of the matches are correct."""
    good = [ratio for ratio in RATIOS if precision_at(matched, ratio) >= precision]
    return float(max(good, default=RATIOS[0]))


def pose_figures(matched: Sequence[Matched], ratio: float) -> PoseFigures:
    """Sum up pairs with a `PoseTruth`, by their matches below `ratio`."""
    correct, total = _counts(matched, ratio)
    errors = []
    for m in matched:
        keep = passes_ratio_test(m.matches.ratio, ratio)
        assert isinstance(m.pair.truth, PoseTruth)
        errors.append(m.pair.truth.pose_error_deg(m.xy1[keep], m.xy2[keep]))
    return PoseFigures(
        ratio=ratio,
        matches=total / max(1, len(matched)),
        correct=correct / max(1, len(matched)),
        precision=correct / max(1, total),
        auc=tuple(pose_auc(np.array(errors), AUC_DEG)),
    )


@dataclass(frozen=True)
class HandMadeFigures:
    """Hand-made correspondences under fundamental matrices estimated from matches.

    Attributes
    ----------
    solved
        Share of pairs with at least half of the marks within 5 px of the estimated epipolar geometry.
    accuracy
        Share of marks within 1, 3 and 5 px, mean over pairs.
    """

    solved: float
    accuracy: tuple[float, ...]


def hand_made_figures(matched: Sequence[Matched]) -> HandMadeFigures:
    """Sum up pairs with a `HandMadeTruth`."""
    within = np.array([[_share(m.errors_px <= limit) for limit in THRESHOLDS_PX] for m in matched])
    return HandMadeFigures(
        solved=float(np.mean(within[:, -1] >= 0.5)),
        accuracy=tuple(float(value) for value in within.mean(axis=0)),
    )


def _counts(matched: Iterable[Matched], ratio: float) -> tuple[int, int]:
    correct = total = 0
    for m in matched:
        keep = passes_ratio_test(m.matches.ratio, ratio)
        correct += int((m.errors_px[keep] <= CORRECT_PX).sum())
        total += int(keep.sum())
    return correct, total


def _share(mask: NDArray[np.bool_]) -> float:
    return float(mask.mean()) if len(mask) else 0.0

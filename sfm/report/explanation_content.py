"""What the page that explains matches shows: keypoints, and what each descriptor makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.features.patch_window import PatchWindow
from sfm.matching.mutual import distance_ratio
from sfm.matching.neighbours import Verdict

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

SIFT_CELLS, SIFT_DIRECTIONS = 4, 8


@dataclass(frozen=True)
class Neighbour:
    """A keypoint of the second photograph that a descriptor takes for a given one of the first.

    Attributes
    ----------
    xy : (2,)
        Its place in pixels of the original photograph.
    patch : (32, 32) uint8
        What a network sees of it.
    histogram : (4, 4, 8)
        What SIFT sees of it, see `histogram_of`.
    distance
        Distance of the descriptors, 0 to 2.
    verdict
        What the geometry says.
    off_line_px
        Epipolar error; None where no geometry is known.
    """

    xy: Floats
    patch: Bytes
    histogram: Floats
    distance: float
    verdict: Verdict
    off_line_px: float | None


@dataclass(frozen=True)
class Finding:
    """What one descriptor makes of a keypoint: its two nearest neighbours and the limit of the ratio test."""

    descriptor: str
    nearest: Neighbour
    second: Neighbour
    limit: float

    @property
    def ratio(self) -> float:
        """Nearest over second-nearest distance."""
        return float(distance_ratio(self.nearest.distance, self.second.distance))


@dataclass(frozen=True)
class ExplainedPoint:
    """A keypoint of the first photograph and what each descriptor makes of it.

    Attributes
    ----------
    why
        Why it is shown.
    xy : (2,)
        Its place in pixels of the original photograph.
    scale, angle
        Sigma in pixels, and orientation in radians, clockwise.
    patch, histogram
        As of a `Neighbour`.
    true_xy2 : (2,) or None
        Its verified place in the second photograph.
    line : (2, 2) or None
        Both ends of its epipolar line there.
    findings
        One a descriptor.
    """

    why: str
    xy: Floats
    scale: float
    angle: float
    patch: Bytes
    histogram: Floats
    true_xy2: Floats | None
    line: Floats | None
    findings: Sequence[Finding]


@dataclass(frozen=True)
class ExplanationContent:
    """What the page shows.

    Attributes
    ----------
    names
        The photographs' names.
    images : (H, W, 3) uint8 each
        Their pixels in full size, as stored.
    orientations
        Their EXIF orientations.
    window
        What a network's patch shows.
    rows
        Of each descriptor: name, matches that pass the ratio test, verified ones, whether beyond chance.
    judged_by
        The descriptor whose geometry right and wrong are judged by; empty if there is none.
    points
        The chosen keypoints.
    """

    names: tuple[str, str]
    images: tuple[Bytes, Bytes]
    orientations: tuple[int, int]
    window: PatchWindow
    rows: Sequence[tuple[str, int, int, bool]]
    judged_by: str
    points: Sequence[ExplainedPoint]


def histogram_of(row: NDArray[np.float32]) -> Floats:
    """Return a RootSIFT row (128,) as SIFT's histogram of gradients, (4, 4, 8): sums to 1.

    Rows and columns are cells of the window turned to the keypoint's angle, from its upper left; direction k
    is 45 k degrees from the keypoint's own, against the clock.
    """
    return np.asarray(row, np.float64).reshape(SIFT_CELLS, SIFT_CELLS, SIFT_DIRECTIONS) ** 2

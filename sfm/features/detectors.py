"""Keypoint detectors.

The one that ships finds extrema of the difference of Gaussians over position and scale (Lowe, "Distinctive
Image Features from Scale-Invariant Keypoints", IJCV 2004), with OpenCV's implementation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.images.gray import GrayImage
from sfm.options import as_recorded, option

# What comes first, by contrast and size.
_RANKS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "salient": lambda contrast, size: contrast * size,
    "largest": lambda contrast, size: size,
    "strongest": lambda contrast, size: contrast,
}
# OpenCV's pyramid: sigma of its first level and layers an octave, both Lowe's values.
BASE_SIGMA = 1.6
LAYERS_PER_OCTAVE = 3
# Parts of an image along each side that are equalised by themselves, and how much contrast may grow in them.
_PARTS = 8
_CONTRAST_LIMIT = 3.0


@dataclass(frozen=True)
class DetectionOptions:
    """How keypoints are found."""

    max_keypoints: int = option(8192, "Keep at most this many keypoints of an image.", minimum=1)
    keep: str = option(
        "salient",
        "Which keypoints are kept, and described first, where there are more: the salient ones, by contrast times "
        "size, the largest, or the strongest by contrast alone.",
        choices=("salient", "largest", "strongest"),
    )
    max_size: int = option(
        1600, "Shrink images whose longer side is larger than this for detection, in pixels.", minimum=16
    )
    contrast_threshold: float = option(
        0.008,
        "Drop keypoints of weaker contrast. So low, their number is limited by --max-keypoints, by night too.",
        minimum=0.0,
    )
    edge_threshold: float = option(
        10.0, "Drop keypoints on edges, where the ratio of curvatures is larger than this.", minimum=1.0
    )
    equalize: bool = option(
        False,
        "Find keypoints where contrast has been evened out over the image, so that what lies in the dark has its "
        "share: for maps in which photographs taken at night are to be found.",
    )


class Detector(ABC):
    """The contract of every keypoint detector."""

    name: str
    limit: int | None = None
    """Most keypoints of an image that are described; None for all that are found."""

    @abstractmethod
    def detect(self, image: GrayImage) -> Keypoints:
        """Find keypoints in `image`; coordinates of the original, none of them NaN.

        They come in the order in which they would be kept if there had to be fewer. A place with several strong
        gradients has a keypoint for each, one after the other, and counts as one where their number is limited: which
        of them are described is decided later (`sfm.features.orientation`).
        """

    @property
    @abstractmethod
    def identity(self) -> dict[str, object]:
        """What the keypoints depend on, JSON-ready: part of the fingerprint."""


class DogDetector(Detector):
    """Difference-of-Gaussians keypoints with one or more orientations each (Lowe 2004)."""

    name = "dog"

    def __init__(self, options: DetectionOptions | None = None) -> None:
        self.options = options or DetectionOptions()
        self.limit = self.options.max_keypoints
        self._sift = cv2.SIFT.create(
            nfeatures=0,
            nOctaveLayers=LAYERS_PER_OCTAVE,
            contrastThreshold=self.options.contrast_threshold,
            edgeThreshold=self.options.edge_threshold,
            sigma=BASE_SIGMA,
            # Without it OpenCV's doubled base image is a quarter pixel off.
            enable_precise_upscale=True,
        )

    @property
    def identity(self) -> dict[str, object]:
        """Name and options."""
        recorded = as_recorded(self.options)
        if not self.options.equalize:
            del recorded["equalize"]  # so that keypoints from before there was this option stay valid
        return {"detector": self.name, **recorded}

    def detect(self, image: GrayImage) -> Keypoints:
        """Find keypoints in `image`, shrunk to `max_size`; at most `max_keypoints` places, those that `keep` names."""
        image = image.resized_to(self.options.max_size)
        found = self._sift.detect(_equalized(image.pixels) if self.options.equalize else image.pixels, None)
        if not found:
            return Keypoints.empty()
        rows = np.array([(*k.pt, k.size, k.angle, k.response) for k in found], dtype=np.float64)
        rows = rows[np.isfinite(rows).all(axis=1)]
        # A total order, so that the same image gives the same keypoints whatever order the threads found them in.
        rows = rows[np.lexsort((rows[:, 3], rows[:, 2], rows[:, 1], rows[:, 0], -rows[:, 4]))]
        rows = rows[np.argsort(-_RANKS[self.options.keep](rows[:, 4], rows[:, 2]), kind="stable")]
        rows = _first_places(rows, self.options.max_keypoints)
        # One sigma for both axes: the two differ by less than a pixel's rounding of the resize.
        sigma = rows[:, 2] / 2 * image.scale.mean()
        return Keypoints(
            xy=image.to_original(rows[:, :2]).astype(np.float32),
            scale=sigma.astype(np.float32),
            angle=np.radians(rows[:, 3]).astype(np.float32),
            response=rows[:, 4].astype(np.float32),
        )


def _first_places(rows: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """Return the rows (x, y, size, ...) of the first `limit` places and sizes; equal ones follow each other."""
    begins = np.r_[True, (rows[1:, :3] != rows[:-1, :3]).any(axis=1)]
    return rows[np.cumsum(begins) <= limit]


def _equalized(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Equalise the histogram of each part of an image, within limits of contrast.

    K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
    """
    return np.asarray(cv2.createCLAHE(_CONTRAST_LIMIT, (_PARTS, _PARTS)).apply(pixels), np.uint8)

"""The contract of every patch descriptor, hand-made or learned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.features.ratio_tests import LOWES, RatioTests
from sfm.images.gray import GrayImage


class Descriptor(ABC):
    """Turns keypoints of an image into rows of unit length that are near for patches of one surface point.

    Attributes
    ----------
    name
        What the command line and the workspace's folders call it.
    dimension
        Length of a row.
    ratio_tests
        How distinct matches of its rows have to be.
    trained_on
        How the keypoints were turned that it was trained on: all of an "image" one way, or each to its "gradient"; None
        where it was not trained.
    """

    name: str
    dimension: int
    ratio_tests: RatioTests = LOWES
    trained_on: str | None = None

    @abstractmethod
    def describe(self, image: GrayImage, keypoints: Keypoints) -> NDArray[np.float32]:
        """Describe `keypoints` (coordinates of the original image) as seen in `image`.

        Returns
        -------
        (N, dimension) float32, every row of Euclidean length 1, in the order of the keypoints.
        """

    @property
    @abstractmethod
    def identity(self) -> dict[str, object]:
        """What the rows depend on, JSON-ready: options, version, checksum of weights. Part of the fingerprint."""


@runtime_checkable
class DescribesPatches(Protocol):
    """A descriptor that sees patches alone, so that several can share them.

    Attributes
    ----------
    patch_windows
        What a keypoint's patches show, one or several.
    patches_a_part
        Fewer at a time leave the device they are described on idle.
    """

    patch_windows: tuple[PatchWindow, ...]
    patches_a_part: int

    def cut_patches(self, image: GrayImage, keypoints: Keypoints) -> Any:
        """Cut the patches of `keypoints` where they are described: (N, S, 32, 32) uint8, S sizes."""

    def describe_patches(self, patches: Any) -> NDArray[np.float32]:
        """Describe (N, S, 32, 32) patches as `Descriptor.describe` describes their keypoints."""

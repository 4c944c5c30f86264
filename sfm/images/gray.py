"""The picture that detectors and descriptors look at: grey, 8 bit, perhaps smaller than the original."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GrayImage:
    """An 8-bit grey image together with the way back to the pixels of the original.

    Attributes
    ----------
    pixels : (H, W) uint8
        What is looked at.
    original_size : (width, height)
        Size in pixels of the original image.
    """

    pixels: NDArray[np.uint8]
    original_size: tuple[int, int]

    @staticmethod
    def of(pixels: NDArray[np.uint8]) -> GrayImage:
        """Wrap pixels that are the original themselves."""
        return GrayImage(pixels, (pixels.shape[1], pixels.shape[0]))

    @property
    def scale(self) -> NDArray[np.float64]:
        """Original pixels per pixel of this image, (2,) for x and y; at least 1."""
        return np.array(self.original_size) / np.array(self.pixels.shape[::-1])

    def to_original(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map (N, 2) positions in this image to pixels of the original. Pixel centres are integers in both."""
        return (np.asarray(xy, np.float64) + 0.5) * self.scale - 0.5

    def from_original(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map (N, 2) pixels of the original to positions in this image."""
        return (np.asarray(xy, np.float64) + 0.5) / self.scale - 0.5

    def resized_to(self, max_size: int) -> GrayImage:
        """Return the image with its longer side at most `max_size` pixels; never enlarged."""
        height, width = self.pixels.shape
        factor = max_size / max(height, width)
        if factor >= 1:
            return self
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        return GrayImage(cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA), self.original_size)

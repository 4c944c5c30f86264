"""RootSIFT: Lowe's gradient histogram compared by the Hellinger kernel.

Lowe, IJCV 2004; Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval",
CVPR 2012.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.features.descriptor import Descriptor
from sfm.features.detectors import BASE_SIGMA, LAYERS_PER_OCTAVE
from sfm.features.keypoints import Keypoints
from sfm.images.gray import GrayImage


class RootSift(Descriptor):
    """OpenCV's SIFT histogram of 128 bins, L1-normalised and square-rooted: rows of unit length."""

    name = "sift"
    dimension = 128

    def __init__(self, max_size: int = 1600) -> None:
        self._max_size = max_size
        self._sift = cv2.SIFT.create(
            nOctaveLayers=LAYERS_PER_OCTAVE, sigma=BASE_SIGMA, enable_precise_upscale=True
        )

    @property
    def identity(self) -> dict[str, object]:
        """Name, version and the size of image that is looked at."""
        return {"descriptor": self.name, "version": 1, "max_size": self._max_size}

    def describe(self, image: GrayImage, keypoints: Keypoints) -> NDArray[np.float32]:
        """Describe `keypoints`; see `Descriptor.describe`."""
        if len(keypoints) == 0:
            return np.empty((0, self.dimension), np.float32)
        image = image.resized_to(self._max_size)
        _, histograms = self._sift.compute(image.pixels, _to_opencv(image, keypoints))
        if len(histograms) != len(keypoints):
            raise RuntimeError("OpenCV dropped keypoints while describing them")
        sums = histograms.sum(axis=1, keepdims=True)
        # A keypoint on a patch without any gradient has an empty histogram; the flat one stands for it.
        flat = np.float32(1 / self.dimension)
        return np.sqrt(np.where(sums > 0, histograms / np.maximum(sums, 1), flat)).astype(np.float32)


def _to_opencv(image: GrayImage, keypoints: Keypoints) -> list[cv2.KeyPoint]:
    """Return OpenCV's keypoints in the pixels of `image`, with the pyramid level that `compute` reads."""
    xy = image.from_original(keypoints.xy)
    sigma = keypoints.scale / image.scale.mean()
    # size = sigma0 * 2^(layer / layers) * 2^octave, layer between 0.5 and 3.5 after refinement.
    level = LAYERS_PER_OCTAVE * np.log2(np.maximum(sigma, 1e-6) / BASE_SIGMA)
    octave = np.maximum(np.floor((level - 0.5) / LAYERS_PER_OCTAVE), -1).astype(int)
    layer = np.clip(np.rint(level - LAYERS_PER_OCTAVE * octave), 1, LAYERS_PER_OCTAVE).astype(int)
    packed = (octave & 255) | (layer << 8)
    return [
        cv2.KeyPoint(float(x), float(y), float(2 * s), float(np.degrees(a)), 0, int(p))
        for (x, y), s, a, p in zip(xy, sigma, keypoints.angle, packed, strict=True)
    ]

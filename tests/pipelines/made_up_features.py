"""A detector and descriptors that need no look at what a picture shows."""

import threading

import numpy as np

from sfm.errors import WorkError
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints


class Corners(Detector):
    """Finds the corners of every image."""

    name = "corners"

    def __init__(self, **options):
        self.options, self.calls, self.fails_at = options, 0, None
        self._counting = threading.Lock()

    @property
    def identity(self):
        return {"detector": self.name, **self.options}

    def detect(self, image):
        with self._counting:
            self.calls += 1
            if self.calls == self.fails_at:
                raise WorkError("The disk is full")
        height, width = image.pixels.shape
        xy = np.array([[0, 0], [width - 1, 0], [0, height - 1]], np.float32)
        ones = np.ones(3, np.float32)
        return Keypoints(image.to_original(xy).astype(np.float32), ones, ones, ones)


class Positions(Descriptor):
    """Describes every keypoint by where it is, so that rows tell which keypoints they are of."""

    name, dimension = "positions", 2

    def __init__(self):
        self.rows = 0

    @property
    def identity(self):
        return {"descriptor": self.name}

    def describe(self, image, keypoints):
        self.rows += len(keypoints)
        return keypoints.xy.copy()


class Means(Descriptor):
    """Describes every keypoint by the mean of the image."""

    dimension = 4

    def __init__(self, name="means", **options):
        self.name, self.options, self.calls = name, options, 0

    @property
    def identity(self):
        return {"descriptor": self.name, **self.options}

    def describe(self, image, keypoints):
        self.calls += 1
        return np.full((len(keypoints), 4), image.pixels.mean() / 255, np.float32)

"""What every descriptor keeps to."""

from abc import ABC, abstractmethod

import cv2
import numpy as np
import pytest

from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.images.gray import GrayImage

from .pictures import texture


class DescriptorContract(ABC):
    """Inherit and say how to make the descriptor."""

    @abstractmethod
    def make(self) -> Descriptor:
        """Make the descriptor, the same one each time."""

    @pytest.fixture
    def image(self):
        return GrayImage.of(texture())

    @pytest.fixture
    def keypoints(self, image):
        return DogDetector(DetectionOptions(max_keypoints=400)).detect(image)

    def test_one_unit_row_a_keypoint(self, image, keypoints):
        descriptor = self.make()
        rows = descriptor.describe(image, keypoints)
        assert rows.shape == (len(keypoints), descriptor.dimension)
        assert rows.dtype == np.float32
        assert rows.flags.c_contiguous
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)

    def test_no_keypoints_no_rows(self, image):
        descriptor = self.make()
        rows = descriptor.describe(image, Keypoints.empty())
        assert rows.shape == (0, descriptor.dimension)
        assert rows.dtype == np.float32

    def test_rows_come_in_the_order_of_the_keypoints(self, image, keypoints):
        order = np.random.default_rng(0).permutation(len(keypoints))
        rows = self.make().describe(image, keypoints)
        np.testing.assert_allclose(self.make().describe(image, keypoints.take(order)), rows[order], atol=1e-5)

    def test_the_same_again(self, image, keypoints):
        np.testing.assert_array_equal(
            self.make().describe(image, keypoints), self.make().describe(image, keypoints)
        )

    def test_patches_without_texture_and_at_the_border_have_unit_rows_too(self):
        flat = GrayImage.of(np.full((60, 80), 90, np.uint8))
        xy = np.array([[0, 0], [79, 59], [-0.4, 30], [40, 30]], np.float32)
        ones = np.ones(4, np.float32)
        rows = self.make().describe(flat, Keypoints(xy, 2 * ones, ones, ones))
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)

    def test_a_turned_and_scaled_picture_looks_the_same(self, image, keypoints):
        """Position, size and angle mean what they say: rows of corresponding keypoints are near."""
        angle, factor = 0.7, 1.3
        cos, sin = factor * np.cos(angle), factor * np.sin(angle)
        M = np.array([[cos, -sin, 180.0], [sin, cos, 10.0]])
        moved = cv2.warpAffine(image.pixels, M, (640, 520), flags=cv2.INTER_CUBIC)
        turned = Keypoints(
            (keypoints.xy @ M[:, :2].T + M[:, 2]).astype(np.float32),
            keypoints.scale * np.float32(factor),
            keypoints.angle + np.float32(angle),
            keypoints.response,
        )
        middle = (np.abs(keypoints.xy - [160, 120]) < [100, 75]).all(axis=1) & (keypoints.scale < 3)
        assert middle.sum() > 30
        here = self.make().describe(image, keypoints.take(middle))
        there = self.make().describe(GrayImage.of(moved), turned.take(middle))
        same = (here * there).sum(axis=1)
        # A scale wrong by 1.3 or an angle by 0.3 makes it 0.95 and less.
        assert np.percentile(same, 10) > 0.98

    def test_the_identity_is_json_and_names_it(self):
        descriptor = self.make()
        assert descriptor.identity["descriptor"] == descriptor.name
        assert descriptor.identity == self.make().identity

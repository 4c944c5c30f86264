"""What every detector keeps to."""

from abc import ABC, abstractmethod

import cv2
import numpy as np
import pytest

from sfm.features.detectors import Detector
from sfm.images.gray import GrayImage

from .pictures import blobs, texture


class DetectorContract(ABC):
    """Inherit and say how to make the detector."""

    @abstractmethod
    def make(self, **options) -> Detector:
        """Make the detector with options by name."""

    def test_rows_are_float32_finite_and_inside(self):
        keypoints = self.make().detect(GrayImage.of(texture()))
        assert len(keypoints) > 100
        for array in (keypoints.xy, keypoints.scale, keypoints.angle, keypoints.response):
            assert array.dtype == np.float32
            assert np.isfinite(array).all()
        assert (keypoints.xy >= -0.5).all()
        assert (keypoints.xy < [319.5, 239.5]).all()
        assert (keypoints.scale > 0).all()
        assert (keypoints.angle >= 0).all()
        assert (keypoints.angle < 2 * np.pi + 1e-6).all()

    def test_no_more_than_the_limit_and_those_first_that_are_kept_then(self):
        image = GrayImage.of(texture())
        every, few = self.make().detect(image), self.make(max_keypoints=50).detect(image)
        # A place counts once, however many gradients are strong there, and keeps a keypoint for each.
        assert places_of(few) == 50
        assert places_of(every.take(slice(len(few) + 1))) == 51
        for values in ("xy", "scale", "angle", "response"):
            np.testing.assert_array_equal(getattr(few, values), getattr(every, values)[: len(few)])

    def test_keypoints_of_one_place_follow_each_other(self):
        for options in ({}, {"max_keypoints": 80}):
            keypoints = self.make(**options).detect(GrayImage.of(texture(seed=4)))
            rows = np.column_stack([keypoints.xy, keypoints.scale])
            runs = 1 + np.count_nonzero((rows[1:] != rows[:-1]).any(axis=1))
            assert runs == places_of(keypoints) < len(keypoints)

    def test_the_same_picture_gives_the_same_keypoints(self):
        image = GrayImage.of(texture(seed=3))
        first, second = self.make().detect(image), self.make().detect(image)
        np.testing.assert_array_equal(first.xy, second.xy)
        np.testing.assert_array_equal(first.angle, second.angle)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (8, 8), (2, 2000), (240, 320)])
    def test_pictures_without_texture_have_none(self, shape):
        for value in (0, 128, 255):
            assert len(self.make().detect(GrayImage.of(np.full(shape, value, np.uint8)))) == 0

    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (3, 3), (8, 8), (2, 2000), (17, 1600)])
    def test_tiny_and_thin_pictures_are_looked_at(self, shape):
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        self.make().detect(GrayImage.of(pixels))

    @pytest.mark.parametrize("sigma", [2.0, 4.0, 9.0])
    def test_blobs_are_found_where_they_are(self, sigma):
        places = grid(size=(640, 480))
        keypoints = self.make().detect(GrayImage.of(blobs((640, 480), places, sigma)))
        errors, scales = nearest(keypoints, places)
        assert np.linalg.norm(errors, axis=1).max() < 0.08
        assert np.abs(errors.mean(axis=0)).max() < 0.02
        # Of two levels a factor 2^(1/3) apart the difference is largest at sigma 2^(-1/6): 0.89.
        np.testing.assert_allclose(scales, 0.89 * sigma, rtol=0.03)

    @pytest.mark.parametrize(
        ("max_size", "stored"), [(400, (640, 480)), (256, (640, 480)), (320, (637, 479))]
    )
    def test_a_shrunk_picture_gives_places_of_the_original(self, max_size, stored):
        places = grid(stored)
        whole = GrayImage.of(blobs(stored, places, 6.0))
        half = (stored[0] // 2, stored[1] // 2)
        for image in (whole, GrayImage(cv2.resize(whole.pixels, half, interpolation=cv2.INTER_AREA), stored)):
            errors, scales = nearest(self.make(max_size=max_size).detect(image), places)
            # To take corners for centres costs half a pixel of the shrunk picture: 0.3 px and more.
            assert np.linalg.norm(errors, axis=1).max() < 0.12
            assert np.abs(errors.mean(axis=0)).max() < 0.08
            np.testing.assert_allclose(scales, 0.89 * 6, rtol=0.03)

    def test_angles_turn_clockwise_on_the_screen(self):
        pixels = texture(241, 241, seed=5)
        upright = self.make().detect(GrayImage.of(pixels))
        # A quarter turn clockwise: (x, y) goes to (240 - y, x).
        turned = self.make().detect(GrayImage.of(np.ascontiguousarray(np.rot90(pixels, -1))))
        expected = np.column_stack([240 - upright.xy[:, 1], upright.xy[:, 0]])
        steps = []
        for i in range(len(upright)):
            near = np.linalg.norm(turned.xy - expected[i], axis=1) < 0.2
            near &= np.abs(np.log(turned.scale / upright.scale[i])) < 0.05
            difference = (turned.angle[near] - upright.angle[i] - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
            if len(difference):
                steps.append(np.abs(difference).min())
        assert len(steps) > 0.8 * len(upright)
        assert np.mean(np.array(steps) < 0.1) > 0.9


def places_of(keypoints):
    return len(np.unique(np.column_stack([keypoints.xy, keypoints.scale]), axis=0))


def grid(size):
    """Places 80 px apart, (N, 2), each off the pixel grid by another fraction."""
    x, y = np.meshgrid(np.arange(60, size[0] - 50, 80.0), np.arange(60, size[1] - 50, 80.0))
    places = np.column_stack([x.ravel(), y.ravel()])
    return places + np.random.default_rng(1).uniform(-0.5, 0.5, places.shape)


def nearest(keypoints, places):
    """Errors (K, 2) in px and scales (K,) of the keypoints nearest to `places`, of which most must be found."""
    distance = np.linalg.norm(keypoints.xy[:, None] - places[None], axis=2)
    index, found = distance.argmin(axis=0), distance.min(axis=0) < 3
    # Now and then OpenCV misses an ideal blob whose neighbours in the pyramid are equal to the last bit.
    assert found.mean() > 0.7
    return (keypoints.xy[index] - places)[found], keypoints.scale[index][found]

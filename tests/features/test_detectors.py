import numpy as np

from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.images.gray import GrayImage

from .detector_contract import DetectorContract, places_of
from .pictures import texture


class TestDogDetector(DetectorContract):
    def make(self, **options):
        return DogDetector(DetectionOptions(**options))

    def test_a_gradient_points_its_keypoints(self):
        """An orientation is the direction of the gradient: brighter to the right is 0, brighter below 90 degrees."""
        y, x = np.mgrid[:129, :129].astype(float) - 64
        for angle in (0.0, 0.6, np.pi / 2, 4.0):
            ramp = 1.2 * (np.cos(angle) * x + np.sin(angle) * y)
            spot = 60 * np.exp(-(x**2 + y**2) / (2 * 5.0**2))
            pixels = np.rint(np.clip(110 + ramp + spot, 0, 255)).astype(np.uint8)
            keypoints = self.make().detect(GrayImage.of(pixels))
            middle = np.linalg.norm(keypoints.xy - 64, axis=1) < 3
            difference = (keypoints.angle[middle] - angle + np.pi) % (2 * np.pi) - np.pi
            assert np.abs(difference).min() < 0.15

    def test_the_strongest_or_the_largest_are_kept(self):
        image = GrayImage.of(texture())
        every = self.make().detect(image)
        strongest = self.make(max_keypoints=50, keep="strongest").detect(image)
        np.testing.assert_array_equal(strongest.response, np.sort(every.response)[::-1][: len(strongest)])
        largest = self.make(max_keypoints=50, keep="largest").detect(image)
        np.testing.assert_array_equal(largest.scale, np.sort(every.scale)[::-1][: len(largest)])
        assert places_of(strongest) == places_of(largest) == 50
        assert largest.scale.min() > np.median(every.scale)

    def test_a_lower_threshold_finds_more(self):
        image = GrayImage.of(texture())
        assert len(self.make(contrast_threshold=0.005).detect(image)) > len(
            self.make(contrast_threshold=0.06).detect(image)
        )

    def test_more_is_found_in_the_dark_where_contrast_is_evened_out(self):
        dark = GrayImage.of((texture() * 0.2).astype(np.uint8))
        assert len(self.make(equalize=True).detect(dark)) > 5 * len(self.make().detect(dark)) > 0

    def test_the_identity_tells_every_option(self):
        assert DogDetector().identity == {
            "detector": "dog",
            "max_keypoints": 8192,
            "keep": "salient",
            "max_size": 1600,
            "contrast_threshold": DetectionOptions().contrast_threshold,
            "edge_threshold": 10.0,
        }
        assert DogDetector(DetectionOptions(equalize=True)).identity["equalize"]
        assert DogDetector(DetectionOptions(max_size=800)).identity != DogDetector().identity

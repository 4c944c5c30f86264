import cv2
import numpy as np
import pytest

from sfm.features.detectors import BASE_SIGMA, LAYERS_PER_OCTAVE, DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.features.rootsift import RootSift
from sfm.images.gray import GrayImage

from .descriptor_contract import DescriptorContract
from .pictures import texture


class TestRootSift(DescriptorContract):
    def make(self):
        return RootSift()


def opencv_rows(pixels):
    """OpenCV's own keypoints and their descriptors, made in one call, as RootSIFT."""
    options = DetectionOptions()
    sift = cv2.SIFT_create(
        nOctaveLayers=LAYERS_PER_OCTAVE,
        contrastThreshold=options.contrast_threshold,
        edgeThreshold=options.edge_threshold,
        sigma=BASE_SIGMA,
        enable_precise_upscale=True,
    )
    found, histograms = sift.detectAndCompute(pixels, None)
    table = np.array([(*k.pt, k.size / 2, np.radians(k.angle)) for k in found])
    return table, np.sqrt(histograms / histograms.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("shrunk", [False, True])
def test_keypoints_from_a_file_get_opencvs_own_descriptors(tmp_path, shrunk):
    image = GrayImage.of(texture(480, 360))
    max_size = 300 if shrunk else 1600
    path = tmp_path / "k.safetensors"
    DogDetector(DetectionOptions(max_size=max_size)).detect(image).save(path)
    keypoints = Keypoints.load(path)
    rows = RootSift(max_size).describe(image, keypoints)

    small = image.resized_to(max_size)
    table, expected = opencv_rows(small.pixels)
    assert len(table) == len(keypoints) > 100
    mine = np.column_stack(
        [small.from_original(keypoints.xy), keypoints.scale / small.scale.mean(), keypoints.angle]
    )
    nearest = np.abs(mine[:, None] - table[None]).max(axis=2).argmin(axis=1)
    assert len(set(nearest)) == len(table)
    agreement = (rows * expected[nearest]).sum(axis=1)
    # Bins of a histogram are rounded to 8 bits, positions in a file to float32.
    assert np.median(agreement) > 0.9999
    assert agreement.min() > 0.999


def test_the_hellinger_kernel():
    image = GrayImage.of(texture())
    rows = RootSift().describe(image, DogDetector().detect(image))
    assert (rows >= 0).all()
    np.testing.assert_allclose((rows**2).sum(axis=1), 1, atol=1e-5)


def test_the_identity_tells_the_size_looked_at():
    assert RootSift(800).identity != RootSift(1600).identity

import numpy as np
import pytest
import torch

from sfm.features.device_patches import extract_patches_on
from sfm.features.keypoints import Keypoints
from sfm.features.network_descriptor import NetworkDescriptor
from sfm.features.networks import NETWORKS
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import extract_patches
from sfm.images.gray import GrayImage

from .pictures import texture

CPU = torch.device("cpu")


def spread(count=3000, width=640, height=480):
    """Keypoints of all sizes and angles, some of them at and beyond the border."""
    rng = np.random.default_rng(0)
    return Keypoints(
        rng.uniform(-5, [width + 5, height + 5], (count, 2)).astype(np.float32),
        (1.2 * 2 ** rng.exponential(1, count)).astype(np.float32),
        rng.uniform(-7, 7, count).astype(np.float32),
        np.ones(count, np.float32),
    )


@pytest.mark.parametrize("window", [PatchWindow(32.0), PatchWindow(48.0, 0.5)])
def test_patches_are_those_of_opencv(window):
    image, keypoints = GrayImage.of(texture(640, 480)), spread()
    cut, expected = (
        extract_patches_on(CPU, image, keypoints, window),
        extract_patches(image, keypoints, window),
    )
    assert cut.dtype == torch.uint8
    assert cut.shape == expected.shape == (3000, 1, 32, 32)
    difference = np.abs(cut.numpy().astype(int) - expected)
    # OpenCV rounds positions to 1/32 of a pixel: in this texture that is worth a few grey levels.
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.999) <= 4


def test_of_a_shrunk_image_too():
    image, keypoints = GrayImage.of(texture(640, 480)).resized_to(320), spread()
    window = PatchWindow(24.0)
    cut = extract_patches_on(CPU, image, keypoints, window).numpy().astype(int)
    difference = cut - extract_patches(image, keypoints, window)
    assert np.abs(difference).mean() < 0.5


def test_at_step_one_a_patch_is_a_window_of_the_image():
    pixels = texture(100, 80)
    one = Keypoints(*(np.array(value, np.float32) for value in ([[49.5, 39.5]], [1.0], [0.0], [1.0])))
    patch = extract_patches_on(CPU, GrayImage.of(pixels), one, PatchWindow(32.0))[0, 0]
    assert np.array_equal(patch, pixels[24:56, 34:66])


def test_no_keypoints_no_patches():
    cut = extract_patches_on(CPU, GrayImage.of(texture(100, 80)), Keypoints.empty(), PatchWindow(32.0))
    assert cut.shape == (0, 1, 32, 32)


def test_a_network_describes_them_alike(monkeypatch):
    """The way of a GPU, walked on the CPU."""
    torch.manual_seed(0)
    network = NETWORKS["sosnet"]()
    network.initialise()
    descriptor = NetworkDescriptor("sosnet", network, "0" * 64, device="cpu", precision="float32")
    image, keypoints = GrayImage.of(texture(640, 480)), spread(200)
    rows = descriptor.describe(image, keypoints)
    monkeypatch.setattr(
        descriptor, "cut_patches", lambda *view: extract_patches_on(CPU, *view, *descriptor.patch_windows)
    )
    assert (descriptor.describe(image, keypoints) * rows).sum(axis=1).min() > 0.995

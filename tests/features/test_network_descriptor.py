import cv2
import numpy as np
import pytest
import torch

from sfm.errors import InputError
from sfm.features import precision, pretrained
from sfm.features.detectors import DogDetector
from sfm.features.int8 import can_be_int8
from sfm.features.keypoints import Keypoints
from sfm.features.network_descriptor import NetworkDescriptor, choose_device, make_network_descriptor
from sfm.features.networks import NETWORKS
from sfm.features.patch_window import PatchWindow
from sfm.images.gray import GrayImage
from sfm.matching.mutual import match_mutual

from .descriptor_contract import DescriptorContract
from .pictures import texture
from .trained import trained_a_little

# Elsewhere the sums of int8's products overflow.
multiplies_int8 = pytest.mark.skipif(not precision.multiplies_int8(), reason="no units here multiply int8")

TURN = np.array([[0.92, -0.35, 60.0], [0.35, 0.92, -50.0]])


def make(name="sosnet", **options):
    return NetworkDescriptor(name, trained_a_little(name), "0" * 64, device="cpu", **options)


class TestNetworkDescriptor(DescriptorContract):
    def make(self):
        return make()


@pytest.fixture(scope="module")
def patches():
    return np.random.default_rng(0).integers(0, 256, (70, 1, 32, 32), np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_are_unit_float32(name, patches):
    rows = make(name).describe_patches(patches)
    assert rows.shape == (70, 128)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", pytest.param("int8", marks=multiplies_int8)])
def test_a_row_does_not_depend_on_its_batch(patches, precision):
    """Else the same photographs would not give the same map: sizes are chosen by how fast they are."""
    rows = make(precision=precision, batch_size=70).describe_patches(patches)
    for size in (1, 7, 32, 64):
        some = patches[: 3 * size]
        in_batches = make(precision=precision, batch_size=size).describe_patches(some)
        np.testing.assert_array_equal(in_batches, rows[: len(some)])


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_stays_near(name, patches):
    faint = (127 + patches // 64).astype(np.uint8)
    for given, least in ((patches, 0.9995), (faint, 0.999)):
        exact = make(name, precision="float32").describe_patches(given)
        rounded = make(name, precision="bfloat16").describe_patches(given)
        assert (exact * rounded).sum(axis=1).min() > least


@pytest.mark.parametrize("rounded", ["bfloat16", pytest.param("int8", marks=multiplies_int8)])
def test_fast_precisions_find_the_same_matches(rounded):
    here, there = texture(400, 400), cv2.warpAffine(texture(400, 400), TURN, (400, 400))
    both = [GrayImage.of(pixels) for pixels in (here, there)]
    keypoints = [DogDetector().detect(image) for image in both]
    found = []
    for used in ("float32", rounded):
        loaded = pretrained.load("sosnet")
        descriptor = NetworkDescriptor("sosnet", loaded.network, "", device="cpu", precision=used)
        rows = [descriptor.describe(*view) for view in zip(both, keypoints, strict=True)]
        found.append(set(map(tuple, match_mutual(*rows).below(0.85).index)))
    exact, fast = found
    assert len(exact) > 200
    assert len(exact & fast) >= 0.99 * max(len(exact), len(fast))


def test_a_batch_that_does_not_fit_is_halved(patches, monkeypatch):
    rows = make(batch_size=32).describe_patches(patches)
    descriptor = make(batch_size=64)
    whole, sizes = descriptor._describe_batch, []

    def small_device(batch):
        sizes.append(len(batch))
        if len(batch) > 20:
            raise torch.OutOfMemoryError("out of memory")
        return whole(batch)

    monkeypatch.setattr(descriptor, "_describe_batch", small_device)
    np.testing.assert_array_equal(descriptor.describe_patches(patches), rows)
    assert sizes == [64, 32, 16, 16, 16, 16, 6]


def test_describes_keypoints_of_an_image():
    pixels = np.random.default_rng(1).integers(0, 256, (200, 300), np.uint8)
    keypoints = Keypoints(
        np.array([[50, 60], [150, 90]], np.float32),
        np.array([2, 4], np.float32),
        np.array([0, 1], np.float32),
        np.ones(2, np.float32),
    )
    descriptor = make()
    assert descriptor.describe(GrayImage.of(pixels), keypoints).shape == (2, 128)
    assert descriptor.describe(GrayImage.of(pixels), Keypoints.empty()).shape == (0, 128)


@pytest.mark.parametrize(("asked", "got"), [(None, 24.0), (20.0, 20.0)])
def test_the_identity_names_weights_and_patches_as_wide_as_in_training_or_as_asked(tmp_path, asked, got):
    path = tmp_path / "w.safetensors"
    pretrained.save(NETWORKS["sosnet"](), "sosnet", path, window=PatchWindow(24))
    identity = make_network_descriptor("sosnet", weights=path, device="cpu", patch_scale=asked).identity
    assert identity["weights_sha256"] == pretrained.sha256(path)
    assert identity["patch_scale"] == got


def test_patches_of_weights_that_do_not_say_have_the_default_width(tmp_path):
    torch.save(NETWORKS["sosnet"]().state_dict(), tmp_path / "w.pth")
    descriptor = make_network_descriptor("sosnet", weights=tmp_path / "w.pth", device="cpu")
    assert descriptor.patch_windows == (PatchWindow(),)


def test_the_identity_names_the_precision():
    int8 = ["int8"] if can_be_int8(NETWORKS["sosnet"]()) else []
    for name in ("float32", "bfloat16", *int8):
        assert make(precision=name).identity["precision"] == name


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_without_cuda_is_refused():
    with pytest.raises(InputError, match="no CUDA"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_unknown_devices_are_refused():
    with pytest.raises(InputError, match="--device tpu"):
        choose_device("tpu")


class TestPooling(DescriptorContract):
    def make(self):
        return make(patch_windows=(PatchWindow(16), PatchWindow(32)))


def test_pooling_averages_what_patches_of_two_sizes_say():
    pixels = texture(300, 200)
    view = GrayImage.of(pixels), DogDetector().detect(GrayImage.of(pixels))
    narrow, wide = (make(patch_windows=(PatchWindow(scale),)).describe(*view) for scale in (32.0, 64.0))
    pooled = make(patch_windows=(PatchWindow(32), PatchWindow(64))).describe(*view)
    mean = narrow + wide
    np.testing.assert_allclose(pooled, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)


def test_pooling_is_part_of_the_identity_and_asked_for_by_name():
    alone, pooled = (make_network_descriptor("sosnet", device="cpu", pooling=p) for p in (False, True))
    assert alone.patch_windows == (PatchWindow(56, 1.3),)
    assert pooled.patch_windows == (PatchWindow(56, 1.3), PatchWindow(112, 1.3))
    assert alone.identity != pooled.identity

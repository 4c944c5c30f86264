import numpy as np
import pytest
import torch

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.keypoints import Keypoints
from sfm.features.network_descriptor import NetworkDescriptor, choose_device, make_network_descriptor
from sfm.features.networks import NETWORKS
from sfm.images.gray import GrayImage

from .descriptor_contract import DescriptorContract


def make(name="sosnet", **options):
    torch.manual_seed(0)
    network = NETWORKS[name]()
    network.initialise()
    return NetworkDescriptor(name, network, "0" * 64, device="cpu", **options)


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


def test_batches_do_not_change_the_rows(patches):
    assert np.allclose(
        make(batch_size=7).describe_patches(patches), make(batch_size=70).describe_patches(patches), atol=1e-5
    )


def test_bfloat16_stays_near(patches):
    exact = make(precision="float32").describe_patches(patches)
    rounded = make(precision="bfloat16").describe_patches(patches)
    assert (exact * rounded).sum(axis=1).min() > 0.999


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


def test_the_identity_names_weights_and_patches(tmp_path):
    network = NETWORKS["sosnet"]()
    path = tmp_path / "w.safetensors"
    pretrained.save(network, "sosnet", path, patch_scale=24)
    identity = make_network_descriptor("sosnet", weights=path, device="cpu", patch_scale=20.0).identity
    assert identity["weights_sha256"] == pretrained.sha256(path)
    assert identity["patch_scale"] == 20.0


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_without_cuda_is_refused():
    with pytest.raises(InputError, match="no CUDA"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_unknown_devices_are_refused():
    with pytest.raises(InputError, match="--device tpu"):
        choose_device("tpu")

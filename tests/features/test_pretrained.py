import os

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.detectors import DogDetector
from sfm.features.network_descriptor import make_network_descriptor
from sfm.features.networks import NETWORKS, HardNet, SosNet
from sfm.features.patch_window import PatchWindow
from sfm.files import read_tensors, write_tensors
from sfm.images.gray import GrayImage

from .pictures import texture


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = SosNet()
    network.initialise()
    return network.eval()


def test_what_is_saved_is_loaded_in_half_precision(network, tmp_path):
    path = tmp_path / "weights.safetensors"
    pretrained.save(network, "sosnet", path, window=PatchWindow(24))
    loaded = pretrained.load("sosnet", path)
    assert loaded.window == PatchWindow(24)
    assert loaded.sha256 == pretrained.sha256(path)
    assert path.stat().st_size < 2.8e6
    for key, value in network.state_dict().items():
        if "num_batches" not in key:
            assert torch.allclose(loaded.network.state_dict()[key], value.float(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("evens_light", [True, False])
def test_weights_tell_whether_their_network_evens_light(tmp_path, evens_light):
    path = tmp_path / "weights.safetensors"
    network = SosNet(evens_light=evens_light)
    pretrained.save(network, "sosnet", path, window=None)
    assert pretrained.load("sosnet", path).network.evens_light == evens_light
    torch.save(network.state_dict(), tmp_path / "published.pth")
    assert not pretrained.load("sosnet", tmp_path / "published.pth").network.evens_light


@pytest.mark.parametrize("orientation", ["image", "gradient"])
def test_weights_tell_how_keypoints_were_turned(network, tmp_path, orientation):
    path = tmp_path / "weights.safetensors"
    pretrained.save(network, "sosnet", path, window=None, orientation=orientation)
    assert pretrained.load("sosnet", path).orientation == orientation
    try:
        pretrained.publish("sosnet", path, {}, folder=tmp_path / "package")
    finally:
        pretrained._manifest.cache_clear()
    assert pretrained.load("sosnet", tmp_path / "package" / "sosnet.safetensors").orientation == orientation


def test_weights_that_do_not_say_were_trained_on_keypoints_turned_to_gradients(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "published.pth")
    assert pretrained.load("sosnet", tmp_path / "published.pth").orientation == "gradient"
    pretrained.save(
        network, "sosnet", tmp_path / "new.safetensors", window=PatchWindow(24), orientation="image"
    )
    tensors, metadata = read_tensors(tmp_path / "new.safetensors")
    del metadata["orientation"]
    write_tensors(tmp_path / "old.safetensors", tensors, metadata)
    assert pretrained.load("sosnet", tmp_path / "old.safetensors").orientation == "gradient"


def test_the_same_network_under_another_name_is_accepted(network, tmp_path):
    path = tmp_path / "weights.safetensors"
    pretrained.save(network, "sosnet", path, window=PatchWindow(24))
    assert isinstance(pretrained.load("triplet", path).network, SosNet)


@pytest.mark.parametrize("wrapper", [None, "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_state_dicts_load(network, tmp_path, wrapper, prefix):
    state = {prefix + key: value for key, value in network.state_dict().items()}
    path = tmp_path / "published.pth"
    torch.save({wrapper: state, "epoch": 7} if wrapper else state, path)
    loaded = pretrained.load("sosnet", path).network
    assert torch.equal(loaded.layers[1].weight, network.layers[1].weight)


def test_weights_of_another_network_are_refused(network, tmp_path):
    path = tmp_path / "weights.safetensors"
    pretrained.save(network, "sosnet", path, window=PatchWindow(24))
    with pytest.raises(InputError, match="weights of sosnet, not of hardnet"):
        pretrained.load("hardnet", path)
    torch.save(HardNet().state_dict(), tmp_path / "hardnet.pth")
    with pytest.raises(InputError, match=r"does not fit sosnet: layers\.1\.weight is missing"):
        pretrained.load("sosnet", tmp_path / "hardnet.pth")


def test_a_tensor_of_another_shape_is_refused(network, tmp_path):
    state = network.state_dict()
    state["layers.1.weight"] = torch.zeros(16, 1, 3, 3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"layers\.1\.weight is \(16, 1, 3, 3\), not \(32, 1, 3, 3\)"):
        pretrained.load("sosnet", tmp_path / "w.pth")


class RunsWhenUnpickled:
    def __reduce__(self):
        return os.mkdir, ("pickled-code-was-run",)


def test_pickled_code_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": RunsWhenUnpickled()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="pickled code is never run"):
        pretrained.load("sosnet", tmp_path / "evil.pth")
    assert not (tmp_path / "pickled-code-was-run").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.6, 0.999])
def test_truncated_files_are_refused(network, tmp_path, suffix, share):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(network.state_dict(), path)
    else:
        pretrained.save(network, "sosnet", path, window=PatchWindow(24))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="weights"):
        pretrained.load("sosnet", path)


def test_files_without_a_state_dict_are_refused(tmp_path):
    torch.save([1, 2, 3], tmp_path / "list.pth")
    (tmp_path / "notes.pth").write_text("not weights at all")
    for name in ("list.pth", "notes.pth"):
        with pytest.raises(InputError):
            pretrained.load("sosnet", tmp_path / name)
    with pytest.raises(InputError, match="no weights file"):
        pretrained.load("sosnet", tmp_path / "absent.safetensors")


def test_weights_that_are_not_finite_are_refused(network, tmp_path):
    network.layers[1].weight.data[0] = float("nan")
    torch.save(network.state_dict(), tmp_path / "nan.pth")
    with pytest.raises(InputError, match="not finite"):
        pretrained.load("sosnet", tmp_path / "nan.pth")


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="choose one of sosnet"):
        pretrained.load("superpoint")


def test_packaged_weights_load_and_are_checked(network, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    pretrained._manifest.cache_clear()
    try:
        assert pretrained.available() == ()
        with pytest.raises(InputError, match="No weights for sosnet ship"):
            pretrained.load("sosnet")
        pretrained.save(network, "sosnet", tmp_path / "w.safetensors", window=PatchWindow(24))
        pretrained.publish("sosnet", tmp_path / "w.safetensors", {"seed": 0}, folder=tmp_path)
        assert pretrained.available() == ("sosnet",)
        assert isinstance(pretrained.load("sosnet").network, SosNet)
        packaged = tmp_path / "sosnet.safetensors"
        content = bytearray(packaged.read_bytes())
        content[-1] ^= 1
        packaged.write_bytes(bytes(content))
        with pytest.raises(InputError, match="checksum"):
            pretrained.load("sosnet")
    finally:
        pretrained._manifest.cache_clear()


@pytest.mark.parametrize("name", pretrained.available())
def test_every_packaged_network_describes(name):
    loaded = pretrained.load(name)
    assert type(loaded.network) is NETWORKS[name]
    assert loaded.window == (PatchWindow(32) if name == "tfeat" else PatchWindow(56, 1.3))
    image = GrayImage.of(texture())
    rows = make_network_descriptor(name, device="cpu").describe(image, DogDetector().detect(image))
    assert len(rows) > 100
    assert np.isfinite(rows).all()
    # A dimension that says the same of every patch is saturated.
    assert rows.std(axis=0).min() > 0.01


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="does not fit"):
        pretrained.load("sosnet", tmp_path / "w.safetensors")

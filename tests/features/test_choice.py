import re
import subprocess
import sys
from pathlib import Path

import pytest

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.choice import DESCRIPTORS, DescriptionOptions, description_named, make_descriptor
from sfm.features.networks import NETWORKS
from sfm.features.patch_window import PatchWindow


def test_sosnet_with_the_weights_that_ship_by_default():
    descriptor = make_descriptor(DescriptionOptions(), 1200)
    assert descriptor.name == "sosnet"
    assert descriptor.identity["weights_sha256"] == pretrained.load("sosnet").sha256


def test_sift():
    descriptor = make_descriptor(DescriptionOptions(descriptor="sift"), 1200)
    assert descriptor.name == "sift"
    assert descriptor.identity["max_size"] == 1200


@pytest.mark.parametrize("name", sorted(set(DESCRIPTORS) - {"sift"}))
def test_networks_with_weights_of_a_file(tmp_path, name):
    path = tmp_path / "w.safetensors"
    pretrained.save(NETWORKS[name](), name, path, window=PatchWindow(24.0))
    options = DescriptionOptions(descriptor=name, weights=path, device="cpu", patch_scale=20.0)
    descriptor = make_descriptor(options, 1600)
    assert descriptor.name == name
    assert descriptor.identity["patch_scale"] == 20.0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"descriptor": "sift", "weights": Path("w.pth")}, "--weights needs a network"),
        ({"descriptor": "sift", "pooling": True}, "--pooling needs a network"),
        ({"descriptor": "sift", "patch_scale": 20.0}, "--patch-scale needs a network"),
        ({"descriptor": "sift", "device": "cuda"}, "RootSIFT runs on the CPU"),
        ({"descriptor": "surf"}, "--descriptor surf: choose one of sift"),
        ({"descriptor": "sosnet", "weights": Path("missing.safetensors")}, "missing.safetensors"),
        ({"patch_scale": 0.5}, "--patch-scale 0.5"),
    ],
)
def test_what_contradicts_itself_is_refused(options, told):
    with pytest.raises(InputError, match=told):
        make_descriptor(DescriptionOptions(**options), 1600)


def test_sift_does_not_import_torch():
    code = (
        "import sys; from sfm.features.choice import *; make_descriptor(DescriptionOptions(descriptor='sift'), 1600); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_by_names_of_a_list():
    assert description_named("sift") == DescriptionOptions(descriptor="sift")
    assert description_named("tfeat+pooling") == DescriptionOptions(descriptor="tfeat", pooling=True)


@pytest.mark.parametrize("text", ["", "orb", "sosnet+", "sosnet+stretching", "sift+pooling", "+pooling"])
def test_names_that_stand_for_nothing(text):
    with pytest.raises(InputError, match=f"^{re.escape(text)}: "):
        description_named(text)

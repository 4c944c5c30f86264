"""Ratio tests that make a network's matches as right as SIFT's, stored with its weights."""

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from sfm.cli.main import main
from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.choice import DescriptionOptions, make_descriptor
from sfm.learning.benchmark_options import BenchmarkOptions
from sfm.learning.image_benchmark import precision_at
from sfm.pipelines.benchmark import matched_pairs, named_descriptors
from sfm.pipelines.ratio_tests import suit_ratio_tests
from tests.learning.patch_sets import small_patch_set

OPTIONS = BenchmarkOptions(keypoints=400, device="cpu")
SHIPPED = pretrained.FOLDER / "tfeat.safetensors"


@pytest.fixture(scope="module")
def planes(tmp_path_factory):
    """A textured plane seen from two sides, by a lamp that flickers: many matches are right, many are not."""
    folder = tmp_path_factory.mktemp("tests") / "wall"
    folder.mkdir()
    noise = np.random.default_rng(0).normal(0, 1, (360, 480)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    texture = np.clip(127 + 40 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    H = np.array([[0.8, 0.25, 15], [-0.2, 0.75, 90], [4e-4, 2e-4, 1]])
    seen = cv2.warpPerspective(texture, H, (480, 360)).astype(float)
    grain = np.random.default_rng(1).normal(0, 12, seen.shape)
    cv2.imwrite(str(folder / "img1.png"), texture)
    cv2.imwrite(str(folder / "img2.png"), np.clip(0.6 * seen + 30 + grain, 0, 255).astype(np.uint8))
    np.savetxt(folder / "H_1_2.txt", H)
    return folder


def test_the_network_is_then_as_precise_as_sift(planes, tmp_path):
    found = suit_ratio_tests([planes], "tfeat", SHIPPED, tmp_path / "suited.safetensors", OPTIONS)
    sift, tfeat = matched_pairs(planes, named_descriptors(["sift", "tfeat"], "cpu"), OPTIONS)
    for ratio, lowes in ((found.strict, 0.8), (found.weak, 0.85)):
        assert precision_at(tfeat, ratio) >= precision_at(sift, lowes)
    assert found.strict <= found.weak


def test_weights_keep_them_and_nothing_else_changes(planes, tmp_path):
    out = tmp_path / "suited.safetensors"
    found = suit_ratio_tests([planes], "tfeat", SHIPPED, out, OPTIONS)
    suited, before = pretrained.load("tfeat", out), pretrained.load("tfeat", SHIPPED)
    assert suited.ratio_tests == found
    assert (suited.window, suited.orientation) == (before.window, before.orientation)
    for key, value in before.network.state_dict().items():
        assert (suited.network.state_dict()[key] == value).all(), key
    assert make_descriptor(DescriptionOptions(descriptor="tfeat", weights=out), 1600).ratio_tests == found


def test_the_command_tells_them(planes, tmp_path):
    out = tmp_path / "suited.safetensors"
    call = [
        "benchmark",
        str(planes),
        "-d",
        f"tfeat={SHIPPED}",
        "--suit-ratios",
        str(out),
        "--keypoints",
        "400",
    ]
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 0, result.output
    found = pretrained.load("tfeat", out).ratio_tests
    assert f"Ratio tests: {found.strict:g}, and {found.weak:g} for weak pairs." in result.output


def test_weights_are_not_written_over(planes):
    with pytest.raises(InputError, match="written over"):
        suit_ratio_tests([planes], "tfeat", SHIPPED, SHIPPED, OPTIONS)


def test_patches_do_not_tell_which_matches_are_right(tmp_path):
    small_patch_set(tmp_path / "patches")
    with pytest.raises(InputError, match="does not tell of each match"):
        suit_ratio_tests([tmp_path / "patches"], "tfeat", SHIPPED, tmp_path / "out.safetensors", OPTIONS)


@pytest.mark.parametrize("descriptors", [["-d", "tfeat"], ["-d", "tfeat=a", "-d", "sosnet=b"]])
def test_one_descriptor_with_its_weights_is_asked_for(planes, tmp_path, descriptors):
    call = ["benchmark", str(planes), *descriptors, "--suit-ratios", str(tmp_path / "out.safetensors")]
    result = CliRunner().invoke(main, call)
    assert result.exit_code == 2
    assert "needs one descriptor with its weights" in result.output

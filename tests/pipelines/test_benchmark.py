import json

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from sfm.cli.main import main
from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.networks import TFeat
from sfm.features.patch_window import PatchWindow
from sfm.learning.benchmark_options import BenchmarkOptions
from sfm.pipelines.benchmark import benchmark, draw, named_descriptors, tables
from tests.learning.patch_sets import small_patch_set

OPTIONS = BenchmarkOptions(keypoints=300, points=60, device="cpu")


def picture(seed=0, width=320, height=240):
    noise = np.random.default_rng(seed).normal(0, 1, (height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.clip(127 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    """A homography sequence in a folder of sequences, a webcam, and a patch set."""
    root = tmp_path_factory.mktemp("tests")
    H = np.array([[0.9, 0.1, 15], [-0.1, 0.95, 25], [1e-4, 0, 1]])
    for name in ("planes/wall", "cam"):
        (root / name).mkdir(parents=True)
    cv2.imwrite(str(root / "planes/wall/img1.png"), picture())
    cv2.imwrite(str(root / "planes/wall/img2.png"), cv2.warpPerspective(picture(), H, (320, 240)))
    np.savetxt(root / "planes/wall/H_1_2.txt", H)
    for i in range(16):
        cv2.imwrite(str(root / f"cam/{i:02d}.png"), (picture() * (0.3 + i / 25)).astype(np.uint8))
    small_patch_set(root / "patches")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    paths = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        path = tmp_path_factory.mktemp("weights") / f"{seed}.safetensors"
        pretrained.save(TFeat(), "tfeat", path, window=PatchWindow(24))
        paths.append(path)
    return paths


def test_every_kind_of_test_is_measured_for_every_descriptor(tests, weights, tmp_path):
    descriptors = named_descriptors(["sift", *(f"tfeat={path}" for path in weights)], "cpu")
    folders = [tests / "planes", tests / "cam", tests / "patches"]
    results = benchmark(folders, descriptors, OPTIONS)
    assert [(r.test, r.kind) for r in results] == [
        ("wall", "homographies"),
        ("cam", "webcam"),
        ("patches", "patches"),
    ]
    wall, cam, patches = results
    assert wall.figures["sift"]["precision"] > 0.8
    assert cam.figures["sift"]["correct"] > 64 * 50
    assert patches.figures["sift"]["matching mAP"] > 0.9
    # Two files under one name are two runs of one recipe.
    assert set(wall.figures) == {"sift", "tfeat"}
    assert set(wall.spread) == {"tfeat"}
    assert wall.spread["tfeat"]["correct"] >= 0
    columns, rows = tables(results)["homographies"]
    assert columns[:3] == ["test", "descriptor", "correct"]
    assert "±" in rows[1][2]
    draw(results, tmp_path / "figures.png")
    assert cv2.imread(str(tmp_path / "figures.png")).std() > 5


def test_the_same_descriptor_under_two_labels(weights):
    descriptors = named_descriptors([f"first:tfeat={weights[0]}", f"second:tfeat={weights[1]}"], "cpu")
    assert [c.name for c in descriptors] == ["first", "second"]
    assert len({c.descriptor.identity["weights_sha256"] for c in descriptors}) == 2


def test_labels_do_not_share_descriptors(tests, weights):
    """Two runs of one network must not be served from one another's cache."""
    descriptors = named_descriptors([f"a:tfeat={weights[0]}", f"b:tfeat={weights[1]}"], "cpu")
    (result,) = benchmark([tests / "planes" / "wall"], descriptors, OPTIONS)
    assert result.figures["a"] != result.figures["b"]


def test_others_are_held_to_the_precision_of_sift_wherever_it_stands(tests, weights):
    (one,), (other,) = (
        benchmark([tests / "cam"], named_descriptors(names, "cpu"), OPTIONS)
        for names in (["sift", f"tfeat={weights[0]}"], [f"tfeat={weights[0]}", "sift"])
    )
    assert one.figures == other.figures
    assert one.figures["sift"]["ratio"] == 0.8
    assert one.figures["tfeat"]["ratio"] != 0.8


def test_a_picture_of_no_known_kind_is_refused_before_the_work(tests, tmp_path):
    command = ["benchmark", str(tests / "planes"), "-d", "sift", "--picture", str(tmp_path / "b.txt")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert result.stderr == f"Error: {tmp_path / 'b.txt'}: pictures are written as .png, .svg or .pdf.\n"
    assert result.stdout == ""


def test_the_command_prints_json(tests):
    result = CliRunner().invoke(
        main, ["benchmark", str(tests / "planes"), "-d", "sift", "--keypoints", "200", "--json"]
    )
    assert result.exit_code == 0, result.output
    (entry,) = json.loads(result.stdout)["results"]
    assert entry["kind"] == "homographies"
    assert entry["figures"]["sift"]["correct"] > 20


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        benchmark([tmp_path / "absent"], named_descriptors(["sift"]), OPTIONS)
    with pytest.raises(InputError, match="at least 16"):
        benchmark([tmp_path], named_descriptors(["sift"]), OPTIONS)
    with pytest.raises(InputError, match="orb: choose a descriptor from sift, "):
        named_descriptors(["orb"])
    with pytest.raises(InputError, match="at least one"):
        named_descriptors([])

import json

import cv2
import pytest
import torch
from click.testing import CliRunner

from sfm.cli.main import main
from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.networks import NETWORKS
from sfm.features.patch_window import PatchWindow
from sfm.learning.patch_set_options import PatchSetOptions
from sfm.learning.trainer import Validation
from sfm.pipelines import train
from sfm.pipelines.train import draw_curve, load_init
from tests.learning.patch_sets import small_patch_set

QUICK = "--loss tfeat --steps 3 --batch-size 16 --warm-up 1 --validation-every 2 --device cpu".split()  # noqa: SIM905


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_train_writes_weights_a_history_and_a_curve(tmp_path):
    small_patch_set(tmp_path / "set")
    result = run("train", tmp_path / "set", "-o", tmp_path / "out", "--hold-out", "harbour", "--json", *QUICK)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert [entry["step"] for entry in summary["history"]] == [2, 3]
    assert pretrained.load("tfeat", tmp_path / "out" / "weights.safetensors").window == PatchWindow(24.0)
    curve = cv2.imread(str(tmp_path / "out" / "curve.png"))
    assert curve.std() > 5


def test_train_starts_from_a_file(tmp_path):
    small_patch_set(tmp_path / "set")
    assert run("train", tmp_path / "set", "-o", tmp_path / "a", *QUICK).exit_code == 0
    weights = tmp_path / "a" / "weights.safetensors"
    result = run(
        "train", tmp_path / "set", "-o", tmp_path / "b", "--init", weights, "--learning-rate", 0, *QUICK
    )
    assert result.exit_code == 0, result.output
    assert "step" in result.stdout
    assert "FPR95" not in result.stdout, "no scene is held out"
    assert "nan" not in result.stdout
    first, second = (pretrained.load("tfeat", tmp_path / name / "weights.safetensors") for name in "ab")
    assert torch.equal(first.network.features[1].weight, second.network.features[1].weight)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give either a patch set or --from-map"),
        (("set", "--hold-out", "moon"), "no scene moon"),
        (("absent",), "not a finished patch set"),
        (("set", "--init", "absent.pth"), "no weights file"),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    small_patch_set(tmp_path / "set")
    result = run("train", *arguments, "-o", "out", *QUICK)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_init_is_a_name_or_a_file():
    with pytest.raises(InputError, match="no weights file"):
        load_init("nowhere.safetensors", "sosnet")


@pytest.mark.parametrize("window", [PatchWindow(40.0, 0.7), None])
def test_patches_of_a_map_show_what_those_of_the_first_weights_did(tmp_path, monkeypatch, window):
    asked = []
    monkeypatch.setattr(train, "read_sources", list)
    monkeypatch.setattr(
        train, "build_patch_set", lambda _, folder, options, progress: asked.append(options.window)
    )
    pretrained.save(NETWORKS["tfeat"](), "tfeat", tmp_path / "start.safetensors", window=window)
    train.map_patches([tmp_path], tmp_path / "set", load_init(str(tmp_path / "start.safetensors"), "tfeat"))
    assert asked == [window or PatchSetOptions().window]


def test_a_curve_without_held_out_scenes_is_drawn_too(tmp_path):
    nan = float("nan")
    draw_curve([Validation(1, 1.0, nan, nan, 2.0), Validation(2, 0.5, nan, nan, 4.0)], tmp_path / "c.svg")
    assert "<svg" in (tmp_path / "c.svg").read_text()

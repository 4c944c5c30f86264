"""Presets set the defaults of other options and give way to those that are given."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sfm.cli.main import main
from sfm.errors import InputError
from sfm.pipelines import compare, reconstruct
from sfm.pipelines.quality import PRESETS
from sfm.pipelines.report import command_of
from sfm.pipelines.run_record import RunRecord
from sfm.pipelines.stage_options import ReconstructOptions


def test_balanced_is_what_nobody_asked_for():
    assert ReconstructOptions.of(quality="balanced") == ReconstructOptions.of() == ReconstructOptions()


@pytest.mark.parametrize("quality", ["fast", "best"])
def test_a_preset_sets_its_options_and_no_others(quality):
    preset = PRESETS[quality]
    made = ReconstructOptions.of(quality=quality)
    assert made == ReconstructOptions.of(**preset)
    made.check()
    for name in preset:
        assert ReconstructOptions.of(**{name: preset[name]}) != ReconstructOptions(), name


def test_given_options_win():
    made = ReconstructOptions.of(quality="fast", max_keypoints=8192)
    assert made == ReconstructOptions.of(max_keypoints=8192, describe_first=2048)


def test_a_quality_nobody_knows():
    with pytest.raises(InputError, match="--quality splendid: choose one of fast, balanced, best"):
        ReconstructOptions.of(quality="splendid")


@pytest.mark.parametrize("pipeline", [reconstruct, compare])
def test_on_the_command_line_a_given_option_wins_even_with_the_value_of_its_default(monkeypatch, pipeline):
    name = pipeline.__name__.rpartition(".")[2]
    heard = []

    def stop(*arguments):
        heard.extend(one for one in arguments if isinstance(one, ReconstructOptions))
        raise InputError("Enough.")

    monkeypatch.setattr(pipeline, name, stop)
    CliRunner().invoke(main, [name, "photos", "--quality", "fast", "--max-keypoints", "8192"])
    CliRunner().invoke(main, [name, "photos", "--max-keypoints", "8192"])
    assert heard == [ReconstructOptions.of(quality="fast", max_keypoints=8192), ReconstructOptions()]


def test_a_run_is_recorded_by_what_its_quality_stands_for():
    record = RunRecord(Path("photos"), ReconstructOptions.of(quality="fast", global_growth=1.1)).data
    assert record["options"]["detection"]["max_keypoints"] == PRESETS["fast"]["max_keypoints"]
    command = command_of(record)
    assert f"--max-keypoints {PRESETS['fast']['max_keypoints']}" in command
    assert "--global-growth 1.1" in command
    assert "--quality" not in command

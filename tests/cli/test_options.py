from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sfm.cli.options import command, given, options_from
from sfm.options import from_mapping, option


@dataclass(frozen=True)
class DetectionOptions:
    detector: str = option("dog", "What finds keypoints.", choices=["dog", "harris"])
    max_keypoints: int = option(8192, "Most keypoints of an image.", minimum=1)
    upright: bool = option(False, "Ignore orientation.")
    ratio: float | None = option(None, "Ratio test; none without it.", minimum=0, maximum=1)
    mask: Path | None = option(None, "A mask.")
    bare: int = field(default=4)


@dataclass(frozen=True)
class PairGraphOptions:
    window: int = option(5, "Neighbours on each side.")


def run(*args):
    seen = {}

    @command()
    @options_from(DetectionOptions, PairGraphOptions)
    def tool(**values):
        """Do it."""
        seen.update(values)

    result = CliRunner().invoke(tool, args)
    return result, seen


def test_without_arguments_every_default_comes_through():
    result, values = run()
    assert result.exit_code == 0
    assert from_mapping(DetectionOptions, values) == DetectionOptions()
    assert from_mapping(PairGraphOptions, values) == PairGraphOptions()


def test_values_arrive_typed():
    _, values = run(
        "--detector=harris", "--max-keypoints=10", "--upright", "--ratio=0.8", "--mask=a/b.png", "--window=2"
    )
    expected = DetectionOptions("harris", 10, True, 0.8, Path("a/b.png"))
    assert from_mapping(DetectionOptions, values) == expected
    assert from_mapping(PairGraphOptions, values) == PairGraphOptions(2)


def test_help_tells_bounds_where_there_are_some():
    told = " ".join(run("--help")[0].output.split())
    assert "[default: 8192; x>=1]" in told
    assert "Neighbours on each side. [default: 5]" in told


def test_bool_has_both_flags():
    assert run("--upright")[1]["upright"] is True
    assert run("--no-upright")[1]["upright"] is False


@pytest.mark.parametrize(
    "args", [["--detector", "orb"], ["--max-keypoints", "0"], ["--ratio", "1.5"], ["--window", "many"]]
)
def test_values_out_of_choices_or_bounds_are_usage_errors(args):
    result, _ = run(*args)
    assert result.exit_code == 2
    assert args[0] in result.stderr


def test_fields_not_meant_for_the_command_line_are_left_out():
    _, values = run()
    assert "bare" not in values
    assert run("--bare", "1")[0].exit_code == 2


def test_help_shows_defaults_and_choices_under_the_dataclass_heading():
    text = run("--help")[0].output
    assert "Detection options:" in text
    assert "Pair graph options:" in text
    assert "[default: 8192; x>=1]" in " ".join(text.split())
    assert "[dog|harris]" in text
    assert "--upright / --no-upright" in text
    assert text.index("--detector") < text.index("--max-keypoints") < text.index("--window")


def test_two_dataclasses_with_one_name_are_refused():
    @dataclass(frozen=True)
    class OtherOptions:
        window: int = option(1, "Clashes.")

    with pytest.raises(TypeError, match=r"OtherOptions\.window"):
        options_from(PairGraphOptions, OtherOptions)


def test_type_without_a_form_is_refused():
    with pytest.raises(TypeError, match="no command-line form"):
        options_from(_Odd)


@dataclass(frozen=True)
class _Odd:
    shape: dict[str, int] = option(None, "Cannot be typed.")


def test_works_beside_hand_written_parameters():
    @command()
    @click.argument("source")
    @options_from(PairGraphOptions)
    @click.option("--seed", default=0)
    def tool(source, seed, window):
        click.echo(f"{source} {seed} {window}")

    assert CliRunner().invoke(tool, ["x", "--window", "3"]).output == "x 0 3\n"


def test_what_was_given_is_told_from_defaults():
    seen = {}

    @command()
    @options_from(DetectionOptions, PairGraphOptions)
    def tool(**values):
        seen.update(given(values))

    CliRunner().invoke(tool, ["--window", "5", "--no-upright"])
    assert seen == {"window": 5, "upright": False}

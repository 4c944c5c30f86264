import io
import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from sfm.cli.console import NORMAL, QUIET, VERBOSE, Console, common_options


class Terminal(io.StringIO):
    def isatty(self):
        return True


def console(verbosity=NORMAL, as_json=False, err=None):
    return Console(verbosity, as_json, out=io.StringIO(), err=err or io.StringIO())


def text_of(stream):
    return stream.getvalue()


def test_stage_without_terminal_is_one_line_at_its_end():
    shown = console()
    with shown.stage("Detect", total=3) as step:
        step.advance()
        step.advance(2, note="b.jpg")
        assert text_of(shown._err) == ""
    line = text_of(shown._err)
    assert line.startswith("Detect: 3 images in ")
    assert line.count("\n") == 1


def test_a_stage_of_one_is_told_in_the_singular():
    shown = console()
    for unit in ("images", "batches"):
        with shown.stage("Detect", total=1, unit=unit) as step:
            step.advance()
    first, second = text_of(shown._err).splitlines()
    assert first.startswith("Detect: 1 image in ")
    assert second.startswith("Detect: 1 batch in ")


def test_stage_on_a_terminal_draws_a_bar_with_count_unit_and_note(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    shown = console(err=Terminal())
    with shown.stage("Match", total=10, unit="pairs") as step:
        step.advance(4, note="a.jpg - b.jpg")
        shown.say("fact told meanwhile")
        shown._bars.refresh()
    text = text_of(shown._err)
    assert "4/10 pairs" in text
    assert "a.jpg - b.jpg" in text
    assert "fact told meanwhile" in text
    assert "Match: 4 pairs in " in text


def test_stages_can_be_nested_on_a_terminal():
    shown = console(err=Terminal())
    with shown.stage("Map", total=None) as outer:
        outer.advance()
        with shown.stage("Adjust", total=2, unit="rounds") as inner:
            inner.advance(2)
        outer.advance()
    assert "Adjust: 2 rounds" in text_of(shown._err)
    assert "Map: 2 images" in text_of(shown._err)
    assert shown._bars is None


def test_failed_stage_leaves_no_bar_and_no_closing_line():
    shown = console(err=Terminal())

    def detect():
        with shown.stage("Detect", total=3) as step:
            step.advance()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        detect()
    assert shown._bars is None
    assert "Detect: 1" not in text_of(shown._err)


def test_stage_that_found_everything_done_says_nothing():
    shown = console()
    with shown.stage("Detect", total=0):
        pass
    assert text_of(shown._err) == ""


@pytest.mark.parametrize(
    ("verbosity", "told"),
    [(QUIET, ["warning"]), (NORMAL, ["fact", "warning"]), (VERBOSE, ["fact", "detail", "warning"])],
)
def test_verbosity(verbosity, told):
    shown = console(verbosity)
    shown.say("fact")
    shown.detail("detail")
    shown.warn("warning")
    lines = [line.removeprefix("Warning: ") for line in text_of(shown._err).splitlines()]
    assert lines == told


def test_quiet_draws_no_bar():
    shown = console(QUIET, err=Terminal())
    with shown.stage("Detect", total=1) as step:
        step.advance()
    assert text_of(shown._err) == ""


def test_messages_are_not_wrapped_or_read_as_markup():
    shown = console()
    message = "image [bold]0001[/bold].jpg :smile: " + "x" * 200
    shown.say(message)
    assert text_of(shown._err) == message + "\n"


def test_table_for_people_lines_up_numbers():
    shown = console()
    shown.table("Maps", ["descriptor", "points"], [("sift", 14092), ("sosnet", None), ("tfeat", 7)])
    lines = [line.rstrip() for line in text_of(shown._out).splitlines()]
    assert lines[0] == "Maps"
    assert len(lines[2]) == len(lines[3]) == len(lines[4])
    assert lines[3].endswith("-")
    assert "14092" in lines[2]


def test_json_leaves_stdout_to_the_summary():
    shown = console(as_json=True)
    shown.say("fact")
    shown.table("Maps", ["a"], [(1,)])
    shown.print("line")
    shown.summary({"registered": 11, "ate_mm": np.float32(2.5), "path": Path("a/b"), "nan": float("nan")})
    assert json.loads(text_of(shown._out)) == {"registered": 11, "ate_mm": 2.5, "path": "a/b", "nan": None}


def test_without_json_the_summary_is_not_printed():
    shown = console()
    shown.summary({"registered": 11})
    assert text_of(shown._out) == ""


@click.command()
@common_options
def tool(console):
    console.say(f"verbosity {console.verbosity}")
    console.summary({"ok": True})


def test_common_options_reach_the_console():
    result = CliRunner().invoke(tool, ["-v", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"ok": True}
    assert result.stderr == "verbosity 1\n"


def test_verbose_and_quiet_contradict():
    assert CliRunner().invoke(tool, ["-v", "-q"]).exit_code == 2

import errno
import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from sfm.cli import main as main_module
from sfm.cli.console import common_options
from sfm.cli.main import COMMANDS, main
from sfm.cli.stopping import Terminated
from sfm.errors import InputError, WorkError


def run_with_failure(monkeypatch, error, *args):
    @click.command()
    @common_options
    def info(console):
        raise error

    monkeypatch.setattr("sfm.cli.info.info", info)
    return CliRunner().invoke(main, ["info", *args])


def modules_after(arguments):
    script = (
        "import sys\nfrom sfm.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: print(*sys.modules)"
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.parametrize("arguments", [["--help"], ["info", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    loaded = set(modules_after(arguments))
    assert "sfm.cli.main" in loaded
    assert not loaded & {"torch", "pycolmap", "open3d", "cv2"}


def test_group_help_does_not_even_import_numpy_or_a_command():
    assert not set(modules_after(["--help"])) & {"numpy", "rich", "sfm.cli.info"}


def test_help_lists_existing_commands_in_order():
    output = CliRunner().invoke(main, ["--help"]).output
    existing = [name for name in COMMANDS if main.get_command(click.Context(main), name)]
    assert "info" in existing
    listed = re.findall(r"^  (\w+)  ", output.split("Commands:")[1], flags=re.MULTILINE)
    assert listed == existing


def test_every_listed_command_loads_and_explains_itself():
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.help


def test_an_unknown_command_is_refused():
    assert CliRunner().invoke(main, ["levitate"]).exit_code == 2


def test_version():
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("sfm, version ")


@pytest.mark.parametrize(("error", "code"), [(InputError("No images."), 2), (WorkError("No map."), 1)])
def test_error_raised_on_purpose_is_one_line_with_its_exit_code(monkeypatch, error, code):
    result = run_with_failure(monkeypatch, error)
    assert result.exit_code == code
    assert result.stderr == f"Error: {error}\n"
    assert result.stdout == ""


def test_unexpected_error_is_one_line_that_says_where_to_go(monkeypatch):
    result = run_with_failure(monkeypatch, ZeroDivisionError("division by zero\nsecond line"))
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "ZeroDivisionError: division by zero. " in result.stderr
    assert "--debug" in result.stderr


def test_debug_shows_the_traceback(monkeypatch):
    result = run_with_failure(monkeypatch, InputError("No images."), "--debug")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("Error: No images.\n")


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_interrupt_says_that_work_is_kept(monkeypatch, stop, code):
    result = run_with_failure(monkeypatch, stop)
    assert result.exit_code == code
    assert result.stderr == "Stopped. Finished work is kept; run the same command to go on.\n"


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "The disk is full"), (errno.EDQUOT, "quota"), (errno.EFBIG, "ulimit -f")],
)
def test_what_is_full_is_told_and_where(monkeypatch, number, told):
    result = run_with_failure(monkeypatch, OSError(number, "what the system says", "/tmp/x"))
    assert result.exit_code == 1
    assert told in result.stderr
    assert "/tmp/x" in result.stderr
    assert "fault in sfm" not in result.stderr


def test_memory_that_is_not_enough_is_no_fault_in_sfm(monkeypatch):
    result = run_with_failure(monkeypatch, MemoryError())
    assert result.exit_code == 1
    assert "--max-size" in result.stderr
    assert "fault in sfm" not in result.stderr


def test_escape_sequences_of_an_error_do_not_reach_the_terminal(monkeypatch):
    result = run_with_failure(monkeypatch, InputError("\x1b]0;owned\x07a.jpg \x9b31m \udcff is bad."))
    assert result.stderr == "Error: ?]0;owned?a.jpg ?31m ? is bad.\n"


def test_error_while_a_command_is_imported_is_one_line_too(monkeypatch):
    def fail(name):
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(main_module, "import_module", fail)
    result = CliRunner().invoke(main, ["info"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "libGL.so.1" in result.stderr


def test_wrong_option_is_a_usage_error():
    assert CliRunner().invoke(main, ["info", "--no-such-option"]).exit_code == 2

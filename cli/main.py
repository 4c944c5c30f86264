"""The `sfm` command: a group that imports a command's module only when that command is used.

Every command lives in the module of its name and is the attribute of its name: `sfm info` is
`sfm.cli.info.info`. Nothing heavy may be imported here, so that `sfm --help` answers at once.
"""

from __future__ import annotations

import atexit
import errno
import gc
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from sfm.cli.stopping import INTERRUPTED, TERMINATED, Terminated, stopped_by_signals
from sfm.errors import SfmError
from sfm.words import printable

# Looking for garbage once more before leaving takes half a second with torch, and nothing comes of it.
atexit.register(gc.freeze)

DEBUG = "sfm.debug"  # key in click's context meta: show tracebacks

COMMANDS = {
    "reconstruct": "Turn a folder of photographs into a sparse 3D map and a camera path.",
    "describe": "Find and describe the keypoints of photographs, and stop there.",
    "compare": "Map the same photographs with several descriptors, side by side.",
    "match": "Match two photographs: verified matches, relative pose, a picture.",
    "localize": "Find where new photographs were taken in a finished map.",
    "align": "Put a finished map into the frame of GPS, given positions, another map or gravity.",
    "evaluate": "Measure how far a map is from ground truth.",
    "export": "Write a map for other tools: PLY, TUM, KITTI, COLMAP, nerfstudio, hloc, GeoJSON.",
    "report": "Write an HTML report of a finished run.",
    "view": "Open the report of a finished run in the browser.",
    "train": "Train a patch descriptor on your own photographs.",
    "patches": "Collect the patch pairs that descriptors are trained on.",
    "benchmark": "Measure descriptors on sets with known correspondences.",
    "demo": "See it work without photographs: render a street, map it, check it.",
    "info": "Show versions, hardware and missing system libraries.",
}


_NO_MEMORY = (
    "The memory is not enough. Close other programs, or use a smaller --max-size or --max-keypoints, or fewer "
    "photographs (--every); then run the same command again: finished work is kept."
)


class LazyGroup(click.Group):
    """The commands of `COMMANDS`, imported when used. Here errors become one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return it; None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"sfm.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with one line on stderr where it fails."""
        try:
            with stopped_by_signals():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as stop:
            exit_code = TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
            _end(ctx, "Stopped. Finished work is kept; run the same command to go on.", exit_code)
        except SfmError as error:
            _end(ctx, f"Error: {error}", error.exit_code)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            _end(ctx, _system_error_line(error), SfmError.exit_code)
        except MemoryError:
            _end(ctx, f"Error: {_NO_MEMORY}", SfmError.exit_code)
        except Exception as error:
            _end(ctx, f"Error: {_unexpected_line(error, ctx)}", SfmError.exit_code)


def _end(ctx: click.Context, line: str, exit_code: int) -> None:
    if ctx.meta.get(DEBUG):
        traceback.print_exc(file=sys.stderr)
    click.echo(printable(line), err=True)
    ctx.exit(exit_code)


def _system_error_line(error: OSError) -> str:
    from sfm.files import failed_write

    name = Path(error.filename) if isinstance(error.filename, str) else None
    if told := failed_write(error.errno, name):
        return f"Error: {told}"
    return f"Error: {_one_line(error)} (--debug shows where)."


def _unexpected_line(error: Exception, ctx: click.Context) -> str:
    advice = "" if ctx.meta.get(DEBUG) else "run the command again with --debug and "
    return (
        f"{type(error).__name__}: {_one_line(error)}. This is a fault in sfm, not in your input: {advice}"
        "report the traceback, with what `sfm info` prints, on the project's issue tracker."
    )


def _one_line(error: Exception) -> str:
    return (str(error).strip() or "no message").splitlines()[0].rstrip(".")


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="sosnet-sfm", prog_name="sfm")
def main() -> None:
    """Make sparse 3D maps and camera paths from photographs.

    \b
    Start with:
      sfm demo                             no photographs needed
      sfm reconstruct PHOTOS -o OUT        your own folder of photographs
      sfm COMMAND --help                   every option of a command and its default
    """  # noqa: D301 - click reads \b as "do not rewrap"

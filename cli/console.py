"""What the user sees: progress and messages on stderr, results on stdout.

Under `--json`, stdout carries the summary as JSON and nothing else.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TextIO

import click
from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from sfm.cli.main import DEBUG
from sfm.json_values import json_text
from sfm.progress import Step
from sfm.words import count, printable

QUIET, NORMAL, VERBOSE = -1, 0, 1
_WIDTH_WITHOUT_TERMINAL = 160


class Console:
    """Progress and results for someone at a terminal, or for a script.

    Implements `sfm.progress.Progress`.

    Parameters
    ----------
    verbosity
        `QUIET` (warnings and errors only), `NORMAL` or `VERBOSE` (details too).
    as_json
        Whether stdout carries only the JSON summary.
    out, err
        Streams instead of stdout and stderr.
    """

    def __init__(
        self,
        verbosity: int = NORMAL,
        as_json: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.verbosity = verbosity
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._err_console = RichConsole(file=self._err, soft_wrap=True)
        self._bars: Bars | None = None

    # -- progress, on stderr -----------------------------------------------------------------------------

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "images") -> Iterator[Step]:
        """Show a bar while the stage runs, on a terminal; tell its count and time when it ends."""
        start = time.monotonic()
        watched = self.verbosity > QUIET and self._err.isatty()
        with self._bar(name, total, unit) if watched else nullcontext(_Counter()) as step:
            yield step
        if step.done:
            self.say(f"{name}: {count(step.done, unit)} in {_duration(time.monotonic() - start)}")

    def say(self, message: str) -> None:
        """Tell a fact, unless quiet."""
        if self.verbosity >= NORMAL:
            self._err_console.print(Text(printable(message)))

    def detail(self, message: str) -> None:
        """Tell a fact under -v."""
        if self.verbosity >= VERBOSE:
            self._err_console.print(Text(printable(message), style="dim"))

    def warn(self, message: str) -> None:
        """Tell what the user should know, even when quiet."""
        self._err_console.print(Text(f"Warning: {printable(message)}", style="yellow"))

    @contextmanager
    def _bar(self, name: str, total: int | None, unit: str) -> Iterator[_Bar]:
        outermost = self._bars is None
        if self._bars is None:
            self._bars = Bars(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                _Count(),
                _Rate(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}", markup=False, style="dim"),
                console=self._err_console,
                transient=True,
            )
            self._bars.start()
        bars = self._bars
        task = bars.add_task(name, total=total, unit=unit, note="")
        try:
            yield _Bar(bars, task)
        finally:
            bars.remove_task(task)
            if outermost:
                bars.stop()
                self._bars = None

    # -- results, on stdout ------------------------------------------------------------------------------

    def print(self, text: str = "") -> None:
        """Print a line of the result for people; nothing under --json."""
        if not self.as_json:
            click.echo(printable(text), file=self._out)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Print a table for people, numbers right-aligned, None as a dash; nothing under --json.

        Numbers are printed as they are: format floats beforehand with the digits that mean something.
        """
        if self.as_json:
            return
        if title:
            click.echo(printable(title), file=self._out)
        table = Table(box=None, show_header=any(columns), padding=(0, 2), header_style="bold")
        for i, column in enumerate(columns):
            numeric = all(_is_number(row[i]) for row in rows) if rows else False
            table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text("-" if cell is None else printable(str(cell))) for cell in row))
        width = None if self._out.isatty() else _WIDTH_WITHOUT_TERMINAL
        RichConsole(file=self._out, width=width, highlight=False).print(table)
        click.echo(file=self._out)

    def summary(self, data: Mapping[str, Any] | Any) -> None:
        """Print `data` (a mapping or a dataclass) as JSON under --json; nothing otherwise.

        Paths become strings, arrays lists, dataclasses objects, and NaN and infinities null.
        """
        if self.as_json:
            click.echo(json_text(data), file=self._out)


class _Counter:
    """A step nobody watches: it only counts."""

    def __init__(self) -> None:
        self.done = 0

    def advance(self, count: int = 1, note: str | None = None) -> None:
        self.done += count


class _Bar(_Counter):
    def __init__(self, bars: Bars, task: TaskID) -> None:
        super().__init__()
        self._bars, self._task = bars, task

    def advance(self, count: int = 1, note: str | None = None) -> None:
        super().advance(count)
        fields: dict[str, Any] = {} if note is None else {"note": note}
        self._bars.update(self._task, advance=count, **fields)


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        of = "" if task.total is None else f"/{int(task.total)}"
        return Text(f"{int(task.completed)}{of} {task.fields['unit']}", style="progress.download")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.speed
        if not speed:
            return Text("")
        return Text(
            f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each", style="progress.data.speed"
        )


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add -v, -q, --json and --debug; the command receives a `Console` as its keyword `console`."""

    @click.option("-v", "--verbose", is_flag=True, help="Tell more.")
    @click.option("-q", "--quiet", is_flag=True, help="Tell only warnings and errors.")
    @click.option(
        "--json", "as_json", is_flag=True, help="Print the summary as JSON, and nothing else, on stdout."
    )
    @click.option(
        "--debug",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember_debug,
        help="Show the traceback of an error.",
    )
    @functools.wraps(function)
    def with_console(verbose: bool, quiet: bool, as_json: bool, **values: Any) -> Any:
        if verbose and quiet:
            raise click.UsageError("--verbose and --quiet contradict each other.")
        verbosity = VERBOSE if verbose else QUIET if quiet else NORMAL
        return function(console=Console(verbosity, as_json), **values)

    return with_console


def _remember_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[DEBUG] = value


def _is_number(cell: Any) -> bool:
    if cell is None or isinstance(cell, (int, float)):
        return True
    try:
        float(str(cell).replace(",", "").split()[0].rstrip("%"))
    except (ValueError, IndexError):
        return False
    return True


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s"

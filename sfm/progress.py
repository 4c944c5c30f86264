"""How long work tells what it is doing, without knowing whether anyone is watching.

Library functions take a `Progress`; the command line passes one that draws bars, scripts usually pass none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Step(Protocol):
    """One stage under way."""

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Report `count` more units done; `note` is a few words on where the work stands."""


class Progress(Protocol):
    """Receiver of progress and of the lines worth telling."""

    def stage(self, name: str, total: int | None, unit: str = "images") -> AbstractContextManager[Step]:
        """Open a stage of `total` units (None: not known beforehand)."""

    def say(self, message: str) -> None:
        """Tell a fact: what was chosen, what was reused."""

    def detail(self, message: str) -> None:
        """Tell a fact only wanted with -v."""

    def warn(self, message: str) -> None:
        """Tell what the user should know although the work goes on."""


class _SilentStep:
    def advance(self, count: int = 1, note: str | None = None) -> None:
        pass


class Silent:
    """Progress for those who do not want to hear of it: the default of every library call."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "images") -> Iterator[Step]:
        """Open a stage that reports to nobody."""
        yield _SilentStep()

    def say(self, message: str) -> None:
        """Drop the message."""

    def detail(self, message: str) -> None:
        """Drop the message."""

    def warn(self, message: str) -> None:
        """Drop the message."""


SILENT = Silent()

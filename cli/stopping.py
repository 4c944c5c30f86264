"""What Ctrl-C and SIGTERM do: the first asks the work to stop, the second ends the process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import click

# As shells count.
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

_PATIENCE_S = 0.3
_WAITING = "Stopping: what is under way is finished first (press Ctrl-C again to stop at once)."
_AT_ONCE = "Stopped at once. Finished work is kept; run the same command to go on."
_SHOW_CURSOR = "\x1b[?25h"


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Whatever cleans up after Ctrl-C does so after it too."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on SIGINT inside and `Terminated` on SIGTERM; any further one ends the process.

    Worker threads cannot be interrupted, and finish the photograph they are at. Ending the interpreter under them
    would crash their libraries: who does not want to wait leaves without it, which harms nothing, for files are
    renamed when they are whole. Only the main thread may ask for all this; others get nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting = threading.Timer(_PATIENCE_S, click.echo, (_WAITING,), {"err": True})
    waiting.daemon = True

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for each in before:
            signal.signal(each, _leave)
        waiting.start()
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    # Who runs a command in the background may have Ctrl-C ignored, which is meant for others then.
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        waiting.cancel()
        for number, handler in before.items():
            # Once stopped, the way out stays open while the interpreter ends.
            if signal.getsignal(number) is stop:
                signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    with suppress(Exception):  # the signal may have come amid a write to the same stream
        sys.stdout.flush()
        sys.stderr.write((_SHOW_CURSOR if sys.stderr.isatty() else "") + f"{_AT_ONCE}\n")
        sys.stderr.flush()
    os._exit(128 + number)

"""What commands that show a page in the browser share."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from sfm.cli.console import Console


def serving_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --port and --browser/--no-browser."""
    port = click.option(
        "--port", type=click.IntRange(0, 65535), default=0, help="Port to serve at. Default: any free one."
    )
    browser = click.option(
        "--browser/--no-browser", default=True, show_default=True, help="Open the browser."
    )
    return port(browser(function))


def open_browser(console: Console, url: str, wanted: bool) -> None:
    """Open `url` in the browser if that is wanted; say so where it fails."""
    if wanted and not webbrowser.open(url):
        console.warn(f"No browser could be opened: open {url} yourself.")


@contextmanager
def until_interrupted(console: Console, url: str, shown: str) -> Iterator[None]:
    """Wait for Ctrl-C at the end of the block, while a page is served in another thread; let it end the block too."""
    try:
        yield
        console.print(f"{url} shows {shown} until you press Ctrl-C.")
        threading.Event().wait()
    except KeyboardInterrupt:
        console.say("Stopped.")

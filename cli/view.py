"""`sfm view`: the report of a finished map in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command
from sfm.cli.serving import open_browser, serving_options, until_interrupted


@command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option("--images", type=click.Path(path_type=Path), help="Folder of the photographs, if it has moved.")
@serving_options
@common_options
def view(console: Console, map_path: Path, images: Path | None, port: int, browser: bool) -> None:
    """Open the report of a finished run in the browser.

    Serves MAP/report.html on this machine until Ctrl-C; the report is written first if there is none or it
    is older than the map.
    """
    from sfm.pipelines.report import current_report
    from sfm.report.server import PageServer

    page = current_report(map_path, images, console)
    with (
        PageServer(page, port) as server,
        server.running(),
        until_interrupted(console, server.url, str(page)),
    ):
        console.summary({"report": page, "url": server.url})
        open_browser(console, server.url, browser)

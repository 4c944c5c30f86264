"""`sfm view`: the report of a finished map in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command


@command()
@click.argument("map_path", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--images", type=click.Path(path_type=Path), help="Folder of the photographs, if it has moved.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to serve at. Default: any free one."
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the browser.")
@common_options
def view(console: Console, map_path: Path, images: Path | None, port: int, browser: bool) -> None:
    """Open the report of a finished run in the browser.

    Serves OUT/report.html on this machine until Ctrl-C; the report is written first if there is none or it
    is older than the map.
    """
    from sfm.pipelines.report import current_report
    from sfm.report.server import PageServer

    page = current_report(map_path, images, console)
    with PageServer(page, port) as server:
        console.summary({"report": page, "url": server.url})
        console.print(f"{server.url} shows {page} until you press Ctrl-C.")
        if browser and not webbrowser.open(server.url):
            console.warn(f"No browser could be opened: open {server.url} yourself.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.say("Stopped.")

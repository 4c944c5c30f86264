"""`sfm report`: a finished map as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command


@command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The HTML file. Default: MAP/report.html.")
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the photographs, if it has moved since the run.",
)
@click.option(
    "--max-points",
    type=click.IntRange(min=1000),
    default=200_000,
    show_default=True,
    help="Thin larger clouds to this many points for display.",
)
@common_options
def report(console: Console, map_path: Path, out: Path | None, images: Path | None, max_points: int) -> None:
    """Write an HTML report of a finished run.

    MAP is the output folder of `sfm reconstruct` or a COLMAP model folder. The report is one file that needs
    no network: the map to turn, its cameras, the view graph, matches, and how to make it again.
    """
    from sfm.pipelines.report import report as write

    path = write(map_path, out, images, max_points, console)
    console.print(f"Report: {path}")
    console.summary({"report": path})

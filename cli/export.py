"""`sfm export`: a map for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command
from sfm.export import EXPORTERS, FORMATS

_EPILOG = "\b\nFormats:\n" + "\n".join(f"  {name:<12} {e.description}" for name, e in EXPORTERS.items())


@command(epilog=_EPILOG)
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "formats",
    required=True,
    multiple=True,
    type=click.Choice(FORMATS),
    help="What to write, see below; may be given more than once.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the files.  [default: MAP/export/FORMAT]",
)
@click.option("--images", type=click.Path(path_type=Path), help="Folder of the photographs, if it has moved.")
@click.option("--descriptor", help="Whose descriptors hloc gets, if MAP holds several.")
@common_options
def export(
    console: Console,
    map_path: Path,
    formats: tuple[str, ...],
    out: Path | None,
    images: Path | None,
    descriptor: str | None,
) -> None:
    """Write a map for other tools.

    MAP is the output folder of `sfm reconstruct` or a COLMAP model folder.
    """
    from sfm.pipelines.export import export as write

    written: dict[str, list[Path]] = {}
    for format in dict.fromkeys(formats):
        written[format] = write(map_path, format, out, images, descriptor, console)
        for file in written[format]:
            console.print(str(file))
    console.summary({"files": written})

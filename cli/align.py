"""`sfm align`: a map in the frame of GPS, of given positions, of another map, or of gravity."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from sfm.alignment.options import AlignmentOptions
from sfm.cli.console import Console, common_options
from sfm.cli.options import command, options_from
from sfm.options import from_mapping


@command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@options_from(AlignmentOptions)
@click.option("--images", type=click.Path(path_type=Path), help="Folder of the photographs, if it has moved.")
@click.option("--per-image", is_flag=True, help="List the residual of every image.")
@common_options
def align(console: Console, map_path: Path, images: Path | None, per_image: bool, **values: Any) -> None:
    """Put a finished map into a frame of the world: metres, axes that mean something, a place on Earth.

    MAP is the output folder of `sfm reconstruct` or a COLMAP model folder; it is written anew in the new frame,
    where frame.json says what the coordinates are. After --to gps (or csv with latitudes), x points east, y
    north and z up, and `sfm localize` answers in latitude, longitude and heading too.

    \b
    sfm align map
    sfm align map --to csv --reference positions.csv
    sfm align map --to model --reference other-map
    sfm align map --to gravity
    """  # noqa: D301 - click reads \b as "do not rewrap"
    from sfm.pipelines.align import align as run

    found = run(map_path, from_mapping(AlignmentOptions, values), images, console)
    frame, unit = found.frame, f" {found.frame.unit}".rstrip()
    rows = [("aligned to", frame.aligned_to), ("orientation from", found.how)]
    if found.residuals:
        rows += [
            ("positions", f"{len(found.residuals)}, {len(found.outliers)} of them outliers"),
            ("residual rms / median", f"{found.rms:.3g} / {found.median:.3g}{unit}"),
            ("scale", f"{found.frame_from_map.scale:.6g}"),
        ]
    if frame.origin:
        latitude, longitude, altitude = frame.origin
        told = f"{altitude:.1f} m" if math.isfinite(altitude) else "altitude unknown"
        rows.append(("origin", f"{latitude:.7f}, {longitude:.7f}, {told}"))
    console.table("", ["", ""], rows)
    if per_image and found.residuals:
        outliers = set(found.outliers)
        listed = [(n, f"{r:.3g}", "outlier" if n in outliers else "") for n, r in found.residuals.items()]
        console.table(
            "Residuals", ["image", f"residual{f' ({frame.unit})' if frame.unit else ''}", ""], listed
        )
    if frame.note and frame.orientation_known:
        console.say(frame.note)
    elif frame.note:
        console.warn(frame.note)
    if found.outliers and not per_image:
        console.say(
            f"Outliers: {', '.join(found.outliers[:10])}{' ...' if len(found.outliers) > 10 else ''}."
        )
    console.summary({"frame": frame, "frame_from_map": found.frame_from_map.matrix, **found.as_json()})

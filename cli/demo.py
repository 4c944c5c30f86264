"""`sfm demo`: the whole job without photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command
from sfm.features.choice import DESCRIPTORS, DescriptionOptions


@command()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default="sfm-demo",
    show_default=True,
    help="Output folder.",
)
@click.option(
    "--views",
    type=click.IntRange(16, 24),
    default=20,
    show_default=True,
    help="Number of photographs along the street.",
)
@click.option(
    "--descriptor",
    type=click.Choice(DESCRIPTORS),
    default=DescriptionOptions.descriptor,
    show_default=True,
    help="Who describes keypoints.",
)
@click.option(
    "--compare",
    "comparing",
    is_flag=True,
    help="Then compare SIFT, triplet and SOSNet on the same street, every second photograph taken at night.",
)
@common_options
def demo(console: Console, out: Path, views: int, comparing: bool, **values: Any) -> None:
    """See it work without photographs: render a street, map it, check it.

    A small street is rendered as photographs of a known camera on a known path. The map is made of these
    pictures alone and then measured against what is known. In OUT are then the photographs (scene/), a
    finished run (map/) and a picture of it (map.png); with --compare also compare/compare.html and compare.png.
    """
    from sfm.cli.compare import show_comparison
    from sfm.pipelines.demo import compare_by_night
    from sfm.pipelines.demo import demo as run
    from sfm.pipelines.stage_options import ReconstructOptions
    from sfm.rendering.walk import StreetOptions

    street = StreetOptions(views=views)
    result = run(out, street, ReconstructOptions.of(**values), console)
    made, error = result.reconstruction, result.evaluation
    console.table(
        "",
        ["", ""],
        [
            ("images in the map", f"{error.registered} of {error.total}"),
            ("points", f"{len(made.map.xyz):,}"),
            (
                "path against the truth",
                f"{1000 * error.ate_rmse:.1f} mm rmse, {1000 * error.ate_max:.1f} mm at most",
            ),
            ("rotations against the truth", f"{error.rotation_median_deg:.3f} deg median"),
            ("photographs", str(result.scene / "images")),
            ("map (COLMAP)", str(made.out / "sparse" / "0")),
            ("trajectory (TUM)", str(made.out / "trajectory.tum")),
            ("points and path (PLY)", f"{made.out / 'points.ply'}, {made.out / 'cameras.ply'}"),
            ("picture", str(result.picture)),
        ],
    )
    compared = compare_by_night(out, street, progress=console) if comparing else None
    if compared:
        show_comparison(console, compared)
    console.print(f"Next: sfm reconstruct YOUR_PHOTOS, or look at {result.picture}.")
    console.summary(
        {
            "evaluation": error.as_json(),
            "points": len(made.map.xyz),
            "scene": result.scene,
            "map": made.out,
            "picture": result.picture,
            "comparison": compared.record if compared else None,
        }
    )

"""`sfm evaluate`: how far a map is from ground truth."""

from __future__ import annotations

import math
from pathlib import Path

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command


@command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.option(
    "--ground-truth",
    required=True,
    type=click.Path(path_type=Path),
    help="COLMAP model folder (text or binary) or TUM trajectory file with the true poses.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the photographs, if a TUM file without names has to be matched to them.",
)
@click.option("--per-image", is_flag=True, help="List the error of every image.")
@common_options
def evaluate(
    console: Console, map_path: Path, ground_truth: Path, images: Path | None, per_image: bool
) -> None:
    """Measure how far a map is from ground truth.

    MAP is the output folder of `sfm reconstruct` or a COLMAP model folder. Camera centres are aligned with
    the true ones by scale, rotation and translation; position errors are in the ground truth's unit.
    """
    from sfm.pipelines.evaluate import evaluate as measure

    result = measure(map_path, ground_truth, images, console)
    console.table(
        "",
        ["", ""],
        [
            ("registered", f"{result.registered} of {result.total}"),
            ("ATE rmse / median / max", _numbers(result.ate_rmse, result.ate_median, result.ate_max)),
            ("rotation median / max (deg)", _numbers(result.rotation_median_deg, result.rotation_max_deg)),
            *((f"pose AUC @ {t} deg (%)", f"{area:.1f}") for t, area in result.auc_percent.items()),
        ],
    )
    if per_image:
        rows = [(i.name, _numbers(i.position), _numbers(i.rotation_deg)) for i in result.images]
        rows += [(name, "not registered", "") for name in result.unregistered]
        console.table("Images", ["image", "position error", "rotation error (deg)"], rows)
    if result.without_truth:
        console.say(f"{len(result.without_truth)} images of the map have no ground truth and take no part.")
    if math.isnan(result.ate_rmse):
        console.warn(
            "No error of positions: any map fits fewer than three images, or true centres in one place. "
            "Give ground truth of more images."
        )
    elif result.degeneracy != "none":
        where = "on one line" if result.degeneracy == "line" else "in one place"
        console.warn(
            f"The camera centres lie {where}: they do not fix the alignment, so the orientations do the rest."
        )
    console.summary(result.as_json())


def _numbers(*values: float) -> str:
    return " / ".join("-" if math.isnan(value) else f"{value:.4g}" for value in values)

"""`sfm compare`: which descriptor makes the better map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, given, options_from
from sfm.pipelines.quality import QualityOptions
from sfm.pipelines.stage_options import STAGE_OPTIONS

if TYPE_CHECKING:
    from sfm.pipelines.compare import Comparison
    from sfm.report.comparison import Cell, Metric


@command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output folder. Default: NAME-compare.")
@click.option(
    "--descriptors",
    metavar="NAME[=FILE],...",
    help="What to compare, e.g. sift,sosnet=my.safetensors. Default: sift, and those of triplet and sosnet "
    "whose weights ship.",
)
@click.option(
    "--ground-truth",
    type=click.Path(path_type=Path),
    help="COLMAP model folder or TUM trajectory file with the true poses.",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Maps a descriptor, each with a seed of its own: shows how far runs differ.",
)
@options_from(QualityOptions, *STAGE_OPTIONS, without=("descriptor", "weights", "describe_first"))
@common_options
def compare(
    console: Console,
    images: Path,
    out: Path | None,
    descriptors: str | None,
    ground_truth: Path | None,
    repeat: int,
    **values: Any,
) -> None:
    """Map the same photographs with several descriptors, everything else equal.

    Keypoints, pairs, options and seeds are the same for all; each map lies in OUT/DESCRIPTOR, for `sfm report`,
    `evaluate` and `export`. A better number is marked * only if it was better in every one of --repeat runs, by
    more than runs differ. Finished work is reused: after a stop, run the same command to go on.

    \b
    sfm compare photos/
    sfm compare photos/ --descriptors sift,sosnet --ground-truth truth/ --repeat 3
    """  # noqa: D301 - click wants the backspace itself
    from sfm.pipelines.compare import compare as run
    from sfm.pipelines.stage_options import ReconstructOptions

    chosen = None if descriptors is None else [text for text in descriptors.split(",") if text.strip()]
    options = ReconstructOptions.of(**given(values))
    result = run(images, out, chosen, ground_truth, repeat, options, console)
    show_comparison(console, result)
    console.summary({**result.record, "out": result.out})


def show_comparison(console: Console, result: Comparison) -> None:
    """Print the table, what it can say, and where the page and the picture are."""
    console.table(
        "",
        ["", *result.runs],
        [(metric.label, *(_told(metric, cell) for cell in cells)) for metric, cells in result.table],
    )
    if any(cell.best for _, cells in result.table for cell in cells):
        console.print("* better in every run, by more than runs differ")
    elif all(len(runs) < 2 for runs in result.runs.values()):
        console.print(
            "One run each: how far runs differ is not known, so nothing is marked; `sfm compare --repeat 3` shows it."
        )
    for name, failure in result.failures.items():
        if failure:
            console.print(f"{name} has no map. {failure}")
    console.print(f"Page: {result.out / 'compare.html'}; picture: {result.out / 'compare.png'}")


def _told(metric: Metric, cell: Cell) -> str | None:
    """Return the median, the range in brackets if there is one, and the mark."""
    if not cell.count:
        return None
    told = f"{cell.median:,.{metric.digits}f}"
    if cell.low != cell.high:
        told += f" ({cell.low:,.{metric.digits}f}–{cell.high:,.{metric.digits}f})"
    return f"{told} *" if cell.best else told

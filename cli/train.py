"""`sfm train`: a patch descriptor from a patch set, or from one's own maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, options_from
from sfm.errors import InputError
from sfm.learning.training_options import TrainingOptions
from sfm.options import from_mapping


@command()
@click.argument("patch_set", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of weights and checkpoints."
)
@click.option(
    "--from-map",
    "maps",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Train on the points of this finished run instead of a patch set; may be given several times.",
)
@click.option("--init", help="Start from these weights: a packaged name or a file.")
@click.option(
    "--hold-out", multiple=True, metavar="SCENE", help="Validate on this scene; may be given several times."
)
@options_from(TrainingOptions)
@common_options
def train(
    console: Console,
    patch_set: Path | None,
    out: Path,
    maps: tuple[Path, ...],
    init: str | None,
    hold_out: tuple[str, ...],
    **values: Any,
) -> None:
    """Train a patch descriptor on PATCH_SET, or adapt one to your own maps.

    A run that was stopped goes on where it was: give the same command again. The weights end up in
    OUT/weights.safetensors, for `sfm reconstruct --weights`.

    \b
    sfm train patches -o run --loss sosnet --hold-out garden
    sfm train --from-map photos-sfm --init sosnet --steps 300 --learning-rate 0.0005 -o adapted
    """  # noqa: D301
    if (patch_set is None) == (not maps):
        raise InputError("Give either a patch set or --from-map.")
    from sfm.learning.patch_set import PatchSet
    from sfm.pipelines.train import claimed_folder, load_init, map_patches, train_descriptor

    options = from_mapping(TrainingOptions, values)
    start = load_init(init, options.loss) if init else None
    weights = Path(init) if init and Path(init).is_file() else None  # else the name of packaged ones
    with claimed_folder(out, [*maps, patch_set, weights]):
        patches = (
            PatchSet.open(patch_set) if patch_set else map_patches(maps, out / "patches", start, console)
        )
        run = train_descriptor(
            patches, out, options, validation_scenes=hold_out, init=start, progress=console
        )
    columns, rows = ["step", "loss"], [[h.step, f"{h.loss:.3f}"] for h in run.trained.history]
    if hold_out:
        columns += ["FPR95 (%)", "matched (%)"]
        for row, h in zip(rows, run.trained.history, strict=True):
            row += [f"{100 * h.fpr95:.2f}", f"{100 * h.matched:.1f}"]
    console.table("Training", columns, rows)
    console.say(f"Weights: {run.trained.weights}. Curve: {run.curve}.")
    console.summary({"weights": run.trained.weights, "curve": run.curve, "history": run.trained.history})

"""`sfm patches`: the patch sets that descriptors are trained on and measured by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, options_from
from sfm.learning.patch_set_options import PatchSetOptions
from sfm.options import from_mapping


@click.group()
def patches() -> None:
    """Collect the patch pairs that descriptors are trained on."""


@patches.command("build", cls=command.keywords["cls"])
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the patch set.")
@options_from(PatchSetOptions)
@common_options
def build(console: Console, sources: tuple[Path, ...], out: Path, **values: Any) -> None:
    """Make a patch set from photographs, finished maps, or sets of other formats.

    SOURCES are folders, one a scene: overlapping photographs, the output of `sfm reconstruct`, a PhotoTour
    set or a folder of HPatches sequences; or a JSON list that also says licences (see docs/training.md).

    \b
    sfm patches build photos/garden photos/street -o patches
    """  # noqa: D301
    from sfm.pipelines.patch_sources import read_sources
    from sfm.pipelines.patches import build_patch_set

    made = build_patch_set(read_sources(sources), out, from_mapping(PatchSetOptions, values), console)
    rows = [
        [name, int((made.scene == number).sum()), int(made.counts[made.scene == number].sum())]
        for number, name in enumerate(made.scenes)
    ]
    console.table("Patch set", ["scene", "points", "patches"], rows)
    console.summary(
        {"out": out, "points": made.num_points, "patches": made.num_patches, "scenes": made.scenes}
    )

"""`sfm localize`: where photographs were taken, in a finished map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, options_from
from sfm.features.choice import DESCRIPTORS
from sfm.localization.options import LocalizationOptions
from sfm.options import from_mapping
from sfm.words import count

if TYPE_CHECKING:
    from sfm.pipelines.localizer import Localization


@command()
@click.argument("map_path", metavar="MAP", type=click.Path(path_type=Path))
@click.argument("queries", metavar="QUERY...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder of the results.  [default: MAP/localized]"
)
@click.option(
    "--intrinsics",
    type=click.Path(path_type=Path),
    help="Known intrinsics of the photographs: a file in the form of COLMAP's cameras.txt. Default: as the map's "
    "camera with the same EXIF or size, from EXIF, or estimated.",
)
@click.option(
    "--descriptor",
    type=click.Choice(DESCRIPTORS),
    help="Refuse a map of another descriptor.  [default: the map's]",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="The weights of the map's network, if they have moved."
)
@click.option(
    "--device",
    type=click.Choice(("auto", "cpu", "cuda")),
    default="auto",
    show_default=True,
    help="Where networks run.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder of the map's photographs, for pictures, if it has moved.",
)
@click.option(
    "--pictures/--no-pictures", default=True, show_default=True, help="Draw the matches of each photograph."
)
@options_from(LocalizationOptions)
@common_options
def localize(
    console: Console,
    map_path: Path,
    queries: tuple[Path, ...],
    out: Path | None,
    intrinsics: Path | None,
    descriptor: str | None,
    weights: Path | None,
    device: str,
    images: Path | None,
    pictures: bool,
    **values: Any,
) -> None:
    """Find where photographs were taken, from a finished map; its own photographs are not needed.

    MAP is the output folder of `sfm reconstruct`. QUERY is an image, a folder of images or a text file that lists
    them. A photograph that is not in the map is refused, not guessed. Positions are in the map's unit, its axes
    those of the map; after `sfm align MAP --to gps` in metres east, north and up, with latitude, longitude and
    heading. Writes localization.json, trajectory.tum, path.geojson (of an aligned map) and matches/*.jpg.

    \b
    sfm localize map night.jpg
    sfm localize map queries/ -o found
    """  # noqa: D301 - click reads \b as "do not rewrap"
    from sfm.pipelines.localize import localize as run

    batch = run(
        map_path,
        queries,
        out,
        from_mapping(LocalizationOptions, values),
        intrinsics=intrinsics,
        descriptor=descriptor,
        weights=weights,
        device=device,
        images=images,
        pictures=pictures,
        progress=console,
    )
    located = batch.localized
    if located:
        unit = located[0].frame.unit if located[0].frame else ""
        columns = [
            "image",
            f"position{f' ({unit})' if unit else ''}",
            "sigma",
            "sigma (deg)",
            "inliers",
            "chance",
        ]
        places = any(result.place for result in located)
        columns += ["latitude, longitude", "heading (deg)"] if places else []
        console.table("", columns, [_row(result, places) for result in located])
    for result in batch.results:
        if not result.localized:
            console.print(f"{result.name}: not localised: {result.refusal}.")
    asked = count(len(batch.results), "photographs")
    verb = "is" if len(batch.results) == 1 else "are"
    console.say(f"{len(located)} of {asked} {verb} in the map; see {batch.out}.")
    console.summary(
        {
            "out": batch.out,
            "localized": len(located),
            "queries": [result.as_json() for result in batch.results],
        }
    )


def _row(result: Localization, places: bool) -> list[str | None]:
    pose, found = result.cam_from_world, result.found
    assert pose is not None
    assert found is not None
    uncertainty = found.uncertainty
    row: list[str | None] = [
        result.name,
        " ".join(f"{x:.3f}" for x in pose.center),
        f"{uncertainty.position:.2g}" if uncertainty else None,
        f"{uncertainty.rotation_deg:.2g}" if uncertainty else None,
        f"{result.inliers} of {len(found.xy)}",
        f"1e{found.log10_nfa:.0f}",
    ]
    if places:
        place = result.place
        heading = place.heading_deg if place else None
        row.append(f"{place.latitude_deg:.7f}, {place.longitude_deg:.7f}" if place else None)
        row.append(None if heading is None else f"{heading:.1f}")
    return row

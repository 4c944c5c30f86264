"""`sfm reconstruct`: photographs to a sparse map and a camera path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, given, options_from
from sfm.cli.serving import open_browser, serving_options, until_interrupted
from sfm.errors import InputError
from sfm.pipelines.quality import QualityOptions
from sfm.pipelines.stage_options import STAGE_OPTIONS
from sfm.words import count, listed

if TYPE_CHECKING:
    from sfm.pipelines.reconstruct import Reconstruction


@command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Output folder. Default: NAME-sfm.")
@click.option(
    "--live", is_flag=True, help="Show the growing map in the browser, and its report when it is finished."
)
@serving_options
@options_from(QualityOptions, *STAGE_OPTIONS)
@common_options
def reconstruct(
    console: Console, images: Path, out: Path | None, live: bool, port: int, browser: bool, **values: Any
) -> None:
    """Turn photographs into a sparse 3D map and the path the camera took.

    IMAGES is a folder of photographs (searched with its subfolders), a text file that lists them, or one
    image. Finished work in the output folder is reused: after a stop, run the same command to go on. With
    --live the page is served on this machine only, from the first stage until Ctrl-C.

    \b
    sfm reconstruct photos/
    sfm reconstruct photos/ -o map --descriptor sift --intrinsics cameras.txt
    sfm reconstruct photos/ --quality fast
    sfm reconstruct photos/ --live
    """  # noqa: D301 - click reads \b as "do not rewrap"
    from sfm.pipelines.reconstruct import reconstruct as run
    from sfm.pipelines.stage_options import ReconstructOptions

    if given({"port": port}) and not live:
        raise InputError("--port needs --live: add it, or leave --port out.")
    options = ReconstructOptions.of(**given(values))
    if not live:
        _tell(console, run(images, out, options, console))
        return

    from sfm.pipelines.report import report, title_of
    from sfm.report.live import LivePage, LiveProgress
    from sfm.report.server import LiveServer

    page = LivePage(title_of(images.resolve()))
    with LiveServer(page, port) as server, server.running():

        def begin() -> None:
            console.say(f"{server.url} shows the map as it grows.")
            open_browser(console, server.url, browser)

        result = run(images, out, options, LiveProgress(console, page, begin), page.show)
        written = report(result.out, progress=console)
        page.finish(written)
        with until_interrupted(console, server.url, str(written)):
            _tell(console, result)


def _tell(console: Console, result: Reconstruction) -> None:
    largest = result.map
    console.table(
        "",
        ["", ""],
        [
            ("images in the map", f"{len(largest.images)} of {result.images}"),
            ("points", f"{len(largest.xyz):,}"),
            ("mean track length", f"{largest.mean_track_length:.2f}"),
            ("mean reprojection error (px)", f"{largest.mean_error_px:.2f}"),
            ("other models", ", ".join(count(len(m.images), "images") for m in result.models[1:]) or "none"),
            ("map", str(result.out / "sparse" / "0")),
            ("points and path to look at", f"{result.out / 'points.ply'}, {result.out / 'cameras.ply'}"),
            ("trajectory", str(result.out / "trajectory.tum")),
            ("what was done", str(result.out / "run.json")),
        ],
    )
    for name, reason in result.left_out.items():
        console.say(f"Left out: {name}: {reason}.")
    _tell_check(console, result.check)
    console.summary(
        {key: value for key, value in result.record.items() if key != "pairs"} | {"out": result.out}
    )


def _tell_check(console: Console, check: dict[str, Any]) -> None:
    """Say what speaks for and against the map, beyond its own reprojection errors."""
    if check["problems"]:
        console.warn(f"This map is doubtful: {'; '.join(check['problems'])}.")
    for remark in check.get("remarks", ()):
        console.warn(f"{remark}.")
    if misplaced := check.get("misplaced"):  # not in records of earlier versions
        console.warn(
            f"No pair that agrees with the map holds {listed(misplaced)} in place: they may be misplaced."
        )
    if gps := check["gps"]:
        console.say(
            f"Self-check: {gps['rms_m']:.1f} m off GPS (spread {gps['spread_m']:.0f} m, {gps['positions']} images)."
        )
    for camera, ratio in check["focal_ratios"].items():
        console.say(f"Self-check: focal length of camera {camera} is {ratio:.3f} of what EXIF says.")
    console.say(
        f"Self-check: {check['contradicting_pairs']} of {count(check['pairs'], 'verified pairs')} contradict the map."
    )

"""`sfm benchmark`: descriptors against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sfm.cli.console import Console, common_options
from sfm.cli.options import command, options_from
from sfm.errors import InputError
from sfm.learning.benchmark_options import BenchmarkOptions
from sfm.options import from_mapping


@command()
@click.argument("tests", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-d",
    "--descriptor",
    "descriptors",
    multiple=True,
    metavar="[LABEL:]NAME[=FILE]",
    default=("sift", "sosnet"),
    show_default=True,
    help="A descriptor, with other weights than the packaged ones if there is a FILE; may be given several times. "
    "Those of one label are runs with different seeds: their mean and spread are shown.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw the main figures into this file: .png, .svg or .pdf.",
)
@click.option(
    "--suit-ratios",
    type=click.Path(path_type=Path),
    help="Instead, find the ratio tests at which the one descriptor NAME=FILE is as precise on all TESTS together as "
    "sift is at 0.8 and 0.85, and write its weights with them into this file, .safetensors.",
)
@options_from(BenchmarkOptions)
@common_options
def benchmark(
    console: Console,
    tests: tuple[Path, ...],
    descriptors: tuple[str, ...],
    picture: Path | None,
    suit_ratios: Path | None,
    **values: Any,
) -> None:
    """Measure descriptors on the same keypoints, where the right answer is known.

    TESTS are folders: a patch set; a homography sequence (H_1_k) or a folder of them; frames of a fixed
    camera; hand-made correspondences (corrs.txt); a scene with images/ and ground_truth/. Where matches
    below a ratio are told, it is the one that gives the precision of SIFT at 0.8, or of the first
    descriptor where SIFT is not among them.

    \b
    sfm benchmark homographies webcam -d sift -d sosnet -d triplet --picture figures.png
    sfm benchmark scenes/* -d sosnet=run/weights.safetensors --suit-ratios sosnet.safetensors
    """  # noqa: D301
    from sfm.outputs import refuse_to_write_over
    from sfm.pipelines import benchmark as pipeline

    if picture is not None:
        pipeline.check_picture(picture)
        refuse_to_write_over(tests, [picture])
    options = from_mapping(BenchmarkOptions, values)
    if suit_ratios is not None:
        _suit_ratios(console, tests, descriptors, suit_ratios, options)
        return
    named = pipeline.named_descriptors(descriptors, options.device)
    results = pipeline.benchmark(tests, named, options, console)
    for kind, (columns, rows) in pipeline.tables(results).items():
        console.table(kind.capitalize(), columns, rows)
    if picture is not None:
        pipeline.draw(results, picture)
        console.say(f"Picture: {picture}.")
    console.summary({"results": pipeline.to_json(results)})


def _suit_ratios(
    console: Console,
    tests: tuple[Path, ...],
    descriptors: tuple[str, ...],
    out: Path,
    options: BenchmarkOptions,
) -> None:
    from sfm.pipelines.ratio_tests import suit_ratio_tests

    name, _, file = descriptors[0].partition("=")
    if len(descriptors) != 1 or not file:
        raise InputError("--suit-ratios needs one descriptor with its weights: -d NAME=FILE.")
    found = suit_ratio_tests(tests, name, Path(file), out, options, console)
    console.say(f"Ratio tests: {found.strict:g}, and {found.weak:g} for weak pairs. Weights: {out}.")
    console.summary({"ratio": found.strict, "weak_ratio": found.weak, "weights": str(out)})

"""How many photographs of a walk each descriptor brings into one correct map, as the walk gets harder.

python benchmarks/correct_images.py PHOTOS -o WORK

The same photographs are mapped with several descriptors, at several numbers of keypoints an image, and with every
photograph, every second and every third one only. Truth is what EXIF says: a model is correct if its path is within
8 m of the GPS positions (rms after the best similarity, and below half of their spread) and its focal length within
10% of EXIF. Counted are the images of the largest correct model; registered images are shown beside them.

Each cell of the table is one `sfm compare` in a folder of its own below WORK. Finished work is reused: after a stop,
the same command goes on. RESULTS/NAME.json and RESULTS/NAME.md are written anew after every cell.
"""

import argparse
import shlex
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sfm
from sfm.cli.console import Console
from sfm.errors import WorkError
from sfm.files import write_json, write_text
from sfm.images.photo_set import every_nth, read_photo_set
from sfm.json_values import to_json
from sfm.pipelines.contenders import default_descriptors
from sfm.pipelines.run_record import library_versions

RESULTS = Path(__file__).parent / "results"
NUMBERS = ("correct_images", "registered", "gps_rms_m", "focal_error_percent", "points", "verified_pairs")


def main() -> None:
    """Map, count, and write the table after every cell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="folder of photographs with GPS positions in their EXIF")
    parser.add_argument("-o", "--work", type=Path, required=True, help="folder for the maps")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the table")
    parser.add_argument("--name", help="what to call the table; default: the photographs' folder")
    parser.add_argument(
        "--descriptors",
        default=",".join(default_descriptors()),
        help="NAME[=FILE],... (default: %(default)s)",
    )
    parser.add_argument("--max-keypoints", default="1000,2000,4000,8192", help="default: %(default)s")
    parser.add_argument("--every", default="1,2,3", help="default: %(default)s")
    parser.add_argument("--repeat", type=int, default=1, help="maps a cell, each with a seed of its own")
    arguments = parser.parse_args()

    photos = read_photo_set(arguments.photos)
    folder = arguments.photos.resolve()
    name = arguments.name or (folder.parent.name if folder.name == "images" else folder.name)
    cells = []
    for every in numbers(arguments.every):
        for max_keypoints in numbers(arguments.max_keypoints):
            print(f"\nEvery {every}, at most {max_keypoints} keypoints", flush=True)
            cell = {
                "every": every,
                "max_keypoints": max_keypoints,
                "images": len(every_nth(photos, every).photos),
                "arms": compare_arms(arguments, every, max_keypoints),
            }
            cells.append(cell)
            study = {
                "photographs": name,
                "correct": "GPS rms < 8 m and < half of the spread, focal length within 10% of EXIF",
                "command": command(arguments),
                "repeat": arguments.repeat,
                "versions": library_versions(),
                "cells": cells,
            }
            write_json(arguments.results / f"{name}.json", study)
            write_text(arguments.results / f"{name}.md", markdown(study))
    print("\n" + markdown(study))


def compare_arms(arguments: argparse.Namespace, every: int, max_keypoints: int) -> dict[str, Any]:
    """Map the photographs with all descriptors; return each one's numbers, one value a repetition."""
    descriptors = arguments.descriptors.split(",")
    names = [text.partition("=")[0].strip() for text in descriptors]
    try:
        made = sfm.compare(
            arguments.photos,
            arguments.work / f"every-{every}" / f"keypoints-{max_keypoints}",
            descriptors,
            repeat=arguments.repeat,
            options=sfm.ReconstructOptions.of(every=every, max_keypoints=max_keypoints),
            progress=Console(),
        )
    except WorkError as error:  # a result, too: no descriptor makes a map of these
        print(error)
        return {name: {"failure": str(error), "correct_images": [0], "registered": [0]} for name in names}
    return {
        name: {
            "failure": made.failures[name],
            **{key: to_json([float(run.numbers.get(key, float("nan"))) for run in runs]) for key in NUMBERS},
        }
        for name, runs in made.runs.items()
    }


def markdown(study: dict[str, Any]) -> str:
    """Return the study as a table: a row a cell, a column a descriptor."""
    names = list(study["cells"][0]["arms"])
    lines = [
        f"# Images of {study['photographs']} in one correct map",
        "",
        f"Correct: {study['correct']}. In brackets: registered images of the largest model, and its distance to GPS.",
        "",
        f"| every | keypoints | images | {' | '.join(names)} |",
        f"|{'---:|' * (3 + len(names))}",
    ]
    for cell in study["cells"]:
        arms = " | ".join(told(cell["arms"][name]) for name in names)
        lines.append(f"| {cell['every']} | {cell['max_keypoints']:,} | {cell['images']} | {arms} |")
    sums = " | ".join(f"**{total(study['cells'], name):g}**" for name in names)
    lines += [
        f"| **all** | | **{sum(cell['images'] for cell in study['cells'])}** | {sums} |",
        "",
        "```sh",
        study["command"],
        "```",
        "",
    ]
    return "\n".join(lines)


def told(arm: dict[str, Any]) -> str:
    """Return the median of correct images, its range if it varies, and what explains it."""
    correct = known(arm.get("correct_images"))
    if not correct:
        return "–"
    text = f"**{statistics.median(correct):g}**"
    if min(correct) != max(correct):
        text += f" ({min(correct):g}–{max(correct):g})"
    registered, gps = known(arm.get("registered")), known(arm.get("gps_rms_m"))
    beside = [f"{statistics.median(registered):g}"] if registered else []
    beside += [f"{statistics.median(gps):.1f} m"] if gps else []
    return f"{text} [{', '.join(beside)}]"


def total(cells: Sequence[dict[str, Any]], name: str) -> float:
    """Return the sum over all cells of the median of correct images."""
    found = (known(cell["arms"][name].get("correct_images")) for cell in cells)
    return sum(statistics.median(values) for values in found if values)


def known(values: Sequence[float | None] | None) -> list[float]:
    """Return the values that are known."""
    return [value for value in values or () if value is not None]


def numbers(text: str) -> Iterator[int]:
    """Read numbers with commas between them."""
    return (int(part) for part in text.split(","))


def command(arguments: argparse.Namespace) -> str:
    """Return the command that makes the table, with the folders by their names alone."""
    photos = "/".join(arguments.photos.resolve().parts[-2:])
    words = ["python", "benchmarks/correct_images.py", photos, "-o", arguments.work.name]
    for option in ("descriptors", "max_keypoints", "every", "repeat"):
        words += [f"--{option.replace('_', '-')}", str(getattr(arguments, option))]
    return shlex.join(words)


if __name__ == "__main__":
    main()

"""The one command: `python -m benchmarks SCENE... [--descriptor sift] [--descriptor sosnet]`.

A scene is a folder with images/ and, to compare with, ground_truth/ (a COLMAP model; its cameras.txt with a single
camera is given to both pipelines).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.comparison import compare, told
from benchmarks.kernels import measure_kernels, told_kernels
from benchmarks.machine import describe_machine
from sfm.features.choice import DESCRIPTORS
from sfm.pipelines.quality import PRESETS, QualityOptions

_RESULTS = Path(__file__).with_name("results")


def main() -> None:
    """Measure, print, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", type=Path, help="folders with images/ and ground_truth/")
    parser.add_argument(
        "--descriptor", action="append", choices=DESCRIPTORS, help="may be repeated; default: sift and sosnet"
    )
    parser.add_argument(
        "--quality",
        action="append",
        choices=tuple(PRESETS),
        help=f"of sfm reconstruct; may be repeated; default: {QualityOptions.quality}",
    )
    parser.add_argument("--repeats", type=int, default=3, help="pairs of runs a scene; medians are printed")
    parser.add_argument("--max-size", type=int, default=1600, help="longer side of the images, pixels")
    parser.add_argument("--no-kernels", action="store_true", help="leave out the table of kernels")
    parser.add_argument(
        "--name", default=None, help="name of the file in benchmarks/results; default: none kept"
    )
    chosen = parser.parse_args()
    result: dict[str, Any] = {"machine": describe_machine()}
    if not chosen.no_kernels:
        result["kernels"] = measure_kernels()
        print(told_kernels(result["kernels"]), flush=True)
    if chosen.scenes:
        result["scenes"] = {}
        for scene in chosen.scenes:
            measured = compare(
                scene,
                chosen.descriptor or ["sift", "sosnet"],
                chosen.quality or [QualityOptions.quality],
                chosen.repeats,
                chosen.max_size,
            )
            result["scenes"][scene.resolve().name] = measured
            print(told(scene.resolve().name, measured), flush=True)
    if chosen.name:
        _RESULTS.mkdir(exist_ok=True)
        path = _RESULTS / f"{chosen.name}.json"
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        print(f"Kept in {path}.")


if __name__ == "__main__":
    main()

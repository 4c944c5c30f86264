"""Time of one query by stage, over maps of different sizes: the table of docs/localization.md.

    python benchmarks/localization_time.py queries/ map8 map20 map77

The first query warms up and does not count; the others' median is told for each stage.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from sfm.images.photo_set import read_photo_set
from sfm.localization.index import INDEX_NAME
from sfm.pipelines.localizer import Localizer

STAGES = ("read", "detect", "describe", "retrieve", "match", "pose", "refine")


def main() -> None:
    """Measure every map and print the rows of a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("queries", type=Path, help="folder of photographs, at least two")
    parser.add_argument("maps", type=Path, nargs="+", help="output folders of `sfm reconstruct`")
    arguments = parser.parse_args()
    photos = read_photo_set(arguments.queries).photos
    print(
        f"| map | images | points | file (MB) | load (s) | {' | '.join(f'{s} (s)' for s in STAGES)} | query (s) |"
    )
    print(f"|---|{'---|' * (len(STAGES) + 5)}")
    for folder in arguments.maps:
        start = time.perf_counter()
        localizer = Localizer(folder)
        load = time.perf_counter() - start
        seconds = [localizer.localize(photo).seconds for photo in photos][1:]
        stages = [statistics.median(each.get(stage, 0.0) for each in seconds) for stage in STAGES]
        cells = [folder.name, len(localizer.sparse_map.images), f"{len(localizer.sparse_map.xyz):,}"]
        cells += [f"{(folder / INDEX_NAME).stat().st_size / 1e6:.1f}", f"{load:.2f}"]
        cells += [f"{value:.3f}" for value in (*stages, sum(stages))]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()

"""Map the same photographs with several descriptors and see which one makes the better map.

python examples/compare_descriptors.py PHOTOS OUT --descriptors sift,triplet,sosnet

Keypoints, pairs, verifier, mapper and seeds are the same for all, so that a difference is the descriptor's. OUT holds
a finished map for each, the table as compare.csv, and compare.html with the maps side by side.
"""

import argparse
from pathlib import Path

import sfm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photographs")
    parser.add_argument("out", type=Path, help="folder for the maps")
    parser.add_argument("--descriptors", default="sift,triplet,sosnet", help="names with commas between them")
    parser.add_argument("--ground-truth", type=Path, help="true poses: a COLMAP model or a TUM file")
    parser.add_argument("--repeat", type=int, default=1, help="maps a descriptor: shows how far runs differ")
    parser.add_argument("--max-keypoints", type=int, default=4096, help="keypoints an image at most")
    arguments = parser.parse_args()

    comparison = sfm.compare(
        arguments.photos,
        arguments.out,
        arguments.descriptors.split(","),
        ground_truth=arguments.ground_truth,
        repeat=arguments.repeat,
        options=sfm.ReconstructOptions.of(max_keypoints=arguments.max_keypoints),
    )

    # A cell holds the median over the repetitions; `best` only where the difference exceeds what runs differ by.
    print(f"{'':48}" + "".join(f"{name:>12}" for name in comparison.runs))
    for metric, cells in comparison.table:
        numbers = (f"{cell.median:.{metric.digits}f}{'*' if cell.best else ''}" for cell in cells)
        print(f"{metric.label[:46]:48}" + "".join(f"{number:>12}" for number in numbers))
    for name, failure in comparison.failures.items():
        if failure:
            print(f"{name} made no map: {failure}")

    print(f"\nThe maps side by side: {comparison.out / 'compare.html'}")


if __name__ == "__main__":
    main()

"""A fixed camera's darkest frames against its brightest, frame by frame: the table of docs/localization.md.

    python benchmarks/webcam_by_frame.py ../shared/webcams/frankfurt -d sift -d triplet -d sosnet

Every one of the 8 darkest frames is matched with each of the 8 brightest, the same 3,000 strongest keypoints for all
descriptors. Told is, for each dark frame and descriptor: correct matches (mutual nearest neighbours within 3 px of each
other), those of them that a homography estimated from the matches verifies, and for how many of the bright frames that
homography is right (the corners moved by less than 3 px).
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path

import numpy as np

from sfm.images.decode import read_gray_pixels
from sfm.learning.benchmark_options import BenchmarkOptions
from sfm.learning.image_benchmark import DescribedImages, Matched
from sfm.learning.image_pairs import CORRECT_PX, PlaneTruth, estimate_homography, webcam_pairs
from sfm.pipelines.benchmark import named_descriptors


def main() -> None:
    """Measure and print the rows of a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("frames", type=Path, help="folder with the frames of a fixed camera")
    parser.add_argument("-d", "--descriptor", action="append", required=True, metavar="NAME[+pooling][=FILE]")
    arguments = parser.parse_args()
    options = BenchmarkOptions()
    descriptors = named_descriptors(arguments.descriptor, options.device)
    pairs = webcam_pairs(arguments.frames)
    images = DescribedImages(pairs, options.keypoints, options.orientation)
    print(f"| frame | mean grey | {' | '.join(named.name for named in descriptors)} |")
    print(f"|---|---|{'---|' * len(descriptors)}")
    totals = np.zeros((len(descriptors), 3), int)
    for dark, of_frame in groupby(pairs, key=lambda pair: pair.first):
        against = list(of_frame)
        counts = np.array(
            [
                np.sum([counted(images.match(pair, named.descriptor)) for pair in against], axis=0)
                for named in descriptors
            ]
        )
        totals += counts
        grey = float(read_gray_pixels(dark).mean())
        print(f"| {dark.stem} | {grey:.0f} | {cells(counts, len(against))} |", flush=True)
    print(f"| all | | {cells(totals, len(pairs))} |")


def counted(matched: Matched) -> tuple[int, int, int]:
    """Return the correct matches of a pair, the verified ones among them, and whether its homography is right."""
    assert isinstance(matched.pair.truth, PlaneTruth)
    order = matched.surest_first
    xy1, xy2 = matched.xy1[order], matched.xy2[order]
    correct = matched.errors_px[order] <= CORRECT_PX
    H, verified = estimate_homography(xy1, xy2)
    right = matched.pair.truth.corner_error_px(H, matched.size) <= CORRECT_PX
    return int(correct.sum()), int((correct & verified).sum()), int(right)


def cells(counts: np.ndarray, pairs: int) -> str:
    """Tell the counts of each descriptor."""
    return " | ".join(f"{correct}, {verified}, {right} of {pairs}" for correct, verified, right in counts)


if __name__ == "__main__":
    main()

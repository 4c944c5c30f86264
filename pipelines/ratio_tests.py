"""Find the ratio tests at which a network's matches are as right as SIFT's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.ratio_tests import LOWES, RatioTests
from sfm.files import refuse_suffix
from sfm.learning.benchmark_options import BenchmarkOptions
from sfm.learning.image_benchmark import Matched, precision_at, ratio_of_precision
from sfm.outputs import refuse_to_write_over
from sfm.pipelines.benchmark import NamedDescriptor, matched_pairs, named_descriptors
from sfm.progress import SILENT, Progress


def suit_ratio_tests(
    tests: Sequence[Path],
    name: str,
    weights: Path,
    out: Path,
    options: BenchmarkOptions,
    progress: Progress = SILENT,
) -> RatioTests:
    """Write weights anew with the ratio tests at which they are as precise as RootSIFT is at Lowe's.

    Precision is that of all pairs of all tests together, mutual neighbours at known places.

    Parameters
    ----------
    tests
        Folders of photographs that the weights were not trained on, as `benchmark` takes them, whose matches are known
        to be right or wrong: a homography sequence, a fixed camera's frames, a scene with images/ and ground_truth/.
    name
        The network.
    weights
        Its weights; they stay as they are.
    out
        The same weights with their ratio tests, .safetensors.
    options
        Number of keypoints and the like.
    progress
        Who is told.

    Raises
    ------
    InputError
        If a folder or the weights cannot be used, or `out` is one of them.
    """
    refuse_suffix(out, ".safetensors")
    refuse_to_write_over([weights, *tests], [out])
    sift, network = _matched(
        tests, named_descriptors(["sift", f"{name}={weights}"], options.device), options, progress
    )
    found = RatioTests(
        *(ratio_of_precision(network, precision_at(sift, ratio)) for ratio in (LOWES.strict, LOWES.weak))
    )
    pretrained.save_again(replace(pretrained.load(name, weights), ratio_tests=found), out)
    return found


def _matched(
    tests: Sequence[Path],
    descriptors: Sequence[NamedDescriptor],
    options: BenchmarkOptions,
    progress: Progress,
) -> list[list[Matched]]:
    """Match all pairs of all tests; return those of each descriptor."""
    found: list[list[Matched]] = [[] for _ in descriptors]
    with progress.stage("Match", len(tests), "tests") as step:
        for test in tests:
            for of_one, more in zip(found, matched_pairs(test, descriptors, options), strict=True):
                of_one += more
            step.advance(note=test.name)
    if not found[0]:
        raise InputError("There are no photographs to match: give folders as `sfm benchmark` takes them.")
    return found

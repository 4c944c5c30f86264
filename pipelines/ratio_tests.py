"""Find the ratio tests at which a network's matches are as right as SIFT's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.choice import description_named, make_descriptor
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DetectionOptions
from sfm.features.ratio_tests import LOWES, RatioTests
from sfm.files import refuse_suffix
from sfm.learning.benchmark_options import BenchmarkOptions
from sfm.learning.image_benchmark import Matched, precision_at, ratio_of_precision
from sfm.outputs import refuse_to_write_over
from sfm.pipelines.benchmark import matched_pairs
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
    described = replace(description_named(name), weights=weights, device=options.device)
    sift = _matched(
        tests, make_descriptor(description_named("sift"), DetectionOptions().max_size), options, progress
    )
    network = _matched(tests, make_descriptor(described, DetectionOptions().max_size), options, progress)
    found = RatioTests(
        *(ratio_of_precision(network, precision_at(sift, ratio)) for ratio in (LOWES.strict, LOWES.weak))
    )
    loaded = pretrained.load(name, weights)
    pretrained.save(
        loaded.network,
        name,
        out,
        window=loaded.window,
        orientation=loaded.orientation,
        ratio_tests=found,
    )
    return found


def _matched(
    tests: Sequence[Path], descriptor: Descriptor, options: BenchmarkOptions, progress: Progress
) -> list[Matched]:
    with progress.stage(f"Match by {descriptor.name}", len(tests), "tests") as step:
        found = []
        for test in tests:
            found += matched_pairs(test, descriptor, options)
            step.advance(note=test.name)
    if not found:
        raise InputError("There are no photographs to match: give folders as `sfm benchmark` takes them.")
    return found

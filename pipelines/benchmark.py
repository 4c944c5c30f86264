"""Descriptors against each other: on patch sets and on photographs whose relation is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sfm.errors import InputError
from sfm.features.choice import description_named, make_descriptor
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DetectionOptions
from sfm.files import atomic_path, refuse_suffix
from sfm.learning.benchmark_options import BenchmarkOptions
from sfm.learning.image_benchmark import (
    DescribedImages,
    Matched,
    correct_below,
    hand_made_figures,
    plane_figures,
    pose_figures,
    precision_at,
    ratio_of_precision,
)
from sfm.learning.image_pairs import Pair, hand_made_pairs, homography_pairs, posed_pairs, webcam_pairs
from sfm.progress import SILENT, Progress

Figures = dict[str, float]
# What a baseline's precision is taken at, for all others to be compared at the same.
BASELINE_RATIO = 0.8


@dataclass(frozen=True)
class NamedDescriptor:
    """A descriptor in the benchmark.

    Attributes
    ----------
    name
        What the results call it. Descriptors of one name are runs of one recipe with different seeds.
    descriptor
        The descriptor.
    """

    name: str
    descriptor: Descriptor


@dataclass(frozen=True)
class Result:
    """All descriptors on one test.

    Attributes
    ----------
    test
        Name of the sequence, scene or patch set.
    kind
        "patches", "homographies", "webcam", "hand-made" or "poses".
    figures
        By the descriptor's name: each figure's mean over its runs.
    spread
        By the descriptor's name: each figure's standard deviation over its runs; empty for a single run.
    """

    test: str
    kind: str
    figures: dict[str, Figures]
    spread: dict[str, Figures]


def named_descriptors(specs: Sequence[str], device: str = "auto") -> list[NamedDescriptor]:
    """Make descriptors from NAME, or NAME=FILE for other weights than the packaged ones.

    `NAME+pooling` describes patches of two sizes, see `DescriptionOptions.pooling`. `LABEL:NAME=FILE` is called
    LABEL in the results. Raises `InputError` for unknown names and unusable weights.
    """
    descriptors = []
    for spec in specs:
        label, _, rest = spec.rpartition(":") if ":" in spec.partition("=")[0] else ("", "", spec)
        called, _, file = rest.partition("=")
        options = description_named(called)
        if options.descriptor != "sift":
            options = replace(options, weights=Path(file) if file else None, device=device)
        descriptors.append(
            NamedDescriptor(label or called, make_descriptor(options, DetectionOptions().max_size))
        )
    if not descriptors:
        raise InputError("Give at least one descriptor.")
    return descriptors


def benchmark(
    tests: Sequence[Path],
    descriptors: Sequence[NamedDescriptor],
    options: BenchmarkOptions,
    progress: Progress = SILENT,
) -> list[Result]:
    """Measure all descriptors on all tests, on the same keypoints.

    Parameters
    ----------
    tests
        Folders: a patch set; a homography sequence (H_1_k) or a folder of them; a fixed camera's frames;
        hand-made correspondences (corrs.txt); a scene with images/ and ground_truth/.
    descriptors
        The descriptors. Where matches below a ratio are told, it is the one that gives the precision of SIFT at 0.8,
        or of the first of them where SIFT is not among them.
    options
        Number of keypoints and the like.
    progress
        Who is told.

    Raises
    ------
    InputError
        If a folder is no test.
    """
    runs = [run for path in tests for run in _runs_of(path, options)]
    results = []
    with progress.stage("Tests", len(runs), "tests") as step:
        for run in runs:
            results.append(_summed_up(run.test, run.kind, descriptors, run.measure(descriptors)))
            step.advance(note=run.test)
    return results


def matched_pairs(
    path: Path, descriptors: Sequence[NamedDescriptor], options: BenchmarkOptions
) -> list[list[Matched]]:
    """Match the pairs of a test by each descriptor, on the same keypoints.

    Raises `InputError` if the folder does not tell of each match whether it is right.
    """
    matched: list[list[Matched]] = [[] for _ in descriptors]
    for run in _runs_of(path, options):
        if run.pairs is None:
            raise InputError(f"{path} does not tell of each match whether it is right: leave it out.")
        images = _described(run.pairs, options)
        for of_one, named in zip(matched, descriptors, strict=True):
            of_one += _matched(images, run.pairs, named)
    return matched


def tables(results: Sequence[Result]) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Return one table a kind of test: its columns and rows, figures with their spread where there is one."""
    by_kind: dict[str, tuple[list[str], list[list[Any]]]] = {}
    for result in results:
        for name, figures in result.figures.items():
            columns, rows = by_kind.setdefault(result.kind, (["test", "descriptor", *figures], []))
            spread = result.spread.get(name, {})
            rows.append([result.test, name, *(_cell(figures[key], spread.get(key)) for key in columns[2:])])
    return by_kind


def to_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the results as JSON-ready values."""
    return [dataclasses.asdict(result) for result in results]


def check_picture(path: Path) -> None:
    """Raise `InputError` if `draw` cannot write a picture of this name."""
    refuse_suffix(path, ".png", ".svg", ".pdf")


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw one bar chart a kind of test, of the figure that says most, as PNG, SVG or PDF by the suffix.

    Raises `InputError` as `check_picture` does.
    """
    check_picture(path)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [kind for kind in _MAIN_FIGURE if any(result.kind == kind for result in results)]
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(4.5 * len(kinds), 4), squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        chosen = [result for result in results if result.kind == kind]
        key = _MAIN_FIGURE[kind]
        names = list(chosen[0].figures)
        for number, name in enumerate(names):
            x = np.arange(len(chosen)) + 0.8 * (number + 0.5) / len(names) - 0.4
            height = [result.figures[name][key] for result in chosen]
            error = [result.spread.get(name, {}).get(key, 0.0) for result in chosen]
            axis.bar(x, height, 0.8 / len(names), yerr=error if any(error) else None, label=name)
        axis.set_xticks(range(len(chosen)), [result.test for result in chosen], rotation=30, ha="right")
        axis.set_title(f"{kind}: {key}")
    axes[0][0].legend()
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    pyplot.close(figure)


_MAIN_FIGURE = {
    "patches": "matching mAP",
    "homographies": "correct",
    "webcam": "correct",
    "hand-made": "within 5 px",
    "poses": "correct a pair",
}


@dataclass(frozen=True)
class _Test:
    """A test, and how to measure descriptors on it: one set of figures each, in their order.

    Of its pairs, if it has any, every match is known to be right or wrong.
    """

    test: str
    kind: str
    measure: Callable[[Sequence[NamedDescriptor]], list[Figures]]
    pairs: Sequence[Pair] | None = None


def _runs_of(path: Path, options: BenchmarkOptions) -> list[_Test]:
    """Recognise what `path` is."""
    if not path.is_dir():
        raise InputError(f"There is no folder {path}.")
    name = path.resolve().name
    if (path / "manifest.json").is_file():
        return [_Test(name, "patches", lambda descriptors: _on_patches(path, descriptors, options))]
    if (path / "ground_truth").is_dir():
        posed = posed_pairs(path)
        return [_Test(name, "poses", partial(_on_poses, _described(posed, options), posed), posed)]
    if any(path.glob("H_1_*")):
        return [_plane_test(name, "homographies", homography_pairs(path), options)]
    sequences = sorted(folder for folder in path.iterdir() if folder.is_dir() and any(folder.glob("H_1_*")))
    if sequences:
        return [test for sequence in sequences for test in _runs_of(sequence, options)]
    if any(path.rglob("corrs.txt")):
        marked = hand_made_pairs(path)
        return [_Test(name, "hand-made", partial(_on_hand_made, _described(marked, options), marked))]
    return [_plane_test(name, "webcam", webcam_pairs(path), options)]


def _plane_test(name: str, kind: str, pairs: list[Pair], options: BenchmarkOptions) -> _Test:
    return _Test(name, kind, partial(_on_planes, _described(pairs, options), pairs), pairs)


def _described(pairs: Sequence[Pair], options: BenchmarkOptions) -> DescribedImages:
    return DescribedImages(pairs, options.keypoints, options.orientation)


def _on_patches(
    path: Path, descriptors: Sequence[NamedDescriptor], options: BenchmarkOptions
) -> list[Figures]:
    from sfm.learning.patch_benchmark import patch_figures
    from sfm.learning.patch_set import PatchSet

    patches = PatchSet.open(path)
    points = np.arange(patches.num_points)
    all_figures = []
    for named in descriptors:
        found = patch_figures(named.descriptor, patches, points, max_points=options.points, seed=options.seed)
        all_figures.append(
            {
                "FPR95": found.fpr95,
                "verification AP": found.verification_ap,
                "matching mAP": found.matching_map,
                "retrieval mAP": found.retrieval_map,
                "intra concentration": found.space.intra_concentration,
                "inter concentration": found.space.inter_concentration,
                "dimensions": found.space.dimensions,
            }
        )
    return all_figures


def _matched(images: DescribedImages, pairs: Sequence[Pair], named: NamedDescriptor) -> list[Matched]:
    return [images.match(pair, named.descriptor) for pair in pairs]


def _on_planes(
    images: DescribedImages, pairs: Sequence[Pair], descriptors: Sequence[NamedDescriptor]
) -> list[Figures]:
    all_figures: list[Figures] = []
    for matched, ratio in _at_equal_precision(images, pairs, descriptors):
        found = plane_figures(matched)
        accuracy = dict(zip(("MMA@1", "MMA@3", "MMA@5"), found.accuracy, strict=True))
        all_figures.append(
            {
                "correct": float(found.correct),
                "precision": found.precision,
                "matching score": found.matching_score,
                **accuracy,
                "solved": found.solved,
                "ratio": ratio,
                "correct below it": float(correct_below(matched, ratio)),
            }
        )
    return all_figures


def _at_equal_precision(
    images: DescribedImages, pairs: Sequence[Pair], descriptors: Sequence[NamedDescriptor]
) -> Iterator[tuple[list[Matched], float]]:
    """Match all pairs by each descriptor, with the ratio at which it is as precise as the baseline at 0.8."""
    baseline = _baseline(descriptors)
    of_baseline = _matched(images, pairs, baseline)
    precision = precision_at(of_baseline, BASELINE_RATIO)
    for named in descriptors:
        if named is baseline:
            yield of_baseline, BASELINE_RATIO
        else:
            matched = _matched(images, pairs, named)
            yield matched, ratio_of_precision(matched, precision)


def _baseline(descriptors: Sequence[NamedDescriptor]) -> NamedDescriptor:
    """Return whose precision others are compared at: SIFT's where it takes part, else the first one's."""
    return next((named for named in descriptors if named.descriptor.name == "sift"), descriptors[0])


def _on_hand_made(
    images: DescribedImages, pairs: Sequence[Pair], descriptors: Sequence[NamedDescriptor]
) -> list[Figures]:
    all_figures = []
    for named in descriptors:
        found = hand_made_figures(_matched(images, pairs, named))
        within = dict(zip(("within 1 px", "within 3 px", "within 5 px"), found.accuracy, strict=True))
        all_figures.append({"solved": found.solved, **within})
    return all_figures


def _on_poses(
    images: DescribedImages, pairs: Sequence[Pair], descriptors: Sequence[NamedDescriptor]
) -> list[Figures]:
    all_figures: list[Figures] = []
    for matched, ratio in _at_equal_precision(images, pairs, descriptors):
        found = pose_figures(matched, ratio)
        auc = dict(zip(("AUC@1", "AUC@5", "AUC@10"), found.auc, strict=True))
        all_figures.append(
            {"ratio": ratio, "correct a pair": found.correct, "precision": found.precision, **auc}
        )
    return all_figures


def _summed_up(
    test: str, kind: str, descriptors: Sequence[NamedDescriptor], figures: Sequence[Figures]
) -> Result:
    """Average the figures of descriptors with one name."""
    by_name: dict[str, list[Figures]] = {}
    for named, own in zip(descriptors, figures, strict=True):
        by_name.setdefault(named.name, []).append(own)
    return Result(
        test,
        kind,
        {name: _over_runs(runs, np.mean) for name, runs in by_name.items()},
        {name: _over_runs(runs, _deviation) for name, runs in by_name.items() if len(runs) > 1},
    )


def _over_runs(runs: Sequence[Mapping[str, float]], reduce: Callable[[list[float]], Any]) -> Figures:
    return {key: float(reduce([run[key] for run in runs])) for key in runs[0]}


def _deviation(values: list[float]) -> float:
    return float(np.std(values, ddof=1))


def _cell(value: float, spread: float | None) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    text = f"{value:.{digits}f}"
    return text if spread is None else f"{text} ± {spread:.{digits}f}"

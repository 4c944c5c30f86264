"""The same photographs mapped with several descriptors, everything else equal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sfm.errors import InputError, SfmError, WorkError
from sfm.evaluation.gps import MIN_POSITIONS
from sfm.evaluation.trajectory import Trajectory
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DogDetector
from sfm.files import write_image, write_json, write_text
from sfm.images.photo_set import PhotoSet, gps_positions, orientations_of
from sfm.json_values import to_json
from sfm.outputs import refuse_output_among_images, refuse_to_write_over
from sfm.pipelines.comparison_arms import ArmRun, Shown, arms_of
from sfm.pipelines.comparison_numbers import comparison_metrics, no_map_numbers, run_numbers
from sfm.pipelines.comparison_table import table_csv, table_json
from sfm.pipelines.contenders import Contender, default_descriptors, parse_contenders
from sfm.pipelines.evaluate import read_truth
from sfm.pipelines.finished_run import capture_times_s
from sfm.pipelines.keypoints import DecodedImages, detect_keypoints
from sfm.pipelines.orientation import find_orientations
from sfm.pipelines.photographs import (
    Photographs,
    output_named,
    read_photographs,
)
from sfm.pipelines.reconstruct import map_photographs
from sfm.pipelines.report import option_words, title_of
from sfm.pipelines.run_record import RunRecord
from sfm.pipelines.shared_description import describe_together
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.progress import SILENT, Progress
from sfm.report.comparison import ComparisonContent, Table
from sfm.report.comparison_page import write_comparison
from sfm.report.comparison_picture import draw_comparison
from sfm.viewgraph.connection import ConnectionOptions
from sfm.words import count
from sfm.workspace import OWN_NAMES, Workspace

_FILES = ("compare.json", "compare.csv", "compare.html", "compare.png")


@dataclass(frozen=True)
class Comparison:
    """What `compare` made.

    Attributes
    ----------
    out
        The output folder.
    runs
        The maps of each descriptor, one a seed; none for a descriptor that could not take part.
    failures
        Why a descriptor has no map, by its name; empty where it has one.
    table
        The metrics, each with a cell for every descriptor.
    record
        What compare.json holds.
    """

    out: Path
    runs: Mapping[str, Sequence[ArmRun]]
    failures: Mapping[str, str]
    table: Table
    record: Mapping[str, Any]


def compare(
    images: Path | str,
    out: Path | str | None = None,
    descriptors: Sequence[str] | None = None,
    ground_truth: Path | str | None = None,
    repeat: int = 1,
    options: ReconstructOptions | None = None,
    progress: Progress = SILENT,
) -> Comparison:
    """Map the same photographs with several descriptors: the same keypoints, options and seeds.

    The same pairs of images too, unless they are chosen by likeness (`PairOptions.pairs`), which each descriptor tells
    in its own way. A descriptor that fails does not stop the others.

    Parameters
    ----------
    images
        See `sfm.pipelines.reconstruct.reconstruct`.
    out
        Output folder: new, empty, or of an earlier run, whose valid work is reused. Default: the name of
        `images` with `-compare`, in the current folder.
    descriptors
        Names, or `NAME=FILE` for a network with weights of one's own. Default: SIFT and those of triplet and
        SOSNet whose weights ship.
    ground_truth
        COLMAP model or TUM file with true poses, to measure the maps against.
    repeat
        Number of maps a descriptor, with the seeds `seed`, `seed + 1`, ...
    options
        What is chosen for all descriptors alike; the descriptor and weights in it are not looked at, and all
        keypoints are described at once.
    progress
        Hears of the work.

    Returns
    -------
    The table and where everything is. `out` then holds features/, a folder DESCRIPTOR (and
    DESCRIPTOR-seed-N for each further seed) that is a finished run, compare.json, compare.csv, compare.html and
    compare.png.

    Raises
    ------
    InputError
        If the images, an option, the ground truth or the output folder cannot be used.
    WorkError
        If no descriptor makes a map.
    """
    images = Path(images)
    out = output_named(images, "-compare") if out is None else Path(out)
    options = replace(options or ReconstructOptions(), connection=ConnectionOptions(describe_first=0))
    options.check()
    contenders = parse_contenders(descriptors if descriptors is not None else default_descriptors())
    if repeat < 1:
        raise InputError(f"--repeat {repeat}: the smallest value is 1.")
    refuse_output_among_images(images, out)
    made_here = (*OWN_NAMES, *(c.descriptor for c in contenders), *_FILES)
    refuse_to_write_over(
        (*options.given_files, ground_truth, *(c.weights for c in contenders)),
        [out / name for name in made_here],
    )
    choices = {c.descriptor: replace(options, description=c.options(options.description)) for c in contenders}
    made, failures = _make_descriptors(contenders, options, progress)

    record = RunRecord(images, options)
    photographs = read_photographs(images, options, record, progress)
    truth = _truth(ground_truth, photographs.photo_set, progress) if ground_truth is not None else None
    workspace = Workspace(out)
    runs: dict[str, list[ArmRun]] = {name: [] for name in choices}
    shown = {name: Shown() for name in choices}
    with workspace.lock():
        decoded = DecodedImages(options.detection.max_size)
        photographs = _detect_once(photographs, workspace, options, decoded, record, progress)
        times = _describe_once(
            photographs, workspace, options, list(made.values()), decoded, record, progress
        )
        for name, descriptor in made.items():
            for i in range(repeat):
                own = _own_record(images, choices[name], i, record, times[name])
                run = _map(
                    photographs, workspace, choices[name], i, descriptor, own, truth, shown[name], progress
                )
                runs[name].append(run)
        for name in made:
            if shown[name].sparse_map is None:
                failures[name] = runs[name][0].failure
        if len(failures) == len(choices):
            told = "; ".join(f"{name}: {failure}" for name, failure in failures.items())
            raise WorkError(f"No descriptor made a map. {told}")
        arms = arms_of(runs, failures, shown, progress)
        content = ComparisonContent(
            title=title_of(images.resolve()),
            image_names=sorted(
                {*photographs.photo_set.names, *(s.name for s in photographs.photo_set.skipped)}
            ),
            arms=arms,
            metrics=comparison_metrics([arm.samples for arm in arms]),
            truth=truth.poses if truth else {},
            orientations=orientations_of(photographs.photo_set),
            run=record.data,
        )
        _complete(record, contenders, ground_truth, repeat, runs, failures, content.table, out)
        _write(content, out)
    return Comparison(out, runs, {name: failures.get(name, "") for name in runs}, content.table, record.data)


def _write(content: ComparisonContent, out: Path) -> None:
    """Write the page, the picture if there is a map to draw, and the numbers."""
    write_comparison(content, out / "compare.html")
    picture = draw_comparison(content)
    if picture is not None:
        write_image(out / "compare.png", picture)
    write_text(out / "compare.csv", table_csv(content.table, [arm.name for arm in content.arms]))
    write_json(out / "compare.json", content.run)


def _make_descriptors(
    contenders: Sequence[Contender], options: ReconstructOptions, progress: Progress
) -> tuple[dict[str, Descriptor], dict[str, str]]:
    """Return the descriptors by name, and why others cannot take part; known before the work begins."""
    made: dict[str, Descriptor] = {}
    failed: dict[str, InputError] = {}
    for contender in contenders:
        try:
            made[contender.descriptor] = contender.make(options.description, options.detection.max_size)
        except InputError as error:
            failed[contender.descriptor] = error
    if not made:
        raise next(iter(failed.values()))
    for name, why in failed.items():
        progress.warn(f"{name} does not take part. {why}")
    return made, {name: str(why) for name, why in failed.items()}


def _truth(path: Path | str, photo_set: PhotoSet, progress: Progress) -> Trajectory:
    """Read the true poses of the photographs; those of other images take no part."""
    names = photo_set.names
    truth = read_truth(Path(path), names, capture_times_s(photo_set.photos))
    poses = {name: pose for name, pose in truth.poses.items() if name in set(names)}
    if not poses:
        raise InputError(
            f"The photographs and {truth.source} share no image name: the photographs are like {names[0]!r}, "
            f"the ground truth like {min(truth.poses)!r}. Use the same names in both."
        )
    if len(poses) < len(truth.poses):
        progress.say(f"{len(truth.poses) - len(poses)} poses of {truth.source} are of other images.")
    if len(poses) < len(names):
        progress.warn(f"{len(names) - len(poses)} photographs have no ground truth and take no part in it.")
    return replace(truth, poses=poses)


def _detect_once(
    photographs: Photographs,
    workspace: Workspace,
    options: ReconstructOptions,
    decoded: DecodedImages,
    record: RunRecord,
    progress: Progress,
) -> Photographs:
    """Detect the keypoints that all descriptors share; return the photographs that can be read."""
    photo_set = photographs.photo_set
    with record.stage("detection") as counts:
        found = detect_keypoints(
            photo_set.photos, workspace, DogDetector(options.detection), decoded, progress
        )
        counts.update(images=len(found.photos), detected=len(found.detected))
    if reused := len(found.photos) - len(found.detected):
        progress.say(f"Reused: keypoints of {reused} of {count(len(found.photos), 'images')}.")
    skipped = (*photo_set.skipped, *found.skipped)
    return replace(photographs, photo_set=replace(photo_set, photos=found.photos, skipped=skipped))


def _describe_once(
    photographs: Photographs,
    workspace: Workspace,
    options: ReconstructOptions,
    descriptors: Sequence[Descriptor],
    decoded: DecodedImages,
    record: RunRecord,
    progress: Progress,
) -> Mapping[str, float | None]:
    """Describe by all descriptors image by image; return the time of each alone, if known.

    The first of them tells how photographs are turned, for all alike.
    """
    detector, photos = DogDetector(options.detection), photographs.photo_set.photos
    with record.stage("orientation") as counts:
        orientations = find_orientations(
            photos,
            workspace,
            detector,
            descriptors[0],
            options.orientation.orientation,
            decoded,
            progress,
        )
        counts.update(orientation=orientations.way)
    with record.stage("description") as counts:
        made = describe_together(photos, workspace, detector, descriptors, decoded, orientations, progress)
        counts.update(decoded=made.decoded, patched=made.patched, described=dict(made.described))
    return made.seconds


def _with_seed_of(options: ReconstructOptions, repetition: int) -> ReconstructOptions:
    seed = options.mapping.seed + repetition
    return replace(options, mapping=replace(options.mapping, seed=seed))


def _own_record(
    images: Path,
    options: ReconstructOptions,
    repetition: int,
    shared: RunRecord,
    described_in_s: float | None,
) -> RunRecord:
    """Return the record of one map, which tells the work it shares with the others too."""
    record = RunRecord(images, _with_seed_of(options, repetition))
    for stage in ("photographs", "detection", "orientation", "description"):
        record.data["stages"][stage] = shared.data["stages"][stage]
    if repetition == 0:
        record.described_in_s = described_in_s
    return record


def _map(
    photographs: Photographs,
    workspace: Workspace,
    options: ReconstructOptions,
    repetition: int,
    descriptor: Descriptor,
    record: RunRecord,
    truth: Trajectory | None,
    shown: Shown,
    progress: Progress,
) -> ArmRun:
    """Make one map of an arm, in a folder of its own."""
    options = _with_seed_of(options, repetition)
    seed = options.mapping.seed
    folder = descriptor.name if repetition == 0 else f"{descriptor.name}-seed-{seed}"
    out = workspace.root / folder
    progress.say(f"{descriptor.name}, seed {seed}:")
    try:
        own = Workspace(out)
        own.share_features(workspace)
        made = map_photographs(photographs, own, options, descriptor, record, progress)
    except SfmError as error:
        if isinstance(error.__cause__, OSError):
            raise  # a full or broken disk: the others would fail as well
        progress.warn(f"{descriptor.name}, seed {seed}: {error}")
        located = len(gps_positions(photographs.photo_set.photos)) >= MIN_POSITIONS
        numbers = no_map_numbers(truth, located) if isinstance(error, WorkError) else {}
        return ArmRun(seed, out, numbers, str(error))
    if shown.sparse_map is None:
        shown.sparse_map, shown.record, shown.out = made.map, made.record, out
    return ArmRun(seed, out, run_numbers(made.record, made.map, truth))


def _complete(
    record: RunRecord,
    contenders: Sequence[Contender],
    ground_truth: Path | str | None,
    repeat: int,
    runs: Mapping[str, Sequence[ArmRun]],
    failures: Mapping[str, str],
    table: Table,
    out: Path,
) -> None:
    """Add to the record what compare.json tells beyond that of a run."""
    data = record.data
    del data["descriptor"]
    for name in ("descriptor", "weights"):
        data["options"]["description"].pop(name, None)
    del data["options"]["connection"]
    words = ",".join(f"{c.descriptor}={c.weights}" if c.weights else c.descriptor for c in contenders)
    command = ["sfm", "compare", data["images"], "--descriptors", words]
    command += ["--ground-truth", str(ground_truth)] if ground_truth is not None else []
    command += ["--repeat", str(repeat)] if repeat > 1 else []
    data["command"] = shlex.join([*command, *option_words(data["options"])])
    data["ground_truth"] = str(Path(ground_truth).resolve()) if ground_truth is not None else None
    data["arms"] = {
        contender.descriptor: {
            "weights": str(contender.weights) if contender.weights else None,
            "failure": failures.get(contender.descriptor, ""),
            "runs": [
                {
                    "seed": run.seed,
                    "out": run.out.relative_to(out).as_posix(),
                    "failure": run.failure,
                    **to_json(run.numbers),
                }
                for run in runs[contender.descriptor]
            ],
        }
        for contender in contenders
    }
    data["table"] = table_json(table, list(runs))

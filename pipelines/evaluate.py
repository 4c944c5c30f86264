"""Measure a map against ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sfm.evaluation.poses import Evaluation, evaluate_map
from sfm.evaluation.trajectory import Trajectory, read_trajectory
from sfm.pipelines.finished_run import FinishedRun, find_model
from sfm.progress import SILENT, Progress


def evaluate(
    map_path: Path | str,
    ground_truth: Path | str,
    images: Path | str | None = None,
    progress: Progress = SILENT,
) -> Evaluation:
    """Compare the camera poses of a map with ground truth.

    Parameters
    ----------
    map_path
        Output folder of a finished run, or a COLMAP model folder.
    ground_truth
        A COLMAP model folder (text or binary, poses are enough) or a TUM trajectory file.
    images
        Folder of the photographs, if a TUM file has to be matched to them and the run does not know it.
    progress
        Hears how poses without a name were matched.

    Raises
    ------
    InputError
        If one of them cannot be read, or they do not name the same images.
    """
    map_path, ground_truth = Path(map_path), Path(ground_truth)
    run = FinishedRun.open(map_path, Path(images) if images is not None else None)
    if ground_truth.is_file():
        truth = read_truth(ground_truth, run.image_names, run.timestamps_s)
    else:
        truth = read_truth(ground_truth)
    if truth.note:
        progress.warn(truth.note)
    return evaluate_map(run.sparse_map, truth)


def read_truth(
    path: Path, image_names: Sequence[str] = (), timestamps_s: Mapping[str, float] | None = None
) -> Trajectory:
    """Read true poses from a COLMAP model, the folder of a run, or a TUM file.

    Parameters and errors are those of `sfm.evaluation.trajectory.read_trajectory`.
    """
    return read_trajectory(path if path.is_file() else find_model(path), image_names, timestamps_s)

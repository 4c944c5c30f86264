"""Put a finished map into a frame of the world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sfm.alignment.fit import (
    MapAlignment,
    align_to_gps,
    align_to_gravity,
    align_to_map,
    align_to_positions,
)
from sfm.alignment.gravity import Gravity, estimate_gravity
from sfm.alignment.options import AlignmentOptions
from sfm.alignment.positions import read_positions
from sfm.errors import InputError
from sfm.evaluation.trajectory import read_trajectory
from sfm.images.photo_set import gps_positions, orientations_of, tell_unused_positions
from sfm.mapping.frame import read_frame
from sfm.mapping.transform import move_model
from sfm.options import check
from sfm.outputs import refuse_to_write_over
from sfm.pipelines.finished_run import FinishedRun, find_model
from sfm.pipelines.products import recorded_context, renew_products
from sfm.progress import SILENT, Progress
from sfm.workspace import Workspace, held_folder


def align(
    map_path: Path | str,
    options: AlignmentOptions | None = None,
    images: Path | str | None = None,
    progress: Progress = SILENT,
) -> MapAlignment:
    """Align a map with something, and write it anew in that frame.

    The model's poses and points are transformed where they lie, and `frame.json` beside them says what their
    coordinates mean. A run's points.ply, cameras.ply and trajectory.tum are written again.

    Parameters
    ----------
    map_path
        Output folder of a finished run, or a COLMAP model folder.
    options
        What to align to.
    images
        Folder of the photographs, if it has moved or the run does not know it: GPS is read from them, and which
        side of them is up.
    progress
        Hears of it.

    Raises
    ------
    InputError
        If there is no map, nothing to align it to, or what there is leaves the alignment open.
    """
    options = options or AlignmentOptions()
    check(options)
    if (options.to in ("csv", "model")) != (options.reference is not None):
        raise InputError(
            f"--to {options.to} needs the file or map to align to: give it with --reference."
            if options.reference is None
            else f"--reference goes with --to csv or --to model, not with --to {options.to}: leave it out."
        )
    run = FinishedRun.open(Path(map_path), Path(images) if images is not None else None)
    if options.reference is not None and options.reference.is_file():
        refuse_to_write_over([options.reference], [run.model, *(run.pieces if run.root else ())])
    with _alone_with(run):
        found = _fit(run, options, progress)
        move_model(
            run.model,
            found.frame_from_map,
            found.frame,
            found.as_json(),
            lambda: _write_products(FinishedRun(run.model, run.root, run.images), progress),
        )
    return found


@contextmanager
def _alone_with(run: FinishedRun) -> Iterator[None]:
    """Keep others from replacing the model; one of other origin is guarded by the folder it lies in."""
    if run.root is not None:
        with Workspace(run.root).lock():
            yield
        return
    try:
        with held_folder(run.model.resolve().parent, alone=True):
            yield
    except BlockingIOError as error:
        raise InputError(f"Another process is aligning {run.model}: wait for it to end.") from error


def _write_products(run: FinishedRun, progress: Progress) -> None:
    """Write again what the run keeps of its map for others to read; the largest model's alone."""
    if run.root is not None and run.model.name == "0":
        known = recorded_context(run.root)
        context = known if known.image_names else run.context(progress=progress)
        renew_products(run.root, run.model, run.sparse_map, context)


def _fit(run: FinishedRun, options: AlignmentOptions, progress: Progress) -> MapAlignment:
    sparse_map = run.sparse_map
    if options.to == "model":
        assert options.reference is not None
        return _fit_to_map(run, options.reference, progress)
    gravity = _gravity(run)
    if options.to == "gravity":
        return align_to_gravity(gravity)
    if options.to == "csv":
        assert options.reference is not None
        positions = read_positions(options.reference, sparse_map.poses)
        if positions.geodetic:
            return align_to_gps(sparse_map, positions.values, gravity, "csv")
        return align_to_positions(sparse_map, positions.values, gravity)
    if run.photo_set is None:
        raise InputError(
            "The photographs, which carry the GPS positions, are not where they were: give their folder with --images."
        )
    tell_unused_positions(run.photo_set.photos, progress)
    return align_to_gps(sparse_map, gps_positions(run.photo_set.photos), gravity, "gps")


def _fit_to_map(run: FinishedRun, reference: Path, progress: Progress) -> MapAlignment:
    if reference.is_file():
        truth = read_trajectory(reference, run.image_names, run.timestamps_s)
        if truth.note:
            progress.warn(truth.note)
        return align_to_map(run.sparse_map, truth, None)
    model = find_model(reference)
    if model.resolve() == run.model.resolve():
        raise InputError(f"{reference} is the map itself: give another map with --reference.")
    return align_to_map(run.sparse_map, read_trajectory(model), read_frame(model))


def _gravity(run: FinishedRun) -> Gravity:
    return estimate_gravity(run.sparse_map, orientations_of(run.photo_set))

"""From photographs to a sparse map and the camera's path: the main job."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfm.errors import WorkError
from sfm.evaluation.correctness import correct_images, judge_map
from sfm.evaluation.gps import MIN_POSITIONS
from sfm.export import ExportContext
from sfm.features.choice import make_descriptor
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DogDetector
from sfm.files import write_json
from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraAssignment
from sfm.images.photo_set import PhotoSet, gps_positions
from sfm.mapping.incremental import Watch
from sfm.mapping.sparse_map import SparseMap
from sfm.outputs import refuse_output_among_images, refuse_to_write_over
from sfm.pipelines.features import FeatureSet
from sfm.pipelines.features_and_pairs import describe_and_match
from sfm.pipelines.finished_run import FinishedRun, capture_times_s
from sfm.pipelines.localization_index import index_path, is_current, write_index
from sfm.pipelines.map_and_features import warn_of_replaced_map
from sfm.pipelines.mapping import MappingResult, build_map
from sfm.pipelines.matching import PairSet
from sfm.pipelines.photographs import (
    Photographs,
    default_output,
    read_photographs,
)
from sfm.pipelines.products import renew_products
from sfm.pipelines.revised_cameras import (
    keep_revision,
    revise_by_map,
    revise_without_map,
    revised_before,
)
from sfm.pipelines.run_record import RunRecord, read_record
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.progress import SILENT, Progress
from sfm.workspace import OWN_NAMES, Workspace


@dataclass(frozen=True)
class Reconstruction:
    """What `reconstruct` made.

    Attributes
    ----------
    out
        The output folder, see docs/architecture.md for what lies where.
    models
        The sparse maps, largest first.
    images
        Number of readable photographs.
    check
        Self-check of the largest map: focal lengths against EXIF, GPS residual, contradicting pairs, problems.
    left_out
        Reason by name of each image that is not in the largest map.
    record
        What run.json holds.
    """

    out: Path
    models: tuple[SparseMap, ...]
    images: int
    check: dict[str, Any]
    left_out: dict[str, str]
    record: dict[str, Any]

    @property
    def map(self) -> SparseMap:
        """The largest map."""
        return self.models[0]


def reconstruct(
    images: Path | str,
    out: Path | str | None = None,
    options: ReconstructOptions | None = None,
    progress: Progress = SILENT,
    watch: Watch | None = None,
    **values: Any,
) -> Reconstruction:
    """Turn photographs into a sparse 3D map and the path the camera took.

    Parameters
    ----------
    images
        A folder of photographs, a text file that lists them, or a single one.
    out
        Output folder: new, empty, or of an earlier run, whose valid work is reused. Default: the name of
        `images` with `-sfm`, in the current folder.
    options
        What is chosen for each stage.
    progress
        Hears of the work.
    watch
        Called with the map, a `SparseMap`, now and then while it grows.
    **values
        Options by their flat names instead of `options`, e.g. `descriptor="sift"`, and `quality="fast"` or
        `"best"` for the defaults of those that are not given.

    Returns
    -------
    The maps and what is to be said of them. `out` then holds features/, database.db, sparse/0..n (largest
    first), points.ply, cameras.ply, trajectory.tum and run.json.

    Raises
    ------
    InputError
        If the images, an option or the output folder cannot be used.
    WorkError
        If no map can be made of these images.
    """
    if options is not None and values:
        raise TypeError("give either options or their flat names")
    options = options or ReconstructOptions.of(**values)
    options.check()
    images, out = Path(images), default_output(Path(images)) if out is None else Path(out)
    refuse_output_among_images(images, out)
    refuse_to_write_over(options.given_files, [out / name for name in OWN_NAMES])
    descriptor = make_descriptor(options.description, options.detection.max_size)
    record = RunRecord(images, options)
    photographs = read_photographs(images, options, record, progress)
    workspace = Workspace(out)
    warn_of_replaced_map(
        photographs.photo_set.photos, workspace, DogDetector(options.detection), progress, mapping=True
    )
    return map_photographs(photographs, workspace, options, descriptor, record, progress, watch)


def map_photographs(
    photographs: Photographs,
    workspace: Workspace,
    options: ReconstructOptions,
    descriptor: Descriptor,
    record: RunRecord,
    progress: Progress,
    watch: Watch | None = None,
) -> Reconstruction:
    """Take photographs through all further stages, to the files that `reconstruct` promises.

    Parameters and errors are those of `reconstruct`; `record` is completed and written as run.json.
    """
    photo_set, cameras = photographs.photo_set, photographs.cameras
    with workspace.lock():
        earlier = read_record(workspace.run_record)
        cameras, features, pair_set, mapping = _run_stages(
            photo_set, cameras, options, descriptor, workspace, record, progress, watch
        )
        with record.stage("write"):
            _write_products(mapping, features, workspace, progress)
            _write_index(mapping, features, descriptor, options, workspace, progress)
        record.tell_time_of_work(earlier)
        record.data |= _summary(photo_set, features, cameras.cameras, pair_set, mapping)
        write_json(workspace.run_record, record.data)
    return Reconstruction(
        workspace.root, mapping.models, len(features.images), mapping.check, mapping.left_out, record.data
    )


def _run_stages(
    photo_set: PhotoSet,
    cameras: CameraAssignment,
    options: ReconstructOptions,
    descriptor: Descriptor,
    workspace: Workspace,
    record: RunRecord,
    progress: Progress,
    watch: Watch | None,
) -> tuple[CameraAssignment, FeatureSet, PairSet, MappingResult]:
    """Describe, match and map, again with other cameras where the map, or that there is none, asks for them."""
    first, cameras = cameras, revised_before(workspace, cameras, progress)
    while True:
        features, pair_set = describe_and_match(
            photo_set, cameras, options, descriptor, workspace, record, progress
        )
        try:
            mapping = _mapped(features, pair_set, cameras, options, workspace, record, progress, watch)
        except WorkError:
            revision = revise_without_map(cameras)
            if revision is None:
                raise
        else:
            revision = revise_by_map(cameras, mapping)
            if revision is None:
                return cameras, features, pair_set, mapping
        progress.warn(revision.reason)
        cameras = revision.cameras
        keep_revision(workspace, first, revision)


def _mapped(
    features: FeatureSet,
    pair_set: PairSet,
    cameras: CameraAssignment,
    options: ReconstructOptions,
    workspace: Workspace,
    record: RunRecord,
    progress: Progress,
    watch: Watch | None,
) -> MappingResult:
    with record.stage("mapping") as counts:
        mapping = build_map(
            [image.photo for image in features.images],
            cameras.cameras,
            pair_set,
            workspace,
            options.verification.max_error_px,
            options.detection.max_size,
            options.mapping,
            progress,
            watch,
            options.hindrances(),
        )
        counts.update(reused=mapping.reused, models=len(mapping.models))
    return mapping


def _write_products(
    mapping: MappingResult, features: FeatureSet, workspace: Workspace, progress: Progress
) -> None:
    photos = [image.photo for image in features.images]
    context = ExportContext(
        image_names=[photo.name for photo in photos],
        image_sizes={photo.name: (photo.width, photo.height) for photo in photos},
        timestamps_s=capture_times_s(photos),
        progress=progress,
    )
    found = renew_products(workspace.root, workspace.sparse / "0", mapping.models[0], context)
    for name, wrong in found.damaged.items():
        progress.warn(f"{workspace.root / name} is {wrong}: it is made again.")
    if found.reused:
        progress.say(f"Reused: {', '.join(found.reused)}.")


def _write_index(
    mapping: MappingResult,
    features: FeatureSet,
    descriptor: Descriptor,
    options: ReconstructOptions,
    workspace: Workspace,
    progress: Progress,
) -> None:
    """Write what localisation needs, so that neither photographs nor features are needed for it."""
    run = FinishedRun.open(workspace.root)
    path = index_path(run)
    if mapping.reused and is_current(path, mapping.models[0], descriptor):
        progress.say(f"Reused: {path.name}.")
        return
    photos = [image.photo for image in features.images]
    write_index(
        path,
        mapping.models[0],
        run.descriptors(descriptor.name),
        descriptor,
        options.description,
        options.detection,
        options.matching.ratio_tests(descriptor.ratio_tests),
        features.orientations.way,
        photos,
    )


def _summary(
    photo_set: PhotoSet,
    features: FeatureSet,
    cameras: dict[int, Camera],
    pair_set: PairSet,
    mapping: MappingResult,
) -> dict[str, Any]:
    largest = mapping.models[0]
    gps = gps_positions(photo_set.photos)
    judgements = [judge_map(model, cameras, gps) for model in mapping.models]
    return {
        "registered": len(largest.images),
        "points": len(largest.xyz),
        "observations": largest.num_observations,
        "mean_track_length": largest.mean_track_length,
        "mean_reprojection_error_px": largest.mean_error_px,
        "models": [
            {"images": len(m.images), "points": len(m.xyz), **one.as_json()}
            for m, one in zip(mapping.models, judgements, strict=True)
        ],
        "correct_images": correct_images(judgements) if len(gps) >= MIN_POSITIONS else None,
        "mapped": mapping.chosen,
        "map_digest": mapping.digest,
        "self_check": mapping.check,
        "left_out": mapping.left_out,
        "skipped": {s.name: s.reason for s in (*photo_set.skipped, *features.skipped)},
        "cameras": {
            str(i): {
                "model": camera.model,
                "params": list(camera.params),
                "prior_focal_px": cameras[i].focal_px,
                "prior_is_known": cameras[i].focal_is_known,
            }
            for i, camera in largest.cameras.items()
        },
        "pairs": [dataclasses.asdict(pair) for pair in pair_set.pairs],
    }

"""Incremental mapping with bundle adjustment, by COLMAP.

J. Schoenberger and J.-M. Frahm, "Structure-from-Motion Revisited", CVPR 2016.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError, WorkError
from sfm.files import replaced_folder, writing
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import read_map, read_reconstruction, write_binary
from sfm.mapping.options import MappingOptions
from sfm.mapping.sparse_map import SparseMap
from sfm.progress import Step

Model: TypeAlias = pycolmap.Reconstruction
Watch: TypeAlias = Callable[[SparseMap], None]
Read = TypeVar("Read")

SNAPSHOT_IMAGES = 50  # a snapshot is written whenever this many more images are registered,
_SNAPSHOTS = 20  # or so often over a run of many images
_SNAPSHOTS_TO_WATCH = 60  # about so many over a run that somebody watches
_SHARE_TO_WATCH = 0.1  # of the mapper's time may go into showing the map,
_QUICK_S = 0.05  # if one look takes longer than this

# Points by which an image is let in where COLMAP's 30 are too many: on a walk, and into a map that has been refined.
_FEW_POINTS = 15
_POSE_ERROR = 3  # errors allowed while an image's pose is estimated, as COLMAP relates 12 px to 4
# Relative gain at which adjusting the whole map ends. COLMAP goes on for 50 steps whatever these gain, and from 1,000
# images on each of them takes seconds.
_GLOBAL_TOLERANCE = 1e-5


@dataclass(frozen=True)
class MapperSettings:
    """How one run of the mapper is set up.

    Attributes
    ----------
    walk
        Suit a way along which the camera looks: begin with a pair of small triangulation angle that may lie
        ahead of each other, let images in by fewer points, keep points of smaller angle. Otherwise COLMAP's defaults.
    held_cameras
        Ids of cameras whose intrinsics stay as they are.
    max_error_px
        Largest reprojection error of an observation, in pixels; COLMAP's own value is 4. Loose limits keep a map
        together that is wrong: tied to the threshold of verification, they let it fall apart.
    min_model_size
        Smallest number of images of a model worth keeping. If that is two, points are also made of what only two
        images see.
    threads
        Number of threads, -1 for all cores.
    global_growth, global_refinements, local_refinements
        How often, and in how many rounds, bundles are adjusted; see `MappingOptions`.
    """

    walk: bool = False
    held_cameras: frozenset[int] = frozenset()
    max_error_px: float = 4.0
    min_model_size: int = 3
    threads: int = -1
    global_growth: float = MappingOptions.global_growth
    global_refinements: int = MappingOptions.global_refinements
    local_refinements: int = MappingOptions.local_refinements

    @property
    def min_angle_deg(self) -> float:
        """Smallest triangulation angle of a point; COLMAP's default, or what a walk's points ahead have."""
        return 1.0 if self.walk else 1.5


def run_mapper(
    database: Path,
    scratch: Path,
    settings: MapperSettings,
    seed: int,
    step: Step,
    watch: Watch | None = None,
) -> list[Model]:
    """Build as many models as the database's verified pairs give, largest first.

    Parameters
    ----------
    database
        COLMAP's database with verified pairs.
    scratch
        Folder for snapshots of a model under way, gone at the end. If it holds some, from a run that was
        killed, mapping goes on from the newest; so give another folder for another database or other settings.
    settings
        How to go about it.
    seed
        Of every random choice.
    step
        Hears of every registered image.
    watch
        Is given the growing map, without colours, as often as a tenth of the mapper's time allows.

    Returns
    -------
    The models by falling number of registered images, then points; empty if no pair starts one. Which number
    COLMAP gave a model says nothing of its size.
    """
    options = _options(settings, seed)
    options.snapshot_path = scratch / "snapshots"
    with writing(scratch):
        options.snapshot_path.mkdir(parents=True, exist_ok=True)
    try:
        with pycolmap.Database.open(database) as opened:
            images = opened.num_images()
        options.snapshot_frames_freq = max(SNAPSHOT_IMAGES, images // _SNAPSHOTS)
        if watch is not None:
            # pycolmap shows its model to nobody while it works, but for the snapshots.
            options.snapshot_frames_freq = max(1, images // _SNAPSHOTS_TO_WATCH)
            step = _WatchedStep(step, options.snapshot_path, watch)
        step = _SnapshotRemover(step, options.snapshot_path)
        newest = _newest_snapshot(options.snapshot_path, read_reconstruction)
        if newest is None:
            models = _run(database, scratch, options, step)
        else:
            snapshot, model = newest
            step.advance(model.num_reg_images(), "from a snapshot")
            models = _go_on(snapshot, database, scratch, options, step)
    except (RuntimeError, ValueError) as error:
        shutil.rmtree(scratch, ignore_errors=True)
        raise WorkError(f"The mapper stopped: {str(error).splitlines()[0]}.") from error
    shutil.rmtree(scratch, ignore_errors=True)
    return largest_first(models)


def largest_first(models: Collection[Model]) -> list[Model]:
    """Sort models by falling number of images, then points; leave out those that larger ones hold all images of."""
    kept: list[Model] = []
    inside: set[str] = set()
    for model in sorted(models, key=lambda m: (-m.num_reg_images(), -m.num_points3D())):
        names = {model.image(i).name for i in model.reg_image_ids()}
        if not names <= inside:
            kept.append(model)
            inside |= names
    return kept


def read_database(path: Path) -> pycolmap.DatabaseCache:
    """Read COLMAP's database with verified pairs, once for all models that are completed from it."""
    with pycolmap.Database.open(path) as opened:
        return pycolmap.DatabaseCache.create(opened, pycolmap.DatabaseCacheOptions())


def complete(
    model: Model, cache: pycolmap.DatabaseCache, settings: MapperSettings, seed: int, step: Step
) -> Model:
    """Triangulate what a refined model lacks of a database's verified matches, and add images that now fit in.

    Poses that are there stay. Fewer points place an image than while the mapper is at work, for these are more exact.

    Parameters
    ----------
    model
        Made of this database, or of fewer matches between the same keypoints; it is changed.
    cache
        The database, read by `read_database`.
    settings
        Those the model was made by.
    seed
        Of every random choice.
    step
        Hears of every added image.

    Returns
    -------
    The same model, with more points and observations.
    """
    options = _options(settings, seed)
    options.mapper.abs_pose_min_num_inliers = _FEW_POINTS
    registration, triangulation = options.get_mapper(), options.get_triangulation()
    pycolmap.set_random_seed(seed)
    _take_lenses(cache, model)
    mapper = pycolmap.IncrementalMapper(cache)
    mapper.begin_reconstruction(model)
    for image_id in sorted(model.reg_image_ids()):
        mapper.triangulate_image(triangulation, image_id)
    # The mapper offers an image again until it has failed several times.
    while offered := mapper.find_next_images(registration, structure_less=False):
        for image_id in offered:
            if mapper.register_next_image(registration, image_id):
                mapper.triangulate_image(triangulation, image_id)
                step.advance(1)
                break
    mapper.complete_and_merge_tracks(triangulation)
    mapper.end_reconstruction(discard=False)
    return model


def _take_lenses(cache: pycolmap.DatabaseCache, model: Model) -> None:
    """Give a read database the camera models of a refined map: COLMAP refuses a map that has others."""
    for i, camera in model.cameras.items():
        known = cache.camera(i)
        known.model = camera.model
        known.params = camera.params


def _go_on(
    snapshot: Path, database: Path, scratch: Path, options: pycolmap.IncrementalPipelineOptions, step: Step
) -> list[Model]:
    """Complete the model of a snapshot; COLMAP ends there, so the images outside are given another run."""
    models = _run(database, scratch, options, step, snapshot)
    inside = {image.name for model in models for image in model.images.values() if image.has_pose}
    with pycolmap.Database.open(database) as opened:
        outside = [image.name for image in opened.read_all_images() if image.name not in inside]
    if len(outside) >= options.min_model_size:
        options.image_names = outside
        options.snapshot_frames_freq = 0
        models += _run(database, scratch, options, step)
    return models


def _run(
    database: Path,
    scratch: Path,
    options: pycolmap.IncrementalPipelineOptions,
    step: Step,
    snapshot: Path | None = None,
) -> list[Model]:
    out = scratch / "models"
    shutil.rmtree(out, ignore_errors=True)
    with writing(out):
        out.mkdir(parents=True)
    models = pycolmap.incremental_mapping(
        database,
        # Colours are taken afterwards, by this project's own decoding; no pixels are read here.
        image_path=out,
        output_path=out,
        options=options,
        input_path=snapshot or "",
        initial_image_pair_callback=lambda: step.advance(2),
        next_image_callback=lambda: step.advance(1),
    )
    return list(models.values())


class _SnapshotRemover:
    """Removes old snapshots whenever an image is registered: each holds all keypoints of the images so far.

    The two newest stay, for the last one may not be whole after a kill.
    """

    def __init__(self, step: Step, snapshots: Path) -> None:
        self._step, self._snapshots = step, snapshots

    def advance(self, count: int = 1, note: str | None = None) -> None:
        self._step.advance(count, note)
        for older in sorted(self._snapshots.iterdir())[:-2]:
            shutil.rmtree(older, ignore_errors=True)


class _WatchedStep:
    """Hands the newest snapshot on whenever an image is registered."""

    def __init__(self, step: Step, snapshots: Path, watch: Watch) -> None:
        self._step, self._snapshots, self._watch = step, snapshots, watch
        self._shown: Path | None = None
        self._rest_until = 0.0

    def advance(self, count: int = 1, note: str | None = None) -> None:
        self._step.advance(count, note)
        start = time.monotonic()
        if start < self._rest_until:
            return
        newest = _newest_snapshot(self._snapshots, read_map, self._shown)
        if newest is None:
            return
        self._shown, sparse_map = newest
        self._watch(sparse_map)
        now = time.monotonic()
        if now - start > _QUICK_S:
            self._rest_until = now + (now - start) * (1 / _SHARE_TO_WATCH - 1)


def _newest_snapshot(
    folder: Path, read: Callable[[Path], Read], known: Path | None = None
) -> tuple[Path, Read] | None:
    """Return the newest whole snapshot that is newer than `known`, and what `read` makes of it; None if there is none.

    The one being written at a kill is not whole.
    """
    for snapshot in sorted(folder.iterdir(), key=lambda path: path.name, reverse=True):
        if known is not None and snapshot.name <= known.name:
            return None
        with suppress(InputError):
            return snapshot, read(snapshot)
    return None


def _options(settings: MapperSettings, seed: int) -> pycolmap.IncrementalPipelineOptions:
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = seed
    options.num_threads = settings.threads
    options.extract_colors = False
    options.min_model_size = settings.min_model_size
    options.constant_cameras = set(settings.held_cameras)
    options.ba_global_frames_ratio = options.ba_global_points_ratio = settings.global_growth
    options.ba_global_max_refinements = settings.global_refinements
    options.ba_global_function_tolerance = _GLOBAL_TOLERANCE
    options.ba_local_max_refinements = settings.local_refinements
    error = settings.max_error_px
    options.mapper.init_max_error = error
    options.mapper.filter_max_reproj_error = error
    options.mapper.abs_pose_max_error = _POSE_ERROR * error
    options.mapper.filter_min_tri_angle = options.triangulation.min_angle = settings.min_angle_deg
    # COLMAP passes over points that only two images see: of two images it would make nothing.
    options.triangulation.ignore_two_view_tracks = settings.min_model_size > 2
    options.triangulation.merge_max_reproj_error = error
    options.triangulation.complete_max_reproj_error = error
    if settings.walk:
        options.mapper.init_min_tri_angle = 4.0
        options.mapper.init_max_forward_motion = 1.0
        options.mapper.abs_pose_min_num_inliers = _FEW_POINTS
    return options


def write_models(models: Collection[Model], folder: Path, records: Mapping[str, str]) -> None:
    """Write models as `folder`/0, 1, ... and text files by name beside them; the folder is replaced as a whole."""
    with replaced_folder(folder) as new:
        for i, model in enumerate(models):
            (new / str(i)).mkdir()
            write_binary(model, new / str(i))
        for name, text in records.items():
            (new / name).write_text(text, encoding="utf-8")


def set_colors(model: Model, point_ids: NDArray[np.int64], rgb: NDArray[np.uint8]) -> None:
    """Give the points `point_ids` (P,) of a model the colours `rgb` (P, 3)."""
    for point_id, color in zip(point_ids, rgb, strict=True):
        model.point3D(int(point_id)).color = color

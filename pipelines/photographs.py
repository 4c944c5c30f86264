"""The photographs of a run: which are taken, which cameras took them, and which folder their results go to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sfm.errors import InputError
from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraAssignment, CameraOptions, assign_cameras
from sfm.images.options import PhotoOptions
from sfm.images.photo_set import PhotoSet, every_nth, read_photo_set, tell_unused_positions
from sfm.mapping.colmap_io import read_cameras_txt
from sfm.matching.pairs import listed_pairs
from sfm.pipelines.run_record import RunRecord
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.progress import Progress
from sfm.words import count


@dataclass(frozen=True)
class Photographs:
    """What maps are made of.

    Attributes
    ----------
    photo_set
        The photographs.
    cameras
        The cameras that took them.
    """

    photo_set: PhotoSet
    cameras: CameraAssignment


def read_photographs(
    images: Path, options: ReconstructOptions, record: RunRecord, progress: Progress
) -> Photographs:
    """Read the photographs and tell which cameras took them.

    Raises `InputError` if there are fewer than two, or the intrinsics or the list of pairs in `options` do not fit.
    """
    with record.stage("photographs") as counts:
        photo_set = choose_photographs(read_photo_set(images, progress), options.photos, progress)
        cameras = assign_cameras(photo_set, options.cameras, _given_intrinsics(options.cameras))
        counts.update(images=len(photo_set.photos), cameras=len(cameras.cameras))
        progress.say(f"{count(len(photo_set.photos), 'photographs')}, {cameras.summary}")
        for doubt in cameras.doubts:
            progress.warn(doubt)
        tell_unused_positions(photo_set.photos, progress)
        if options.pairs.pair_list is not None:
            listed_pairs(options.pairs.pair_list, photo_set.names)
    if len(photo_set.photos) < 2:
        raise InputError(_too_few(images, options.photos.every))
    return Photographs(photo_set, cameras)


def choose_photographs(photo_set: PhotoSet, options: PhotoOptions, progress: Progress) -> PhotoSet:
    """Return the photographs to work on, and say how many they are if they are not all."""
    if options.every == 1:
        return photo_set
    chosen = every_nth(photo_set, options.every)
    progress.say(
        f"Of {len(photo_set.photos)} photographs, {len(chosen.photos)} are taken (--every {options.every})."
    )
    return chosen


def _too_few(images: Path, every: int) -> str:
    if every > 1:
        return f"--every {every} leaves only one image of {images}: a map needs at least two that overlap."
    return f"There is only one image in {images}: a map needs at least two that overlap."


def _given_intrinsics(options: CameraOptions) -> dict[int, Camera] | None:
    return None if options.intrinsics is None else read_cameras_txt(options.intrinsics)


def default_output(images: Path) -> Path:
    """Return the output folder where none is given: the images' name with `-sfm`, in the current folder."""
    return output_named(images, "-sfm")


def output_named(images: Path, ending: str) -> Path:
    """Return a folder in the current one with the images' name and an ending."""
    return Path((images.resolve().stem if images.is_file() else images.resolve().name) + ending)

"""Find where photographs were taken, and write it down: results, path and pictures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.export import ExportContext, export
from sfm.files import write_image, write_json
from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraOptions
from sfm.images.decode import load_rgb
from sfm.images.photo_set import Photo, read_photo_set
from sfm.images.single_photo import camera_of
from sfm.localization.options import LocalizationOptions
from sfm.localization.picture import best_view, draw_points, scaled_pixels, seen_by
from sfm.mapping.colmap_io import read_cameras_txt
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.outputs import (
    claimed,
    refuse_output_among_images,
    refuse_output_beside,
    refuse_output_within,
    refuse_to_write_over,
)
from sfm.pipelines.finished_run import FinishedRun, capture_times_s
from sfm.pipelines.localizer import Localization, Localizer
from sfm.progress import SILENT, Progress
from sfm.report.pictures import draw_matches

Bytes = NDArray[np.uint8]

_FILES = ("localization.json", "trajectory.tum", "path.geojson")
_PICTURES = "matches"
_PICTURE_HEIGHT = 800
_PICTURE_SIZE = 1600


@dataclass(frozen=True)
class LocalizedBatch:
    """What `localize` made.

    Attributes
    ----------
    out
        Folder of the results: localization.json, trajectory.tum, path.geojson and matches/.
    results
        One for each photograph, those that could not be opened first.
    """

    out: Path
    results: tuple[Localization, ...]

    @property
    def localized(self) -> tuple[Localization, ...]:
        """Those that were found in the map."""
        return tuple(result for result in self.results if result.localized)


def localize(
    map_path: Path | str,
    queries: Sequence[Path | str],
    out: Path | str | None = None,
    options: LocalizationOptions | None = None,
    *,
    intrinsics: Path | None = None,
    descriptor: str | None = None,
    weights: Path | None = None,
    device: str = "auto",
    images: Path | None = None,
    pictures: bool = True,
    progress: Progress = SILENT,
) -> LocalizedBatch:
    """Find where photographs were taken, and write it down.

    Parameters
    ----------
    map_path
        Output folder of a finished run.
    queries
        Photographs, folders of them, or text files that list them.
    out
        Folder of the results; default `localized` in the map's folder.
    options
        How photographs are looked for.
    intrinsics
        File of known cameras in the form of COLMAP's cameras.txt.
    descriptor, weights, device
        See `Localizer`.
    images
        Folder of the map's photographs, for the pictures, if it has moved. Where it is missing, the map's points
        are drawn instead.
    pictures
        Whether to draw the inliers of each photograph.
    progress
        Hears of it.

    Returns
    -------
    The results. A photograph that cannot be read, or is not in the map, is among them with the reason.

    Raises
    ------
    InputError
        If there is no photograph, or the map, an option or the output folder cannot be used.
    """
    if not queries:
        raise InputError("There is nothing to localise: give photographs, or folders of them.")
    photos, unreadable = _read_queries([Path(query) for query in queries], progress)
    cameras = _given_cameras(photos, intrinsics)
    localizer = Localizer(
        map_path, options, descriptor=descriptor, weights=weights, device=device, progress=progress
    )
    run = localizer.run if images is None else FinishedRun.open(Path(map_path), images)
    folder = Path(out) if out is not None else (run.root or run.model) / "localized"
    for query in queries:
        refuse_output_among_images(Path(query), folder)
    refuse_output_beside([photo.path for photo in photos.values()], folder)
    refuse_output_within(localizer.run.pieces, folder)
    outputs = [folder / name for name in (*_FILES, _PICTURES)]
    refuse_to_write_over((*localizer.run.pieces, *queries, intrinsics, weights), outputs)
    results = list(unreadable)
    with claimed(folder, [*_FILES, _PICTURES], known_by=_FILES[0]):
        _remove_earlier_pictures(folder)
        with progress.stage("Localise", len(photos)) as step:
            for name, photo in photos.items():
                result = _localize_one(localizer, name, photo, cameras.get(name), progress)
                results.append(result)
                if pictures and result.localized:
                    write_image(_picture_path(folder, name), _picture(result, photo, run))
                step.advance(note="" if result.localized else f"{name}: not in the map")
        _write_results(folder, results, photos, localizer, progress)
    return LocalizedBatch(folder, tuple(results))


def _read_queries(queries: Sequence[Path], progress: Progress) -> tuple[dict[str, Photo], list[Localization]]:
    """Return the readable photographs by a name that is theirs alone, and the others with the reason."""
    photos: dict[str, Photo] = {}
    unreadable: list[Localization] = []
    known: set[Path] = set()
    for query in dict.fromkeys(queries):
        try:
            found = read_photo_set(query, progress)
        except InputError as error:
            # One bad file among several is told and left out; of a single one nothing remains.
            if len(queries) == 1 or not query.is_file():
                raise
            progress.warn(str(error))
            unreadable.append(Localization(query.name, None, str(error)))
            continue
        unreadable += [Localization(skipped.name, None, skipped.reason) for skipped in found.skipped]
        for photo in found.photos:
            if photo.path.resolve() not in known:
                known.add(photo.path.resolve())
                photos[photo.name if photo.name not in photos else photo.path.as_posix()] = photo
    if not photos:
        raise InputError(
            f"None of the {len(queries)} files can be read as a photograph, e.g. {unreadable[0].refusal}"
        )
    return photos, unreadable


def _given_cameras(photos: dict[str, Photo], intrinsics: Path | None) -> dict[str, Camera]:
    if intrinsics is None:
        return {}
    given, options = read_cameras_txt(intrinsics), CameraOptions(intrinsics=intrinsics)
    return {name: camera_of(photo, options, given) for name, photo in photos.items()}


def _localize_one(
    localizer: Localizer, name: str, photo: Photo, camera: Camera | None, progress: Progress
) -> Localization:
    try:
        result = replace(localizer.localize(photo, camera), name=name)
    except InputError as error:
        reason = str(error).rstrip(".")
        progress.warn(f"{name} is left out: {reason}.")
        return Localization(name, None, reason)
    return result


def _picture(result: Localization, photo: Photo, run: FinishedRun) -> Bytes:
    """Draw the inliers in the photograph and in the view of the map that sees most of them."""
    assert result.found is not None
    assert result.found.pose is not None
    found, inliers = result.found, result.found.pose.inliers
    view = best_view(run.sparse_map, found.point_ids[inliers])
    seen, view_xy = seen_by(view, found.point_ids[inliers])
    left = load_rgb(photo, _PICTURE_SIZE)
    left_xy = scaled_pixels(found.xy[inliers[seen]], left.shape[1] / photo.width)
    right, right_scale = _picture_of_view(view, run)
    return draw_matches(
        left, right, left_xy, scaled_pixels(view_xy, right_scale), np.ones(len(seen), bool), _PICTURE_HEIGHT
    )


def _picture_of_view(view: MapImage, run: FinishedRun) -> tuple[Bytes, float]:
    camera = run.sparse_map.cameras[view.camera_id]
    by_name = {photo.name: photo for photo in run.photo_set.photos} if run.photo_set else {}
    if view.name in by_name:
        with suppress(InputError):
            rgb = load_rgb(by_name[view.name], _PICTURE_SIZE)
            return rgb, rgb.shape[1] / camera.width
    return draw_points(run.sparse_map, camera, view.cam_from_world, _PICTURE_HEIGHT)


def _write_results(
    folder: Path,
    results: Sequence[Localization],
    photos: dict[str, Photo],
    localizer: Localizer,
    progress: Progress,
) -> None:
    run = localizer.run
    document = {
        "map": str(run.root or run.model),
        "frame": run.frame and dataclasses.asdict(run.frame),
        "descriptor": localizer.index.recipe["descriptor"]["name"],
        "queries": [result.as_json() for result in results],
    }
    write_json(folder / _FILES[0], document)
    cameras: dict[int, Camera] = {}
    images: dict[int, MapImage] = {}
    for i, result in enumerate(results, start=1):
        if result.cam_from_world is not None and result.camera is not None:
            cameras[i] = result.camera
            images[i] = MapImage(result.name, i, result.cam_from_world)
    named = [replace(photo, name=name) for name, photo in photos.items()]
    context = ExportContext(
        image_names=list(photos), timestamps_s=capture_times_s(named), frame=run.frame, progress=progress
    )
    path = SparseMap(cameras, images)
    export(path, "tum", folder, context)
    # A file of an earlier call would tell of other photographs.
    (folder / "path.geojson").unlink(missing_ok=True)
    if run.frame is not None and run.frame.origin is not None:
        export(path, "geojson", folder, context)


def _picture_path(folder: Path, name: str) -> Path:
    return folder / _PICTURES / f"{_relative(name)}.jpg"


def _remove_earlier_pictures(folder: Path) -> None:
    """Remove the pictures of the photographs an earlier call names, and the folders these leave empty."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads((folder / "localization.json").read_text(encoding="utf-8"))
        for query in document["queries"]:
            path = _picture_path(folder, query["name"])
            path.unlink(missing_ok=True)
            with suppress(OSError):
                for parent in path.relative_to(folder).parents[:-1]:
                    (folder / parent).rmdir()


def _relative(name: str) -> str:
    """Return a name as a path below a folder, whatever it is."""
    return "/".join(part for part in Path(name).parts if part not in ("/", "..", "."))

"""What a patch set can be made from: photographs, finished maps, and the sets of other projects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from sfm.errors import InputError
from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.images.decode import load_gray
from sfm.images.photo_set import IMAGE_SUFFIXES
from sfm.learning.foreign_sets import is_hpatches, is_phototour
from sfm.learning.patch_set import PointPatches, Source
from sfm.learning.tracks import patches_of_tracks
from sfm.pipelines.finished_run import FinishedRun
from sfm.workspace import Workspace

Kind = Literal["photos", "map", "phototour", "hpatches"]

# Observations of a map are its keypoints, moved half a pixel there and back.
_SAME_KEYPOINT_PX = 0.01


def read_sources(paths: Sequence[Path]) -> list[Source]:
    """Read sources: folders, or JSON lists that also say licence and origin.

    A folder holds overlapping photographs, or a finished run, or a PhotoTour or HPatches set. An entry of a
    JSON list has `path` (relative to the list) and may have `name`, `licence`, `origin` and `overlapping`.

    Raises
    ------
    InputError
        For what is missing, empty or unreadable, and for two sources of one name.
    """
    sources: list[Source] = []
    for path in paths:
        sources += _read_list(path) if path.suffix == ".json" else [Source(path.resolve().name, path)]
    if not sources:
        raise InputError("Give at least one folder of photographs, or a JSON list of sources.")
    names = [source.name for source in sources]
    for source in sources:
        if kind_of(source.path) == "photos" and not photos_of(source.path):
            raise InputError(f"{source.path} holds no photographs ({', '.join(sorted(IMAGE_SUFFIXES))}).")
        if names.count(source.name) > 1:
            raise InputError(f"Two sources are called {source.name}: name them in a JSON list of sources.")
    return sources


def kind_of(folder: Path) -> Kind:
    """Tell what a source's folder holds. Raises `InputError` if there is no such folder."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    if is_phototour(folder):
        return "phototour"
    if is_hpatches(folder):
        return "hpatches"
    if (folder / "sparse").is_dir() and (folder / "features").is_dir():
        return "map"
    return "photos"


def photos_of(folder: Path) -> list[Path]:
    """Return the photographs of a folder and its subfolders, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)


def map_points(out: Path, window: PatchWindow) -> PointPatches:
    """Cut the patches of every observation of every point of a finished run's map.

    Raises `InputError` if the run's photographs or keypoints are not there any more, or belong to another
    map.
    """
    run = FinishedRun.open(out)
    if run.root is None or run.photo_set is None:
        raise InputError(f"{out}: the photographs of this map are not where its run.json says.")
    photos = {photo.name: photo for photo in run.photo_set.photos}
    registered = run.sparse_map.images_by_name
    keypoints, tracks = [], []
    for image in registered:
        if image.name not in photos:
            raise InputError(f"{out}: {image.name} is in the map but not among the photographs any more.")
        found = Keypoints.load(Workspace(run.root).keypoints(image.name))
        free = image.point_ids < 0  # the others have been moved to where patches agree
        if len(found) != len(free) or not np.allclose(found.xy[free], image.xy[free], atol=_SAME_KEYPOINT_PX):
            raise InputError(f"{out}: the keypoints of {image.name} are not those of the map: map it again.")
        keypoints.append(found)
        tracks.append(image.point_ids)
    # Decoded one at a time: thousands of them would not fit into memory.
    images = (load_gray(photos[image.name]) for image in registered)
    return patches_of_tracks(images, keypoints, tracks, window)


def orientation_of(folder: Path) -> str:
    """Tell how the keypoints of a map or of another project's set are turned: "image" or "gradient".

    Other projects' are turned to gradients. In a map that is not so, all keypoints of an image have one angle.
    """
    if kind_of(folder) != "map":
        return "gradient"
    run = FinishedRun.open(folder)
    workspace = Workspace(run.root or folder)
    angles = (
        Keypoints.load(workspace.keypoints(image.name)).angle for image in run.sparse_map.images_by_name
    )
    return "image" if all(len(np.unique(of_image)) <= 1 for of_image in angles) else "gradient"


def _read_list(path: Path) -> list[Source]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [
            Source(
                name=str(entry.get("name", Path(entry["path"]).name)),
                path=path.parent / entry["path"],
                licence=str(entry.get("licence", "")),
                origin=str(entry.get("origin", "")),
                overlapping=bool(entry.get("overlapping", True)),
            )
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a list of sources: a JSON list of objects with `path` and, if known, `name`, "
            "`licence`, `origin`, `overlapping`."
        ) from error

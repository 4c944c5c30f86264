"""Whether the features and the database in a folder are those of the map there, and whether they will stay so."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.detectors import Detector
from sfm.images.photo_set import Photo
from sfm.mapping.stored_matches import stored_keypoints
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.keypoints import keypoints_changed
from sfm.progress import Progress
from sfm.threads import usable_cores
from sfm.workspace import Workspace

# Positions are float32, and have had COLMAP's half pixel added and taken away.
_SAME_POSITION_PX = 0.01


def warn_of_replaced_map(
    photos: Sequence[Photo], workspace: Workspace, detector: Detector, progress: Progress, mapping: bool
) -> None:
    """Warn if the folder holds a finished map and what it was made of is about to be replaced.

    Parameters
    ----------
    photos
        What will be described.
    workspace
        The folder.
    detector
        Finds their keypoints.
    progress
        Hears of it.
    mapping
        Whether they will be mapped too, which forgets the pairs of all other photographs.
    """
    if not (workspace.sparse / "0").is_dir():
        return
    with ThreadPoolExecutor(usable_cores()) as pool:  # each photograph is read for it
        changed = any(pool.map(lambda photo: keypoints_changed(photo, workspace, detector), photos))
    if not changed and mapping and workspace.database.is_file():
        with suppress(InputError):
            changed = not stored_keypoints(workspace.database).keys() <= {photo.name for photo in photos}
    if changed:
        progress.warn(
            f"{workspace.root} holds a finished map of other photographs or keypoints, and what it was made of is "
            "replaced now: to keep it, stop with Ctrl-C and choose another folder with --out."
        )


def refuse_other_keypoints(run: FinishedRun) -> None:
    """Raise `InputError` if features or database are of other keypoints than the map.

    They are compared by their number and by the first that observes no point: those that do have been moved.
    """
    images = {image.name: image for image in run.sparse_map.images_by_name if len(image.xy)}
    free = {name: np.flatnonzero(image.point_ids < 0)[:1] for name, image in images.items()}
    keypoints, database = run.keypoints, run.root / "database.db" if run.root else None
    which = {name: int(rows[0]) for name, rows in free.items() if len(rows)}
    stored = stored_keypoints(database, which) if database and database.is_file() else {}
    for name, image in images.items():
        rows = free[name]
        beside: dict[str, tuple[int, NDArray[np.floating]]] = {}
        if name in keypoints:
            with suppress(InputError):  # what cannot be read is told by those who need it
                described = keypoints[name].xy
                beside["features"] = len(described), described[rows[rows < len(described)]]
        if name in stored:
            beside["database.db"] = stored[name][0], stored[name][1][: len(rows)]
        for where, (number, xy) in beside.items():
            if number != len(image.xy) or not np.allclose(xy, image.xy[rows], atol=_SAME_POSITION_PX):
                raise InputError(
                    f"{run.root}/{where} has other keypoints of {name} than the map: other photographs or "
                    "options were used in this folder since. Run `sfm reconstruct` into it again with the map's."
                )

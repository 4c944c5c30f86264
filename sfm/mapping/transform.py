"""Moving a map on disk into another frame."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

from sfm.errors import InputError
from sfm.files import replaced_folder
from sfm.geometry.similarity import Sim3
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import read_reconstruction, write_binary
from sfm.mapping.frame import MapFrame, write_frame
from sfm.mapping.model_files import is_model_file


def move_model(
    folder: Path,
    frame_from_map: Sim3,
    frame: MapFrame,
    residuals: dict[str, object],
    then: Callable[[], None] = lambda: None,
) -> None:
    """Transform the COLMAP model in `folder`, and keep its frame with it; the folder is replaced as a whole.

    Other files in the folder stay. A text model becomes a binary one. `then` writes what follows from the model; the
    model that was there before is kept until it is done, and comes back if it fails. Raises `InputError` if there is
    no model, the transformation leaves nothing of it, or nothing may be written, `WorkError` if the disk is full.
    """
    folder = folder.resolve()
    reconstruction = read_reconstruction(folder)
    scale, rotation, translation = frame_from_map.scale, frame_from_map.rotation, frame_from_map.translation
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(
            f"The alignment has a scale of {scale}, which leaves no map: the map stays as it was."
        )
    reconstruction.transform(pycolmap.Sim3d(scale, pycolmap.Rotation3d(rotation), translation))
    with replaced_folder(folder, then) as new:
        shutil.copytree(folder, new, ignore=_ignore_model, dirs_exist_ok=True)
        write_binary(reconstruction, new)
        write_frame(new, frame, residuals)


def _ignore_model(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if is_model_file(name)]

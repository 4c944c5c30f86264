"""Moving a map on disk into another frame."""

from __future__ import annotations

import shutil
from pathlib import Path

from sfm.files import replaced_folder
from sfm.geometry.similarity import Sim3
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import read_reconstruction, write_binary
from sfm.mapping.frame import MapFrame, write_frame

_MODEL_FILES = ("cameras", "frames", "images", "points3D", "rigs")


def move_model(folder: Path, frame_from_map: Sim3, frame: MapFrame, residuals: dict[str, object]) -> None:
    """Transform the COLMAP model in `folder`, and keep its frame with it; the folder is replaced as a whole.

    Other files in the folder stay. A text model becomes a binary one. Raises `InputError` if there is no model or
    nothing may be written, `WorkError` if the disk is full.
    """
    reconstruction = read_reconstruction(folder)
    scale, rotation, translation = frame_from_map.scale, frame_from_map.rotation, frame_from_map.translation
    reconstruction.transform(pycolmap.Sim3d(scale, pycolmap.Rotation3d(rotation), translation))
    with replaced_folder(folder) as new:
        shutil.copytree(folder, new, ignore=_ignore_model, dirs_exist_ok=True)
        write_binary(reconstruction, new)
        write_frame(new, frame, residuals)


def _ignore_model(folder: str, names: list[str]) -> list[str]:
    return [
        name for name in names if Path(name).stem in _MODEL_FILES and Path(name).suffix in (".bin", ".txt")
    ]

"""Patch sets in the formats of the field: UBC PhotoTour and HPatches.

Brown, Hua and Winder, "Discriminative learning of local image descriptors", PAMI 2011 (PhotoTour); Balntas,
Lenc, Vedaldi and Mikolajczyk, "HPatches", CVPR 2017.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.networks import PATCH_SIZE
from sfm.images.decode import read_gray_pixels
from sfm.learning.patch_set import PointPatches

Bytes = NDArray[np.uint8]

_PHOTOTOUR_SIDE = 64
_HPATCHES_SIDE = 65


def is_phototour(folder: Path) -> bool:
    """Tell whether a folder holds a PhotoTour set: patches0000.bmp and info.txt."""
    return (folder / "info.txt").is_file() and (folder / "patches0000.bmp").is_file()


def is_hpatches(folder: Path) -> bool:
    """Tell whether a folder holds HPatches sequences: folders with ref.png."""
    return folder.is_dir() and any(folder.glob("*/ref.png"))


def read_phototour(folder: Path) -> PointPatches:
    """Read a PhotoTour set: sheets of 64 x 64 pixel patches, and for every patch the id of its point.

    Raises `InputError` if a sheet is missing or unreadable.
    """
    try:
        point = np.loadtxt(folder / "info.txt", dtype=np.int64, usecols=0, ndmin=1)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'info.txt'} is not a list of point ids.") from error
    sheets = sorted(folder.glob("patches*.bmp"))
    patches = np.concatenate([_tiles(path, _PHOTOTOUR_SIDE) for path in sheets])
    if len(patches) < len(point):
        raise InputError(f"{folder} lists {len(point)} patches, but its sheets hold {len(patches)}.")
    return PointPatches.grouped([patches[: len(point)]], [point])


def read_hpatches(sequence: Path) -> PointPatches:
    """Read an HPatches sequence: every PNG is a column of 65 x 65 pixel patches, row i of all shows point i.

    Raises `InputError` if a file is unreadable or its column has another length.
    """
    columns = [_tiles(path, _HPATCHES_SIDE) for path in sorted(sequence.glob("*.png"))]
    if len({len(column) for column in columns}) != 1:
        raise InputError(f"{sequence}: the files must hold the same number of patches each.")
    ids = np.arange(len(columns[0]))
    return PointPatches.grouped(columns, [ids] * len(columns))


def _tiles(path: Path, side: int) -> Bytes:
    """Cut a grey sheet into tiles, row by row, and shrink them to the networks' size."""
    sheet = read_gray_pixels(path)
    if sheet.shape[0] % side or sheet.shape[1] % side:
        raise InputError(f"{path} is not a readable sheet of {side} x {side} pixel patches.")
    rows, columns = sheet.shape[0] // side, sheet.shape[1] // side
    tiles = sheet.reshape(rows, side, columns, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
    small = [cv2.resize(t, (PATCH_SIZE, PATCH_SIZE), interpolation=cv2.INTER_AREA) for t in tiles]
    return np.stack(small)[:, None].astype(np.uint8)

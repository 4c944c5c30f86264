"""The files of a binary COLMAP model: whether they are whole, and what they hold, many rows at a time.

COLMAP's own reader takes what follows the end of a file for data: a truncated model gives cameras that never
were, or a loop over a random number of points. So the lengths are checked before it reads. And pycolmap hands out
observations and points one by one, as Python objects, which takes minutes where there are millions.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError

Rows = NDArray[Any]

MODEL_STEMS = ("cameras", "frames", "images", "points3D", "rigs")
FRAME_NAME = "frame.json"
_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT = struct.Struct("<Q3d3BdQ")
_RIG = struct.Struct("<II")
_SENSOR = struct.Struct("<iI")
_FRAME = struct.Struct("<II7dI")
_DATA_BYTES = 16
_DOUBLE_BYTES = 8
_POSE_BYTES = 7 * _DOUBLE_BYTES
_TRACK_ELEMENT_BYTES = 8

# COLMAP's "no point" is the largest unsigned number: -1 as a signed one.
OBSERVATION = np.dtype([("xy", "<f8", 2), ("point_id", "<i8")])
POINT = np.dtype(
    [
        ("id", "<i8"),
        *((axis, "<f8") for axis in "xyz"),
        *((color, "u1") for color in "rgb"),
        ("error", "<f8"),
        ("track_length", "<i8"),
    ]
)


def check_binary_model(folder: Path, parameters_of_model: dict[int, int]) -> None:
    """Raise `InputError` if cameras.bin, images.bin or points3D.bin in `folder` is missing or not whole.

    So it is for rigs.bin and frames.bin where there are any: models of older versions of COLMAP have none.

    Parameters
    ----------
    folder
        The model's folder.
    parameters_of_model
        Number of parameters by COLMAP's number of the camera model.
    """
    ends = {
        "cameras.bin": lambda data: _end_of_cameras(data, parameters_of_model),
        "images.bin": lambda data: _last(end for _, _, end in _images(data)),
        "points3D.bin": lambda data: _last(end for _, end in _points(data)),
    }
    if (folder / "rigs.bin").exists() or (folder / "frames.bin").exists():
        ends |= {"rigs.bin": _end_of_rigs, "frames.bin": _end_of_frames}
    for name, end in ends.items():
        path = folder / name
        try:
            data = path.read_bytes()
            whole = end(data) == len(data)
        except OSError as error:
            raise InputError(
                f"The COLMAP model in {folder} cannot be read: {name}: {error.strerror}."
            ) from error
        except (struct.error, ValueError, KeyError, IndexError, OverflowError):
            whole = False
        if not whole:
            raise InputError(
                f"The COLMAP model in {folder} cannot be read: {name} is truncated or damaged. "
                "Copy it again, or make it again."
            )


def model_digest(folder: Path) -> str:
    """Return the SHA-256 of a model and its frame, hexadecimal."""
    digest = hashlib.sha256()
    for path in _files_of(folder):
        with path.open("rb") as file:
            digest.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()};".encode())
    return digest.hexdigest()


def model_state(folder: Path) -> list[list[int | str]]:
    """Return what changes whenever a model's files are written, JSON-ready: their names, sizes and times."""
    return [[path.name, (found := path.stat()).st_size, found.st_mtime_ns] for path in _files_of(folder)]


def is_model_file(name: str) -> bool:
    """Whether a file of this name in a model's folder is part of the model."""
    path = Path(name)
    return path.stem in MODEL_STEMS and path.suffix in (".bin", ".txt")


def is_binary_file(name: str) -> bool:
    """Whether a run itself writes a file of this name into its models' folders."""
    return name == FRAME_NAME or (is_model_file(name) and name.endswith(".bin"))


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_model_file(path.name) or path.name == FRAME_NAME)


def read_observations(path: Path) -> dict[int, Rows]:
    """Return the keypoints of every image in a whole images.bin, by the image's number: rows of `OBSERVATION`."""
    data = path.read_bytes()
    return {
        image_id: np.frombuffer(data, OBSERVATION, (end - start) // OBSERVATION.itemsize, start)
        for image_id, start, end in _images(data)
    }


def read_points(path: Path) -> Rows:
    """Return the points of a whole points3D.bin in the order of the file: rows of `POINT`."""
    data = path.read_bytes()
    return np.fromiter((values for values, _ in _points(data)), POINT)


def _last(ends: Iterator[int]) -> int:
    """Return the last of the places where records end; where the first one begins if there is none."""
    end = _COUNT.size
    for end in ends:  # noqa: B007
        pass
    return end


def _end_of_cameras(data: bytes, parameters_of_model: dict[int, int]) -> int:
    (count,) = _COUNT.unpack_from(data)
    offset = _COUNT.size
    for _ in range(count):
        _, model, _, _ = _CAMERA.unpack_from(data, offset)
        offset += _CAMERA.size + _DOUBLE_BYTES * parameters_of_model[model]
    return offset


def _end_of_rigs(data: bytes) -> int:
    (count,) = _COUNT.unpack_from(data)
    offset = _COUNT.size
    for _ in range(count):
        _, sensors = _RIG.unpack_from(data, offset)
        offset += _RIG.size + (_SENSOR.size if sensors else 0)
        for _ in range(sensors - 1):
            offset += _SENSOR.size
            offset += 1 + (_POSE_BYTES if data[offset] else 0)
    return offset


def _end_of_frames(data: bytes) -> int:
    (count,) = _COUNT.unpack_from(data)
    offset = _COUNT.size
    for _ in range(count):
        number_of_data = _FRAME.unpack_from(data, offset)[-1]
        offset += _FRAME.size + _DATA_BYTES * number_of_data
    return offset


def _images(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each image, and where its observations start and end."""
    (count,) = _COUNT.unpack_from(data)
    end = _COUNT.size
    for _ in range(count):
        image_id = _IMAGE.unpack_from(data, end)[0]
        name_end = data.index(b"\0", end + _IMAGE.size) + 1
        (observed,) = _COUNT.unpack_from(data, name_end)
        start = name_end + _COUNT.size
        end = start + OBSERVATION.itemsize * observed
        yield image_id, start, end


def _points(data: bytes) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield the values of each point, and where its record ends."""
    (count,) = _COUNT.unpack_from(data)
    end = _COUNT.size
    for _ in range(count):
        values = _POINT.unpack_from(data, end)
        end += _POINT.size + _TRACK_ELEMENT_BYTES * values[-1]
        yield values, end

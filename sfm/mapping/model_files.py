"""Whether the files of a binary COLMAP model are whole.

COLMAP's own reader takes what follows the end of a file for data: a truncated model gives cameras that never
were, or a loop over a random number of points. So the lengths are checked before it reads.
"""

from __future__ import annotations

import struct
from pathlib import Path

from sfm.errors import InputError

_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT = struct.Struct("<Q3d3BdQ")
_POINT2D_BYTES = 24
_TRACK_ELEMENT_BYTES = 8
_DOUBLE_BYTES = 8


def check_binary_model(folder: Path, parameters_of_model: dict[int, int]) -> None:
    """Raise `InputError` if cameras.bin, images.bin or points3D.bin in `folder` is missing or not whole.

    Parameters
    ----------
    folder
        The model's folder.
    parameters_of_model
        Number of parameters by COLMAP's number of the camera model.
    """
    walks = {
        "cameras.bin": lambda data: _end_of_cameras(data, parameters_of_model),
        "images.bin": _end_of_images,
        "points3D.bin": _end_of_points,
    }
    for name, walk in walks.items():
        path = folder / name
        try:
            data = path.read_bytes()
            whole = walk(data) == len(data)
        except OSError as error:
            raise InputError(
                f"The COLMAP model in {folder} cannot be read: {name}: {error.strerror}."
            ) from error
        except (struct.error, ValueError, KeyError):
            whole = False
        if not whole:
            raise InputError(
                f"The COLMAP model in {folder} cannot be read: {name} is truncated or damaged. "
                "Copy it again, or make it again."
            )


def _end_of_cameras(data: bytes, parameters_of_model: dict[int, int]) -> int:
    (count,) = _COUNT.unpack_from(data)
    offset = _COUNT.size
    for _ in range(count):
        _, model, _, _ = _CAMERA.unpack_from(data, offset)
        offset += _CAMERA.size + _DOUBLE_BYTES * parameters_of_model[model]
    return offset


def _end_of_images(data: bytes) -> int:
    (count,) = _COUNT.unpack_from(data)
    offset = _COUNT.size
    for _ in range(count):
        _IMAGE.unpack_from(data, offset)
        offset = data.index(b"\0", offset + _IMAGE.size) + 1
        (observed,) = _COUNT.unpack_from(data, offset)
        offset += _COUNT.size + _POINT2D_BYTES * observed
    return offset


def _end_of_points(data: bytes) -> int:
    (count,) = _COUNT.unpack_from(data)
    offset = _COUNT.size
    for _ in range(count):
        track_length = _POINT.unpack_from(data, offset)[-1]
        offset += _POINT.size + _TRACK_ELEMENT_BYTES * track_length
    return offset

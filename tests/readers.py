"""Every reader of files that come from others, with a good file of each: for property tests and the fuzzer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sfm.alignment.positions import read_positions
from sfm.evaluation.trajectory import read_tum
from sfm.features.keypoints import Keypoints
from sfm.files import write_tensors
from sfm.images.decode import load_gray, load_rgb
from sfm.images.photo_set import read_photo_set
from sfm.mapping.colmap_io import read_cameras_txt, read_map, write_map
from sfm.mapping.frame import read_frame
from tests.images.files import exif_bytes, picture
from tests.mapping.maps import make_map


@dataclass(frozen=True)
class Reader:
    """A reader: `read` takes a folder in which `file` lies, and `make` gives a folder a good one."""

    file: str
    read: Callable[[Path], object]
    make: Callable[[Path], object]


def _photograph(name: str, mode: str, **values: object) -> Reader:
    def make(folder: Path) -> None:
        image = Image.fromarray(picture(24, 16)).convert(mode)
        data = io.BytesIO()
        image.save(data, Image.registered_extensions()[Path(name).suffix], **values)
        (folder / name).write_bytes(data.getvalue())

    def read(folder: Path) -> None:
        (photo,) = read_photo_set(folder / name).photos
        assert load_gray(photo, 64).pixels.dtype == np.uint8
        assert load_rgb(photo, 64).shape[2] == 3

    return Reader(name, read, make)


def _text(name: str, read: Callable[[Path], object], text: str) -> Reader:
    return Reader(name, lambda folder: read(folder / name), lambda folder: (folder / name).write_text(text))


def _model(name: str, text: bool) -> Reader:
    return Reader(
        name, read_map, lambda folder: write_map(make_map(("a.jpg", "b.jpg"), 5), folder, text=text)
    )


def _keypoints() -> Reader:
    tensors = {
        "xy": np.zeros((3, 2), np.float32),
        **{name: np.ones(3, np.float32) for name in ("scale", "angle", "response")},
    }
    name = "a.safetensors"
    return Reader(
        name,
        lambda folder: Keypoints.load(folder / name),
        lambda folder: write_tensors(folder / name, tensors),
    )


_EXIF = exif_bytes(
    {0x0110: "model", 0x0112: 6}, {0x920A: 35.0, 0x9003: "2024:05:01 12:00:00"}, {1: "N", 2: (1.0, 2.0, 3.0)}
)
_FRAME = {"frame": {"aligned_to": "gps", "unit": "m", "origin": [47, 8, 400], "z_up": True}}

READERS = {
    "jpeg": _photograph("a.jpg", "RGB", exif=_EXIF),
    "progressive": _photograph("b.jpg", "RGB", progressive=True),
    "png": _photograph("a.png", "RGBA"),
    "tiff": _photograph("a.tif", "F"),
    "lzw": _photograph("b.tif", "RGB", compression="tiff_lzw"),
    "webp": _photograph("a.webp", "RGB"),
    "bmp": _photograph("a.bmp", "L"),
    **{
        f"{name}.bin": _model(f"{name}.bin", False)
        for name in ("cameras", "images", "points3D", "rigs", "frames")
    },
    **{f"{name}.txt": _model(f"{name}.txt", True) for name in ("cameras", "images", "points3D")},
    "intrinsics": _text("intrinsics.txt", read_cameras_txt, "1 SIMPLE_RADIAL 640 480 500 320 240 0.1\n"),
    "positions": _text("positions.csv", read_positions, "name,x,y,z\na.jpg,1,2,3\nb.jpg,4,5,6\n"),
    "tum": _text(
        "trajectory.tum",
        read_tum,
        "# image: a.jpg\n1.5 0 1 2 0 0 0 1\n# image: b.jpg\n2.5 1 1 2 0 0 0.6 0.8\n",
    ),
    "frame": _text("frame.json", lambda path: read_frame(path.parent), json.dumps(_FRAME)),
    "keypoints": _keypoints(),
}

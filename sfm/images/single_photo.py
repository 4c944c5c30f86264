"""One photograph by itself: its header, its pixels and its camera."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sfm.errors import InputError
from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraOptions, assign_cameras
from sfm.images.decode import load_gray
from sfm.images.gray import GrayImage
from sfm.images.photo_set import IMAGE_SUFFIXES, Photo, PhotoSet, read_photo_set


def read_photo(path: Path, instead: str) -> Photo:
    """Read the header of one photograph.

    Raises `InputError` if it cannot be read, or is a folder or a list; then with `instead`, what to give or do instead.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: {instead}.")
    if not path.exists():
        raise InputError(f"{path} does not exist: give an image.")
    photo = read_photo_set(path).photos[0]
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(f"{path} is a list of images: {instead}.")
    return photo


def read_gray(photo: Photo, max_size: int) -> GrayImage:
    """Decode a photograph as `load_gray` does; the `InputError` names the file."""
    try:
        return load_gray(photo, max_size)
    except InputError as error:
        raise InputError(f"{photo.path} cannot be used: {error}.") from error


def camera_of(photo: Photo, options: CameraOptions, intrinsics: Mapping[int, Camera] | None) -> Camera:
    """Return the camera that `assign_cameras` gives to a photograph alone; arguments and errors are its own."""
    assigned = assign_cameras(PhotoSet(photo.path.parent, (photo,)), options, intrinsics)
    return assigned.cameras[assigned.camera_of[photo.name]]

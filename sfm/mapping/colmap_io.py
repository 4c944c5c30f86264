"""The COLMAP border for models: pixel convention, poses and files.

COLMAP puts the centre of the first pixel at (0.5, 0.5), this project at (0, 0). The half pixel is added here
(and in `sfm.mapping.database`, through the same two functions) and nowhere else, and taken off here.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.files import read_text, read_unreplaced, scratch_folder, sync_folder, sync_tree, writing
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.colmap import pycolmap
from sfm.mapping.model_files import check_binary_model, read_observations, read_points
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.plain_numbers import plain_float, plain_int

HALF_PIXEL = 0.5
_CAMERA_LINE = "CAMERA_ID MODEL WIDTH HEIGHT PARAMS..."


def xy_to_colmap(xy: NDArray[Any]) -> NDArray[np.float64]:
    """Move (N, 2) pixels from this project's convention to COLMAP's."""
    return np.asarray(xy, np.float64) + HALF_PIXEL


def xy_from_colmap(xy: NDArray[Any]) -> NDArray[np.float64]:
    """Move (N, 2) pixels from COLMAP's convention to this project's."""
    return np.asarray(xy, np.float64) - HALF_PIXEL


def camera_to_colmap(camera: Camera, camera_id: int = pycolmap.INVALID_CAMERA_ID) -> pycolmap.Camera:
    """Return `camera` as pycolmap's, principal point in COLMAP's convention."""
    shifted = camera.shifted(HALF_PIXEL)
    return pycolmap.Camera(
        camera_id=camera_id,
        model=shifted.model,
        width=shifted.width,
        height=shifted.height,
        params=np.array(shifted.params),
        has_prior_focal_length=shifted.focal_is_known,
    )


def camera_from_colmap(camera: pycolmap.Camera, *, fixed: bool = False) -> Camera:
    """Return pycolmap's camera as `Camera`, principal point in this project's convention."""
    return Camera(
        model=camera.model.name,
        width=camera.width,
        height=camera.height,
        params=tuple(float(p) for p in camera.params),
        focal_is_known=camera.has_prior_focal_length,
        fixed=fixed,
    ).shifted(-HALF_PIXEL)


def pose_from_colmap(rigid: pycolmap.Rigid3d) -> Pose:
    """Return a pycolmap rigid transform as `Pose`; its quaternion need not have unit length."""
    x, y, z, w = rigid.rotation.quat
    return Pose.from_quaternion(np.array([w, x, y, z]), np.array(rigid.translation))


def pose_to_colmap(pose: Pose) -> pycolmap.Rigid3d:
    """Return `pose` as a pycolmap rigid transform."""
    return pycolmap.Rigid3d(pycolmap.Rotation3d(pose.rotation), pose.translation)


def read_reconstruction(path: Path) -> pycolmap.Reconstruction:
    """Read a COLMAP model folder, binary or text. Raises `InputError` if there is none or it is damaged."""
    if not any((path / f"images.{suffix}").is_file() for suffix in ("bin", "txt")):
        raise InputError(
            f"{path} holds no COLMAP model: give a folder with cameras, images and points3D files."
        )
    binary = _is_binary(path)
    if binary:
        check_binary_model(path, _parameters_of_model())
    try:
        reconstruction = pycolmap.Reconstruction(path)
        if not binary:
            for image_id, name in _names_in_text(path / "images.txt").items():
                reconstruction.image(image_id).name = name
    except Exception as error:
        raise InputError(f"The COLMAP model in {path} cannot be read: {_first_line(error)}.") from error
    return reconstruction


def read_poses(path: Path) -> dict[str, Pose]:
    """Read only the poses of a COLMAP model folder: `cam_from_world` by image name, in the order of names."""
    reconstruction = read_unreplaced(path, lambda: read_reconstruction(path))
    images = sorted((reconstruction.image(i) for i in reconstruction.reg_image_ids()), key=lambda i: i.name)
    return {image.name: pose_from_colmap(image.cam_from_world()) for image in images}


def read_map(path: Path) -> SparseMap:
    """Read a COLMAP model folder (binary or text) as a `SparseMap`. Errors are those of `read_reconstruction`."""
    return read_unreplaced(path, lambda: _read_map(path))


def _read_map(path: Path) -> SparseMap:
    reconstruction = read_reconstruction(path)
    return _sparse_map(reconstruction, path) if _is_binary(path) else from_reconstruction(reconstruction)


def write_map(sparse_map: SparseMap, path: Path, *, text: bool = False) -> list[Path]:
    """Write a `SparseMap` as a COLMAP model into folder `path`, binary or text; return the files written.

    Raises `InputError` if an image's name has a line break, which a text model cannot hold.
    """
    if text:
        for image in sparse_map.images.values():
            if len(image.name.splitlines()) != 1:
                raise InputError(f"Image name {image.name!r} has a line break: write a binary COLMAP model.")
    reconstruction = to_reconstruction(sparse_map)
    with scratch_folder(path) as temporary:
        if text:
            _write_text(reconstruction, temporary)
        else:
            write_binary(reconstruction, temporary)
        sync_tree(temporary)
        written = [file.replace(path / file.name) for file in sorted(temporary.iterdir())]
        sync_folder(path)
        return written


def write_binary(reconstruction: pycolmap.Reconstruction, folder: Path) -> None:
    """Write a binary COLMAP model into an existing folder.

    Raises `OSError` if the disk is full: pycolmap itself keeps silent about it and leaves truncated files.
    """
    reconstruction.write_binary(folder)
    try:
        check_binary_model(folder, _parameters_of_model())
    except InputError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error


def _write_text(reconstruction: pycolmap.Reconstruction, folder: Path) -> None:
    """Write a text model into an existing folder; `OSError` as in `write_binary`."""
    reconstruction.write_text(folder)
    # An image's observations have a line of their own.
    written = {
        "cameras": reconstruction.num_cameras(),
        "images": 2 * reconstruction.num_reg_images(),
        "points3D": reconstruction.num_points3D(),
    }
    for name, count in written.items():
        lines = (folder / f"{name}.txt").read_bytes().splitlines(keepends=True)
        told = [line for line in lines if not line.startswith(b"#")]
        if len(told) != count or (told and not told[-1].endswith(b"\n")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def read_cameras_txt(path: Path) -> dict[int, Camera]:
    """Read intrinsics in COLMAP's text form: `CAMERA_ID MODEL WIDTH HEIGHT PARAMS...` a line; all held fixed.

    Raises `InputError` naming the line that cannot be read, or gives an id that is taken.
    """
    lines = read_text(path, "the intrinsics file").splitlines()
    cameras: dict[int, Camera] = {}
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            camera_id, width, height = (plain_int(words[i]) for i in (0, 2, 3))
            model, params = words[1], tuple(plain_float(word) for word in words[4:])
            camera = Camera(model, width, height, params, focal_is_known=True, fixed=True)
        except (ValueError, IndexError, InputError) as error:
            why = f" ({_first_line(error)})" if isinstance(error, InputError) else ""
            raise InputError(f"{path}, line {number}: expected `{_CAMERA_LINE}`{why}.") from error
        if camera_id in cameras:
            raise InputError(
                f"{path}, line {number}: a second camera {camera_id}: give each an id of its own."
            )
        cameras[camera_id] = camera.shifted(-HALF_PIXEL)
    if not cameras:
        raise InputError(f"{path} holds no camera: each line is `{_CAMERA_LINE}`.")
    return cameras


def from_reconstruction(reconstruction: pycolmap.Reconstruction) -> SparseMap:
    """Copy a pycolmap model into plain arrays."""
    # By way of its files: one by one, observations take 38 ms an image of 8,192 keypoints.
    with tempfile.TemporaryDirectory(prefix="sfm-") as temporary:
        with writing(Path(temporary)):
            write_binary(reconstruction, Path(temporary))
        return _sparse_map(reconstruction, Path(temporary))


def _sparse_map(reconstruction: pycolmap.Reconstruction, folder: Path) -> SparseMap:
    """Copy a pycolmap model into plain arrays; `folder` holds its binary files, which are whole."""
    images: dict[int, MapImage] = {}
    observations = read_observations(folder / "images.bin")
    for image_id in reconstruction.reg_image_ids():
        image, observed = reconstruction.image(image_id), observations[image_id]
        images[image_id] = MapImage(
            image.name,
            image.camera_id,
            pose_from_colmap(image.cam_from_world()),
            xy_from_colmap(observed["xy"]),
            observed["point_id"].astype(np.int64),
        )
    points = np.sort(read_points(folder / "points3D.bin"), order="id")
    used = {image.camera_id for image in images.values()}
    return SparseMap(
        cameras={i: camera_from_colmap(reconstruction.camera(i)) for i in sorted(used)},
        images=images,
        point_ids=points["id"].astype(np.int64),
        xyz=np.column_stack([points[axis] for axis in "xyz"]),
        rgb=np.column_stack([points[color] for color in "rgb"]),
        error_px=points["error"].copy(),
        track_length=points["track_length"].astype(np.int64),
    )


def _is_binary(folder: Path) -> bool:
    """Whether pycolmap reads binary files there, which it prefers where both kinds are."""
    return all((folder / f"{name}.bin").is_file() for name in ("cameras", "images", "points3D"))


def to_reconstruction(sparse_map: SparseMap) -> pycolmap.Reconstruction:
    """Build a pycolmap model from plain arrays; keeps the ids of cameras, images and points."""
    reconstruction = pycolmap.Reconstruction()
    for camera_id, camera in sparse_map.cameras.items():
        reconstruction.add_camera_with_trivial_rig(camera_to_colmap(camera, camera_id))
    tracks: dict[int, pycolmap.Track] = {int(i): pycolmap.Track() for i in sparse_map.point_ids}
    for image_id, image in sparse_map.images.items():
        reconstruction.add_image_with_trivial_frame(
            pycolmap.Image(
                name=image.name,
                keypoints=xy_to_colmap(image.xy),
                camera_id=image.camera_id,
                image_id=image_id,
            ),
            pose_to_colmap(image.cam_from_world),
        )
        for index in np.flatnonzero(image.point_ids >= 0):
            tracks[int(image.point_ids[index])].add_element(image_id, int(index))
    for i, point_id in enumerate(sparse_map.point_ids):
        point = pycolmap.Point3D(
            xyz=sparse_map.xyz[i], color=sparse_map.rgb[i], error=float(sparse_map.error_px[i])
        )
        point.track = tracks[int(point_id)]
        reconstruction.add_point3D_with_id(int(point_id), point)
    return reconstruction


def _parameters_of_model() -> dict[int, int]:
    """Number of parameters by COLMAP's number of the camera model."""
    models = [model for model in pycolmap.CameraModelId.__members__.values() if model.value >= 0]
    return {
        model.value: len(pycolmap.Camera.create_from_model_id(1, model, 1.0, 1, 1).params) for model in models
    }


def _names_in_text(path: Path) -> dict[int, str]:
    """Read image names from images.txt, whole: COLMAP's own reader ends a name at its first space."""
    names: dict[int, str] = {}
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            words = line.split(" ", maxsplit=9)
            names[int(words[0])] = words[9]
            next(lines, None)  # the observations; the line may be empty, so it cannot be told by its look
    return names


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]

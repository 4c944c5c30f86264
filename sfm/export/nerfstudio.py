"""nerfstudio's transforms.json with the points to start from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sfm.errors import InputError
from sfm.export.context import ExportContext, Exporter
from sfm.export.ply import write_points
from sfm.files import write_json
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.geometry.similarity import Sim3
from sfm.mapping.sparse_map import SparseMap

# What nerfstudio's own COLMAP converter applies to the world: COLMAP's first camera looks along z with y
# down, nerfstudio's world has z up. (x, y, z) becomes (x, z, -y).
APPLIED_TRANSFORM = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]])
# OpenGL's camera looks along -z with y up.
_CV_FROM_GL = np.diag([1.0, -1.0, -1.0, 1.0])
# nerfstudio takes pixel centres to be at halves: the first at (0.5, 0.5).
_PIXEL_OFFSET = 0.5

_PERSPECTIVE_KEYS = {
    "SIMPLE_PINHOLE": (),
    "PINHOLE": (),
    "SIMPLE_RADIAL": ("k1",),
    "RADIAL": ("k1", "k2"),
    "OPENCV": ("k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("k1", "k2", "p1", "p2", "k3"),
}
_FISHEYE_KEYS = ("k1", "k2", "k3", "k4")


class NerfstudioExporter(Exporter):
    """Writes `transforms.json` and `sparse_pc.ply`.

    Intrinsics stand once at the top if all images share a camera, else in every frame. `file_path` leads to
    the photographs relative to the folder written into; without a known image folder it is `images/NAME`.
    """

    description = "nerfstudio: transforms.json and the starting points"
    files = ("transforms.json", "sparse_pc.ply")

    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write both files into `folder`."""
        images = sparse_map.images_by_name
        camera_ids = {image.camera_id for image in images}
        cameras = {i: sparse_map.cameras[i] for i in camera_ids}
        shared = len(camera_ids) == 1
        document: dict[str, Any] = {"camera_model": _common_model(list(cameras.values()))}
        if shared:
            document |= intrinsics(next(iter(cameras.values())))
        frames = []
        for image_id, image in sorted(sparse_map.images.items(), key=lambda item: item[1].name):
            frame: dict[str, Any] = {"file_path": _file_path(image.name, folder, context.image_folder)}
            if not shared:
                frame |= intrinsics(cameras[image.camera_id])
            frame["transform_matrix"] = transform_matrix(image.cam_from_world).tolist()
            frame["colmap_im_id"] = image_id
            frames.append(frame)
        document["frames"] = frames
        document["applied_transform"] = APPLIED_TRANSFORM.tolist()
        points, transforms = folder / "sparse_pc.ply", folder / "transforms.json"
        document["ply_file_path"] = points.name
        write_points(points, _nerfstudio_from_map().apply(sparse_map.xyz), sparse_map.rgb)
        write_json(transforms, document)
        return [transforms, points]


def transform_matrix(cam_from_world: Pose) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return nerfstudio's (4, 4) world_from_cam: OpenGL camera axes, in the transformed world."""
    matrix = np.eye(4)
    world_from_cam = _nerfstudio_from_map().transform_pose(cam_from_world).inverse()
    matrix[:3, :3], matrix[:3, 3] = world_from_cam.rotation, world_from_cam.translation
    return matrix @ _CV_FROM_GL


def intrinsics(camera: Camera) -> dict[str, float]:
    """Return a camera as nerfstudio's keys.

    Raises `InputError` for rational distortion (k4 to k6 of FULL_OPENCV), which nerfstudio does not know.
    """
    cx, cy = camera.shifted(_PIXEL_OFFSET).principal_point
    keys = _FISHEYE_KEYS if camera.is_fisheye else _PERSPECTIVE_KEYS[camera.model]
    coefficients = camera.distortion
    if any(coefficients[len(keys) :]):
        raise InputError(
            f"nerfstudio does not know the rational distortion of a {camera.model} camera: "
            "map with --camera-model OPENCV."
        )
    return {
        "w": camera.width,
        "h": camera.height,
        "fl_x": float(camera.matrix[0, 0]),
        "fl_y": float(camera.matrix[1, 1]),
        "cx": cx,
        "cy": cy,
        **dict(zip(keys, coefficients, strict=False)),
    }


def _nerfstudio_from_map() -> Sim3:
    return Sim3(1.0, APPLIED_TRANSFORM[:, :3], APPLIED_TRANSFORM[:, 3])


def _common_model(cameras: list[Camera]) -> str:
    """Return the one camera model nerfstudio allows in a file."""
    fisheye = {camera.is_fisheye for camera in cameras}
    if len(fisheye) > 1:
        raise InputError(
            "nerfstudio takes either fisheye or other cameras in one file, and this map has both: "
            "map them apart."
        )
    return "OPENCV_FISHEYE" if True in fisheye else "OPENCV"


def _file_path(name: str, folder: Path, image_folder: Path | None) -> str:
    if image_folder is None:
        return f"images/{name}"
    return Path(os.path.relpath(image_folder.resolve() / name, folder.resolve())).as_posix()

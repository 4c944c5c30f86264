"""A walk through the street with a camera: photographs with EXIF, and the truth about where it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from sfm.files import atomic_path, writing
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.options import check, option
from sfm.progress import SILENT, Progress
from sfm.rendering.night import render_night
from sfm.rendering.renderer import Renderer
from sfm.rendering.street import build_street, heading_at, on_street

_FILM_DIAGONAL_MM = float(np.hypot(36, 24))
_SENSOR_WIDTH_MM = 6.4
_SECONDS_PER_VIEW = 2
_START = datetime(2024, 6, 1, 12, 0, 0)
_THREADS = 2


@dataclass(frozen=True)
class StreetOptions:
    """How the demo street is photographed."""

    views: int = option(20, "Number of photographs along the walk.", minimum=2, maximum=200)
    width: int = option(1024, "Width of the photographs in pixels.", minimum=16, maximum=8192)
    height: int = option(768, "Height of the photographs in pixels.", minimum=16, maximum=8192)
    focal_35mm: int = option(
        26, "Focal length as the 35 mm equivalent in millimetres.", minimum=10, maximum=200
    )
    radial: float = option(
        -0.03, "First radial distortion coefficient of the lens.", minimum=-0.2, maximum=0.2
    )
    seed: int = option(0, "Another seed gives another street.", minimum=0)
    darkness: float = option(
        0.0, "How dark it is in every second photograph, from 0 (day) to 1 (night).", minimum=0, maximum=1
    )


@dataclass(frozen=True)
class RenderedScene:
    """Photographs on disk and the truth about them.

    Attributes
    ----------
    images
        Folder of the JPEG files.
    ground_truth
        Folder of the COLMAP text model: the camera and the poses, no points.
    camera
        The one camera, with the principal point in this project's convention.
    poses
        `cam_from_world` by file name, in metres.
    """

    images: Path
    ground_truth: Path
    camera: Camera
    poses: dict[str, Pose]


def camera_of(options: StreetOptions) -> Camera:
    """Return the walk's camera: SIMPLE_RADIAL, or SIMPLE_PINHOLE if `radial` is 0."""
    focal_px = options.focal_35mm / _FILM_DIAGONAL_MM * float(np.hypot(options.width, options.height))
    middle = ((options.width - 1) / 2, (options.height - 1) / 2)
    if options.radial == 0:
        return Camera(
            "SIMPLE_PINHOLE", options.width, options.height, (focal_px, *middle), focal_is_known=True
        )
    params = (focal_px, *middle, options.radial)
    return Camera("SIMPLE_RADIAL", options.width, options.height, params, focal_is_known=True)


def walk(views: int) -> list[Pose]:
    """Return the poses of a walk up the street, from its right side to its left and back to the middle.

    The camera is held as by a person: at eye level, never quite straight, looking across the street.
    """
    return [_pose(i / max(views - 1, 1)) for i in range(views)]


def _pose(t: float) -> Pose:
    along = -1.5 + 14.0 * t
    weave = np.cos(1.5 * np.pi * t)
    center = on_street(along, -1.5 * weave, 1.6 + 0.06 * np.sin(9 * t))
    yaw = heading_at(along) + np.radians(28) * weave
    pitch, roll = np.radians(5 + 2 * np.sin(7 * t)), np.radians(1.5 * np.sin(11 * t))
    # Camera axes in the world: x to the right, y down, z ahead.
    world_from_level = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    turned = Rotation.from_euler("ZYX", [yaw, -pitch, roll]).as_matrix() @ world_from_level
    return Pose(turned.T, -turned.T @ center)


def render_street(
    out: Path, options: StreetOptions | None = None, progress: Progress = SILENT
) -> RenderedScene:
    """Render the demo scene into `out/images` and its truth into `out/ground_truth`.

    The same options give the same scene. Raises `WorkError` if Open3D cannot be imported or the disk is full,
    and `InputError` if nothing may be written.
    """
    from sfm.mapping.colmap_io import write_map
    from sfm.mapping.sparse_map import MapImage, SparseMap

    options = options or StreetOptions()
    check(options)
    camera = camera_of(options)
    images = out / "images"
    with writing(images):
        images.mkdir(parents=True, exist_ok=True)
    with progress.stage("build the street", 1, "street") as step:
        renderer = Renderer(build_street(options.seed).surfaces)
        step.advance()
    names = [f"street_{i:03d}.jpg" for i in range(options.views)]
    poses = walk(options.views)

    def shoot(index: int) -> None:
        seed = options.seed * 1000 + index
        rgb = renderer.render(camera, poses[index], seed=seed)
        if index % 2:
            rgb = render_night(rgb, options.darkness, np.random.default_rng(seed))
        when = _START + timedelta(seconds=index * _SECONDS_PER_VIEW)
        write_photograph(images / names[index], rgb, camera, options.focal_35mm, when)

    with progress.stage("render", options.views) as step, ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(shoot, range(options.views)):
            step.advance()

    registered = {
        i: MapImage(name, 1, pose) for i, (name, pose) in enumerate(zip(names, poses, strict=True), 1)
    }
    write_map(SparseMap({1: camera}, registered), out / "ground_truth", text=True)
    return RenderedScene(images, out / "ground_truth", camera, dict(zip(names, poses, strict=True)))


def write_photograph(
    path: Path, rgb: NDArray[np.uint8], camera: Camera, focal_35mm: int, when: datetime
) -> None:
    """Write a JPEG with the EXIF of a phone: maker, time and focal length."""
    exif = Image.Exif()
    stamp = when.strftime("%Y:%m:%d %H:%M:%S")
    exif[0x010F], exif[0x0110], exif[0x0132] = "sosnet-sfm", "Rendered street", stamp  # Make, Model, DateTime
    details: dict[int, Any] = exif.get_ifd(0x8769)
    details[0x9003] = stamp  # DateTimeOriginal
    details[0x920A] = round(camera.focal_px * _SENSOR_WIDTH_MM / camera.width, 4)  # FocalLength, mm
    details[0xA405] = focal_35mm  # FocalLengthIn35mmFilm, by the diagonal
    details[0xA20E] = details[0xA20F] = 10 * camera.width / _SENSOR_WIDTH_MM  # FocalPlaneXResolution, Y
    details[0xA210] = 3  # FocalPlaneResolutionUnit: centimetres
    with atomic_path(path) as temporary:
        Image.fromarray(rgb).save(temporary, "JPEG", quality=93, subsampling=0, exif=exif)

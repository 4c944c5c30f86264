"""PLY: the coloured points, and the camera path with frusta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.export.context import ExportContext, Exporter
from sfm.files import atomic_path
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.camera_shapes import camera_paths, frustum_corners, frustum_size
from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]

PATH_RGB = (255, 0, 0)
FRUSTUM_RGB = (60, 110, 220)

_DOTS_PER_EDGE = 12
_MAX_DOTS_PER_STEP = 100

_VERTEX = np.dtype([("xyz", "<f8", 3), ("rgb", "u1", 3)])
_EDGE = np.dtype([("ends", "<i4", 2), ("rgb", "u1", 3)])


class PlyExporter(Exporter):
    """Writes `points.ply` (the coloured points) and `cameras.ply` (path in red, frusta in blue)."""

    description = "PLY: coloured points, and the camera path with frusta"
    files = ("points.ply", "cameras.ply")

    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write both files into `folder`."""
        points, cameras = folder / "points.ply", folder / "cameras.ply"
        write_points(points, sparse_map.xyz, sparse_map.rgb)
        write_cameras(cameras, sparse_map)
        return [points, cameras]


def write_points(path: Path, xyz: Floats, rgb: NDArray[np.uint8]) -> None:
    """Write (N, 3) points with (N, 3) uint8 colours as a binary PLY file."""
    vertices = np.empty(len(xyz), _VERTEX)
    vertices["xyz"], vertices["rgb"] = xyz, rgb
    _write_ply(path, vertices)


def write_cameras(path: Path, sparse_map: SparseMap) -> None:
    """Write the camera path and the frusta as dotted lines: a binary PLY file with vertices and edges.

    Viewers that know the edge element of PLY draw lines, the others still see rows of dots. The path joins
    the cameras in the order of names; each folder of images is a path of its own.
    """
    drawing = _Drawing()
    size = frustum_size(sparse_map)
    for image in sparse_map.images_by_name:
        drawing.frustum(image.cam_from_world, sparse_map.cameras[image.camera_id], size)
    for image_ids in camera_paths(sparse_map):
        centers = [sparse_map.images[image_id].cam_from_world.center for image_id in image_ids]
        for a, b in pairwise(centers):
            dots = int(np.linalg.norm(b - a) / size * _DOTS_PER_EDGE)
            drawing.line(a, b, PATH_RGB, min(max(dots, 1), _MAX_DOTS_PER_STEP))
    _write_ply(path, drawing.vertices, drawing.edges)


@dataclass
class _Drawing:
    """Dotted lines under construction."""

    _vertices: list[NDArray[np.void]] = field(default_factory=list)
    _edges: list[NDArray[np.void]] = field(default_factory=list)
    _count: int = 0

    @property
    def vertices(self) -> NDArray[np.void]:
        return np.concatenate([np.empty(0, _VERTEX), *self._vertices])

    @property
    def edges(self) -> NDArray[np.void]:
        return np.concatenate([np.empty(0, _EDGE), *self._edges])

    def line(self, a: Floats, b: Floats, rgb: Sequence[int], pieces: int) -> None:
        """Draw from `a` to `b` as `pieces` edges with a vertex at every joint."""
        share = np.linspace(0, 1, pieces + 1)[:, None]
        vertices = np.empty(pieces + 1, _VERTEX)
        vertices["xyz"], vertices["rgb"] = (1 - share) * a + share * b, rgb
        edges = np.empty(pieces, _EDGE)
        edges["ends"] = self._count + np.column_stack([np.arange(pieces), np.arange(1, pieces + 1)])
        edges["rgb"] = rgb
        self._vertices.append(vertices)
        self._edges.append(edges)
        self._count += len(vertices)

    def frustum(self, cam_from_world: Pose, camera: Camera, depth: float) -> None:
        """Draw the pyramid from the centre to the image's corners at `depth`."""
        corners = frustum_corners(cam_from_world, camera, depth)
        for i, corner in enumerate(corners):
            self.line(cam_from_world.center, corner, FRUSTUM_RGB, _DOTS_PER_EDGE)
            self.line(corner, corners[(i + 1) % 4], FRUSTUM_RGB, _DOTS_PER_EDGE)


def _write_ply(path: Path, vertices: NDArray[np.void], edges: NDArray[np.void] | None = None) -> None:
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    header += ["property double x", "property double y", "property double z"]
    header += ["property uchar red", "property uchar green", "property uchar blue"]
    if edges is not None:
        header += [f"element edge {len(edges)}", "property int vertex1", "property int vertex2"]
        header += ["property uchar red", "property uchar green", "property uchar blue"]
    header += ["end_header", ""]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        file.write(vertices.tobytes())
        if edges is not None:
            file.write(edges.tobytes())

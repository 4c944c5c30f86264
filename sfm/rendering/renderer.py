"""Views of a scene through an exact camera model, by ray casting.

Every ray is made by `Camera.normalize`, so distortion is exact and pixel centres are integers. One ray
through the pixel's centre looks up a mip-mapped texture (Williams, SIGGRAPH 1983); where surfaces meet, the
colours of a regular grid of rays inside the pixel are averaged, in linear light.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.open3d_loader import import_open3d
from sfm.rendering.lighting import Sun, bake
from sfm.rendering.surfaces import MIP_LEVELS, Surfaces, facet_coordinates

Floats = NDArray[np.floating[Any]]

_GAMMA = 2.2
_SHARPNESS = 0.75


class Renderer:
    """Renders views of one scene; light and textures are prepared once.

    Parameters
    ----------
    surfaces
        What is to be seen.
    sun
        Direct light.
    """

    def __init__(self, surfaces: Surfaces, sun: Sun | None = None) -> None:
        o3d = import_open3d()
        self._tensor = o3d.core.Tensor
        vertices, triangles = surfaces.triangles
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(self._tensor(vertices), self._tensor(triangles))
        sun = sun or Sun()
        light = bake(surfaces, self._scene, sun)
        self._light = light.pixels
        self._sun = np.asarray(sun.direction)
        self._mips = [surfaces.atlas]
        while len(self._mips) < MIP_LEVELS:
            height, width = self._mips[-1].shape[:2]
            self._mips.append(
                cv2.resize(self._mips[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            )
        normals = surfaces.normals
        offsets = np.einsum("ij,ij->i", normals, surfaces.origin)
        self._planes = np.column_stack([normals, offsets]).astype(np.float32)
        columns = [
            surfaces.texture_origin,
            surfaces.texture_a,
            surfaces.texture_b,
            light.first,
            light.span,
            surfaces.texels_per_metre[:, None],
        ]
        self._lookup = np.concatenate(columns, axis=1).astype(np.float32)

    def render(
        self,
        camera: Camera,
        cam_from_world: Pose,
        *,
        supersampling: int = 2,
        noise: float = 1.2,
        seed: int = 0,
    ) -> NDArray[np.uint8]:
        """Take a photograph: (H, W, 3) uint8, RGB.

        Parameters
        ----------
        camera
            Intrinsics, distortion included.
        cam_from_world
            Pose.
        supersampling
            Rays per pixel along x and along y where surfaces meet.
        noise
            Standard deviation of the sensor's noise in grey levels.
        seed
            Of the noise.
        """
        rays = _to_world(_directions(camera), cam_from_world)
        linear, plane = self._radiance(rays, camera.focal_px)
        edge = _edges(self._planes, plane.reshape(camera.height, camera.width)).reshape(-1)
        where = np.flatnonzero(edge)
        if supersampling > 1 and len(where):
            pixels = np.column_stack([where % camera.width, where // camera.width]).astype(np.float64)
            steps = (np.arange(supersampling) + 0.5) / supersampling - 0.5
            total = np.zeros((len(where), 3), np.float32)
            for dx, dy in np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2):
                directions = _homogeneous(camera.normalize(pixels + np.array([dx, dy])))
                total += self._radiance(_to_world(directions, cam_from_world), camera.focal_px)[0]
            linear[where] = total / supersampling**2
        encoded = 255 * _tone(linear.reshape(camera.height, camera.width, 3))
        if noise > 0:
            encoded += noise * np.random.default_rng(seed).standard_normal(encoded.shape, dtype=np.float32)
        return np.clip(encoded + 0.5, 0, 255).astype(np.uint8)

    def depth(self, camera: Camera, cam_from_world: Pose) -> NDArray[np.float32]:
        """Return z in the camera's frame of what the pixels' centres see, (H, W), metres; inf for the sky."""
        rays = _to_world(_directions(camera), cam_from_world)
        return self._cast(rays)["t_hit"].numpy().reshape(camera.height, camera.width)

    def _cast(self, rays: NDArray[np.float32]) -> dict[str, Any]:
        return self._scene.cast_rays(self._tensor(rays))

    def _radiance(
        self, rays: NDArray[np.float32], focal_px: float
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Return the linear colours (N, 3) that rays see and the facets they hit (N,), -1 for the sky."""
        answer = self._cast(rays)
        distance = answer["t_hit"].numpy()
        seen = np.isfinite(distance)
        hit, missed = np.flatnonzero(seen), np.flatnonzero(~seen)
        colour = np.empty((len(rays), 3), np.float32)
        colour[missed] = sky(rays[missed, 3:], self._sun)
        facets = np.full(len(rays), -1, np.intp)
        if len(hit) == 0:
            return colour, facets
        triangle = answer["primitive_ids"].numpy()[hit].astype(np.intp)
        facet, a, b = facet_coordinates(triangle, answer["primitive_uvs"].numpy()[hit])
        facets[hit] = facet
        look = self._lookup[facet]
        ab = np.stack([a, b], axis=1)
        xy = look[:, 0:2] + a[:, None] * look[:, 2:4] + b[:, None] * look[:, 4:6]
        direction = rays[hit, 3:]
        squared_length = np.einsum("ij,ij->i", direction, direction)
        facing = np.abs(np.einsum("ij,ij->i", self._planes[facet, :3], direction))
        # The geometric mean of the footprint's two widths: a slant stretches it in one direction only.
        width = distance[hit] / focal_px * (squared_length**0.25 / np.sqrt(np.maximum(facing, 1e-3)))
        level = np.log2(np.maximum(look[:, 10] * width * _SHARPNESS, 1))
        light = _sample(self._light, look[:, 6:8] + ab * look[:, 8:10])
        colour[hit] = _linear(self._texture(xy, level)) * light
        return colour, facets

    def _texture(self, xy: NDArray[np.float32], level: NDArray[np.float32]) -> NDArray[np.float32]:
        """Look up the atlas at (N, 2) texels, between the two nearest of the mip levels."""
        level = np.minimum(level, MIP_LEVELS - 1.001)
        lower = level.astype(np.int8)
        upper_share = level - lower
        result = np.zeros((len(xy), 3), np.float32)
        for index, pixels in enumerate(self._mips):
            weight = np.where(lower == index, 1 - upper_share, np.where(lower == index - 1, upper_share, 0))
            here = np.flatnonzero(weight)
            if len(here):
                result[here] += weight[here, None] * _sample(pixels, xy[here] / 2**index - 0.5)
        return result


@lru_cache(maxsize=1)
def _directions(camera: Camera) -> NDArray[np.float32]:
    """Return the (H * W, 3) directions of the pixels' centres in the camera's frame, z = 1."""
    x, y = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    return _homogeneous(camera.normalize(np.column_stack([x.ravel(), y.ravel()])))


def _homogeneous(xy: Floats) -> NDArray[np.float32]:
    return np.column_stack([xy, np.ones(len(xy))]).astype(np.float32)


def _to_world(directions: NDArray[np.float32], cam_from_world: Pose) -> NDArray[np.float32]:
    """Return (N, 6) rays, origin and direction in the world."""
    rays = np.empty((len(directions), 6), np.float32)
    rays[:, :3] = cam_from_world.center
    # cv2.transform: BLAS is slow on matrices this thin.
    rays[:, 3:] = cv2.transform(directions[:, None], cam_from_world.rotation.T)[:, 0]
    return rays


def _edges(planes: NDArray[np.float32], facets: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Mark the pixels beside which another surface begins, (H, W); facets in one plane are one surface."""
    edge = np.zeros(facets.shape, bool)
    for axis in (0, 1):
        before = (slice(None, -1), slice(None))[:: 1 - 2 * axis]
        after = (slice(1, None), slice(None))[:: 1 - 2 * axis]
        rows, columns = np.nonzero(facets[before] != facets[after])
        one, other = facets[before][rows, columns], facets[after][rows, columns]
        apart = np.abs(planes[one] - planes[other]).max(axis=1) > 4e-3
        apart |= (one < 0) != (other < 0)
        edge[before][rows[apart], columns[apart]] = True
        edge[after][rows[apart], columns[apart]] = True
    return edge


def sky(directions: NDArray[np.float32], sun: Floats) -> NDArray[np.float32]:
    """Return the sky's linear colour (N, 3) in (N, 3) directions: hazy below, brighter at the sun."""
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    height = np.clip(unit[:, 2:], 0, 1) ** 0.6
    colour = (1 - height) * [0.86, 0.88, 0.9] + height * [0.25, 0.45, 0.82]
    glow = np.clip(unit @ sun, 0, 1)[:, None] ** 8
    # Thin clouds: a few soft waves on a plane high above.
    x, y = (unit[:, :2] / np.maximum(unit[:, 2:], 0.08)).T
    cloud = (
        np.sin(1.3 * x + 0.7 * np.sin(1.9 * y))
        + np.sin(2.1 * y - 0.9 * np.sin(2.7 * x + 1))
        + 0.6 * np.sin(4.3 * x + 3.1 * y)
    )
    cover = np.clip(0.25 * cloud + 0.1, 0, 0.7)[:, None]
    return ((1 - cover) * colour + cover * 0.95 + 0.15 * glow).astype(np.float32)


def _sample(pixels: NDArray[Any], xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate (H, W, 3) pixels at (N, 2) positions."""
    columns = 1024  # cv2.remap wants a picture, and no side of it beyond 32767
    rows = -(-len(xy) // columns)
    grid = np.zeros((rows * columns, 2), np.float32)
    grid[: len(xy)] = xy
    values = cv2.remap(pixels, grid.reshape(rows, columns, 2), None, cv2.INTER_LINEAR)
    return values.reshape(-1, 3)[: len(xy)].astype(np.float32)


def _linear(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.power(encoded / np.float32(255), np.float32(_GAMMA), dtype=np.float32)


def _tone(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return display values: a gamma curve with a soft shoulder instead of clipped highlights."""
    shoulder = linear * (1 + linear / 4) / (1 + linear)
    return np.power(np.clip(shoulder * 1.25, 0, 1), np.float32(1 / _GAMMA), dtype=np.float32)

"""Light that does not depend on where one stands: sun, shadows and sky, computed once for all views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.open3d_loader import import_open3d
from sfm.rendering.surfaces import Surfaces

Floats = NDArray[np.floating[Any]]

_TEXELS_PER_METRE = 11.0
_MAP_WIDTH = 4096
_LARGEST = 256
_OFF_SURFACE = 4e-3
_SKY_DIRECTIONS = 16
_SKY = np.array([0.66, 0.75, 0.92])
_BOUNCE = np.array([0.27, 0.24, 0.2])


@dataclass(frozen=True)
class Sun:
    """Direct light: the direction towards it (unit vector) and its colour, linear RGB."""

    direction: tuple[float, float, float] = (-0.45, -0.53, 0.718)
    colour: tuple[float, float, float] = (1.7, 1.5, 1.22)


@dataclass(frozen=True)
class LightMap:
    """Light that falls on the facets, in small pictures packed into one.

    Attributes
    ----------
    pixels : (H, W, 3) float32
        Irradiance over pi, linear RGB: times the diffuse colour it is what a camera sees.
    first, span : (Q, 2) float32
        Facet coordinates (a, b) lie at pixel `first + (a, b) * span` (centres of pixels are integers).
    """

    pixels: NDArray[np.float32]
    first: NDArray[np.float32]
    span: NDArray[np.float32]


def bake(surfaces: Surfaces, scene: Any, sun: Sun, seed: int = 0) -> LightMap:
    """Compute the light on all facets by casting rays: soft shadows of the sun, and the part of the sky seen.

    What hides the sky lends its own dim light instead, a stand-in for one bounce.

    Parameters
    ----------
    surfaces
        The scene's facets.
    scene
        Open3D `RaycastingScene` of the same facets.
    sun
        Direct light.
    seed
        Of the random directions.
    """
    lengths = np.stack([np.linalg.norm(s, axis=1) for s in (surfaces.side_a, surfaces.side_b)], axis=1)
    sizes = np.clip(np.ceil(lengths * _TEXELS_PER_METRE).astype(int) + 1, 2, _LARGEST)
    first, height = _pack(sizes)
    facet, column, row = _texels(sizes)
    position, normal = _positions(surfaces, lengths, sizes, facet, column, row)
    light = _light(scene, position, normal, sun, np.random.default_rng(seed))
    pixels = np.zeros((height, _MAP_WIDTH, 3), np.float32)
    pixels[first[facet, 1] + row, first[facet, 0] + column] = light
    return LightMap(pixels, first.astype(np.float32), (sizes - 1).astype(np.float32))


def _pack(sizes: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Place (width, height) pictures on shelves, tallest first; returns corners and total height."""
    first = np.zeros_like(sizes)
    x = y = shelf = 0
    for i in np.argsort(-sizes[:, 1], kind="stable"):
        width, height = sizes[i]
        if x + width > _MAP_WIDTH:
            x, y, shelf = 0, y + shelf, 0
        first[i] = x, y
        x, shelf = x + width, max(shelf, height)
    return first, int(y + shelf)


def _texels(sizes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """List all texels: facet, column and row of each, (T,)."""
    count = sizes.prod(axis=1)
    facet = np.repeat(np.arange(len(sizes)), count)
    within = np.arange(len(facet)) - np.repeat(np.cumsum(count) - count, count)
    return facet, within % sizes[facet, 0], within // sizes[facet, 0]


def _positions(
    surfaces: Surfaces,
    lengths: Floats,
    sizes: NDArray[np.intp],
    facet: NDArray[np.intp],
    column: NDArray[np.intp],
    row: NDArray[np.intp],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where light is computed, a little off the surface and its edges, and the normals, (T, 3)."""
    ab = np.stack([column, row], axis=1) / (sizes[facet] - 1)
    margin = np.clip(0.02 / np.maximum(lengths, 1e-6), 0, 0.3)[facet]
    ab = margin + ab * (1 - 2 * margin)
    a, b = ab[:, :1], ab[:, 1:]
    twist = surfaces.opposite - surfaces.origin - surfaces.side_a - surfaces.side_b
    normal = surfaces.normals[facet]
    position = surfaces.origin[facet] + a * surfaces.side_a[facet] + b * surfaces.side_b[facet]
    position += a * b * twist[facet] + _OFF_SURFACE * normal
    return position.astype(np.float32), normal.astype(np.float32)


def _light(
    scene: Any, position: NDArray[np.float32], normal: NDArray[np.float32], sun: Sun, rng: np.random.Generator
) -> NDArray[np.float32]:
    towards = np.asarray(sun.direction, np.float32)
    facing = np.maximum(normal @ towards, 0)
    light = np.zeros_like(position)
    lit = np.flatnonzero(facing > 0)
    jitter = rng.normal(0, 0.012, (3, 3)).astype(np.float32)
    for offset in jitter:
        free = ~_occluded(scene, position[lit], np.broadcast_to(towards + offset, (len(lit), 3)))
        light[lit] += (free * facing[lit] / len(jitter))[:, None] * np.asarray(sun.colour, np.float32)
    for direction in _sphere(_SKY_DIRECTIONS):
        # The same directions for all, mirrored to the side the facet looks to and weighted by the cosine.
        cosine = normal @ direction
        rays = np.where(cosine[:, None] < 0, -direction, direction).astype(np.float32)
        upward = np.clip(0.5 + 0.5 * rays[:, 2:], 0, 1)
        hidden = rays[:, 2] <= 0
        rising = np.flatnonzero(~hidden)
        hidden[rising] = _occluded(scene, position[rising], rays[rising])
        colour = np.where(hidden[:, None], _BOUNCE, _SKY * (0.75 + 0.5 * upward))
        light += (2 * np.abs(cosine)[:, None] / _SKY_DIRECTIONS * colour).astype(np.float32)
    return light


def _sphere(count: int) -> NDArray[np.float32]:
    """Return directions spread evenly over the half sphere z > 0, (count, 3): a Fibonacci lattice."""
    k = np.arange(count) + 0.5
    z = k / count
    turn = np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z**2)
    return np.column_stack([r * np.cos(turn), r * np.sin(turn), z]).astype(np.float32)


def _occluded(scene: Any, origin: NDArray[np.float32], direction: NDArray[np.float32]) -> NDArray[np.bool_]:
    tensor = import_open3d().core.Tensor
    return scene.test_occlusions(tensor(np.concatenate([origin, direction], axis=1))).numpy()

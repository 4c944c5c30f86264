"""Textured surfaces made of four-cornered facets, and the builder that collects them with their textures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Pixels = NDArray[np.uint8]
Window = tuple[float, float, float, float] | tuple[float, float, float, float, float, float]

MIP_LEVELS = 6
_GUTTER = 2 ** (MIP_LEVELS - 1)
_ATLAS_WIDTH = 8192


@dataclass(frozen=True)
class Surfaces:
    """Four-cornered facets with one texture atlas.

    A facet has the corners `origin`, `origin + side_a`, `opposite` and `origin + side_b`; in its coordinates
    (a, b) they are (0, 0), (1, 0), (1, 1) and (0, 1). Seen from outside, a runs to the right and b runs down,
    so that the outward normal is `side_b x side_a`.

    Attributes
    ----------
    origin, side_a, side_b, opposite : (Q, 3) float64
        Geometry in metres.
    texture_origin, texture_a, texture_b : (Q, 2) float64
        The parallelogram of the atlas that is shown; the first texel covers [0, 1] x [0, 1].
    atlas : (H, W, 3) uint8
        Diffuse colours, sRGB. Every texture is surrounded by a gutter that repeats its border, so that
        `MIP_LEVELS` halvings do not bleed.
    """

    origin: Floats
    side_a: Floats
    side_b: Floats
    opposite: Floats
    texture_origin: Floats
    texture_a: Floats
    texture_b: Floats
    atlas: Pixels

    def __len__(self) -> int:
        return len(self.origin)

    @property
    def normals(self) -> Floats:
        """Unit normals pointing outwards, (Q, 3)."""
        normal = np.cross(self.side_b, self.side_a)
        return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)

    @property
    def texels_per_metre(self) -> Floats:
        """Texture resolution of each facet, (Q,)."""
        area = np.linalg.norm(np.cross(self.side_b, self.side_a), axis=1)
        (ax, ay), (bx, by) = self.texture_a.T, self.texture_b.T
        return np.sqrt(np.abs(ax * by - ay * bx) / np.maximum(area, 1e-12))

    @property
    def triangles(self) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
        """Vertices (4Q, 3) and indices (2Q, 3); facet q is the triangles 2q and 2q + 1."""
        a, b = self.side_a, self.side_b
        corners = np.stack([self.origin, self.origin + a, self.opposite, self.origin + b], axis=1)
        first = 4 * np.arange(len(self), dtype=np.uint32)[:, None, None]
        index = first + np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
        return corners.reshape(-1, 3).astype(np.float32), index.reshape(-1, 3)


def facet_coordinates(triangle: NDArray[Any], uv: Floats) -> tuple[NDArray[Any], Floats, Floats]:
    """Turn a triangle index and its barycentric (u, v) into facet index, a and b."""
    u, v = uv[:, 0], uv[:, 1]
    lower = triangle % 2 == 1
    return triangle // 2, np.where(lower, u, u + v), np.where(lower, u + v, v)


class SurfaceBuilder:
    """Collects facets and textures; `build` packs the textures into one atlas."""

    def __init__(self) -> None:
        self._textures: list[Pixels] = []
        self._facets: list[tuple[int, Floats]] = []

    def texture(self, pixels: Pixels) -> int:
        """Register an (h, w, 3) texture; returns its number."""
        self._textures.append(pixels)
        return len(self._textures) - 1

    def facet(
        self,
        texture: int,
        origin: Sequence[float] | Floats,
        side_a: Sequence[float] | Floats,
        side_b: Sequence[float] | Floats,
        window: Window | None = None,
        opposite: Floats | None = None,
    ) -> None:
        """Add a facet that shows a window of a texture (default: all of it).

        `window` is in texels: (x, y, width, height), where a negative width or height mirrors, or the general
        parallelogram (x, y, ax, ay, bx, by). Without `opposite`, the facet is a parallelogram too.
        """
        if opposite is None:
            opposite = np.add(origin, side_a) + side_b
        if window is None:
            height, width = self._textures[texture].shape[:2]
            window = (0.0, 0.0, width, height)
        if len(window) == 4:
            x, y, w, h = window
            window = (x, y, w, 0.0, 0.0, h)
        self._facets.append((texture, np.concatenate([origin, side_a, side_b, opposite, window])))

    def box(self, texture: int, base: Floats, axes: Floats, size: Sequence[float]) -> None:
        """Add an upright box without a bottom; every face shows the whole texture.

        Parameters
        ----------
        texture
            Number of the texture.
        base : (3,)
            Middle of the bottom.
        axes : (3, 3)
            Rows: unit vectors along the box's width, depth and height.
        size
            Width, depth and height in metres.
        """
        w, d, h = axes * np.asarray(size)[:, None]
        top = base + h
        corner = {(i, j): top + i * w / 2 + j * d / 2 for i in (-1, 1) for j in (-1, 1)}
        self.facet(texture, corner[-1, -1], w, -h)
        self.facet(texture, corner[1, -1], d, -h)
        self.facet(texture, corner[1, 1], -w, -h)
        self.facet(texture, corner[-1, 1], -d, -h)
        self.facet(texture, corner[-1, 1], w, -d)

    def lathe(
        self, texture: int, base: Floats, profile: Sequence[tuple[float, float]], sides: int = 12
    ) -> None:
        """Add a surface of revolution around the vertical through `base`.

        `profile` lists (radius, height) in metres from the top down.
        """
        angles = np.linspace(0, 2 * np.pi, sides + 1)
        spokes = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(sides + 1)])
        self.rings(texture, [base + radius * spokes + [0.0, 0.0, height] for radius, height in profile])

    def rings(self, texture: int, rings: Sequence[Floats]) -> None:
        """Join polygons (K, 3), listed from the top down and each counter-clockwise seen from above."""
        pixels = self._textures[texture]
        count = len(rings[0])
        xs, ys = np.linspace(0, pixels.shape[1], count), np.linspace(0, pixels.shape[0], len(rings))
        for j, (upper, lower) in enumerate(pairwise(rings)):
            for k in range(count - 1):
                window = (xs[k], ys[j], xs[k + 1] - xs[k], ys[j + 1] - ys[j])
                side_a, side_b = upper[k + 1] - upper[k], lower[k] - upper[k]
                self.facet(texture, upper[k], side_a, side_b, window, lower[k + 1])

    def extend(self, other: SurfaceBuilder) -> None:
        """Add everything that another builder has collected."""
        first = len(self._textures)
        self._textures += other._textures
        self._facets += [(first + texture, values) for texture, values in other._facets]

    def build(self) -> Surfaces:
        """Pack the textures and return all facets."""
        places, height = _pack([(t.shape[1], t.shape[0]) for t in self._textures])
        atlas = np.full((height, _ATLAS_WIDTH, 3), 128, np.uint8)
        for (x, y), pixels in zip(places, self._textures, strict=True):
            padded = cv2.copyMakeBorder(pixels, *(_GUTTER,) * 4, cv2.BORDER_REPLICATE)
            atlas[y : y + padded.shape[0], x : x + padded.shape[1]] = padded
        numbers = np.array([number for number, _ in self._facets])
        table = np.array([values for _, values in self._facets])
        offset = np.array(places, np.float64)[numbers] + _GUTTER
        origin, side_a, side_b, opposite, place, along_a, along_b = np.split(
            table, [3, 6, 9, 12, 14, 16], axis=1
        )
        return Surfaces(origin, side_a, side_b, opposite, place + offset, along_a, along_b, atlas)


def _pack(sizes: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Place (width, height) rectangles with gutters on shelves, tallest first; returns corners and height.

    Corners are multiples of the gutter, so that the texels of all mip levels fall inside one texture.
    """
    places = [(0, 0)] * len(sizes)
    x = y = shelf = 0
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i][1]):
        width, height = (-(-(side + 2 * _GUTTER) // _GUTTER) * _GUTTER for side in sizes[i])
        if x + width > _ATLAS_WIDTH:
            x, y, shelf = 0, y + shelf, 0
        places[i] = (x, y)
        x, shelf = x + width, max(shelf, height)
    return places, y + shelf

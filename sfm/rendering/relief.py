"""Façades with depth: a painted rectangle whose parts stand out of the wall or lie back in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.rendering.surfaces import SurfaceBuilder

Floats = NDArray[np.floating[Any]]


@dataclass
class Relief:
    """A rectangle of `width` x `height` metres whose parts have a depth.

    Parts are (x0, y0, x1, y1, depth_m), x to the right and y down from the top left corner; a positive depth
    stands out of the wall. A later part overrides an earlier one.
    """

    width: float
    height: float
    parts: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def add(self, x0: float, y0: float, x1: float, y1: float, depth: float) -> None:
        """Give the rectangle a depth; what reaches beyond the border is cut off."""
        self.parts.append((max(x0, 0.0), max(y0, 0.0), min(x1, self.width), min(y1, self.height), depth))

    def depths(self) -> tuple[Floats, Floats, Floats]:
        """Return cuts along x (C+1,), along y (R+1,) and the depth of the cells between them (R, C)."""
        parts = np.array(self.parts).reshape(-1, 5)
        xs = np.unique(np.round([0.0, self.width, *parts[:, 0], *parts[:, 2]], 4))
        ys = np.unique(np.round([0.0, self.height, *parts[:, 1], *parts[:, 3]], 4))
        x, y = (xs[:-1] + xs[1:]) / 2, (ys[:-1] + ys[1:]) / 2
        depth = np.zeros((len(y), len(x)))
        for x0, y0, x1, y1, d in parts:
            depth[np.ix_((y > y0) & (y < y1), (x > x0) & (x < x1))] = d
        return xs, ys, depth

    def emit(
        self, builder: SurfaceBuilder, texture: int, top_left: Floats, right: Floats, ppm: float
    ) -> None:
        """Add the relief's facets: fronts, and the walls wherever depth changes.

        Parameters
        ----------
        builder
            Receives the facets.
        texture
            The painting of the whole rectangle, `ppm` texels a metre. A side wall shows what is painted next
            to its edge on the part that stands out, so that bricks go round the corner.
        top_left : (3,)
            World position of the rectangle's corner at depth 0.
        right : (3,)
            Horizontal unit vector to the right as seen from outside; z is up.
        ppm
            Texels a metre.
        """
        up = np.array([0.0, 0.0, 1.0])
        outward = np.cross(right, up)
        xs, ys, depth = self.depths()

        def at(x: float, y: float, d: float) -> Floats:
            return top_left + x * right - y * up + d * outward

        for r, c0, c1 in _runs(depth):
            x0, x1, y0, y1, d = xs[c0], xs[c1], ys[r], ys[r + 1], depth[r, c0]
            window = (x0 * ppm, y0 * ppm, (x1 - x0) * ppm, (y1 - y0) * ppm)
            builder.facet(texture, at(x0, y0, d), (x1 - x0) * right, (y0 - y1) * up, window)

        step = np.diff(depth, axis=1)
        for r, c in np.argwhere(step != 0):
            x, y0, y1, d, rise = xs[c + 1], ys[r], ys[r + 1], depth[r, c], step[r, c]
            # Seen from outside the wall runs from the left cell's depth to the right cell's.
            start = x + rise if rise > 0 else x
            window = (start * ppm, y0 * ppm, -abs(rise) * ppm, (y1 - y0) * ppm)
            builder.facet(texture, at(x, y0, d), rise * outward, (y0 - y1) * up, window)

        step = np.diff(depth, axis=0)
        for r, c0, c1 in _runs(step + 1j * depth[:-1]):
            rise = step[r, c0]
            if rise == 0:
                continue
            x0, x1, y, d = xs[c0], xs[c1], ys[r + 1], depth[r, c0]
            start = y + rise if rise > 0 else y
            window = (x0 * ppm, start * ppm, (x1 - x0) * ppm, -abs(rise) * ppm)
            builder.facet(texture, at(x0, y, d), (x1 - x0) * right, rise * outward, window)


def _runs(values: NDArray[Any]) -> list[tuple[int, int, int]]:
    """Return (row, first column, column after the last) of all runs of equal values."""
    runs = []
    for r, row in enumerate(values):
        cuts = [0, *(np.flatnonzero(np.diff(row)) + 1), len(row)]
        runs += [(r, int(a), int(b)) for a, b in pairwise(cuts)]
    return runs

"""The plan of a small curved street: terraces, pavements, setts, clutter and a house at its end.

World axes: z up, the street starts at the origin along +x and bends to the left. Units are metres.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.rendering import clutter, painting, textures
from sfm.rendering.houses import Plot, build_house, build_wall
from sfm.rendering.painting import Canvas
from sfm.rendering.surfaces import SurfaceBuilder, Surfaces

Floats = NDArray[np.floating[Any]]

FIRST, LAST = -5.0, 33.0
HALF_WIDTH = 4.4
KERB = 2.75
KERB_HEIGHT = 0.13
_RADIUS = 75.0


def on_street(along: float, across: float, height: float = 0.0) -> Floats:
    """Return the world position `along` the street's middle line, `across` to its left, and its `height`."""
    turn = along / _RADIUS
    r = _RADIUS - across
    return np.array([r * np.sin(turn), _RADIUS - r * np.cos(turn), height])


def heading_at(along: float) -> float:
    """Return the street's direction in radians, counter-clockwise from +x."""
    return along / _RADIUS


@dataclass(frozen=True)
class Street:
    """A street ready to be rendered: its surfaces, and where things stand for those who walk through it."""

    surfaces: Surfaces
    seed: int


def build_street(seed: int = 0) -> Street:
    """Lay out and paint a street; the same seed gives the same street. Takes a few seconds."""
    parts = (_left_terrace, _right_terrace, _ground, _end, _furnish)
    # Every part has its own generator, so that the threads' order does not matter.
    generators = np.random.default_rng(seed).spawn(len(parts))
    with ThreadPoolExecutor(2) as pool:
        builders = list(pool.map(lambda part, rng: part(rng), parts, generators))
    whole = SurfaceBuilder()
    for builder in builders:
        whole.extend(builder)
    return Street(whole.build(), seed)


def _left_terrace(rng: np.random.Generator) -> SurfaceBuilder:
    return _terrace(rng, left=True)


def _right_terrace(rng: np.random.Generator) -> SurfaceBuilder:
    return _terrace(rng, left=False)


def _terrace(rng: np.random.Generator, *, left: bool) -> SurfaceBuilder:
    builder = SurfaceBuilder()
    along, number = FIRST, 1 if left else 2
    gap = int(rng.integers(2, 4)) if left else int(rng.integers(3, 5))
    house = 0
    while along < LAST - 2:
        until = min(along + rng.uniform(4.6, 6.6), LAST)
        if LAST - until < 2.5:
            until = LAST
        across = (HALF_WIDTH + rng.uniform(-0.12, 0.12)) * (1 if left else -1)
        ends = [on_street(s, across) for s in ((along, until) if left else (until, along))]
        width = float(np.linalg.norm(ends[1] - ends[0]))
        right = (ends[1] - ends[0]) / width
        ppm = 200.0 if along < 17 else 110.0
        if house == gap:
            build_wall(builder, rng, Plot(ends[0], right, width, rng.uniform(2.2, 2.5), number, ppm))
        else:
            height = rng.uniform(5.6, 6.3) if rng.random() < 0.55 else rng.uniform(7.9, 8.7)
            build_house(builder, rng, Plot(ends[0], right, width, height, number, ppm))
        along, house, number = until, house + 1, number + 2
    return builder


def _end(rng: np.random.Generator) -> SurfaceBuilder:
    """Close the street with one wide house across it."""
    builder = SurfaceBuilder()
    left, right = on_street(LAST, HALF_WIDTH + 2), on_street(LAST, -HALF_WIDTH - 2)
    width = float(np.linalg.norm(right - left))
    build_house(builder, rng, Plot(left, (right - left) / width, width, 8.4, 99, 100.0))
    return builder


def _ground(rng: np.random.Generator) -> SurfaceBuilder:
    builder = SurfaceBuilder()
    ppm, length, reach = 160.0, LAST - FIRST, HALF_WIDTH + 0.7
    columns = round(length * ppm)
    road = textures.cobbles(rng, round(2 * KERB * ppm), columns, ppm)
    _dress_road(Canvas(road, ppm, rng), length)
    lay = [(KERB, 0.0, -KERB, 0.0, road)]
    for side in (1, -1):
        paving = textures.slabs(rng, round((reach - KERB) * ppm), columns, ppm)
        kerb = textures.brick(
            rng,
            round(0.15 * ppm),
            columns,
            ppm,
            [(164, 158, 150), (146, 140, 134)],
            (90, 86, 80),
            (0.9, 0.6),
            9.0,
            0.2,
        )
        paving[-len(kerb) :] = kerb
        outer, inner = (reach, KERB) if side > 0 else (-KERB, -reach)
        lay.append((outer, KERB_HEIGHT, inner, KERB_HEIGHT, paving if side > 0 else paving[::-1].copy()))
        rise = (KERB_HEIGHT, 0.0) if side > 0 else (0.0, KERB_HEIGHT)
        lay.append((side * KERB, rise[0], side * KERB, rise[1], kerb * np.float32(0.9)))
    grass = builder.texture(textures.to_uint8(textures.leaves(rng, 400, 700, 40.0, (92, 120, 62))))
    builder.facet(grass, (FIRST - 20, 30.0, -0.03), (LAST - FIRST + 40, 0.0, 0.0), (0.0, -50.0, 0.0))
    stations = np.linspace(FIRST, LAST, round(length) + 1)
    for t0, z0, t1, z1, image in lay:
        texture = builder.texture(textures.to_uint8(image))
        for s0, s1 in pairwise(stations):
            corner, after = on_street(s0, t0, z0), on_street(s1, t0, z0)
            window = ((s0 - FIRST) * ppm, 0.0, (s1 - s0) * ppm, image.shape[0])
            builder.facet(
                texture, corner, after - corner, on_street(s0, t1, z1) - corner, window, on_street(s1, t1, z1)
            )
    return builder


def _dress_road(canvas: Canvas, length: float) -> None:
    """Add manholes, gullies, patches of asphalt, oil and litter to the setts."""
    rng, width = canvas.rng, 2 * KERB
    for _ in range(7):
        x, y = rng.uniform(0, length - 2), rng.uniform(0.4, width - 1.2)
        patch = (x, y, x + rng.uniform(0.5, 1.9), y + rng.uniform(0.4, 1.0))
        canvas.fill(patch, np.ones(3) * rng.uniform(62, 88), 9.0)
    for x in np.arange(3.0, length, 6.5):
        place = (x, 1.6 + rng.uniform(0, 2), x + 0.62, 0.0)
        lid = (place[0], place[1], place[2], place[1] + 0.62)
        canvas.fill(lid, (92, 88, 86), 8.0)
        target = canvas.view(lid)
        bars = (np.indices(target.shape[:2]).sum(0) // 7) % 2 == 0
        target[bars] *= 0.62
        painting.lettering(f"W {rng.integers(100, 999)}", 30, (150, 146, 140), target)
    for _ in range(int(length * width * 4)):
        textures.spot(rng, canvas.image, canvas.ppm, (0.01, 0.06))
    for _ in range(int(length * 2)):
        x, y = (
            rng.uniform(0, length),
            rng.choice([rng.uniform(0, 0.5), rng.uniform(width - 0.5, width - 0.1)]),
        )
        canvas.fill(
            (x, y, x + rng.uniform(0.04, 0.14), y + rng.uniform(0.03, 0.1)),
            rng.uniform(70, 225) + rng.uniform(-30, 30, 3),
            20.0,
        )


def _furnish(rng: np.random.Generator) -> SurfaceBuilder:
    builder = SurfaceBuilder()
    for side in (1, -1):
        along = FIRST + rng.uniform(0.5, 2)
        kind = int(rng.integers(len(clutter.THINGS)))
        while along < LAST - 1.5:
            across = side * (HALF_WIDTH - rng.uniform(0.5, 0.65))
            # The back of a thing is towards the house behind it.
            heading = heading_at(along) + (0.0 if side > 0 else np.pi) + rng.normal(0, 0.1)
            place = on_street(along, across, KERB_HEIGHT)
            clutter.THINGS[kind % len(clutter.THINGS)](builder, rng, place, clutter.axes_at(heading))
            along, kind = along + rng.uniform(1.5, 3.0), kind + 1 + int(rng.integers(3))
        for index, s in enumerate(np.arange(FIRST + 1 + 2 * (side > 0), LAST, 4.2)):
            post = clutter.lamp_post if index % 3 == 1 else clutter.bollard
            post(builder, rng, on_street(s, side * (KERB + 0.3), KERB_HEIGHT), np.eye(3))
    return builder

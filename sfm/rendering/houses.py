"""Terraced houses: a façade is drawn by chance, painted, given depth, and closed by roof and gables."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.rendering import painting, textures
from sfm.rendering.painting import Canvas
from sfm.rendering.relief import Relief
from sfm.rendering.surfaces import SurfaceBuilder
from sfm.rendering.textures import Colour, Image

Floats = NDArray[np.floating[Any]]

_BRICKS: tuple[tuple[Colour, ...], ...] = (
    ((158, 78, 58), (142, 66, 50), (172, 92, 66), (120, 58, 50)),
    ((186, 152, 104), (172, 138, 96), (200, 168, 118), (150, 122, 92)),
    ((126, 84, 74), (110, 74, 68), (142, 96, 80), (92, 66, 64)),
    ((176, 104, 72), (190, 118, 82), (156, 90, 66), (200, 136, 100)),
)
_PLASTERS: tuple[Colour, ...] = (
    (226, 208, 170), (214, 168, 128), (176, 198, 192), (224, 190, 180), (232, 226, 210), (204, 184, 120),
    (164, 182, 206),
)  # fmt: skip
_STONES: tuple[Colour, ...] = ((186, 176, 156), (170, 164, 152), (200, 188, 160), (152, 146, 138))
_PAINTS: tuple[Colour, ...] = (
    (44, 74, 60), (112, 36, 34), (38, 56, 92), (190, 148, 60), (60, 60, 64), (128, 96, 134), (70, 118, 122),
    (140, 82, 46),
)  # fmt: skip
_FRAMES: tuple[Colour, ...] = ((238, 234, 224), (226, 220, 200), (66, 84, 72), (92, 64, 48), (70, 78, 90))
_ROOFS: tuple[Colour, ...] = ((150, 82, 62), (104, 100, 104), (128, 74, 60), (92, 96, 108))


@dataclass(frozen=True)
class Plot:
    """Where a house stands.

    Attributes
    ----------
    foot : (3,)
        Foot of the façade's left edge as seen from the street.
    right : (3,)
        Horizontal unit vector along the façade, to the right.
    width, height
        Of the façade in metres.
    number
        House number.
    ppm
        Texels a metre of the façade.
    """

    foot: Floats
    right: Floats
    width: float
    height: float
    number: int
    ppm: float

    @property
    def outward(self) -> Floats:
        """Horizontal unit vector from the façade into the street."""
        return np.cross(self.right, [0.0, 0.0, 1.0])

    @property
    def top_left(self) -> Floats:
        """Top of the façade's left edge, (3,)."""
        return self.foot + np.array([0.0, 0.0, self.height])


def build_house(builder: SurfaceBuilder, rng: np.random.Generator, plot: Plot) -> None:
    """Add a house with one shop or one front door, and windows on every floor."""
    canvas = Canvas(_wall(rng, plot), plot.ppm, rng)
    relief = Relief(plot.width, plot.height)
    paint = _pick(rng, _PAINTS)
    frame = _pick(rng, _FRAMES)
    stone = np.asarray(_pick(rng, _STONES))
    ground_floor = rng.uniform(2.75, 3.05)
    floors = max(int((plot.height - ground_floor) / 2.45), 1)
    bays = int(rng.integers(2, 4)) if plot.width < 6 else int(rng.integers(3, 5))
    storey = (plot.height - ground_floor - 0.35) / floors
    wide, tall = rng.uniform(0.85, 1.1), rng.uniform(1.35, min(storey - 0.55, 1.75))
    recess = -rng.uniform(0.12, 0.24)

    for floor in range(floors):
        top = 0.5 + floor * storey + (storey - tall - 0.25) / 2
        for bay in range(bays):
            middle = plot.width * (bay + 0.5) / bays
            _window(
                canvas, relief, (middle - wide / 2, top, middle + wide / 2, top + tall), recess, frame, stone
            )
    if rng.random() < 0.6:
        _band(canvas, relief, plot.height - ground_floor, 0.16, 0.07, stone)
    _band(canvas, relief, 0.0, 0.3, rng.uniform(0.2, 0.34), stone * 1.05)
    _band(canvas, relief, 0.3, 0.12, 0.1, stone * 0.95)

    street_level = plot.height
    top_of_ground_floor = street_level - ground_floor + 0.3
    door_width = 1.05
    if rng.random() < 0.45:
        _shop(canvas, relief, top_of_ground_floor, door_width, paint, plot)
    else:
        _plinth(canvas, relief, stone)
        bay_of_door = int(rng.integers(bays))
        for bay in range(bays):
            middle = plot.width * (bay + 0.5) / bays
            if bay == bay_of_door:
                opening = (
                    middle - door_width / 2,
                    street_level - 2.35,
                    middle + door_width / 2,
                    street_level,
                )
                _door(canvas, relief, opening, paint, stone, plot)
                _step(builder, rng, plot, middle, door_width + 0.3)
            else:
                window = (middle - wide / 2, street_level - 2.35, middle + wide / 2, street_level - 0.95)
                _window(canvas, relief, window, recess, frame, stone)
        _bills(canvas, plot, bays, wide)
    _downpipe(canvas, relief, rng, plot)

    texture = builder.texture(textures.to_uint8(canvas.image))
    relief.emit(builder, texture, plot.top_left, plot.right, plot.ppm)
    _roof(builder, rng, plot)


def build_wall(builder: SurfaceBuilder, rng: np.random.Generator, plot: Plot) -> None:
    """Add a garden wall plastered with posters, with pillars and a coping, and a tree behind it."""
    canvas = Canvas(_wall(rng, plot), plot.ppm, rng)
    relief = Relief(plot.width, plot.height)
    stone = np.asarray(_pick(rng, _STONES))
    for x in np.arange(0, plot.width, plot.width / 3):
        relief.add(x, 0, x + 0.4, plot.height, 0.12)
    _band(canvas, relief, 0.0, 0.14, 0.2, stone)
    x = 0.55
    while x < plot.width - 0.7:
        w, y = rng.uniform(0.5, 0.85), rng.uniform(0.3, 0.7)
        painting.paste_poster(canvas, (x, y, x + w, min(y + 1.4 * w, plot.height - 0.3)))
        x += w + rng.uniform(0.02, 0.25)
    painting.graffiti(canvas, (0.3, plot.height - 0.8, plot.width * 0.6, plot.height - 0.3))
    texture = builder.texture(textures.to_uint8(canvas.image))
    relief.emit(builder, texture, plot.top_left, plot.right, plot.ppm)
    back = -0.4 * plot.outward
    builder.facet(texture, plot.top_left + back, plot.width * plot.right, -back, (0, 4, 200, 20))
    bark = builder.texture(textures.to_uint8(textures.wood(rng, 240, 120, 90.0, (98, 80, 62))))
    trunk = plot.foot + 0.5 * plot.width * plot.right - 1.8 * plot.outward
    builder.lathe(bark, trunk, [(0.12, 4.6), (0.2, 0.0)], 10)
    crown = [foliage(builder, rng, 180.0) for _ in range(2)]
    for index in range(22):
        place = trunk + np.array([*rng.normal(0, 0.62, 2), rng.uniform(2.9, 5.0)])
        bush(builder, rng, crown[index % 2], place, rng.uniform(0.45, 0.8))


def foliage(builder: SurfaceBuilder, rng: np.random.Generator, ppm: float = 220.0) -> int:
    """Register a texture of leaves for `bush`."""
    colour = rng.uniform((66, 94, 36), (118, 146, 72))
    return builder.texture(textures.to_uint8(textures.leaves(rng, 200, 400, ppm, colour)))


def bush(
    builder: SurfaceBuilder, rng: np.random.Generator, texture: int, base: Floats, radius: float
) -> None:
    """Add an irregular ball of foliage standing on `base`."""
    polar, azimuth = np.linspace(0.02, np.pi - 0.02, 8), np.linspace(0, 2 * np.pi, 12) + rng.uniform(0, 6)
    reach = radius * rng.uniform(0.82, 1.18, (len(polar), len(azimuth)))
    reach[:, -1] = reach[:, 0]
    reach[0], reach[-1] = radius, radius
    around = np.column_stack([np.cos(azimuth), np.sin(azimuth), np.zeros(len(azimuth))])
    middle, up = base + np.array([0.0, 0.0, 0.9 * radius]), np.array([0.0, 0.0, 1.0])
    rings = [
        middle + r[:, None] * (np.sin(p) * around + np.cos(p) * up) for p, r in zip(polar, reach, strict=True)
    ]
    builder.rings(texture, rings)


def _pick(rng: np.random.Generator, choices: tuple[Any, ...]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _wall(rng: np.random.Generator, plot: Plot) -> Image:
    height, width = round(plot.height * plot.ppm), round(plot.width * plot.ppm)
    kind = rng.random()
    if kind < 0.55:
        mortar = rng.uniform((120, 112, 100), (206, 200, 186))
        return textures.brick(rng, height, width, plot.ppm, _pick(rng, _BRICKS), mortar)
    if kind < 0.85:
        return textures.plaster(rng, height, width, plot.ppm, _pick(rng, _PLASTERS))
    block = (rng.uniform(0.4, 0.6), rng.uniform(0.2, 0.3))
    return textures.brick(rng, height, width, plot.ppm, _STONES, (140, 134, 122), block, 11.0, 0.35, 0.014)


def _band(canvas: Canvas, relief: Relief, y: float, height: float, depth: float, colour: Colour) -> None:
    canvas.fill((0.0, y, relief.width, y + height), colour, 7.0)
    teeth = canvas.view((0.0, y + 0.6 * height, relief.width, y + 0.8 * height))
    pitch = max(int(0.11 * canvas.ppm), 2)
    teeth *= np.where(np.arange(teeth.shape[1]) % pitch < pitch // 2, 0.72, 1.0)[None, :, None].astype(
        np.float32
    )
    relief.add(0.0, y, relief.width, y + height, depth)


def _window(
    canvas: Canvas,
    relief: Relief,
    rectangle: tuple[float, float, float, float],
    recess: float,
    frame: Colour,
    stone: Colour,
) -> None:
    x0, y0, x1, y1 = rectangle
    canvas.fill((x0 - 0.08, y0 - 0.22, x1 + 0.08, y0), stone, 8.0)
    relief.add(x0 - 0.08, y0 - 0.22, x1 + 0.08, y0, 0.03)
    canvas.fill(rectangle, frame, 4.0)
    relief.add(*rectangle, recess + 0.05)
    panes = int(canvas.rng.integers(2, 4))
    bar, edge = 0.045, 0.07
    rows = [y0 + edge, y0 + edge + (y1 - y0 - 2 * edge) * float(canvas.rng.uniform(0.3, 0.5)), y1 - edge]
    columns = np.linspace(x0 + edge, x1 - edge, panes + 1)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            pane = (left + bar / 2, top + bar / 2, right - bar / 2, bottom - bar / 2)
            painting.window_pane(canvas, pane)
            relief.add(*pane, recess)
    canvas.fill((x0 - 0.1, y1, x1 + 0.1, y1 + 0.09), np.asarray(stone) * 1.08, 8.0)
    relief.add(x0 - 0.1, y1, x1 + 0.1, y1 + 0.09, 0.11)


def _door(
    canvas: Canvas,
    relief: Relief,
    opening: tuple[float, float, float, float],
    paint: Colour,
    stone: Colour,
    plot: Plot,
) -> None:
    x0, y0, x1, y1 = opening
    for jamb in (
        (x0 - 0.17, y0 - 0.2, x0, y1),
        (x1, y0 - 0.2, x1 + 0.17, y1),
        (x0 - 0.17, y0 - 0.2, x1 + 0.17, y0),
    ):
        canvas.fill(jamb, stone, 8.0)
        relief.add(*jamb, 0.06)
    relief.add(x0 - 0.25, y0 - 0.3, x1 + 0.25, y0 - 0.2, 0.24)
    canvas.fill((x0 - 0.25, y0 - 0.3, x1 + 0.25, y0 - 0.2), np.asarray(stone) * 0.9, 7.0)
    painting.door(canvas, opening, paint, plot.number)
    relief.add(*opening, -0.28)


def _step(builder: SurfaceBuilder, rng: np.random.Generator, plot: Plot, middle: float, width: float) -> None:
    slab = textures.brick(rng, 90, 330, 220, _STONES, (120, 114, 104), (0.9, 0.5), 10.0)
    texture = builder.texture(textures.to_uint8(slab))
    axes = np.array([plot.right, -plot.outward, [0.0, 0.0, 1.0]])
    base = plot.foot + middle * plot.right + 0.2 * plot.outward
    builder.box(texture, base, axes, (width, 0.5, 0.27))
    builder.box(texture, base + 0.25 * plot.outward, axes, (width + 0.2, 0.55, 0.19))


def _plinth(canvas: Canvas, relief: Relief, stone: Colour) -> None:
    y = relief.height - 0.62
    canvas.fill((0.0, y, relief.width, relief.height), np.asarray(stone) * 0.82, 10.0)
    relief.add(0.0, y, relief.width, relief.height, 0.07)


def _shop(canvas: Canvas, relief: Relief, top: float, door_width: float, paint: Colour, plot: Plot) -> None:
    rng, width, bottom = canvas.rng, plot.width, plot.height
    dark = np.asarray(paint) * 0.85
    canvas.fill((0.2, top, width - 0.2, bottom), dark, 5.0)
    relief.add(0.2, top, width - 0.2, bottom, 0.06)
    painting.shop_sign(canvas, (0.25, top + 0.04, width - 0.25, top + 0.5), paint)
    relief.add(0.25, top + 0.04, width - 0.25, top + 0.5, 0.2)
    x = 0.45
    if rng.random() < 0.5:
        door_x0, glass = 0.45, (0.45 + door_width + 0.2, width - 0.45)
    else:
        door_x0, glass = width - 0.45 - door_width, (x, width - 0.65 - door_width)
    opening = (door_x0, top + 0.62, door_x0 + door_width, bottom)
    painting.door(canvas, opening, _pick(rng, _PAINTS), plot.number)
    relief.add(*opening, -0.4)
    panes = max(round((glass[1] - glass[0]) / 1.1), 1)
    edges = np.linspace(*glass, panes + 1)
    for left, right in pairwise(edges):
        pane = (left + 0.04, top + 0.62, right - 0.04, bottom - 0.6)
        painting.shop_window(canvas, pane)
        relief.add(*pane, -0.1)
    relief.add(glass[0] - 0.05, bottom - 0.6, glass[1] + 0.05, bottom - 0.53, 0.14)


def _bills(canvas: Canvas, plot: Plot, bays: int, window_width: float) -> None:
    """Hang posters and name plates between the ground floor's openings."""
    rng = canvas.rng
    for bay in range(bays + 1):
        if rng.random() < 0.3:
            continue
        middle = plot.width * bay / bays
        room = plot.width / bays - window_width - 0.5
        w = min(rng.uniform(0.3, 0.6), room)
        if w < 0.2:
            continue
        x, y = middle - w / 2, plot.height - rng.uniform(1.7, 2.2)
        painting.paste_poster(canvas, (x, y, x + w, y + 1.4 * w))


def _downpipe(canvas: Canvas, relief: Relief, rng: np.random.Generator, plot: Plot) -> None:
    x = float(rng.choice([0.06, plot.width - 0.16]))
    colour = rng.uniform(40, 110) * np.ones(3)
    canvas.fill((x, 0.42, x + 0.1, plot.height), colour, 7.0)
    for y in np.arange(1.0, plot.height, 1.4):
        canvas.fill((x, y, x + 0.1, y + 0.05), colour * 0.6, 5.0)
    relief.add(x, 0.42, x + 0.1, plot.height, 0.1)


def _roof(builder: SurfaceBuilder, rng: np.random.Generator, plot: Plot) -> None:
    ppm, run, rise = 70.0, 3.0, rng.uniform(1.6, 2.4)
    up, back = np.array([0.0, 0.0, 1.0]), -plot.outward
    slope = np.hypot(run + 0.3, rise)
    tile = textures.tiles(rng, round(slope * ppm), round(plot.width * ppm), ppm, _pick(rng, _ROOFS))
    eaves = plot.foot + (plot.height + 0.02) * up + 0.3 * plot.outward
    fall = -((run + 0.3) * back + rise * up)
    builder.facet(builder.texture(textures.to_uint8(tile)), eaves - fall, plot.width * plot.right, fall)
    gable = textures.brick(rng, round((plot.height + rise) * ppm), round(run * ppm), ppm, _pick(rng, _BRICKS))
    texture = builder.texture(textures.to_uint8(gable))
    top_left, climb = plot.top_left, run * back + rise * up
    # Sheared like the wall itself, the texture keeps its courses level.
    wide, high, rest = run * ppm, plot.height * ppm, rise * ppm
    builder.facet(texture, top_left + climb, -climb, -plot.height * up, (0.0, 0.0, wide, rest, 0.0, high))
    right_end = top_left + plot.width * plot.right
    builder.facet(texture, right_end, climb, -plot.height * up, (0.0, rest, wide, -rest, 0.0, high))
    # The rear closes the house, so that no light comes in from behind.
    rear = top_left + climb
    builder.facet(
        texture, rear + plot.width * plot.right, -plot.width * plot.right, -(plot.height + rise) * up
    )
    stack = builder.texture(textures.to_uint8(textures.brick(rng, 110, 90, 90.0, _pick(rng, _BRICKS))))
    where = rear + rng.uniform(0.15, 0.85) * plot.width * plot.right - 0.5 * up
    axes = np.array([plot.right, -plot.outward, up])
    builder.box(stack, where, axes, (0.9, 0.6, 1.3))

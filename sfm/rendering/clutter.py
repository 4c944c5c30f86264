"""What stands about in a street: bins, crates, planters, bollards, boards, benches, lamp posts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.rendering import painting, textures
from sfm.rendering.houses import bush, foliage
from sfm.rendering.surfaces import SurfaceBuilder

Floats = NDArray[np.floating[Any]]
Thing = Callable[[SurfaceBuilder, np.random.Generator, Floats, Floats], None]

_PPM = 220.0
_UP = np.array([0.0, 0.0, 1.0])


def axes_at(heading: float) -> Floats:
    """Return a thing's axes (rows: width, depth, height), turned by `heading` radians around the vertical."""
    c, s = np.cos(heading), np.sin(heading)
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def bin_with_lid(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a wheeled bin with a house number."""
    colour = rng.choice([(52, 84, 58), (70, 74, 80), (110, 72, 48), (48, 74, 112)])
    side = textures.metal(rng, round(0.95 * _PPM), round(0.58 * _PPM), _PPM, colour)
    height, width = side.shape[:2]
    side[:: height // 9] *= 0.7
    painting.lettering(
        str(rng.integers(2, 60)), height // 5, (240, 238, 228), side[height // 3 : height // 3 + height // 4]
    )
    label = side[int(0.68 * height) : int(0.84 * height), int(0.2 * width) : int(0.75 * width)]
    label[:] = painting.poster(rng, *label.shape[:2])
    lid = textures.metal(rng, 40, 130, _PPM, np.asarray(colour) * 1.15)
    builder.box(builder.texture(textures.to_uint8(side)), base, axes, (0.56, 0.6, 0.95))
    builder.box(builder.texture(textures.to_uint8(lid)), base + 0.95 * _UP, axes, (0.62, 0.68, 0.09))


def crates(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a stack of wooden crates with stencilled words, each turned a little."""
    level = 0.0
    for _ in range(int(rng.integers(1, 4))):
        size = (rng.uniform(0.5, 0.75), rng.uniform(0.4, 0.55), rng.uniform(0.3, 0.42))
        planks = textures.wood(
            rng,
            round(size[2] * _PPM),
            round(size[0] * _PPM),
            _PPM,
            rng.uniform((130, 92, 54), (196, 156, 104)),
            0.1,
        )
        painting.lettering(
            str(rng.choice(["FRAGILE", "ORANGES", "No 5", "TEA", "APPLES"])), 26, (52, 36, 28), planks
        )
        turned = axes_at(rng.normal(0, 0.15)) @ axes
        shift = axes[:2].T @ rng.normal(0, 0.03, 2)
        builder.box(builder.texture(textures.to_uint8(planks)), base + level * _UP + shift, turned, size)
        level += size[2]


def planter(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a trough with a row of bushes."""
    trough = textures.brick(
        rng,
        round(0.45 * _PPM),
        round(1.1 * _PPM),
        _PPM,
        [(150, 142, 128), (136, 122, 108)],
        block=(0.24, 0.15),
    )
    builder.box(builder.texture(textures.to_uint8(trough)), base, axes, (1.15, 0.45, 0.45))
    leaves = foliage(builder, rng)
    for along in (-0.36, 0.0, 0.36):
        bush(builder, rng, leaves, base + 0.36 * _UP + along * axes[0], rng.uniform(0.2, 0.3))


def bollard(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a cast-iron bollard with a white band."""
    skin = textures.metal(rng, 190, 110, _PPM, (54, 54, 58))
    skin[28:58] = textures.metal(rng, 30, 110, _PPM, (226, 222, 210))
    builder.lathe(
        builder.texture(textures.to_uint8(skin)),
        base,
        [(0.01, 0.95), (0.075, 0.9), (0.075, 0.84), (0.06, 0.8), (0.075, 0.2), (0.11, 0.16), (0.12, 0.0)],
        10,
    )


def advertising_board(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a folding board with a poster on either side."""
    width, height, spread = 0.65, 1.05, 0.3
    for side in (-1, 1):
        bill = painting.poster(rng, round(height * _PPM), round(width * _PPM))
        cv2.rectangle(bill, (0, 0), (bill.shape[1] - 1, bill.shape[0] - 1), (70, 50, 36), 9)
        right, out = -side * axes[0], side * axes[1]
        top = base + height * _UP - width / 2 * right
        builder.facet(
            builder.texture(textures.to_uint8(bill)), top, width * right, spread * out - height * _UP
        )


def letterbox(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a red pillar box."""
    skin = textures.metal(rng, round(1.5 * _PPM), round(1.3 * _PPM), _PPM, (176, 34, 30))
    height, width = skin.shape[:2]
    for part in range(3):
        left = slice(part * width // 3, (part + 1) * width // 3)
        painting.lettering("POST", 34, (240, 226, 180), skin[int(0.24 * height) : int(0.36 * height), left])
        plate = skin[int(0.42 * height) : int(0.58 * height), left][:, width // 12 : width // 4]
        plate[:] = painting.poster(rng, *plate.shape[:2])
    skin[int(0.86 * height) :] *= 0.25
    builder.lathe(
        builder.texture(textures.to_uint8(skin)),
        base,
        [
            (0.01, 1.52),
            (0.2, 1.47),
            (0.26, 1.38),
            (0.26, 1.32),
            (0.22, 1.3),
            (0.22, 0.16),
            (0.25, 0.14),
            (0.25, 0.0),
        ],
        16,
    )


def bench(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a wooden bench on iron legs."""
    planks = builder.texture(textures.to_uint8(textures.wood(rng, 60, 330, _PPM, (142, 98, 60), 0.09)))
    iron = builder.texture(textures.to_uint8(textures.metal(rng, 100, 20, _PPM, (46, 48, 50))))
    for depth in (-0.16, 0.0, 0.16):
        builder.box(planks, base + 0.42 * _UP + depth * axes[1], axes, (1.5, 0.13, 0.05))
    for height in (0.55, 0.72):
        builder.box(planks, base + height * _UP + 0.25 * axes[1], axes, (1.5, 0.05, 0.13))
    for end in (-0.62, 0.62):
        builder.box(iron, base + end * axes[0], axes, (0.06, 0.4, 0.42))
        builder.box(iron, base + end * axes[0] + 0.29 * axes[1], axes, (0.06, 0.04, 0.85))


def lamp_post(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add an old lamp post with a lantern and stickers around its shaft."""
    skin = textures.metal(rng, 760, 110, _PPM, (40, 58, 54))
    for _ in range(5):
        y, x = int(rng.uniform(400, 620)), int(rng.uniform(0, 70))
        sticker = skin[y : y + 34, x : x + 26]
        sticker[:] = painting.poster(rng, *sticker.shape[:2])
    shaft = [(0.035, 3.5), (0.05, 1.0), (0.085, 0.95), (0.085, 0.85), (0.12, 0.5), (0.14, 0.0)]
    builder.lathe(builder.texture(textures.to_uint8(skin)), base, shaft, 10)
    glass = textures.metal(rng, 100, 160, _PPM, (226, 214, 172))
    glass[:, ::40] = glass[:8] = (34, 46, 44)
    lantern = [(0.02, 4.15), (0.2, 4.0), (0.21, 3.96), (0.12, 3.5), (0.02, 3.48)]
    builder.lathe(builder.texture(textures.to_uint8(glass)), base, lantern, 6)


def barrel(builder: SurfaceBuilder, rng: np.random.Generator, base: Floats, axes: Floats) -> None:
    """Add a barrel planted with a bush."""
    staves = textures.wood(rng, round(1.3 * _PPM), round(0.6 * _PPM), _PPM, (120, 84, 54), 0.09)
    staves = np.ascontiguousarray(staves.transpose(1, 0, 2))
    for y in (10, 40, 88, 115):
        staves[y : y + 8] = (58, 56, 54)
    shape = [(0.26, 0.6), (0.31, 0.4), (0.31, 0.2), (0.25, 0.0)]
    builder.lathe(builder.texture(textures.to_uint8(staves)), base, shape, 14)
    bush(builder, rng, foliage(builder, rng), base + 0.5 * _UP, 0.3)


THINGS: tuple[Thing, ...] = (
    bin_with_lid, crates, planter, advertising_board, barrel, bench, bin_with_lid, crates, letterbox,
)  # fmt: skip

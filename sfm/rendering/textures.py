"""Procedural materials: brick, plaster, stone, paving, wood, tiles, leaves.

Every function returns (h, w, 3) float32 sRGB colours, 0 to 255, drawn with the generator it is given, and has
detail at all scales: blobs from centimetres to metres, never the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Colour = Sequence[float] | NDArray[np.floating]


def to_uint8(image: Image) -> NDArray[np.uint8]:
    """Round and clip to 8 bit."""
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, coarse_px: float, octaves: int = 5, gain: float = 0.6
) -> Image:
    """Return (height, width) noise of about unit standard deviation, its largest blobs `coarse_px` wide.

    Value noise summed over octaves of half the size and `gain` times the strength (Perlin, SIGGRAPH 1985, in
    its simplest form).
    """
    octaves = max(min(octaves, 1 + int(np.log2(max(coarse_px, 1.0)))), 1)
    finest = max(coarse_px / 2 ** (octaves - 1), 1.0)
    rows, columns = int(np.ceil(height / finest)) + 1, int(np.ceil(width / finest)) + 1
    total = np.zeros((1, 1), np.float32)
    for octave in range(octaves):
        # Coarse octaves are added up while they are small.
        shrink = 2 ** (octaves - 1 - octave)
        shape = (-(-rows // shrink) + 1, -(-columns // shrink) + 1)
        layer = rng.standard_normal(shape, dtype=np.float32)
        layer *= np.float32(gain**octave)
        if octave:
            double = (2 * total.shape[1], 2 * total.shape[0])
            layer += cv2.resize(total, double, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]]
        total = layer
    if finest > 1:
        size = (int(np.ceil(total.shape[1] * finest)), int(np.ceil(total.shape[0] * finest)))
        total = cv2.resize(total, size, interpolation=cv2.INTER_LINEAR)
    power = np.sum(gain ** (2.0 * np.arange(octaves)))
    return total[:height, :width] * np.float32(1.6 / np.sqrt(power))


def _masonry(
    rng: np.random.Generator,
    height: int,
    width: int,
    ppm: float,
    block: tuple[float, float],
    joint: float,
    spread: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp], Image]:
    """Lay blocks of `block` = (width, height) metres in running bond with random lengths (`spread`).

    Returns the course (h, 1) and block number (h, w) of every texel and a mask that is 1 in the joints.
    """
    wobble = fractal_noise(rng, height, width, 0.25 * ppm, 4) * (0.0025 * ppm)
    y = np.arange(height, dtype=np.float32)[:, None] + wobble * 0.7
    course_px = block[1] * ppm
    course = np.floor(y / course_px).astype(np.intp)
    rows, columns = int(height / course_px) + 4, int(1.1 * width / (block[0] * ppm)) + 8
    length = block[0] * ppm * (1 + spread * rng.uniform(-1, 1, (rows, columns)))
    ends = np.cumsum(length, axis=1) - block[0] * ppm * (2 + 0.5 * (np.arange(rows)[:, None] % 2))
    x = np.arange(width, dtype=np.float32)
    number = np.empty((height, width), np.intp)
    to_joint = np.empty((height, width), np.float32)
    rest = y - course * course_px
    nominal = np.clip(np.arange(height) // course_px, 0, rows - 1).astype(np.intp)
    for row in np.unique(nominal):
        here = nominal == row
        index = np.searchsorted(ends[row], x, side="right")
        number[here] = index
        edge = np.minimum(ends[row][index] - x, x - ends[row][index - 1])
        to_joint[here] = edge
    to_joint = np.minimum(to_joint + wobble, np.minimum(rest, course_px - rest))
    half = joint * ppm / 2
    mask = np.clip((half + 0.7 - to_joint) / 1.4, 0, 1).astype(np.float32)
    return np.clip(course, 0, rows - 1), number, mask


def _coloured_blocks(
    rng: np.random.Generator,
    course: NDArray[np.intp],
    number: NDArray[np.intp],
    colours: Sequence[Colour],
    variation: float,
) -> Image:
    palette = np.asarray(colours, np.float32)
    shape = (int(course.max()) + 1, int(number.max()) + 1)
    choice = palette[rng.integers(len(palette), size=shape)]
    tone = rng.normal(0, variation, (*shape, 1)) + rng.normal(0, variation / 5, (*shape, 3))
    return (choice + tone).astype(np.float32)[course, number]


def brick(
    rng: np.random.Generator,
    height: int,
    width: int,
    ppm: float,
    colours: Sequence[Colour],
    mortar: Colour = (176, 168, 154),
    block: tuple[float, float] = (0.225, 0.075),
    variation: float = 13.0,
    spread: float = 0.08,
    joint: float = 0.011,
) -> Image:
    """Paint brickwork or, with larger blocks, ashlar, paving slabs and cobbles."""
    course, number, joints = _masonry(rng, height, width, ppm, block, joint, spread)
    image = _coloured_blocks(rng, course, number, colours, variation)
    image += fractal_noise(rng, height, width, 0.06 * ppm, 5, 0.8)[..., None] * np.float32(7)
    grout = np.asarray(mortar, np.float32) + fractal_noise(rng, height, width, 0.04 * ppm, 3)[..., None] * 9
    image += joints[..., None] * (grout - image)
    return weathered(rng, image, ppm)


def plaster(rng: np.random.Generator, height: int, width: int, ppm: float, colour: Colour) -> Image:
    """Paint rough render with repairs, cracks and flaked spots."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = colour
    image += (fractal_noise(rng, height, width, 0.12 * ppm, 6, 0.85) * 7)[..., None]
    flakes = fractal_noise(rng, height, width, 0.45 * ppm, 5, 0.55)
    bare = np.clip((flakes - 1.75) * 6, 0, 1)[..., None]
    under = (
        np.array([158, 120, 98], np.float32)
        + fractal_noise(rng, height, width, 0.05 * ppm, 4)[..., None] * 14
    )
    image += bare * (under - image)
    for _ in range(int(height * width / ppm**2 / 2.5) + 1):
        _crack(rng, image, ppm)
    return weathered(rng, image, ppm)


def _crack(rng: np.random.Generator, image: Image, ppm: float) -> None:
    steps = rng.normal(0, 0.05 * ppm, (int(rng.integers(8, 26)), 2)) + rng.normal(0, 0.04 * ppm, 2)
    points = np.cumsum(steps, axis=0) + rng.uniform(0, 1, 2) * image.shape[1::-1]
    tone = float(rng.uniform(0.45, 0.75))
    where = points.round().astype(np.int32)
    colour = tuple(float(c) for c in image.mean((0, 1)) * tone)
    cv2.polylines(image, [where], False, colour, int(rng.integers(1, 3)), cv2.LINE_AA)


def weathered(rng: np.random.Generator, image: Image, ppm: float, strength: float = 1.0) -> Image:
    """Add stains, streaks that run down and soot towards the bottom."""
    height, width = image.shape[:2]
    stains = fractal_noise(rng, height, width, 1.1 * ppm, 7, 0.62)
    streaks = cv2.resize(
        fractal_noise(rng, max(height // 24, 2), width, 0.12 * ppm, 4, 0.7),
        (width, height),
        interpolation=cv2.INTER_LINEAR,
    )
    factor = 1 + np.float32(strength) * (0.075 * stains + 0.03 * streaks)
    return image * np.clip(factor, 0.5, 1.3)[..., None]


def cobbles(rng: np.random.Generator, height: int, width: int, ppm: float) -> Image:
    """Paint granite setts with worn, darker edges."""
    colours = [(128, 124, 118), (112, 108, 104), (142, 134, 122), (98, 98, 100), (134, 118, 106)]
    return brick(rng, height, width, ppm, colours, (72, 68, 60), (0.17, 0.115), 12.0, 0.28, 0.017)


def slabs(rng: np.random.Generator, height: int, width: int, ppm: float) -> Image:
    """Paint concrete paving slabs with chewing gum, lichen and broken corners."""
    colours = [(168, 163, 152), (156, 152, 146), (178, 170, 156), (148, 140, 132)]
    image = brick(rng, height, width, ppm, colours, (92, 88, 80), (0.62, 0.45), 9.0, 0.12, 0.012)
    for _ in range(int(height * width / ppm**2 * 9)):
        spot(rng, image, ppm, (0.012, 0.035))
    return image


def spot(rng: np.random.Generator, image: Image, ppm: float, radius: tuple[float, float]) -> None:
    """Drop one irregular stain of random tone; `radius` is the range in metres."""
    centre = tuple(int(v) for v in rng.uniform(0, 1, 2) * image.shape[1::-1])
    axes = tuple(max(int(v), 1) for v in rng.uniform(*radius, 2) * ppm)
    x, y = min(centre[0], image.shape[1] - 1), min(centre[1], image.shape[0] - 1)
    colour = tuple(float(c) for c in image[y, x] * rng.uniform(0.45, 1.35))
    cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)


def wood(
    rng: np.random.Generator, height: int, width: int, ppm: float, colour: Colour, plank: float = 0.14
) -> Image:
    """Paint horizontal planks with grain and nails."""
    rows = (np.arange(height) / (plank * ppm)).astype(np.intp)
    tone = rng.normal(0, 11, (rows[-1] + 1, 1, 3)) * 0.3 + rng.normal(0, 12, (rows[-1] + 1, 1, 1))
    image = (np.asarray(colour) + tone[rows]).astype(np.float32) + np.zeros((height, width, 3), np.float32)
    grain = cv2.resize(fractal_noise(rng, height, max(width // 14, 3), 0.02 * ppm, 3, 0.8), (width, height))
    image += (grain * 9)[..., None]
    gap = np.arange(height) % (plank * ppm) < 0.008 * ppm
    image[gap] *= 0.35
    for row in range(rows[-1] + 1):
        for x in (0.04, 0.96):
            where = (int(x * width), int((row + 0.5) * plank * ppm))
            cv2.circle(image, where, max(int(0.006 * ppm), 1), (40, 36, 34), -1, cv2.LINE_AA)
    return weathered(rng, image, ppm)


def tiles(rng: np.random.Generator, height: int, width: int, ppm: float, colour: Colour) -> Image:
    """Paint a tiled roof: courses that shade towards their lower edge."""
    base = np.asarray(colour, np.float32)
    colours = [base, base * 0.85, base * 1.12, base * [1.05, 0.95, 0.9]]
    image = brick(rng, height, width, ppm, colours, base * 0.4, (0.22, 0.26), 10.0, 0.05, 0.012)
    return image * (1.08 - 0.3 * ((np.arange(height) / (0.26 * ppm)) % 1)[:, None, None]).astype(np.float32)


def leaves(rng: np.random.Generator, height: int, width: int, ppm: float, colour: Colour) -> Image:
    """Paint foliage: many small leaves of differing tone over a dark ground, flowers here and there."""
    image = np.full((height, width, 3), np.asarray(colour) * 0.35, np.float32)
    count = int(height * width / ppm**2 * 1100)
    flower = rng.uniform(90, 255, 3)
    tones = np.where(
        rng.random((count, 1)) < 0.06, flower, np.asarray(colour) * rng.uniform(0.5, 1.5, (count, 1))
    )
    centres = rng.uniform(0, 1, (count, 2)) * (width, height)
    axes = np.maximum(rng.uniform((0.015, 0.008), (0.04, 0.018), (count, 2)) * ppm, 1)
    turns = rng.uniform(0, 180, count)
    for centre, axis, turn, tone in zip(
        centres.astype(int).tolist(), axes.astype(int).tolist(), turns.tolist(), tones.tolist(), strict=True
    ):
        cv2.ellipse(image, centre, axis, turn, 0, 360, tone, -1, cv2.LINE_AA)
    return image


def metal(rng: np.random.Generator, height: int, width: int, ppm: float, colour: Colour) -> Image:
    """Paint coated metal or plastic with scratches, dents and rust."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = colour
    image += (fractal_noise(rng, height, width, 0.3 * ppm, 6, 0.7) * 6)[..., None]
    rust = np.clip((fractal_noise(rng, height, width, 0.12 * ppm, 4, 0.6) - 1.9) * 4, 0, 1)[..., None]
    image += rust * (np.array([104, 66, 42], np.float32) - image)
    for _ in range(int(height * width / ppm**2 * 25)):
        start = rng.uniform(0, 1, 2) * (width, height)
        end = start + rng.normal(0, 0.06 * ppm, 2)
        tone = tuple(np.clip(np.asarray(colour) * rng.uniform(0.6, 1.5), 0, 255).tolist())
        cv2.line(image, start.astype(int).tolist(), end.astype(int).tolist(), tone, 1, cv2.LINE_AA)
    return weathered(rng, image, ppm)

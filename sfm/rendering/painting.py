"""What hangs on or opens into a wall, painted into its texture: windows, doors, posters, signs, graffiti.

Rectangles are (x0, y0, x1, y1) in metres from the top left corner of the texture; colours are sRGB, 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from sfm.rendering import textures
from sfm.rendering.textures import Colour, Image

Rectangle = tuple[float, float, float, float]

_SHOPS = (
    "BAKERY", "BOOKS & MAPS", "Café Lumen", "RADIO REPAIR", "Tailor", "GREENGROCER", "Bicycles",
    "PHOTO STUDIO", "The Plumb Line", "Hardware", "WATCHMAKER", "Tea Rooms", "PRINTER", "Florist", "Optician",
    "CHEMIST",
)  # fmt: skip
_WORDS = (
    "concert", "market", "SALE", "tonight", "open", "lost cat", "theatre", "June", "free", "jazz", "museum",
    "fair", "circus", "vote", "yoga", "new", "lecture", "to let", "film", "piano", "dance", "no parking",
    "garden", "ferry",
)  # fmt: skip


@dataclass
class Canvas:
    """A texture being painted, with its resolution in texels a metre."""

    image: Image
    ppm: float
    rng: np.random.Generator

    def rows_columns(self, rectangle: Rectangle) -> tuple[slice, slice]:
        """Return the texels inside a rectangle, cut at the border."""
        x0, y0, x1, y1 = (max(round(v * self.ppm), 0) for v in rectangle)
        return slice(y0, y1), slice(x0, x1)

    def view(self, rectangle: Rectangle) -> Image:
        """Return the texels inside a rectangle, to be painted on."""
        return self.image[self.rows_columns(rectangle)]

    def fill(self, rectangle: Rectangle, colour: Colour, grain: float = 5.0) -> None:
        """Paint a rectangle with a slightly uneven colour."""
        target = self.view(rectangle)
        if target.size:
            noise = textures.fractal_noise(self.rng, target.shape[0], target.shape[1], 0.2 * self.ppm, 5, 0.8)
            target[:] = np.asarray(colour, np.float32) + grain * noise[..., None]


def lettering(text: str, height_px: int, ink: Colour, ground: Image) -> None:
    """Write `text` as large as fits into the middle of `ground` (h, w, 3), in place."""
    height, width = ground.shape[:2]
    font = ImageFont.load_default(max(height_px, 6))
    left, top, right, bottom = font.getbbox(text)
    if right - left > 0.92 * width:
        font = ImageFont.load_default(max(int(height_px * 0.92 * width / (right - left)), 6))
        left, top, right, bottom = font.getbbox(text)
    mask = PillowImage.new("L", (width, height))
    where = ((width - right - left) / 2, (height - bottom - top) / 2)
    ImageDraw.Draw(mask).text(where, text, fill=255, font=font)
    alpha = np.asarray(mask, np.float32)[..., None] / 255
    ground += alpha * (np.asarray(ink, np.float32) - ground)


def poster(rng: np.random.Generator, height: int, width: int) -> Image:
    """Paint a bill: ground, a few shapes, a headline and lines of small print, a little torn and faded."""
    ground = rng.uniform(60, 250, 3)
    image = np.empty((height, width, 3), np.float32)
    image[:] = ground
    image += (np.linspace(-1, 1, height)[:, None, None] * rng.uniform(-45, 45, 3)).astype(np.float32)
    for _ in range(int(rng.integers(3, 8))):
        colour = tuple(rng.uniform(10, 250, 3).tolist())
        centre = (rng.uniform(0.1, 0.9, 2) * (width, height * 0.7)).astype(int)
        size = rng.uniform(0.06, 0.3) * width
        if rng.random() < 0.4:
            cv2.circle(image, centre.tolist(), int(size), colour, -1, cv2.LINE_AA)
        else:
            corners = centre + rng.normal(0, size, (int(rng.integers(3, 6)), 2))
            cv2.fillPoly(image, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    ink: Colour = (18, 18, 24) if ground.mean() > 140 else (248, 244, 236)
    headline = slice(int(0.04 * height), int(0.27 * height))
    lettering(str(rng.choice(_WORDS)), int(0.2 * height), ink, image[headline])
    y = 0.68 * height
    while y < 0.95 * height:
        line = slice(int(y), int(y + rng.uniform(0.05, 0.09) * height))
        lettering(
            " ".join(rng.choice(_WORDS, int(rng.integers(2, 5)))), int(0.055 * height), ink, image[line]
        )
        y += 0.075 * height
    image = textures.weathered(rng, image, height * 0.7, 1.2)
    return image + textures.fractal_noise(rng, height, width, 0.05 * height, 3)[..., None] * np.float32(4)


def paste_poster(canvas: Canvas, rectangle: Rectangle) -> None:
    """Paste a new poster onto a wall."""
    target = canvas.view(rectangle)
    if min(target.shape[:2]) > 8:
        target[:] = poster(canvas.rng, *target.shape[:2])


def graffiti(canvas: Canvas, rectangle: Rectangle) -> None:
    """Spray a tag: one wandering line in one colour."""
    rng, (x0, y0, x1, y1) = canvas.rng, rectangle
    n = int(rng.integers(7, 13))
    knots = np.column_stack([np.linspace(x0, x1, n), rng.uniform(y0, y1, n)]) + rng.normal(0, 0.08, (n, 2))
    t = np.linspace(0, n - 1, 40 * n)
    smooth = np.column_stack([np.interp(t, np.arange(n), knots[:, k]) for k in (0, 1)])
    kernel = np.hanning(41) / np.hanning(41).sum()
    smooth = np.column_stack([np.convolve(smooth[:, k], kernel, "valid") for k in (0, 1)])
    colour = tuple(rng.uniform(10, 220, 3).tolist())
    points = (smooth * canvas.ppm).astype(np.int32)
    cv2.polylines(canvas.image, [points], False, colour, max(int(0.035 * canvas.ppm), 1), cv2.LINE_AA)


def window_pane(canvas: Canvas, rectangle: Rectangle) -> None:
    """Paint glass: a dark room, a curtain or blind, things on the sill and the sky's dull reflection."""
    target = canvas.view(rectangle)
    if min(target.shape[:2]) < 4:
        return
    rng, (height, width) = canvas.rng, target.shape[:2]
    shade = np.linspace(1.25, 0.7, height, dtype=np.float32)[:, None, None]
    target[:] = np.asarray(rng.uniform((28, 36, 44), (62, 72, 86)), np.float32) * shade
    reflection = textures.fractal_noise(rng, height, width, 0.5 * canvas.ppm, 5, 0.55)
    target += np.clip(reflection + 0.3, 0, 2)[..., None] * np.array([16, 20, 25], np.float32)
    kind = rng.random()
    cloth = np.float32(rng.uniform(135, 220)) + rng.uniform(-22, 22, 3).astype(np.float32)
    if kind < 0.45:
        folds = textures.fractal_noise(rng, 1, width, 0.09 * canvas.ppm, 3)[0][None, :, None] * 22
        share = rng.uniform(0.15, 0.33)
        for part in (
            slice(0, int(share * width)),
            slice(width - int(share * rng.uniform(0.5, 1.3) * width), width),
        ):
            target[:, part] = (cloth + folds[:, part]) * shade
    elif kind < 0.7:
        drop = int(rng.uniform(0.2, 0.75) * height)
        slats = 1 - 0.3 * ((np.arange(drop) % max(int(0.045 * canvas.ppm), 2)) < 2)[:, None, None]
        target[:drop] = cloth * slats.astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        x, size = int(rng.uniform(0.1, 0.9) * width), rng.uniform(0.05, 0.11) * canvas.ppm
        colour = tuple(rng.uniform(30, 220, 3).tolist())
        pot = (int(x - size / 2), int(height - size * 1.2), int(size), int(size * 1.2))
        cv2.rectangle(target, pot, colour, -1)
        for _ in range(14):
            leaf = (np.array([x, height - size * 1.6]) + rng.normal(0, size * 0.55, 2)).astype(int).tolist()
            green = tuple((np.array([70, 130, 60]) * rng.uniform(0.5, 1.5)).tolist())
            cv2.circle(target, leaf, max(int(size / 5), 1), green, -1, cv2.LINE_AA)


def door(canvas: Canvas, rectangle: Rectangle, colour: Colour, number: int) -> None:
    """Paint a panelled door with a fanlight, a knob, a letterbox and the house number."""
    x0, y0, x1, y1 = rectangle
    w, h = x1 - x0, y1 - y0
    canvas.fill(rectangle, colour, 4.0)
    window_pane(canvas, (x0 + 0.1 * w, y0 + 0.03 * h, x1 - 0.1 * w, y0 + 0.2 * h))
    base = np.asarray(colour, np.float32)
    for row, (top, bottom) in enumerate(((0.25, 0.52), (0.57, 0.75), (0.79, 0.95))):
        for left, right in ((0.1, 0.46), (0.54, 0.9)):
            panel = (x0 + left * w, y0 + top * h, x0 + right * w, y0 + bottom * h)
            canvas.fill(panel, base * 0.6, 3.0)
            inset = 0.02
            inner = (panel[0] + inset, panel[1] + inset, panel[2] - inset * 0.5, panel[3] - inset * 0.5)
            canvas.fill(inner, base * (1.12 - 0.05 * row), 5.0)
    canvas.fill((x0 + 0.32 * w, y0 + 0.53 * h, x0 + 0.68 * w, y0 + 0.56 * h), (196, 164, 84), 9.0)
    plate = (x0 + 0.36 * w, y0 + 0.3 * h, x0 + 0.64 * w, y0 + 0.38 * h)
    canvas.fill(plate, (236, 232, 220), 3.0)
    target = canvas.view(plate)
    lettering(str(number), int(0.8 * target.shape[0]), (20, 24, 60), target)
    knob = (int((x0 + 0.86 * w) * canvas.ppm), int((y0 + 0.55 * h) * canvas.ppm))
    cv2.circle(canvas.image, knob, max(int(0.03 * canvas.ppm), 1), (206, 176, 96), -1, cv2.LINE_AA)


def shop_sign(canvas: Canvas, rectangle: Rectangle, colour: Colour) -> None:
    """Paint a fascia board with a shop's name."""
    canvas.fill(rectangle, colour, 5.0)
    target = canvas.view(rectangle)
    ink: Colour = (246, 238, 214) if float(np.mean(colour)) < 130 else (36, 30, 44)
    lettering(str(canvas.rng.choice(_SHOPS)), int(0.72 * target.shape[0]), ink, target)
    edge = max(int(0.02 * canvas.ppm), 1)
    target[:edge] = target[-edge:] = np.asarray(ink, np.float32) * 0.8


def shop_window(canvas: Canvas, rectangle: Rectangle) -> None:
    """Paint a shop window: shelves with goods behind glass, small bills on the pane."""
    window_pane(canvas, rectangle)
    rng, (x0, y0, x1, y1) = canvas.rng, rectangle
    for shelf in np.arange(y0 + 0.45, y1 + 0.01, 0.42):
        x = x0 + 0.05
        while x < x1 - 0.12:
            w, h = rng.uniform(0.05, 0.16), rng.uniform(0.08, 0.32)
            goods = (x, shelf - h, min(x + w, x1), shelf)
            canvas.fill(goods, rng.uniform(30, 225, 3), 10.0)
            label = (x + 0.2 * w, shelf - 0.6 * h, x + 0.8 * w, shelf - 0.35 * h)
            canvas.fill(label, rng.uniform(60, 250, 3), 14.0)
            x += w + rng.uniform(0.01, 0.12)
        canvas.fill((x0, shelf, x1, shelf + 0.03), (118, 92, 66), 8.0)
    for _ in range(int(rng.integers(1, 3))):
        x, y = rng.uniform(x0, x1 - 0.3), rng.uniform(y0, y1 - 0.4)
        paste_poster(canvas, (x, y, x + rng.uniform(0.18, 0.28), y + rng.uniform(0.26, 0.38)))

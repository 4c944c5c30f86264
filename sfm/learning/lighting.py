"""Synthetic light: what changes between two photographs of one place besides the point of view."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.images.jpeg import compress
from sfm.rendering.night import count_photons, lamp_fall

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Share of synthetic views that lie in the night.
NIGHT_SHARE = 1 / 3


def relight(photo: Bytes, rng: np.random.Generator) -> Bytes:
    """Return the colour photograph (H, W, 3) as another camera at another time might have taken it.

    One time in three the scene lies in the night; else brightness, contrast and shadows change. Then come the
    camera's blur, noise and JPEG, each now and then.
    """
    light: Floats = photo.astype(np.float32) / np.float32(255)
    light = night(light, rng) if rng.random() < NIGHT_SHARE else daylight(light, rng)
    if rng.random() < 0.3:
        light = cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.5, 1.6)))
    if rng.random() < 0.5:
        light = light + rng.normal(0, rng.uniform(0.005, 0.03), light.shape).astype(np.float32)
    pixels = np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        pixels = compress(pixels, int(rng.integers(25, 90)))
    return pixels


def daylight(light: Floats, rng: np.random.Generator) -> Floats:
    """Change gamma, contrast and colours; light from another side or cast a soft shadow now and then."""
    if rng.random() < 0.5:
        light = relief(light, rng)
    light = light ** np.float32(2 ** rng.uniform(-1.0, 1.0))
    light = light * rng.uniform(0.8, 1.2, 3).astype(np.float32)
    light = (light - 0.5) * np.float32(2 ** rng.uniform(-1.2, 0.4)) + np.float32(0.5 + rng.uniform(-0.2, 0.2))
    if rng.random() < 0.4:
        depth = np.float32(rng.uniform(0.3, 0.8))
        light = light * (1 - depth * shadow(light.shape[:2], rng))[..., None]
    return np.clip(light, 0, 1)


def night(light: Floats, rng: np.random.Generator) -> Floats:
    """Take the daylight away, light some coloured lamps, and let few photons make the picture.

    Lamps and photons are those of `sfm.rendering.night`. That renders one night at a chosen darkness; this draws
    nights as unlike each other as they come, for a network to learn from.

    Every other night something glows that was dark by day, as windows do: there light and dark change places.
    """
    height, width = light.shape[:2]
    reflectance = relief(light, rng) ** np.float32(rng.uniform(1.2, 2.2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    # Between dusk, which still lights everything, and a black sky.
    lamps = np.full((height, width, 3), 10 ** rng.uniform(-2.0, -0.5), np.float32)
    for _ in range(int(rng.integers(3, 16))):
        centre_x, centre_y = rng.uniform(0, width), rng.uniform(0, height)
        reach = np.exp(rng.uniform(np.log(0.03), np.log(0.4))) * max(height, width)
        fall = lamp_fall((x - centre_x) ** 2 + (y - centre_y) ** 2, reach)
        colour = rng.uniform([0.2, 0.5, 0.7], 1.0).astype(np.float32)  # B, G, R: lamps are warm
        lamps += rng.uniform(0.2, 1.0) * fall[..., None] * colour
    scene = reflectance * lamps
    if rng.random() < 0.5:
        warm = rng.uniform([0.3, 0.6, 0.8], 1.0).astype(np.float32)
        lit = shadow((height, width), rng) * np.float32(rng.uniform(0.1, 0.8))
        scene += lit[..., None] * (1 - light.mean(axis=2, keepdims=True)) ** 4 * warm
    scene /= max(float(np.percentile(scene, rng.uniform(95, 99.5))), 1e-3)
    scene = count_photons(scene, 10 ** rng.uniform(1.5, 3.0), rng)
    return np.clip(scene, 0, 1) ** np.float32(rng.uniform(0.4, 0.9)) * np.float32(rng.uniform(0.4, 1.0))


def relief(light: Floats, rng: np.random.Generator) -> Floats:
    """Light the scene from another side: edges towards the light brighten, edges away from it darken."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 2.0)
    height_map = cv2.GaussianBlur(light.mean(axis=2), (0, 0), float(rng.uniform(0.8, 2.5)))
    slope = np.cos(angle) * cv2.Sobel(height_map, cv2.CV_32F, 1, 0, scale=1 / 4)
    slope += np.sin(angle) * cv2.Sobel(height_map, cv2.CV_32F, 0, 1, scale=1 / 4)
    shaded: Floats = np.clip(light * (1 + strength * np.tanh(4 * slope))[..., None], 0, 1).astype(np.float32)
    return shaded


def shadow(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return a (H, W) mask from 0 (lit) to 1 (in shadow): a random polygon with a soft edge."""
    height, width = shape
    corners = rng.uniform(
        [-0.2 * width, -0.2 * height], [1.2 * width, 1.2 * height], (int(rng.integers(3, 7)), 2)
    )
    mask = np.zeros(shape, np.float32)
    cv2.fillPoly(mask, [corners.astype(np.int32)], 1.0)
    return cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(1, 12)))

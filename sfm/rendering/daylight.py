"""A photograph as it might look on another day: other weather, another time, light from another side."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


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

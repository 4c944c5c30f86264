"""Synthetic light: what changes between two photographs of one place besides the point of view."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.images.jpeg import compress
from sfm.rendering.daylight import daylight
from sfm.rendering.night import draw_night

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
    light = draw_night(light, rng) if rng.random() < NIGHT_SHARE else daylight(light, rng)
    if rng.random() < 0.3:
        light = cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.5, 1.6)))
    if rng.random() < 0.5:
        light = light + rng.normal(0, rng.uniform(0.005, 0.03), light.shape).astype(np.float32)
    pixels = np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        pixels = compress(pixels, int(rng.integers(25, 90)))
    return pixels

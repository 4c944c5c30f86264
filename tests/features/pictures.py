"""Synthetic pictures for detectors and descriptors."""

import cv2
import numpy as np


def blobs(size, places, sigma, amplitude=150.0, ground=50.0):
    """Bright Gaussian blobs of standard deviation `sigma` px about `places` (x, y), (H, W) uint8; `size` is (w, h)."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(float)
    pixels = np.full((height, width), ground)
    for px, py in places:
        pixels += amplitude * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


def texture(width=320, height=240, seed=0):
    """Noise of several octaves, (H, W) uint8: hundreds of keypoints of all sizes."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, width), np.float32)
    for octave in range(1, 6):
        coarse = rng.normal(size=(height // 2**octave + 2, width // 2**octave + 2)).astype(np.float32)
        pixels += 2**octave * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = pixels.min(), pixels.max()
    return np.rint((pixels - low) / (high - low) * 255).astype(np.uint8)

"""What JPEG leaves of an image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def compress(pixels: Bytes, quality: int) -> Bytes:
    """Send an image through JPEG.

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3) uint8
        Grey, or colours in OpenCV's order: blue, green, red.
    quality
        From 0 to 100, as OpenCV counts it.

    Returns
    -------
    Of the same shape, in the same order.
    """
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)

"""Scale pixels of more than eight bits to eight, by their own depth."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

Pixels = NDArray[np.uint8]
Values = NDArray[np.generic]

_FULL_SCALES = (2**10 - 1, 2**12 - 1, 2**14 - 1, 2**16 - 1)
_FLOAT_FULL_SCALES = (2**8 - 1, *_FULL_SCALES)
# No picture of 0 to 255 is as dark as this; one of fractions has highlights as bright.
_BRIGHTEST_FRACTION = 16.0
# Resampling overshoots white at sharp edges.
_OVERSHOOT = 1.1
_MOST_WITHOUT_OUTLIERS = 0.999
# Maps write "no value" as the largest or smallest float there is.
_NO_VALUE = 1e30
_OTHER_BYTE = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
_COLOURS = ("RGB", "RGBA", "RGBX")
_FIRST_BYTE_OF_14_BITS = 2**14 // 256


def scaled_to_8_bit(deep: Values) -> Pixels:
    """Scale an array of more than 8 bits to 0..255 by the depth its values were taken with.

    Cameras of 10, 12 and 14 bits store their values in 16 bits unshifted: the smallest of these depths that
    holds the largest value counts. Floating-point values are fractions of white, or of 8 bits or more; what is not
    finite or stands for a missing value becomes black.
    """
    if np.issubdtype(deep.dtype, np.floating):
        values = np.where(np.abs(deep) < _NO_VALUE, deep, 0).astype(np.float32)
        white = _white_of_floats(values)
    else:
        values = deep.astype(np.float32)
        white = _smallest_scale(float(values.max()), _FULL_SCALES)
    return np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8)


def _white_of_floats(values: NDArray[np.float32]) -> float:
    peak = float(values.max())
    # A few wild values must not darken the others, and a small bright lamp must not either.
    most = float(np.quantile(values, _MOST_WITHOUT_OUTLIERS)) if peak > _FLOAT_FULL_SCALES[0] else peak
    if most <= _BRIGHTEST_FRACTION:
        return 1.0
    return _smallest_scale(most / _OVERSHOOT, _FLOAT_FULL_SCALES, otherwise=most)


def _smallest_scale(peak: float, scales: tuple[int, ...], otherwise: float | None = None) -> float:
    return next((scale for scale in scales if peak <= scale), otherwise or peak)


def has_deep_colours(image: Image.Image) -> bool:
    """Tell, before it is loaded, whether an image has colours of 16 bits, of which Pillow keeps the upper eight."""
    return isinstance(image, ImageFile.ImageFile) and bool(image.tile) and all(map(_deep_mode, image.tile))


def scaled_colours(image: Image.Image, reopen: Callable[[], Image.Image]) -> Image.Image:
    """Return a loaded image of 16-bit colours as one of 8 bits that uses their whole range.

    Parameters
    ----------
    image
        Where `has_deep_colours` was true.
    reopen
        Opens the same file again; only called where the upper eight bits are not all there is to see.
    """
    upper = np.asarray(image)
    if upper[..., :3].max() >= _FIRST_BYTE_OF_14_BITS:
        return image
    values = upper.astype(np.uint16) * 256 + _lower_bytes(reopen)
    parts = [scaled_to_8_bit(values[..., :3])]
    if values.shape[2] == 4:
        parts.append(scaled_to_8_bit(values[..., 3:]))
    return Image.fromarray(np.concatenate(parts, axis=2))


def _deep_mode(tile: Any) -> bool:
    colours, _, depth = _raw_mode(tile).partition(";")
    return colours in _COLOURS and depth in _OTHER_BYTE


def _raw_mode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _lower_bytes(reopen: Callable[[], Image.Image]) -> NDArray[np.uint8]:
    """Decode once more with the bytes of each value exchanged: the upper one that Pillow keeps is then the lower."""
    with reopen() as image:
        assert isinstance(image, ImageFile.ImageFile)
        image.tile = [_exchanged(tile) for tile in image.tile]
        image.load()
        return np.asarray(image)


def _exchanged(tile: Any) -> Any:
    colours, _, depth = _raw_mode(tile).partition(";")
    raw_mode = f"{colours};{_OTHER_BYTE[depth]}"
    return tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:]))

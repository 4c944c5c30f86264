"""Builders of small image files for the tests of photo sets."""

import numpy as np
from PIL import Image


def picture(width=64, height=48, seed=0):
    """A smooth random RGB picture, (H, W, 3) uint8: it survives JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def exif_bytes(base=(), photo=(), gps=()):
    """EXIF with the given tags of its three directories."""
    exif = Image.Exif()
    exif.update(dict(base))
    exif.get_ifd(0x8769).update(dict(photo))
    exif.get_ifd(0x8825).update(dict(gps))
    return exif.tobytes()


def save(path, pixels=None, **kwargs):
    """Write pixels (default: a small picture) to `path` and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture() if pixels is None else pixels).save(path, **kwargs)
    return path


def truncated(path, fraction=0.5, **kwargs):
    """Write an image and cut its file off."""
    data = save(path, picture(256, 192), **kwargs).read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path

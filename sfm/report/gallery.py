"""A pair of images with its matches, as a picture the page can switch lines on and off in."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.images.decode import upright, upright_axes
from sfm.report.content import GalleryPair

_IMAGE_WIDTH = 560
_GAP = 8
_JPEG_QUALITY = 78
# Lines and dots a kind at most: more of them hide the photographs and weigh down the page.
MAX_LINES = 150
MAX_DOTS = 1000


@dataclass(frozen=True)
class MatchFigure:
    """A pair drawn side by side, ready for the template.

    Attributes
    ----------
    pair
        What is shown.
    width, height
        Of the drawing, in units of its view box.
    images
        Both photographs: data URI, x, width and height.
    verified, rejected
        SVG path data of the lines, and of the dots at their ends (as lines without length).
    """

    pair: GalleryPair
    width: float
    height: float
    images: tuple[tuple[str, float, float, float], ...]
    verified: tuple[str, str]
    rejected: tuple[str, str]

    @property
    def num_verified(self) -> int:
        """Number of verified matches."""
        return int(np.count_nonzero(self.pair.inliers))

    @property
    def num_rejected(self) -> int:
        """Number of rejected matches."""
        return len(self.pair.inliers) - self.num_verified

    @property
    def is_sample(self) -> bool:
        """Whether some matches are not drawn at all."""
        return max(self.num_verified, self.num_rejected) > MAX_DOTS


def match_figure(pair: GalleryPair) -> MatchFigure:
    """Prepare the drawing of a pair."""
    size1, xy1 = upright_xy(pair.xy1, pair.size1, pair.orientation1)
    size2, xy2 = upright_xy(pair.xy2, pair.size2, pair.orientation2)
    height1, height2 = (_IMAGE_WIDTH * h / w for w, h in (size1, size2))
    offset = _IMAGE_WIDTH + _GAP
    # Pixel centres are whole numbers: the image's left edge is at -0.5.
    a = (xy1 + 0.5) * (_IMAGE_WIDTH / size1[0])
    b = (xy2 + 0.5) * (_IMAGE_WIDTH / size2[0])
    b[:, 0] += offset
    verified = np.asarray(pair.inliers, np.bool_)
    return MatchFigure(
        pair=pair,
        width=offset + _IMAGE_WIDTH,
        height=max(height1, height2),
        images=(
            (_data_uri(upright(pair.image1, pair.orientation1)), 0.0, _IMAGE_WIDTH, height1),
            (_data_uri(upright(pair.image2, pair.orientation2)), float(offset), _IMAGE_WIDTH, height2),
        ),
        verified=_marks(a[verified], b[verified]),
        rejected=_marks(a[~verified], b[~verified]),
    )


def jpeg_data_uri(rgb: NDArray[np.uint8], quality: int = _JPEG_QUALITY) -> str:
    """Return an RGB or grey picture as a data URI."""
    bgr = rgb[..., ::-1] if rgb.ndim == 3 else rgb
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def upright_xy(
    xy: NDArray[np.floating], size: tuple[int, int], orientation: int
) -> tuple[tuple[int, int], NDArray[np.float64]]:
    """Move pixels as `sfm.images.decode.upright` moves the image; also the size it has then."""
    right, up = upright_axes(orientation)
    turn = np.stack([right, -up])
    first_pixel = np.minimum(turn @ (np.array(size) - 1), 0)
    width, height = np.abs(turn) @ size
    return (int(width), int(height)), np.asarray(xy, np.float64).reshape(-1, 2) @ turn.T - first_pixel


def _data_uri(image: NDArray[np.uint8]) -> str:
    scale = _IMAGE_WIDTH / image.shape[1]
    if scale < 1:
        size = (_IMAGE_WIDTH, max(1, round(image.shape[0] * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return jpeg_data_uri(image)


def _marks(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[str, str]:
    """Return path data of lines from `a` to `b` and of dots at both, for an even choice of them."""
    lines = "".join(
        f"M{a[i, 0]:.1f} {a[i, 1]:.1f}L{b[i, 0]:.1f} {b[i, 1]:.1f}" for i in _some(len(a), MAX_LINES)
    )
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for i in _some(len(a), MAX_DOTS) for x, y in (a[i], b[i]))
    return lines, dots


def _some(count: int, most: int) -> list[int]:
    if count <= most:
        return list(range(count))
    return np.linspace(0, count - 1, most).astype(int).tolist()

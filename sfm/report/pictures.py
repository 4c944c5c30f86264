"""Pictures without a browser: a map with its camera path, and the matches of two images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.geometry.pose import Pose
from sfm.mapping.camera_shapes import camera_paths, frustum_corners, frustum_size
from sfm.mapping.sparse_map import SparseMap
from sfm.report.viewpoint import choose_viewpoint

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Rgb = tuple[int, int, int]

PATH_RGB: Rgb = (226, 50, 42)
TRUTH_RGB: Rgb = (86, 156, 232)
VERIFIED_RGB: Rgb = (40, 200, 90)
REJECTED_RGB: Rgb = (235, 60, 50)
DARK_RGB: Rgb = (18, 20, 23)
_LIGHT: Rgb = (250, 250, 248)

_FOV_DEG = 40.0
# Pictures are drawn this much larger and averaged down: smooth edges for whatever is drawn.
_OVERSAMPLING = 2
# cv2 draws at fractions of a pixel: coordinates are integers of 1/16 pixel.
_SHIFT = 4
# Beyond this many pixels off the picture cv2's integers overflow.
_FAR_PX = 1e5
# No point is further than this from the centre of the pixel it is in.
_HALF_DIAGONAL_PX = 0.71
_MAX_LINES = 300
_LINE_GROUPS = 16


def draw_map(
    sparse_map: SparseMap,
    size: tuple[int, int] = (1600, 900),
    truth: Sequence[Floats] | Floats | None = None,
    *,
    dark: bool = True,
    orientations: Mapping[str, int] | None = None,
    seen_from: Pose | None = None,
) -> Bytes:
    """Draw the points of a map in their photographs' colours, the camera path and the frusta in red.

    Parameters
    ----------
    sparse_map
        The map.
    size
        Width and height of the picture in pixels.
    truth
        True camera centres along the path, in the map's frame; drawn in blue under the path.
    dark
        Dark background instead of a light one.
    orientations
        EXIF orientation of images by name, where it is not 1: so that the map stands upright.
    seen_from
        `cam_from_world` of the observer, as `view_of_map` returns it for a map in the same frame. Default: what
        shows this map best.

    Returns
    -------
    picture : (height, width, 3) uint8, RGB
    """
    width, height = (side * _OVERSAMPLING for side in size)
    view = view_of_map(sparse_map, size, orientations) if seen_from is None else seen_from
    focal = height / 2 / np.tan(np.radians(_FOV_DEG) / 2)
    canvas = PerspectiveCanvas(
        np.full((height, width, 3), DARK_RGB if dark else _LIGHT, np.uint8), view, focal
    )
    canvas.points(sparse_map.xyz, sparse_map.rgb)
    unit = max(1.0, height / 900)
    if truth is not None and len(truth):
        canvas.lines([np.asarray(truth, np.float64)], TRUTH_RGB, 3.2 * unit)
    depth = frustum_size(sparse_map)
    frusta = []
    for image in sparse_map.images.values():
        corners = frustum_corners(image.cam_from_world, sparse_map.cameras[image.camera_id], depth)
        center = image.cam_from_world.center
        frusta += [np.stack([center, corner]) for corner in corners] + [corners[[0, 1, 2, 3, 0]]]
    canvas.lines(frusta, PATH_RGB, 1.2 * unit)
    paths = [
        np.array([sparse_map.images[i].cam_from_world.center for i in ids])
        for ids in camera_paths(sparse_map)
    ]
    canvas.lines(paths, PATH_RGB, 3.6 * unit)
    return np.asarray(cv2.resize(canvas.pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def view_of_map(
    sparse_map: SparseMap, size: tuple[int, int], orientations: Mapping[str, int] | None = None
) -> Pose:
    """Return `cam_from_world` of the observer from which `draw_map` shows a map in a picture of this size."""
    return choose_viewpoint(sparse_map, _FOV_DEG, size[0] / size[1], orientations).cam_from_world


def draw_matches(
    image1: Bytes,
    image2: Bytes,
    xy1: NDArray[np.floating],
    xy2: NDArray[np.floating],
    inliers: NDArray[np.bool_],
    max_height: int = 800,
) -> Bytes:
    """Draw two images side by side with their matches: verified ones green, rejected ones red.

    Every match is a pair of dots. Lines join them for at most a few hundred of each kind, chosen evenly from
    the order given, so that the images stay visible under thousands of matches.

    Parameters
    ----------
    image1, image2 : (H, W) or (H, W, 3) uint8
        The images, grey or RGB; shrunk to `max_height` where they are higher.
    xy1, xy2 : (M, 2)
        Matched keypoints in pixels of their images, first pixel's centre at (0, 0).
    inliers : (M,) bool
        Which matches were verified.
    max_height
        Height of the picture in pixels at most.

    Returns
    -------
    picture : (height, width, 3) uint8, RGB
    """
    height = min(max_height, max(image1.shape[0], image2.shape[0]))
    left, scale1 = _fitted(image1, height)
    right, scale2 = _fitted(image2, height)
    gap = max(4, height // 100)
    picture = np.full((height, left.shape[1] + gap + right.shape[1], 3), _LIGHT, np.uint8)
    picture[: left.shape[0], : left.shape[1]] = left
    picture[: right.shape[0], left.shape[1] + gap :] = right
    # The first pixel's centre stays at (0, 0) only if the half pixel is scaled too.
    a = (np.asarray(xy1, np.float64).reshape(-1, 2) + 0.5) * scale1 - 0.5
    b = (np.asarray(xy2, np.float64).reshape(-1, 2) + 0.5) * scale2 - 0.5 + [left.shape[1] + gap, 0]
    verified = np.asarray(inliers, np.bool_)
    picture = _subdued(picture)
    for kind, rgb, strength in ((~verified, REJECTED_RGB, 0.75), (verified, VERIFIED_RGB, 1.0)):
        _blend_lines(picture, a[kind], b[kind], rgb, strength)
    return picture


class PerspectiveCanvas:
    """A picture drawn through a pinhole camera, principal point in the middle.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The background; drawn on in place.
    view
        `cam_from_world` of the observer.
    focal_px
        Focal length in pixels.
    """

    def __init__(self, pixels: Bytes, view: Pose, focal_px: float) -> None:
        self.pixels, self._view, self._focal = pixels, view, focal_px

    def points(self, xyz: Floats, rgb: Bytes) -> None:
        """Draw points as discs, near ones larger and in front."""
        height, width = self.pixels.shape[:2]
        camera = self._view.apply(xyz)
        seen = camera[:, 2] > 0
        camera, rgb = camera[seen], rgb[seen]
        xy = self._project(camera)
        inside = ((xy > -10) & (xy < [width + 10, height + 10])).all(axis=1)
        camera, xy, rgb = camera[inside], xy[inside], rgb[inside]
        if not len(camera):
            return
        near_first = np.argsort(camera[:, 2])
        camera, xy, rgb = camera[near_first], xy[near_first], rgb[near_first]
        radius = _disc_radius(len(camera), width, height) * np.median(camera[:, 2]) / camera[:, 2]
        radius = np.clip(radius, 1.0, max(1.0, height / 100))
        ascending = -radius
        nearest = np.full(height * width, len(camera), np.int64)
        pixel, reach = np.rint(xy).astype(np.int64), int(np.ceil(radius.max()))
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                # Only the first points, which are near and large, reach so far.
                reaching = np.searchsorted(ascending, _HALF_DIAGONAL_PX - np.hypot(dx, dy), side="right")
                x, y = (pixel[:reaching] + np.array([dx, dy])).T
                covered = np.hypot(x - xy[:reaching, 0], y - xy[:reaching, 1]) <= radius[:reaching]
                covered &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
                np.minimum.at(nearest, y[covered] * width + x[covered], np.flatnonzero(covered))
        hit = nearest < len(camera)
        self.pixels.reshape(-1, 3)[hit] = rgb[nearest[hit]]

    def lines(self, lines: Sequence[Floats], rgb: Rgb, thickness: float) -> None:
        """Draw polylines of (N, 3) points over everything else; a part behind the observer is left out."""
        for line in lines:
            camera = self._view.apply(line)
            for a, b in pairwise(camera):
                if a[2] <= 0 or b[2] <= 0:
                    continue
                ends = self._project(np.stack([a, b]))
                if np.abs(ends).max() < _FAR_PX:
                    start, end = np.rint(ends * 2**_SHIFT).astype(int).tolist()
                    cv2.line(self.pixels, start, end, rgb, round(thickness), cv2.LINE_AA, _SHIFT)

    def _project(self, camera: Floats) -> Floats:
        height, width = self.pixels.shape[:2]
        return self._focal * camera[:, :2] / camera[:, 2:] + [(width - 1) / 2, (height - 1) / 2]


def _disc_radius(points: int, width: int, height: int) -> float:
    """Radius in pixels of a point at median depth: fewer points are drawn larger."""
    return float(np.clip(0.22 * np.sqrt(width * height / max(points, 1)), 1.4, max(1.4, height / 200)))


def _fitted(image: Bytes, height: int) -> tuple[Bytes, float]:
    """Return `image` as RGB, no higher than `height`, and the scale."""
    rgb = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    scale = min(1.0, height / image.shape[0])
    if scale == 1:
        return rgb, 1.0
    size = (max(1, round(image.shape[1] * scale)), height)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _subdued(rgb: Bytes) -> Bytes:
    """Take half of the colour and some of the light out of a picture, so that what is drawn on it shows."""
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(rgb, 0.4, grey, 0.4, 0), np.uint8)


def _blend_lines(picture: Bytes, a: Floats, b: Floats, rgb: Rgb, strength: float) -> None:
    """Draw dots at (M, 2) `a` and `b` and thin lines between them, fainter the more there are."""
    if not len(a):
        return
    ends_a = np.rint(a * 2**_SHIFT).astype(int).tolist()
    ends_b = np.rint(b * 2**_SHIFT).astype(int).tolist()
    joined = np.unique(np.linspace(0, len(a) - 1, _MAX_LINES).astype(int)).tolist()
    alpha = strength * float(np.clip(6 / np.sqrt(len(joined)), 0.2, 0.8))
    # Lines of one group do not add up, lines of several do: dense bundles show without hiding the images.
    for group in range(_LINE_GROUPS):
        mask = np.zeros(picture.shape[:2], np.uint8)
        for i in joined[group::_LINE_GROUPS]:
            cv2.line(mask, ends_a[i], ends_b[i], 255, 1, cv2.LINE_AA, _SHIFT)
        _tint(picture, mask, rgb, alpha)
    mask = np.zeros(picture.shape[:2], np.uint8)
    radius = max(1.5, picture.shape[0] / 450)
    for end in ends_a + ends_b:
        cv2.circle(mask, end, round(radius * 2**_SHIFT), 255, -1, cv2.LINE_AA, _SHIFT)
    _tint(picture, mask, rgb, 0.9 * strength)


def _tint(picture: Bytes, mask: Bytes, rgb: Rgb, alpha: float) -> None:
    """Blend `rgb` into the picture where the mask (0 to 255) says, with `alpha` at most."""
    hit = mask > 0
    share = (alpha / 255) * mask[hit][:, None].astype(np.float32)
    below = picture[hit].astype(np.float32)
    picture[hit] = np.rint(below + share * (np.array(rgb, np.float32) - below)).astype(np.uint8)

"""Cameras: intrinsics, and the way between pixels and rays.

Parameters follow COLMAP's models and order, except that the principal point is in this project's pixel
convention: the centre of the first pixel is (0, 0). See docs/conventions.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError

Floats = NDArray[np.float64]

# Per model: how many focal lengths come first, then the principal point, then OpenCV's (k1, k2, p1, p2, ...).
_FOCALS = {
    "SIMPLE_PINHOLE": 1,
    "PINHOLE": 2,
    "SIMPLE_RADIAL": 1,
    "RADIAL": 1,
    "OPENCV": 2,
    "FULL_OPENCV": 2,
    "SIMPLE_RADIAL_FISHEYE": 1,
    "RADIAL_FISHEYE": 1,
    "OPENCV_FISHEYE": 2,
}
_PARAMETERS = {
    "SIMPLE_PINHOLE": 3,
    "PINHOLE": 4,
    "SIMPLE_RADIAL": 4,
    "RADIAL": 5,
    "OPENCV": 8,
    "FULL_OPENCV": 12,
    "SIMPLE_RADIAL_FISHEYE": 4,
    "RADIAL_FISHEYE": 5,
    "OPENCV_FISHEYE": 8,
}
CAMERA_MODELS = tuple(_FOCALS)


@dataclass(frozen=True)
class Camera:
    """Intrinsics of one physical camera.

    Attributes
    ----------
    model
        COLMAP's name of the model, one of `CAMERA_MODELS`.
    width, height
        Size in pixels of the images it took.
    params
        COLMAP's parameters in COLMAP's order, in pixels; the principal point with the first pixel's centre at
        (0, 0).
    focal_is_known
        The focal length comes from EXIF or from the user, not from a guess.
    fixed
        The user gave the intrinsics: bundle adjustment must not change them.

    Raises
    ------
    InputError
        If the model is unknown or takes another number of parameters, one of them is not finite, or a focal length or
        the size is not above 0.
    """

    model: str
    width: int
    height: int
    params: tuple[float, ...]
    focal_is_known: bool = False
    fixed: bool = False

    def __post_init__(self) -> None:
        if self.model not in _FOCALS:
            raise InputError(f"Camera model {self.model}: choose one of {', '.join(CAMERA_MODELS)}.")
        if len(self.params) != _PARAMETERS[self.model]:
            expected = _PARAMETERS[self.model]
            raise InputError(
                f"Camera model {self.model} takes {expected} parameters, not {len(self.params)}."
            )
        if min(self.width, self.height) <= 0:
            raise InputError(f"A camera of {self.width} x {self.height} pixels: give the size of its images.")
        if not all(map(math.isfinite, self.params)) or min(self.params[: _FOCALS[self.model]]) <= 0:
            told = " ".join(f"{value:g}" for value in self.params)
            raise InputError(f"Camera parameters {told}: give finite ones, focal lengths above 0.")

    @staticmethod
    def from_focal(model: str, width: int, height: int, focal_px: float, *, focal_is_known: bool) -> Camera:
        """Build an undistorted camera of `model` with its principal point in the middle of the image."""
        if model not in _FOCALS:
            raise InputError(f"Camera model {model}: choose one of {', '.join(CAMERA_MODELS)}.")
        focals = (focal_px,) * _FOCALS[model]
        middle = ((width - 1) / 2, (height - 1) / 2)
        rest = (0.0,) * (_PARAMETERS[model] - len(focals) - 2)
        return Camera(model, width, height, focals + middle + rest, focal_is_known)

    @property
    def focal_px(self) -> float:
        """Mean focal length in pixels."""
        return float(np.mean(self.params[: _FOCALS[self.model]]))

    @property
    def principal_point(self) -> tuple[float, float]:
        """Principal point in pixels, first pixel's centre at (0, 0)."""
        n = _FOCALS[self.model]
        return self.params[n], self.params[n + 1]

    @property
    def matrix(self) -> Floats:
        """The (3, 3) calibration matrix K, without distortion."""
        n = _FOCALS[self.model]
        cx, cy = self.principal_point
        return np.array([[self.params[0], 0, cx], [0, self.params[n - 1], cy], [0, 0, 1.0]])

    @property
    def is_fisheye(self) -> bool:
        """Whether distortion acts on the angle (COLMAP's fisheye models)."""
        return self.model.endswith("FISHEYE")

    def shifted(self, offset_px: float) -> Camera:
        """Return the camera with its principal point moved by `offset_px` in x and y."""
        n = _FOCALS[self.model]
        params = list(self.params)
        params[n] += offset_px
        params[n + 1] += offset_px
        return replace(self, params=tuple(params))

    @property
    def _focals(self) -> Floats:
        n = _FOCALS[self.model]
        return np.array([self.params[0], self.params[n - 1]])

    @property
    def distortion(self) -> tuple[float, ...]:
        """Distortion coefficients in COLMAP's order: k1, k2, p1, p2, ... or, for a fisheye, k1, k2, ..."""
        return self.params[_FOCALS[self.model] + 2 :]

    def normalize(self, xy: Floats) -> Floats:
        """Map (N, 2) pixels to undistorted normalised image coordinates (x/z, y/z), (N, 2) float64.

        Pixels that no ray in front of the camera projects to (beyond the invertible part of the distortion,
        or 90 degrees and more off the axis of a fisheye) give NaN.
        """
        distorted = (np.asarray(xy, np.float64).reshape(-1, 2) - self.principal_point) / self._focals
        if self.is_fisheye:
            return _undistort_fisheye(distorted, self.distortion)
        return _undistort(distorted, self.distortion) if any(self.distortion) else distorted

    def project(self, points_cam: Floats) -> Floats:
        """Map (N, 3) points in camera coordinates to (N, 2) pixels; points behind the camera give NaN."""
        points_cam = np.asarray(points_cam, np.float64).reshape(-1, 3)
        depth = np.where(points_cam[:, 2:] > 0, points_cam[:, 2:], np.nan)
        rays = points_cam[:, :2] / depth
        if self.is_fisheye:
            rays = _distort_fisheye(rays, self.distortion)
        elif any(self.distortion):
            rays = _distort(rays, self.distortion)[0]
        return rays * self._focals + self.principal_point


_MAX_NEWTON_STEPS = 50
_TOLERANCE = 1e-10  # normalised coordinates: a ten-millionth of a pixel


def _distort(rays: Floats, distortion: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Apply Brown's model with OpenCV's rational term to (N, 2) rays; also its (N, 2, 2) Jacobian."""
    k1, k2, p1, p2, k3, k4, k5, k6 = (*distortion, *(0.0,) * 8)[:8]
    x, y = rays.T
    r2 = x * x + y * y
    above, below = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = above / below
    d_above, d_below = k1 + r2 * (2 * k2 + r2 * 3 * k3), k4 + r2 * (2 * k5 + r2 * 3 * k6)
    d_radial = (d_above - radial * d_below) / below  # with respect to r2
    distorted = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y),
        ],
        axis=1,
    )
    mixed = 2 * x * y * d_radial + 2 * p1 * x + 2 * p2 * y
    jacobian = np.empty((len(rays), 2, 2))
    jacobian[:, 0, 0] = radial + 2 * x * x * d_radial + 2 * p1 * y + 6 * p2 * x
    jacobian[:, 0, 1] = jacobian[:, 1, 0] = mixed
    jacobian[:, 1, 1] = radial + 2 * y * y * d_radial + 2 * p2 * x + 6 * p1 * y
    return distorted, jacobian


def _undistort(distorted: Floats, distortion: tuple[float, ...]) -> Floats:
    """Invert `_distort` by Newton's method; NaN where it does not converge to an invertible point."""
    rays = distorted.copy()
    with np.errstate(all="ignore"):
        for _ in range(_MAX_NEWTON_STEPS):
            value, jacobian = _distort(rays, distortion)
            error = value - distorted
            (a, b), (_, d) = jacobian.transpose(1, 2, 0)
            determinant = a * d - b * b
            step = np.stack([d * error[:, 0] - b * error[:, 1], a * error[:, 1] - b * error[:, 0]], axis=1)
            step /= determinant[:, None]
            rays = rays - step
            if not (np.abs(step) > _TOLERANCE).any():
                break
        value, jacobian = _distort(rays, distortion)
        (a, b), (_, d) = jacobian.transpose(1, 2, 0)
        solved = (np.abs(value - distorted).max(axis=1) < 10 * _TOLERANCE) & (a * d - b * b > 0) & (a + d > 0)
    return np.where(solved[:, None], rays, np.nan)


def _distort_fisheye(rays: Floats, distortion: tuple[float, ...]) -> Floats:
    """Apply the fisheye model of Kannala and Brandt (PAMI 2006), theta (1 + k1 theta^2 + ...), to rays."""
    radius = np.linalg.norm(rays, axis=1, keepdims=True)
    angle = np.arctan(radius)
    scale = np.divide(
        _fisheye_radius(angle, distortion)[0], radius, out=np.ones_like(radius), where=radius != 0
    )
    return rays * scale


def _undistort_fisheye(distorted: Floats, distortion: tuple[float, ...]) -> Floats:
    """Invert `_distort_fisheye` by Newton's method; NaN where no angle below 90 degrees fits."""
    radius = np.linalg.norm(distorted, axis=1, keepdims=True)
    angle = radius.copy()
    with np.errstate(all="ignore"):
        for _ in range(_MAX_NEWTON_STEPS):
            value, slope = _fisheye_radius(angle, distortion)
            step = (value - radius) / slope
            angle = angle - step
            if not (np.abs(step) > _TOLERANCE).any():
                break
        value, slope = _fisheye_radius(angle, distortion)
        solved = (np.abs(value - radius) < 10 * _TOLERANCE) & (slope > 0) & (angle >= 0) & (angle < np.pi / 2)
        scale = np.divide(np.tan(angle), radius, out=np.ones_like(radius), where=radius != 0)
    return np.where(solved, distorted * scale, np.nan)


def _fisheye_radius(angle: Floats, distortion: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Return the distorted radius of rays at `angle` radians off the axis, and its derivative."""
    k = (*distortion, *(0.0,) * 4)[:4]
    a2 = angle * angle
    value = angle * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))))
    slope = 1 + a2 * (3 * k[0] + a2 * (5 * k[1] + a2 * (7 * k[2] + a2 * 9 * k[3])))
    return value, slope

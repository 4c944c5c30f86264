"""Cameras: intrinsics, and the way between pixels and rays.

Parameters follow COLMAP's models and order, except that the principal point is in this project's pixel
convention: the centre of the first pixel is (0, 0). See docs/conventions.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
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
        COLMAP's parameters in COLMAP's order, principal point with the first pixel's centre at (0, 0), in pixels.
    focal_is_known
        The focal length comes from EXIF or from the user, not from a guess.
    fixed
        The user gave the intrinsics: bundle adjustment must not change them.
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
            raise InputError(
                f"Camera model {self.model} takes {_PARAMETERS[self.model]} parameters, not {len(self.params)}."
            )

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
        """Return the camera with its principal point moved by `offset_px` in x and y (the COLMAP border's 0.5)."""
        n = _FOCALS[self.model]
        params = list(self.params)
        params[n] += offset_px
        params[n + 1] += offset_px
        return replace(self, params=tuple(params))

    def _distortion(self) -> Floats:
        extra = self.params[_FOCALS[self.model] + 2 :]
        if self.is_fisheye:
            return np.array((*extra, 0.0, 0.0, 0.0, 0.0)[:4])
        return np.array((*extra, 0.0, 0.0, 0.0, 0.0)[: max(4, len(extra))])

    def normalize(self, xy: Floats) -> Floats:
        """Map (N, 2) pixels to undistorted normalised image coordinates (x/z, y/z), (N, 2) float64."""
        xy = np.asarray(xy, np.float64).reshape(-1, 2)
        if len(xy) == 0:
            return xy
        distortion = self._distortion()
        if not distortion.any():
            return (xy - self.principal_point) / np.diag(self.matrix)[:2]
        if self.is_fisheye:
            return cv2.fisheye.undistortPoints(xy[:, None], self.matrix, distortion)[:, 0]
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
        return cv2.undistortPointsIter(xy[:, None], self.matrix, distortion, None, None, criteria)[:, 0]

    def project(self, points_cam: Floats) -> Floats:
        """Map (N, 3) points in camera coordinates to (N, 2) pixels; points behind the camera give NaN."""
        points_cam = np.asarray(points_cam, np.float64).reshape(-1, 3)
        if len(points_cam) == 0:
            return np.empty((0, 2))
        zero = np.zeros(3)
        flat = np.where(points_cam[:, 2:] > 0, points_cam, [0.0, 0.0, 1.0])
        if self.is_fisheye:
            xy = cv2.fisheye.projectPoints(flat[:, None], zero, zero, self.matrix, self._distortion())[0][:, 0]
        else:
            xy = cv2.projectPoints(flat, zero, zero, self.matrix, self._distortion())[0][:, 0]
        return np.where(points_cam[:, 2:] > 0, xy, np.nan)

"""Say what is free in a pose with intrinsics, and how projections change with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose

Floats = NDArray[np.float64]

POSE_PARAMETERS = 6
"""Of a parameter vector the first three move the camera's centre, the next three turn it; intrinsics follow."""

_STEP = 1e-6
_TWO_FOCALS = {
    "SIMPLE_PINHOLE": "PINHOLE",
    "SIMPLE_RADIAL": "OPENCV",
    "RADIAL": "OPENCV",
    "SIMPLE_RADIAL_FISHEYE": "OPENCV_FISHEYE",
    "RADIAL_FISHEYE": "OPENCV_FISHEYE",
}


@dataclass(frozen=True)
class Freedom:
    """How far intrinsics may be from what they are taken for, each as one standard deviation; 0 holds them.

    Attributes
    ----------
    focal
        Of the logarithm of the focal length.
    aspect
        Of the logarithm of the vertical over the horizontal focal length.
    principal
        Of either coordinate of the principal point, as a share of the image's longer side.
    distortion
        Of the first coefficient, where the model has any.
    """

    focal: float = 0.0
    aspect: float = 0.0
    principal: float = 0.0
    distortion: float = 0.0


HELD = Freedom()


@dataclass(frozen=True)
class Prior:
    """What is known of intrinsics before a pose is: a camera, and how far it may be off.

    Attributes
    ----------
    camera
        The intrinsics expected.
    freedom
        How far they may be off.
    """

    camera: Camera
    freedom: Freedom = HELD

    @property
    def sigmas(self) -> Floats:
        """Standard deviations of the intrinsics that are free, in the order of the parameter vector."""
        return np.array([sigma for _, sigma in self._free])

    @property
    def start(self) -> Camera:
        """The camera in a model that has a parameter for everything that is free."""
        return self.adapt(self.camera)

    def adapt(self, camera: Camera) -> Camera:
        """Return `camera`, with a focal length for either direction where the aspect is free."""
        if not self.freedom.aspect or camera.model not in _TWO_FOCALS:
            return camera
        model = _TWO_FOCALS[camera.model]
        start = Camera.from_focal(model, camera.width, camera.height, camera.focal_px, focal_is_known=False)
        tail = (*camera.distortion, *start.distortion[len(camera.distortion) :])
        params = (camera.focal_px, camera.focal_px, *camera.principal_point, *tail)
        return replace(start, params=params, focal_is_known=camera.focal_is_known)

    def departure(self, camera: Camera) -> Floats:
        """Return by how much the free intrinsics of a camera differ from those expected."""
        return np.array(
            [_value(camera, name) - _value(self.start, name) for name, _ in self._free], dtype=np.float64
        )

    def step(self, pose: Pose, camera: Camera, parameters: Floats) -> tuple[Pose, Camera]:
        """Return pose and camera after a step of the parameter vector."""
        rotation = Rotation.from_rotvec(parameters[3:6]).as_matrix() @ pose.rotation
        moved = Pose(rotation, -rotation @ (pose.center + parameters[:3]))
        for (name, _), change in zip(self._free, parameters[POSE_PARAMETERS:], strict=True):
            camera = _changed(camera, name, float(change))
        return moved, camera

    def jacobian(self, pose: Pose, camera: Camera, xyz: Floats) -> Floats:
        """Return the (N, 2, P) derivatives of the pixels of (N, 3) points of the map by the parameter vector."""
        points = pose.apply(xyz)
        by_point = _by_point(camera, points)
        by_center = -by_point @ pose.rotation
        # A small turn w moves a point p by w x p.
        by_turn = np.cross(points[:, None, :], by_point)
        by_intrinsics = [_by_intrinsic(camera, name, points)[:, :, None] for name, _ in self._free]
        return np.concatenate([by_center, by_turn, *by_intrinsics], axis=2)

    @property
    def _free(self) -> list[tuple[str, float]]:
        longer = max(self.camera.width, self.camera.height)
        sigmas = [
            ("focal", self.freedom.focal),
            ("aspect", self.freedom.aspect),
            ("cx", self.freedom.principal * longer),
            ("cy", self.freedom.principal * longer),
            ("k1", self.freedom.distortion if self.camera.distortion else 0.0),
        ]
        return [(name, sigma) for name, sigma in sigmas if sigma > 0]


def _by_point(camera: Camera, points: Floats) -> Floats:
    """Return the (N, 2, 3) derivatives of pixels by points in camera coordinates."""
    step = _STEP * points[:, 2:3]
    columns = [
        (camera.project(points + step * axis) - camera.project(points - step * axis)) / (2 * step)
        for axis in np.eye(3)
    ]
    return np.stack(columns, axis=2)


def _by_intrinsic(camera: Camera, name: str, points: Floats) -> Floats:
    more, less = (_changed(camera, name, step).project(points) for step in (_STEP, -_STEP))
    return (more - less) / (2 * _STEP)


def _value(camera: Camera, name: str) -> float:
    horizontal, vertical = camera.matrix[0, 0], camera.matrix[1, 1]
    if name == "focal":
        return float(np.log(horizontal))
    if name == "aspect":
        return float(np.log(vertical / horizontal))
    if name == "k1":
        return camera.distortion[0]
    return camera.principal_point[name == "cy"]


def _changed(camera: Camera, name: str, change: float) -> Camera:
    params = list(camera.params)
    focals = len(params) - 2 - len(camera.distortion)
    if name == "focal":
        params[:focals] = [value * float(np.exp(change)) for value in params[:focals]]
    elif name == "aspect":
        params[1] *= float(np.exp(change))
    else:
        params[focals + {"cx": 0, "cy": 1, "k1": 2}[name]] += change
    return replace(camera, params=tuple(params))

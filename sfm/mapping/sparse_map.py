"""A finished sparse map as plain arrays, independent of the library that made it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.geometry.similarity import Sim3


@dataclass(frozen=True)
class MapImage:
    """A registered image.

    Attributes
    ----------
    name
        Relative path of the image, with forward slashes.
    camera_id
        Key into `SparseMap.cameras`.
    cam_from_world
        Its pose.
    xy : (N, 2) float64
        Its keypoints in pixels of the original image, first pixel's centre at (0, 0). May be empty.
    point_ids : (N,) int64
        Id of the 3D point each keypoint observes, -1 for none.
    """

    name: str
    camera_id: int
    cam_from_world: Pose
    xy: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    point_ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class SparseMap:
    """Cameras, registered images and 3D points of one model.

    Attributes
    ----------
    cameras
        Intrinsics by camera id.
    images
        Registered images by image id.
    point_ids : (P,) int64
        Ids of the 3D points, ascending.
    xyz : (P, 3) float64
        Positions in the map's unit.
    rgb : (P, 3) uint8
        Colours.
    error_px : (P,) float64
        Mean reprojection error of each point in pixels.
    track_length : (P,) int64
        Number of observations of each point.
    """

    cameras: dict[int, Camera]
    images: dict[int, MapImage]
    point_ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    xyz: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    rgb: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 3), np.uint8))
    error_px: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    track_length: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def poses(self) -> dict[str, Pose]:
        """`cam_from_world` by image name, in the order of names."""
        return {image.name: image.cam_from_world for image in self.images_by_name}

    @property
    def images_by_name(self) -> list[MapImage]:
        """The registered images in the order of their names: the camera path of a capture."""
        return sorted(self.images.values(), key=lambda image: image.name)

    @property
    def num_observations(self) -> int:
        """Number of (image, keypoint) observations over all points."""
        return int(self.track_length.sum())

    @property
    def mean_track_length(self) -> float:
        """Observations per point; 0 for a map without points."""
        return self.num_observations / len(self.xyz) if len(self.xyz) else 0.0

    @property
    def mean_error_px(self) -> float:
        """Reprojection error in pixels averaged over observations (COLMAP: over points); 0 for a map without points."""
        if not len(self.xyz):
            return 0.0
        return float(np.average(self.error_px, weights=self.track_length))

    def transformed(self, b_from_map: Sim3) -> SparseMap:
        """Return the map in another coordinate frame: poses and points move, pixels stay."""
        images = {
            image_id: replace(image, cam_from_world=b_from_map.transform_pose(image.cam_from_world))
            for image_id, image in self.images.items()
        }
        return replace(self, images=images, xyz=b_from_map.apply(self.xyz))

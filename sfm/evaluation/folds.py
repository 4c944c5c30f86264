"""Find images that a map puts side by side although they have nothing in common.

What is alike on two sides of a thing, front and back of a box, folds a map: both sides come to lie upon each other, and
few pairs contradict it, for most of what repeats agrees. But then images from both sides stand side by side, and those
that look at what is not alike have no verified match where they should have hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.camera import Camera
from sfm.mapping.sparse_map import MapImage, SparseMap

# Seen from directions and distances that differ by no more, what is the same is described alike.
_NEAR_DEG = 12.0
_NEAR_RATIO = 1.5
# Share of the points of either image that has to be so near, and before the other, and their least number.
_SHARE = 0.5
_LEAST = 50


def side_by_side(sparse_map: SparseMap, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those pairs of names whose images see the same points from nearly the same place, by the map.

    Parameters
    ----------
    sparse_map
        A finished map.
    pairs
        Pairs to look at. Images that are not in the map are passed over.
    """
    images = {image.name: image for image in sparse_map.images.values()}
    seen = {name: _points(sparse_map, image) for name, image in images.items()}
    return [
        (name1, name2)
        for name1, name2 in pairs
        if name1 in images
        and name2 in images
        and _sees(sparse_map, images[name1], images[name2], seen[name1])
        and _sees(sparse_map, images[name2], images[name1], seen[name2])
    ]


def _points(sparse_map: SparseMap, image: MapImage) -> NDArray[np.float64]:
    return sparse_map.xyz[np.isin(sparse_map.point_ids, image.point_ids)]


def _sees(sparse_map: SparseMap, image: MapImage, other: MapImage, xyz: NDArray[np.float64]) -> bool:
    """Whether the other image has before it, and sees from nearly the same place, most points of an image."""
    rays1, rays2 = xyz - image.cam_from_world.center, xyz - other.cam_from_world.center
    lengths1, lengths2 = np.linalg.norm(rays1, axis=1), np.linalg.norm(rays2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = np.einsum("ij,ij->i", rays1, rays2) / (lengths1 * lengths2)
        near = (cosines > np.cos(np.radians(_NEAR_DEG))) & (
            np.abs(np.log(lengths1 / lengths2)) < np.log(_NEAR_RATIO)
        )
    shared = near & _is_before(sparse_map.cameras[other.camera_id], other, xyz)
    return bool(shared.sum() >= max(_LEAST, _SHARE * len(xyz)))


def _is_before(camera: Camera, image: MapImage, xyz: NDArray[np.float64]) -> NDArray[np.bool_]:
    xy = camera.project(image.cam_from_world.apply(xyz))
    with np.errstate(invalid="ignore"):  # behind the camera is not a number
        return np.all((xy >= 0) & (xy < [camera.width, camera.height]), axis=1)

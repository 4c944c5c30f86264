"""Tell from a map whether photographs that share a camera were zoomed differently."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from sfm.mapping.adjustment import Adjustment, deviation
from sfm.mapping.colmap_io import to_reconstruction
from sfm.mapping.sparse_map import SparseMap

# Of each image, so many observations of the longest tracks are looked at.
_OBSERVATIONS = 150
# An image's errors (chi-squared) fall by this share if it was zoomed differently, and gets a focal length of its own:
# by 0.5 to 0.99 where images were, with one exception; by 0.03 at most on fountain-P11, castle-P19 and Herz-Jesus-P8,
# by 0.22 on lund.
_FALL = 0.4
# It then has a focal length that differs from the median by more than this share.
_OTHER = 0.05


def images_of_another_zoom(sparse_map: SparseMap, cameras: Collection[int], threads: int = -1) -> list[str]:
    """Return the names of images whose errors clearly ask for another focal length than most have.

    The map is adjusted twice, once as it is and once with a camera for each image.

    Parameters
    ----------
    sparse_map
        A finished map.
    cameras
        Ids of the cameras in question; the others stay as they are.
    threads
        Number of threads, -1 for all cores.
    """
    few = _of_long_tracks(sparse_map)
    ids = [i for i, image in few.images.items() if image.camera_id in cameras]
    shared, parted = to_reconstruction(few), to_reconstruction(_one_camera_an_image(few, ids))
    error_px = deviation(shared)
    if len(ids) < 2 or error_px is None:
        return []
    held = set(few.cameras) - set(cameras)
    adjustment = Adjustment(error_px, held, threads)
    adjustment.of(shared)
    adjustment.of(parted)
    focals_px = {i: parted.image(i).camera.mean_focal_length() for i in ids}
    median = float(np.median(list(focals_px.values())))
    other = [i for i in ids if abs(focals_px[i] / median - 1) > _OTHER]
    return [
        few.images[i].name
        for i in other
        if adjustment.chi_squared(parted, [i]) < (1 - _FALL) * adjustment.chi_squared(shared, [i])
    ]


def _of_long_tracks(sparse_map: SparseMap) -> SparseMap:
    """Return the map with the points of longest tracks alone, as many as each image has observations looked at."""
    kept = np.zeros(len(sparse_map.point_ids), bool)
    for image in sparse_map.images.values():
        rows = np.searchsorted(sparse_map.point_ids, image.point_ids[image.point_ids >= 0])
        longest = np.argsort(-sparse_map.track_length[rows], kind="stable")[:_OBSERVATIONS]
        kept[rows[longest]] = True
    ids = sparse_map.point_ids[kept]
    images = {}
    for i, image in sparse_map.images.items():
        seen = np.isin(image.point_ids, ids)
        images[i] = replace(image, xy=image.xy[seen], point_ids=image.point_ids[seen])
    arrays = ("point_ids", "xyz", "rgb", "error_px", "track_length")
    return replace(sparse_map, images=images, **{name: getattr(sparse_map, name)[kept] for name in arrays})


def _one_camera_an_image(sparse_map: SparseMap, ids: Collection[int]) -> SparseMap:
    first = max(sparse_map.cameras) + 1
    own = {i: first + row for row, i in enumerate(ids)}
    images = {i: replace(m, camera_id=own.get(i, m.camera_id)) for i, m in sparse_map.images.items()}
    cameras = dict(sparse_map.cameras)
    cameras |= {own[i]: sparse_map.cameras[sparse_map.images[i].camera_id] for i in ids}
    return replace(sparse_map, cameras=cameras, images=images)

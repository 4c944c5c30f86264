"""Colours of map points, from the photographs that observe them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sfm.mapping.sparse_map import SparseMap
from sfm.threads import map_in_order, usable_cores


def point_colors(sparse_map: SparseMap, load: Callable[[str], NDArray[np.uint8] | None]) -> NDArray[np.uint8]:
    """Average, over the images that observe it, the colour of the pixel under each point.

    Parameters
    ----------
    sparse_map
        The map, with observations.
    load
        Gives the (H, W, 3) RGB pixels of an image by name, possibly shrunk; None if it cannot be read. Called by
        several threads.

    Returns
    -------
    (P, 3) uint8, black for points no readable image observes.
    """
    total = np.zeros((len(sparse_map.point_ids), 3))
    count = np.zeros(len(sparse_map.point_ids))
    observing = [image for image in sparse_map.images.values() if (image.point_ids >= 0).any()]
    with ThreadPoolExecutor(usable_cores()) as pool:
        for image, pixels in map_in_order(pool, lambda image: load(image.name), observing):
            if pixels is None:
                continue
            seen = image.point_ids >= 0
            camera = sparse_map.cameras[image.camera_id]
            scale = np.array([pixels.shape[1] / camera.width, pixels.shape[0] / camera.height])
            xy = np.rint((image.xy[seen] + 0.5) * scale - 0.5).astype(int)
            x, y = np.clip(xy, 0, np.array(pixels.shape[1::-1]) - 1).T
            at = np.searchsorted(sparse_map.point_ids, image.point_ids[seen])
            np.add.at(total, at, pixels[y, x])
            np.add.at(count, at, 1)
    return np.rint(total / np.maximum(count, 1)[:, None]).astype(np.uint8)

"""Colours of map points, from the photographs that observe them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sfm.mapping.sparse_map import SparseMap


def point_colors(sparse_map: SparseMap, load: Callable[[str], NDArray[np.uint8] | None]) -> NDArray[np.uint8]:
    """Average, over the images that observe it, the colour of the pixel under each point.

    Parameters
    ----------
    sparse_map
        The map, with observations.
    load
        Gives the (H, W, 3) RGB pixels of an image by name, possibly shrunk; None if it cannot be read.

    Returns
    -------
    (P, 3) uint8, black for points no readable image observes.
    """
    index = {int(point_id): i for i, point_id in enumerate(sparse_map.point_ids)}
    total = np.zeros((len(index), 3))
    count = np.zeros(len(index))
    for image in sparse_map.images.values():
        seen = image.point_ids >= 0
        pixels = load(image.name) if seen.any() else None
        if pixels is None:
            continue
        camera = sparse_map.cameras[image.camera_id]
        scale = np.array([pixels.shape[1] / camera.width, pixels.shape[0] / camera.height])
        xy = np.rint((image.xy[seen] + 0.5) * scale - 0.5).astype(int)
        x, y = np.clip(xy, 0, np.array(pixels.shape[1::-1]) - 1).T
        at = [index[int(i)] for i in image.point_ids[seen]]
        np.add.at(total, at, pixels[y, x])
        np.add.at(count, at, 1)
    return np.rint(total / np.maximum(count, 1)[:, None]).astype(np.uint8)

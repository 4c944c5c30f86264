"""A comparison as one picture: the maps beside each other in one frame, seen from one place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.report.comparison import AlignedArm, ComparisonContent
from sfm.report.pictures import draw_map, view_of_map

Bytes = NDArray[np.uint8]

_LABEL_RGB = (235, 235, 230)
_GAP_RGB = (90, 92, 96)


def draw_comparison(content: ComparisonContent, panel: tuple[int, int] = (800, 640)) -> Bytes | None:
    """Draw the maps of a comparison side by side, each with its name and counts.

    Parameters
    ----------
    content
        The comparison.
    panel
        Width and height of each map's picture in pixels.

    Returns
    -------
    picture : (height, width, 3) uint8, RGB; None if there is no map.
    """
    if content.frame is None:
        return None
    pictures = draw_arms(content, panel)
    panels: list[Bytes] = []
    for arm in content.frame.arms:
        panels += [_labelled(pictures[arm.arm.name], arm, len(content.image_names)), _gap(panel[1])]
    return np.concatenate(panels[:-1], axis=1)


def draw_arms(content: ComparisonContent, size: tuple[int, int]) -> dict[str, Bytes]:
    """Draw each map of a comparison, the camera path in red, the true one in blue.

    All maps are aligned to one frame and seen from where the largest of them shows best. A map that could not be
    aligned is seen from a place of its own.

    Returns pictures (height, width, 3) uint8, RGB, of `size` (width, height), by name; of arms with a map only.
    """
    frame = content.frame
    if frame is None:
        return {}
    view = view_of_map(frame.largest, size, content.orientations)
    truth = _path(content) if frame.reference == "ground truth" else None
    pictures = {}
    for arm in frame.arms:
        seen_from, path = (view, truth) if arm.aligned else (None, None)
        pictures[arm.arm.name] = draw_map(
            arm.sparse_map, size, path, orientations=content.orientations, seen_from=seen_from
        )
    return pictures


def _path(content: ComparisonContent) -> Sequence[NDArray[np.float64]]:
    return [content.truth[name].center for name in sorted(content.truth)]


def _labelled(picture: Bytes, arm: AlignedArm, photographs: int) -> Bytes:
    size = picture.shape[0] / 640
    images, points = len(arm.sparse_map.images), len(arm.sparse_map.xyz)
    # Large, because three panels beside each other are mostly seen at a third of their size.
    lines = [(arm.arm.name, 1.8), (f"{images} of {photographs} photographs, {points:,} points", 1.1)]
    y = 0.0
    for text, scale in lines:
        y += 40 * scale * size + 4
        # OpenCV's strokes of Hershey letters have ASCII only; names of descriptors are no more.
        where, thick = (round(16 * size), round(y)), max(1, round(1.6 * scale * size))
        cv2.putText(
            picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale * size, _LABEL_RGB, thick, cv2.LINE_AA
        )
    return picture


def _gap(height: int) -> Bytes:
    return np.full((height, 3, 3), _GAP_RGB, np.uint8)

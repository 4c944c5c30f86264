"""A comparison as one picture: the maps beside each other in one frame, seen from one place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.report.comparison import AlignedArm, ComparisonContent
from sfm.report.pictures import DARK_RGB, draw_map, view_of_map

Bytes = NDArray[np.uint8]

_LABEL_RGB = (235, 235, 230)
_GAP_RGB = (90, 92, 96)
_GAP_PX = 3


def draw_comparison(content: ComparisonContent, panel: tuple[int, int] = (800, 500)) -> Bytes | None:
    """Draw the maps of a comparison side by side, above each its name and counts.

    Parameters
    ----------
    content
        The comparison.
    panel
        Width and height of each map's picture in pixels.

    Returns
    -------
    picture : (height, width, 3) uint8, RGB, a fifth higher than the panels; None if there is no map.
    """
    if content.frame is None:
        return None
    pictures = draw_arms(content, panel)
    columns: list[Bytes] = []
    for arm in content.frame.arms:
        label = _label(arm, len(content.image_names), (panel[0], panel[1] // 5))
        column = np.concatenate([label, pictures[arm.arm.name]])
        columns += [column, np.full((len(column), _GAP_PX, 3), _GAP_RGB, np.uint8)]
    return np.concatenate(columns[:-1], axis=1)


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


def _label(arm: AlignedArm, photographs: int, size: tuple[int, int]) -> Bytes:
    """Draw the name and the counts, large: three panels beside each other are mostly seen at a third of their size."""
    width, height = size
    picture = np.full((height, width, 3), DARK_RGB, np.uint8)
    unit = height / 100
    images, points = len(arm.sparse_map.images), len(arm.sparse_map.xyz)
    counts = f"{images} of {photographs} photographs, {points:,} points"
    for text, y, scale, thickness in ((arm.arm.name, 48, 1.5, 2.4), (counts, 88, 1.0, 1)):
        # OpenCV's strokes of Hershey letters have ASCII only; names of descriptors are no more.
        cv2.putText(
            picture,
            text,
            (round(18 * unit), round(y * unit)),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale * unit,
            _LABEL_RGB,
            max(1, round(thickness * unit)),
            cv2.LINE_AA,
        )
    return picture

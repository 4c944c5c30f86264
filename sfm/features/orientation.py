"""Turn keypoints to the gradients around them, or to one angle an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sfm.features.keypoints import Keypoints
from sfm.options import option

# Patches of keypoints that differ by more than about this are not matched any more.
TURN_TOLERANCE_DEG = 25.0


@dataclass(frozen=True)
class OrientationOptions:
    """How keypoints are turned before they are described."""

    orientation: str = option(
        "auto",
        "Which way is up in a patch. gradient: the strongest gradient in it, as SIFT has it, found again in any turned "
        "picture but seldom by night. upright: up in the photograph (by its EXIF orientation). view-graph: as the "
        "photographs are turned against each other, read from their matches. auto: upright where the photographs "
        "share their up, else by the view graph; it says what it found.",
        choices=("auto", "gradient", "upright", "view-graph"),
    )


def by_gradient(keypoints: Keypoints, limit: int) -> Keypoints:
    """Return the first `limit` keypoints as they were detected: a place has one for each strong gradient."""
    return keypoints.take(slice(limit))


def turned_to(keypoints: Keypoints, angle_rad: float) -> Keypoints:
    """Return one keypoint a place and scale, in their order, all turned to one angle (radians, clockwise)."""
    places = np.column_stack([keypoints.xy, keypoints.scale])
    _, first = np.unique(places, axis=0, return_index=True)
    single = keypoints.take(np.sort(first))
    return replace(single, angle=np.full(len(single), angle_rad, np.float32))

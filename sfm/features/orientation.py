"""Turn keypoints to the gradients around them, or to one angle an image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sfm.features.keypoints import Keypoints
from sfm.options import option

# Patches of one point that are turned against each other by more than about this are not matched any more.
TURN_TOLERANCE_DEG = 25.0
ORIENTATIONS = ("auto", "gradient", "upright", "view-graph")


@dataclass(frozen=True)
class OrientationOptions:
    """How keypoints are turned before they are described."""

    orientation: str = option(
        "auto",
        "Which way is up in the patch of a keypoint. upright: up in the photograph, by its EXIF orientation. "
        "view-graph: one way for all keypoints of a photograph, as photographs are turned against each other, which "
        "is read from matches. gradient: the strongest gradient of each patch, found again however a picture is "
        "turned, but seldom by night. auto: upright where photographs share their up, else view-graph; it says what "
        "it found.",
        choices=ORIENTATIONS,
    )


def oriented(keypoints: Keypoints, turn_deg: float | None, limit: int | None = None) -> Keypoints:
    """Return at most `limit` of the detected keypoints as they are described.

    Parameters
    ----------
    keypoints
        What a detector found: for every strong gradient of a place a keypoint.
    turn_deg
        What all are turned to, in degrees clockwise: one keypoint is left of each place. None for their gradients.
    limit
        Most keypoints, the first of them; None for all.
    """
    if turn_deg is None:
        return keypoints.take(slice(limit))
    single = keypoints.take(_first_of_places(keypoints)[:limit])
    return replace(single, angle=np.full(len(single), np.radians(turn_deg), np.float32))


def turned_to(keypoints: Keypoints, angle_rad: float) -> Keypoints:
    """Return one keypoint a place and scale, in their order, all turned to one angle (radians, clockwise)."""
    return oriented(keypoints, float(np.degrees(angle_rad)))


def _first_of_places(keypoints: Keypoints) -> np.ndarray:
    _, first = np.unique(np.column_stack([keypoints.xy, keypoints.scale]), axis=0, return_index=True)
    return np.sort(first)

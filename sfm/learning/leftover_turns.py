"""Draw how far an image's keypoints stay turned against its orientation."""

from __future__ import annotations

import numpy as np
from scipy.stats import truncnorm

from sfm.features.keypoints import Keypoints
from sfm.features.orientation import TURN_TOLERANCE_DEG, turned_to

SPREAD_DEG = 10.0


def leftover_turn(rng: np.random.Generator) -> float:
    """Draw the turn (radians) by which the orientation of an image is wrong: a hand does not hold a camera exactly.

    Normal with a deviation of `SPREAD_DEG`, cut at `TURN_TOLERANCE_DEG`: images that are turned farther against each
    other are to be told by their rolls.
    """
    cut = TURN_TOLERANCE_DEG / SPREAD_DEG
    return float(np.radians(SPREAD_DEG * truncnorm.rvs(-cut, cut, random_state=rng)))


def turned_nearly_to(keypoints: Keypoints, angle_rad: float, rng: np.random.Generator) -> Keypoints:
    """Return one keypoint a place and scale, all turned to one angle and what is left over in this image."""
    return turned_to(keypoints, angle_rad + leftover_turn(rng))

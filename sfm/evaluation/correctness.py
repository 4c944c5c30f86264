"""Whether a map is right, by what EXIF knows: the yardstick where no ground truth was surveyed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sfm.evaluation.self_check import FOCAL_TOLERANCE, focal_ratios, residual_to_gps
from sfm.geometry.camera import Camera
from sfm.json_values import to_json
from sfm.mapping.sparse_map import SparseMap

# GPS of a phone is good to some metres.
GPS_LIMIT_M = 8.0
# A map that explains nothing is as far from GPS as the positions spread: one has to be clearly nearer.
_SHARE_OF_SPREAD = 0.5

Positions = Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Judgement:
    """A map against EXIF.

    Attributes
    ----------
    images
        Number of registered images.
    gps_rms_m
        Horizontal distance to the GPS positions after the best similarity, rms; NaN where fewer than four
        images have one.
    gps_spread_m
        How far those positions spread; NaN likewise.
    focal_error_percent
        Largest deviation of a focal length from EXIF; NaN where EXIF gives none, or the map held what it gives.
    """

    images: int
    gps_rms_m: float
    gps_spread_m: float
    focal_error_percent: float

    @property
    def is_correct(self) -> bool:
        """Whether the path is below 8 m off GPS, and below half of its spread, and focal lengths within 10%.

        A map too small to be told from a wrong one is not correct; focal lengths that EXIF does not know do
        not count against it.
        """
        near = self.gps_rms_m < min(GPS_LIMIT_M, _SHARE_OF_SPREAD * self.gps_spread_m)
        return bool(near and not self.focal_error_percent > 100 * FOCAL_TOLERANCE)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers, None for what is not known, and the verdict."""
        numbers = {
            "gps_rms_m": self.gps_rms_m,
            "gps_spread_m": self.gps_spread_m,
            "focal_error_percent": self.focal_error_percent,
        }
        known = to_json(numbers)
        return {**known, "correct": self.is_correct if known["gps_rms_m"] is not None else None}


def judge_map(sparse_map: SparseMap, prior: Mapping[int, Camera], gps: Positions) -> Judgement:
    """Judge a map.

    Parameters
    ----------
    sparse_map
        The map.
    prior
        Cameras before mapping, by the ids of the map: what EXIF says.
    gps
        Latitude and longitude in degrees and altitude in metres (or NaN), by image name.
    """
    residual = residual_to_gps(sparse_map, gps)
    deviations = [abs(ratio - 1) for ratio in focal_ratios(sparse_map, prior).values()]
    return Judgement(
        images=len(sparse_map.images),
        gps_rms_m=residual.rms_m if residual else np.nan,
        gps_spread_m=residual.spread_m if residual else np.nan,
        focal_error_percent=100 * max(deviations) if deviations else np.nan,
    )


def correct_images(judgements: Sequence[Judgement]) -> int:
    """Return the number of images in the largest correct one of a run's models; 0 if none is."""
    return max((one.images for one in judgements if one.is_correct), default=0)

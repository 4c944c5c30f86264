"""Options of localisation. Light to import: the command line is made from them."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.options import option


@dataclass(frozen=True)
class LocalizationOptions:
    """How a photograph is found in a map."""

    candidates: int = option(
        20,
        "Match with this many views of the map, those that look most alike; a map of no more is matched whole.",
        minimum=1,
    )
    max_error_px: float = option(
        6.0,
        "Largest reprojection error of an inlier, in pixels of the photograph at the size it is looked at.",
        minimum=0.1,
    )
    min_inliers: int = option(12, "Refuse poses that fewer points agree with.", minimum=4)
    seed: int = option(0, "Seed of every random choice.", minimum=0)

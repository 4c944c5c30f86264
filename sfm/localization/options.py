"""Options of localisation. Light to import: the command line is made from them."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.options import option

# A photograph found by fewer points of the map than this hangs by a thread.
FEW_INLIERS = 100


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
    equalize: bool = option(
        True,
        f"Where a photograph is not found, or by fewer than {FEW_INLIERS} points of the map, find its keypoints "
        "once more with contrast evened out: it may have been taken in the dark. The pose that more points agree "
        "with stands.",
    )
    seed: int = option(0, "Seed of every random choice.", minimum=0)

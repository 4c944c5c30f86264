"""Let go of focal lengths held in a map, and tell whether errors fall.

A map agrees with what was held while it was made, so the agreement says nothing. What its images say shows only when
it is let go: where EXIF is right, errors hardly fall; where it is of another picture, they fall to a fraction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sfm.mapping.adjustment import Adjustment, deviation
from sfm.mapping.colmap import pycolmap
from sfm.mapping.incremental import Model


@dataclass(frozen=True)
class Freed:
    """A map whose focal lengths were let go.

    Attributes
    ----------
    focals_px
        Where they went, by camera id.
    fall
        Errors while they were held over those afterwards.
    """

    focals_px: dict[int, float]
    fall: float


def free_focals(model: Model, cameras: Collection[int], threads: int = -1) -> Freed | None:
    """Adjust a copy of a map with the intrinsics of some cameras free; None if none of them has images in it.

    Parameters
    ----------
    model
        A finished map; it stays as it is.
    cameras
        Ids of cameras that were held.
    threads
        Number of threads, -1 for all cores.
    """
    there = set(cameras) & {model.image(i).camera_id for i in model.reg_image_ids()}
    held_px = deviation(model)
    if not there or held_px is None:
        return None
    freed = pycolmap.Reconstruction(model)
    Adjustment(held_px, set(model.cameras) - there, threads).of(freed)
    focals_px = {i: float(freed.camera(i).mean_focal_length()) for i in there}
    return Freed(focals_px, held_px / (deviation(freed) or held_px))

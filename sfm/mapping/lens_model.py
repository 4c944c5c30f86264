"""Give cameras further distortion coefficients, or a fisheye's, where errors ask for them.

One coefficient bends the maps of lenses that need two: what it leaves unexplained looks like a bowl. Fisheye lenses are
explained by their own models alone (J. Kannala and S. Brandt, "A Generic Camera Model and Calibration Method for
Conventional, Wide-Angle, and Fish-Eye Lenses", 2006).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from sfm.mapping.adjustment import Adjustment, deviation
from sfm.mapping.colmap import pycolmap
from sfm.mapping.incremental import Model
from sfm.mapping.refinement import busy_cameras, principal_points_are_known

# What asks for another model, and for which ones: the simplest of each kind tells whether the others are worth a look.
_FIRST, _FURTHER = ("RADIAL", "SIMPLE_RADIAL_FISHEYE"), ("RADIAL_FISHEYE", "OPENCV")
_ASKING = "SIMPLE_RADIAL"
# A model has to lower the errors (chi-squared) by this share: by 0.18 to 0.95 it does where the lens has it, by 0.015
# at most on fountain-P11, castle-P19, Herz-Jesus-P8 and scenes rendered without it, by 0.023 on lund.
_CLEAR = 0.1


def fit_lens_model(model: Model, held_cameras: Collection[int], threads: int = -1) -> Model | None:
    """Return a map adjusted with another lens model for cameras that took many images; None if none is asked for.

    Parameters
    ----------
    model
        A finished map; it stays as it is.
    held_cameras
        Ids of cameras whose intrinsics stay as they are.
    threads
        Number of threads, -1 for all cores.
    """
    cameras = {i for i in busy_cameras(model, held_cameras) if model.camera(i).model.name == _ASKING}
    error_px = deviation(model)
    if not cameras or error_px is None:
        return None
    trial = _Trial(Adjustment(error_px, held_cameras, threads), principal_points_are_known(model, cameras))
    plain, least = trial.of(model)
    found = None
    for names in (_FIRST, _FURTHER):
        for name in names:
            adjusted, errors = trial.of(_with_lens(plain, cameras, name))
            if errors < (1 - _CLEAR) * least:
                found, least = adjusted, errors
        if found is None:
            return None
    return found


class _Trial:
    """Adjusts copies of a map, and tells their errors."""

    def __init__(self, adjustment: Adjustment, principal_point: bool) -> None:
        self._adjustment, self._principal_point = adjustment, principal_point

    def of(self, model: Model) -> tuple[Model, float]:
        """Return an adjusted copy of a map and its chi-squared."""
        adjusted = self._adjustment.of(
            pycolmap.Reconstruction(model), principal_point=self._principal_point
        ).model
        return adjusted, self._adjustment.chi_squared(adjusted, adjusted.reg_image_ids())


def _with_lens(model: Model, cameras: Collection[int], name: str) -> Model:
    """Return a copy of a map whose cameras have another model, with the distortion that both have in common."""
    copy = pycolmap.Reconstruction(model)
    for i in cameras:
        camera = copy.camera(i)
        coefficients = camera.params[camera.extra_params_idxs()]
        point = camera.principal_point_x, camera.principal_point_y
        other = pycolmap.Camera.create_from_model_name(
            i, name, camera.mean_focal_length(), camera.width, camera.height
        )
        params = np.array(other.params)
        params[other.principal_point_idxs()] = point
        if not name.endswith("FISHEYE"):
            params[other.extra_params_idxs()[0]] = coefficients[0]
        camera.model = other.model
        camera.params = params
    return copy

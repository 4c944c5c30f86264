"""Adjust the bundle of a map by Cauchy's loss: quickly, or until its cameras rest.

A block of many images has slow modes: its focal length against its height, a bow along its strips. They hardly change
the cost, so an adjustment that ends when the cost does is metres away from the least one. Nor do small steps get there:
along a mode that turns every camera, what a straight step leaves behind of second order costs more than the step gains,
and it is refused. So these steps begin large, and the cost may rise for some of them before it falls (A. Conn, N. Gould
and P. Toint, "Trust-Region Methods", 2000, 10.1, for non-monotone steps). They end when the cameras rest.

B. Triggs, P. McLauchlan, R. Hartley and A. Fitzgibbon, "Bundle Adjustment - A Modern Synthesis", 1999; P. Holland and
R. Welsch, "Robust regression using iteratively reweighted least-squares", 1977, for the scale of Cauchy's loss.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.robust import MEDIAN_LENGTH_2D
from sfm.mapping.colmap import pycolmap
from sfm.mapping.incremental import Model

# With this many standard deviations Cauchy's loss is 95% as efficient as least squares on Gaussian errors.
_CAUCHY_SCALE = 2.385
# Below this many pixels, what is left of the errors is rounding.
_LEAST_SIGMA_PX = 0.01
# The scale of the errors is read from about so many observations, of about so many images.
_OBSERVATIONS_LOOKED_AT = 10_000
_IMAGES_LOOKED_AT = 50
# Half of it takes a quarter more steps and moves cameras of castle-P19 by less than a tenth of a millimetre; twice as
# much leaves principal points behind.
_FUNCTION_TOLERANCE = 2e-5
# Steps of an adjustment that goes on until cameras rest are looked at by so many, at most so often.
_STEPS, _LOOKS = 10, 20
_LARGE_RADIUS = 1e7
# Cameras rest when they move by less than this share of how far they are from each other.
_AT_REST = 1e-5


def deviation(model: Model) -> float | None:
    """Return the standard deviation of an error's coordinates in pixels, by their median; None if there are none."""
    images = model.reg_image_ids()
    looked_at = images[:: max(1, len(images) // _IMAGES_LOOKED_AT)]
    every = max(1, sum(model.image(i).num_points3D for i in looked_at) // _OBSERVATIONS_LOOKED_AT)
    errors = reprojection_errors(model, looked_at, every)
    errors = errors[np.isfinite(errors)]
    return max(float(np.median(errors)) / MEDIAN_LENGTH_2D, _LEAST_SIGMA_PX) if len(errors) else None


@dataclass(frozen=True)
class Adjusted:
    """A model after bundle adjustment, and the cost that is left, in pixels squared."""

    model: Model
    cost: float


@dataclass(frozen=True)
class Adjustment:
    """Bundle adjustment by Cauchy's loss, for errors whose coordinates deviate by `sigma_px`."""

    sigma_px: float
    held_cameras: Collection[int]
    threads: int

    def of(self, model: Model, *, principal_point: bool = False) -> Adjusted:
        """Adjust a model where it is, until the cost rests: quick, but slow modes of a block are left as they are."""
        options = self._options(principal_point)
        options.ceres.solver_options.function_tolerance = _FUNCTION_TOLERANCE
        return Adjusted(model, self._solve(model, options))

    def settle(self, model: Model, *, principal_point: bool = False) -> None:
        """Adjust a model where it is, until its cameras rest."""
        options = self._options(principal_point)
        solver = options.ceres.solver_options
        solver.max_num_iterations = _STEPS
        solver.initial_trust_region_radius = _LARGE_RADIUS
        solver.use_nonmonotonic_steps = True
        before = _centers(model)
        for _ in range(_LOOKS):
            self._solve(model, options)
            now = _centers(model)
            if _length(now - before) <= _AT_REST * _length(now - now.mean(axis=0)):
                break
            before = now

    def _options(self, principal_point: bool) -> pycolmap.BundleAdjustmentOptions:
        options = pycolmap.BundleAdjustmentOptions()
        options.print_summary = False
        options.refine_principal_point = principal_point
        options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
        options.ceres.loss_function_scale = _CAUCHY_SCALE * self.sigma_px
        options.ceres.solver_options.num_threads = self.threads
        return options

    def _solve(self, model: Model, options: pycolmap.BundleAdjustmentOptions) -> float:
        """Adjust a model where it is; return the cost that is left."""
        config = pycolmap.BundleAdjustmentConfig()
        for image_id in model.reg_image_ids():
            config.add_image(image_id)
        for camera_id in set(model.cameras) & set(self.held_cameras):
            config.set_constant_cam_intrinsics(camera_id)
        config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
        summary = pycolmap.create_default_bundle_adjuster(options, config, model).solve()
        return float(summary.ceres_summary.final_cost)

    def chi_squared(self, model: Model, images: Iterable[int]) -> float:
        """Return the cost of the observations in some images, in units of their variance."""
        errors = reprojection_errors(model, images) / (_CAUCHY_SCALE * self.sigma_px)
        return _CAUCHY_SCALE**2 * float(np.log1p(errors[np.isfinite(errors)] ** 2).sum())


def reprojection_errors(model: Model, images: Iterable[int], every: int = 1) -> NDArray[np.float64]:
    """Return how far the observations in these images are from their points' projections, (N,) pixels.

    Not finite for points that the camera does not see. Of the observations in an image only each `every`-th is
    looked at.
    """
    errors = [np.empty(0)]
    for image_id in images:
        image = model.image(image_id)
        observed = image.get_observation_points2D()[::every]
        if observed:
            xyz = np.array([model.point3D(point.point3D_id).xyz for point in observed])
            projected = image.camera.img_from_cam(image.cam_from_world() * xyz)
            errors.append(np.linalg.norm(projected - np.array([point.xy for point in observed]), axis=1))
    return np.concatenate(errors)


def _centers(model: Model) -> NDArray[np.float64]:
    return np.array([model.image(i).projection_center() for i in sorted(model.reg_image_ids())])


def _length(vectors: NDArray[np.float64]) -> float:
    """Return the root mean square of the lengths of vectors (N, 3)."""
    return float(np.sqrt((vectors**2).sum(axis=1).mean()))

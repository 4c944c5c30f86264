"""The last adjustment of a map, with a loss that wrong matches cannot bend.

The mapper adjusts by least squares, in which a match that is wrong by two pixels pulls a hundred times as hard as one
that is right within a fifth. What repeats, the windows of a facade, gives many such matches, and they agree with each
other.

B. Triggs, P. McLauchlan, R. Hartley and A. Fitzgibbon, "Bundle Adjustment - A Modern Synthesis", 1999; P. Holland and
R. Welsch, "Robust regression using iteratively reweighted least-squares", 1977, for the scale of Cauchy's loss.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from sfm.mapping.colmap import pycolmap

# With this many standard deviations Cauchy's loss is 95% as efficient as least squares on Gaussian errors.
_CAUCHY_SCALE = 2.385
# The median length of a 2-D Gaussian error, in standard deviations of a coordinate.
_MEDIAN_LENGTH = 1.1774
# Below this many pixels, what is left of the errors is rounding.
_LEAST_SIGMA_PX = 0.01
# The scale of the errors is read from about so many images.
_IMAGES_LOOKED_AT = 50
# Ten times as strict moves cameras by less than a tenth of a millimetre in castle-P19, and takes a quarter longer.
_FUNCTION_TOLERANCE = 1e-5


def refine_robustly(
    model: pycolmap.Reconstruction,
    held_cameras: Collection[int],
    max_error_px: float,
    min_angle_deg: float,
    threads: int = -1,
) -> None:
    """Adjust poses, points and intrinsics of a model once more, by Cauchy's loss at the scale of its own errors.

    Then observations that are further off than `max_error_px` are dropped, and points that are left with fewer than
    two, or with a triangulation angle below `min_angle_deg`.

    Parameters
    ----------
    model
        A finished model; it is changed.
    held_cameras
        Ids of cameras whose intrinsics stay as they are.
    max_error_px
        Largest reprojection error of an observation.
    min_angle_deg
        Smallest triangulation angle of a point.
    threads
        Number of threads, -1 for all cores.
    """
    images = model.reg_image_ids()
    errors = reprojection_errors(model, images[:: max(1, len(images) // _IMAGES_LOOKED_AT)])
    if len(errors) == 0:
        return
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    sigma = max(float(np.median(errors)) / _MEDIAN_LENGTH, _LEAST_SIGMA_PX)
    options.ceres.loss_function_scale = _CAUCHY_SCALE * sigma
    options.ceres.solver_options.num_threads = threads
    options.ceres.solver_options.function_tolerance = _FUNCTION_TOLERANCE
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in images:
        config.add_image(image_id)
    for camera_id in held_cameras:
        config.set_constant_cam_intrinsics(camera_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()
    pycolmap.ObservationManager(model).filter_all_points3D(max_error_px, min_angle_deg)
    model.update_point_3d_errors()


def reprojection_errors(model: pycolmap.Reconstruction, images: Iterable[int]) -> NDArray[np.float64]:
    """Return how far the observations in these images are from their points' projections, (N,) pixels."""
    errors = [np.empty(0)]
    for image_id in images:
        image = model.image(image_id)
        observed = [point for point in image.points2D if point.has_point3D()]
        if observed:
            xyz = np.array([model.point3D(point.point3D_id).xyz for point in observed])
            projected = image.camera.img_from_cam(image.cam_from_world() * xyz)
            errors.append(np.linalg.norm(projected - np.array([point.xy for point in observed]), axis=1))
    return np.concatenate(errors)

"""The last adjustment of a map, with a loss that wrong matches cannot bend.

The mapper adjusts by least squares, in which a match that is wrong by two pixels pulls a hundred times as hard as one
that is right within a fifth. What repeats, the windows of a facade, gives many such matches, and they agree with each
other.

COLMAP leaves the principal point at the centre of the image. Where one camera took many images, they tell it, and it
turns every camera of a map and bends its path. Where a camera took few images, as a tourist's does, its
distortion follows the errors of a map instead, and takes the focal length along: the simplest camera that explains what
is seen is the better guess.

How the bundle is adjusted stands in `sfm.mapping.adjustment`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from sfm.mapping.adjustment import Adjusted, Adjustment, deviation
from sfm.mapping.colmap import pycolmap
from sfm.mapping.incremental import Model

# Rounds of adjusting and dropping: less is wrong after each.
ROUNDS = 3
# From how many standard deviations on an observation is dropped.
_FARTHEST = 8.0

# A principal point is looked for where one camera took as many images, distortion is doubted where it took fewer.
# Either is taken over if it explains the errors better by so much (chi-squared; of two parameters chance gives 14 once
# in a thousand times, what is wrong with a map gives tens),
_IMAGES_OF_A_CAMERA = 8
_SIGNIFICANT = 200.0
# and a principal point is believed so near the centre, as a share of the longer side.
_OFF_CENTRE = 0.03
# Camera models less their distortion.
_UNDISTORTED = {
    "SIMPLE_RADIAL": "SIMPLE_PINHOLE",
    "RADIAL": "SIMPLE_PINHOLE",
    "OPENCV": "PINHOLE",
    "FULL_OPENCV": "PINHOLE",
}


def refine_robustly(
    model: Model,
    held_cameras: Collection[int],
    max_error_px: float,
    min_angle_deg: float,
    *,
    principal_point: bool = True,
    rounds: int = ROUNDS,
    left: float = 1.0,
    threads: int = -1,
) -> Model:
    """Adjust poses, points and intrinsics of a model once more, by Cauchy's loss at the scale of its own errors.

    The distortion of cameras that took few of the images is set to zero where their errors do not speak against it.
    Then observations are dropped that are further off than `max_error_px` or eight standard deviations, and points
    that are left with fewer than two, or with a triangulation angle below `min_angle_deg`. Both are done in rounds:
    what is wrong pulls less each time, and the scale shrinks.

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
    principal_point
        Whether to look for the principal points of cameras that took many of the images.
    rounds
        How often; once will do where the poses have been refined before.
    left
        What is expected to be left of the errors after the first round, as a share: less than all of them where
        keypoints have been moved.
    threads
        Number of threads, -1 for all cores.

    Returns
    -------
    The refined model, which need not be the one given.
    """
    for i in range(rounds):
        sigma_px = deviation(model)
        if sigma_px is None:
            break
        expected_px = sigma_px if i else left * sigma_px
        model = _adjusted_once(model, principal_point, Adjustment(expected_px, held_cameras, threads))
        farthest = min(max_error_px, _FARTHEST * (deviation(model) or sigma_px))
        pycolmap.ObservationManager(model).filter_all_points3D(farthest, min_angle_deg)
    model.update_point_3d_errors()
    return model


def settle(model: Model, held_cameras: Collection[int], threads: int = -1) -> None:
    """Adjust a refined model where it is, until its cameras rest; what has no distortion is given none.

    Parameters
    ----------
    model
        A model that `refine_robustly` returned.
    held_cameras
        Ids of cameras whose intrinsics stay as they are.
    threads
        Number of threads, -1 for all cores.
    """
    sigma_px = deviation(model)
    if sigma_px is None:
        return
    refined = _images_of_cameras(model).keys() - set(held_cameras)
    busy = busy_cameras(model, held_cameras)
    if principal_points_are_known(model, busy):
        Adjustment(sigma_px, set(model.cameras) - busy, threads).settle(model, principal_point=True)
    else:
        with _free_of_distortion(model, [i for i in refined if _is_straight(model.camera(i))]):
            Adjustment(sigma_px, held_cameras, threads).settle(model)
    model.update_point_3d_errors()


def _adjusted_once(model: Model, principal_point: bool, adjustment: Adjustment) -> Model:
    images_of = _images_of_cameras(model)
    refined = images_of.keys() - set(adjustment.held_cameras)
    busy = busy_cameras(model, adjustment.held_cameras)
    if principal_point and busy == refined and principal_points_are_known(model, busy):
        with_points = adjustment.of(pycolmap.Reconstruction(model), principal_point=True)
        if _are_believed(with_points.model, busy):
            return with_points.model
    adjusted = adjustment.of(model)
    adjusted = _without_distortion(adjusted, {i: images_of[i] for i in refined - busy}, adjustment)
    if principal_point and busy:
        adjusted = _with_principal_points(adjusted, busy, adjustment)
    return adjusted.model


def _images_of_cameras(model: Model) -> dict[int, list[int]]:
    images: dict[int, list[int]] = {}
    for image_id in model.reg_image_ids():
        images.setdefault(model.image(image_id).camera_id, []).append(image_id)
    return images


def busy_cameras(model: Model, held_cameras: Collection[int]) -> set[int]:
    """Return the cameras that took many of a model's images and are not held: what these say of a lens is believed."""
    images_of = _images_of_cameras(model)
    return {i for i in images_of.keys() - set(held_cameras) if len(images_of[i]) >= _IMAGES_OF_A_CAMERA}


def _without_distortion(
    adjusted: Adjusted, images_of: Mapping[int, Sequence[int]], adjustment: Adjustment
) -> Adjusted:
    """Return a model adjusted without the distortion of given cameras, but of those whose images clearly show it."""
    model = adjusted.model
    doubted = {i: images for i, images in images_of.items() if model.camera(i).model.name in _UNDISTORTED}
    if not doubted:
        return adjusted
    straight = _adjusted_straight(model, doubted, adjustment)
    distorted = {
        i
        for i, images in doubted.items()
        if adjustment.chi_squared(straight.model, images) - adjustment.chi_squared(model, images)
        > _SIGNIFICANT
    }
    if not distorted:
        return straight
    if len(distorted) == len(doubted):
        return adjusted
    return _adjusted_straight(model, doubted.keys() - distorted, adjustment)


def _adjusted_straight(model: Model, cameras: Iterable[int], adjustment: Adjustment) -> Adjusted:
    """Return a copy of a model, adjusted with some of its cameras free of distortion."""
    straight = pycolmap.Reconstruction(model)
    with _free_of_distortion(straight, cameras):
        return adjustment.of(straight)


@contextmanager
def _free_of_distortion(model: Model, cameras: Iterable[int]) -> Iterator[None]:
    """Let cameras of a model have no distortion while it is adjusted; afterwards theirs is zero."""
    before = {}
    for i in cameras:
        camera = model.camera(i)
        before[i] = (camera.model, len(camera.params))
        undistorted = np.delete(camera.params, camera.extra_params_idxs())
        camera.model = pycolmap.CameraModelId.__members__[_UNDISTORTED[camera.model.name]]
        camera.params = undistorted
    yield
    for i, (name, length) in before.items():
        camera = model.camera(i)
        # In these models, the distortion comes last.
        params = np.pad(camera.params, (0, length - len(camera.params)))
        camera.model = name
        camera.params = params


def _is_straight(camera: pycolmap.Camera) -> bool:
    """Whether a camera could have distortion and has none."""
    return camera.model.name in _UNDISTORTED and not np.any(camera.params[camera.extra_params_idxs()])


def _with_principal_points(adjusted: Adjusted, busy: Collection[int], adjustment: Adjustment) -> Adjusted:
    """Return a model adjusted with the principal points of busy cameras, where the images clearly say so.

    Once they have said so, the points are adjusted in every round: errors of the first bend them too.
    """
    model = pycolmap.Reconstruction(adjusted.model)
    of_busy_only = replace(adjustment, held_cameras=set(model.cameras) - set(busy))
    refined = of_busy_only.of(model, principal_point=True)
    gain = 2 * (adjusted.cost - refined.cost) / adjustment.sigma_px**2
    clear = gain > _SIGNIFICANT or principal_points_are_known(adjusted.model, busy)
    return refined if clear and _are_believed(model, busy) else adjusted


def principal_points_are_known(model: Model, cameras: Iterable[int]) -> bool:
    """Whether the images have said where the principal point of any of these cameras is."""
    return any(_off_centre(model.camera(i)) > 0 for i in cameras)


def _are_believed(model: Model, cameras: Iterable[int]) -> bool:
    """Whether the principal points of cameras are near enough to the centre."""
    return all(_off_centre(model.camera(i)) <= _OFF_CENTRE for i in cameras)


def _off_centre(camera: pycolmap.Camera) -> float:
    """Return how far a principal point is from the centre, as a share of the image's longer side."""
    size = np.array([camera.width, camera.height])
    point = np.array([camera.principal_point_x, camera.principal_point_y])
    return float(np.abs(point - size / 2).max() / size.max())

"""Patches of one photograph's points under synthetic changes of view and light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import extract_patches, is_flat
from sfm.images.gray import GrayImage
from sfm.learning.leftover_turns import turned_nearly_to
from sfm.learning.lighting import relight
from sfm.learning.patch_set import PointPatches
from sfm.learning.warps import match_keypoints, random_warp


def synthetic_points(
    photo: NDArray[np.uint8],
    detector: Detector,
    rng: np.random.Generator,
    *,
    num_views: int,
    window: PatchWindow,
    orientation: str,
) -> PointPatches:
    """Warp and relight a photograph, detect keypoints in every view anew, and group their patches by point.

    Detecting again is what makes the patches honest: they differ by the detector's own noise in position,
    scale and angle, as patches of real photographs do. Where all keypoints of an image have one angle, that is the turn
    of the view at the photograph's middle, give or take what is left over: tilt and perspective turn the rest.

    Parameters
    ----------
    photo : (H, W, 3) uint8
        BGR.
    detector
        Finds the keypoints.
    rng
        Draws views and light.
    num_views
        Synthetic views besides the photograph itself.
    window
        What a patch shows.
    orientation
        "image" or "gradient", see `PatchSetOptions`.

    Returns
    -------
    Points seen in the photograph and in at least one synthetic view.
    """
    base = GrayImage.of(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY))
    one_angle = orientation == "image"

    def detect(image: GrayImage, turn_rad: float) -> Keypoints:
        found = detector.detect(image)
        return turned_nearly_to(found, turn_rad, rng) if one_angle else found

    keypoints = detect(base, 0.0)
    patches, points = [], []

    def add(image: GrayImage, found: Keypoints, ids: NDArray[np.intp]) -> None:
        cut = extract_patches(image, found, window)
        useful = ~is_flat(cut)
        patches.append(cut[useful])
        points.append(ids[useful])

    add(base, keypoints, np.arange(len(keypoints)))
    height, width = photo.shape[:2]
    middle = ((width - 1) / 2, (height - 1) / 2)
    for _ in range(num_views):
        warp = random_warp(rng, width, height)
        view = GrayImage.of(cv2.cvtColor(relight(warp.render(photo), rng), cv2.COLOR_BGR2GRAY))
        found = detect(view, warp.turn_at(middle))
        rows, columns = match_keypoints(warp, keypoints, found, by_angle=not one_angle)
        add(view, found.take(columns), rows)
    return PointPatches.grouped(patches, points)

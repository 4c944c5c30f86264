"""Take photographs to be of other cameras, once a map has shown it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from sfm.geometry.camera import Camera
from sfm.images.cameras import CameraAssignment, guessed_focal_px

# Focal lengths nearer than this, as a ratio, are of one zoom: those of one camera that took few images scatter.
_SAME_ZOOM = 1.05


def without_exif(assignment: CameraAssignment) -> CameraAssignment | None:
    """Return the same cameras, guessed where EXIF had told their focal lengths; None if it told none."""
    told = {i for i, camera in assignment.cameras.items() if camera.focal_is_known and not camera.fixed}
    if not told:
        return None
    cameras = {i: _guessed(camera) if i in told else camera for i, camera in assignment.cameras.items()}
    return replace(assignment, cameras=cameras)


def one_per_photograph(assignment: CameraAssignment) -> CameraAssignment:
    """Return the assignment with a camera for each photograph of those whose zoom was assumed."""
    cameras, camera_of = _without_assumed(assignment)
    number = max(assignment.cameras)
    for name, shared in assignment.camera_of.items():
        if shared in assignment.zoom_assumed:
            number += 1
            cameras[number], camera_of[name] = assignment.cameras[shared], number
    assumed = frozenset(cameras.keys() - assignment.cameras.keys())
    return replace(assignment, cameras=cameras, camera_of=camera_of, zoom_assumed=assumed)


def one_per_zoom(assignment: CameraAssignment, focals_px: Mapping[int, float]) -> CameraAssignment:
    """Return the assignment with one camera for all photographs of one size and zoom, and nothing assumed any more.

    Parameters
    ----------
    assignment
        One camera for each of these photographs, as `one_per_photograph` returns it.
    focals_px
        Focal length by camera id, where a map has told it. Other photographs keep a camera of their own.
    """
    cameras, camera_of = _without_assumed(assignment)
    leader: dict[int, int] = {}
    for size in {_size(assignment.cameras[i]) for i in assignment.zoom_assumed}:
        known = [
            i for i in assignment.zoom_assumed & focals_px.keys() if _size(assignment.cameras[i]) == size
        ]
        leader |= _of_one_zoom({i: focals_px[i] for i in known})
    for name, own in assignment.camera_of.items():
        if own in assignment.zoom_assumed:
            camera_of[name] = leader.get(own, own)
            cameras[camera_of[name]] = assignment.cameras[own]
    return replace(assignment, cameras=cameras, camera_of=camera_of, zoom_assumed=frozenset())


def _of_one_zoom(focals_px: Mapping[int, float]) -> dict[int, int]:
    """Return by camera id the one that stands for all of its zoom; a gap in the focal lengths parts zooms."""
    ordered = sorted(focals_px, key=lambda i: (focals_px[i], i))
    leader = {i: i for i in ordered[:1]}
    for shorter, longer in pairwise(ordered):
        same = math.log(focals_px[longer] / focals_px[shorter]) < math.log(_SAME_ZOOM)
        leader[longer] = leader[shorter] if same else longer
    return leader


def _without_assumed(assignment: CameraAssignment) -> tuple[dict[int, Camera], dict[str, int]]:
    cameras = {i: c for i, c in assignment.cameras.items() if i not in assignment.zoom_assumed}
    camera_of = {name: i for name, i in assignment.camera_of.items() if i in cameras}
    return cameras, camera_of


def _guessed(camera: Camera) -> Camera:
    focal_px = guessed_focal_px(camera.model, camera.width, camera.height)
    return Camera.from_focal(camera.model, camera.width, camera.height, focal_px, focal_is_known=False)


def _size(camera: Camera) -> tuple[int, int]:
    return camera.width, camera.height

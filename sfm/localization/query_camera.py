"""With which intrinsics a photograph may have been taken, before its pose is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfm.geometry.camera import Camera
from sfm.images.cameras import FOCAL_GUESS_PER_SIDE, camera_key
from sfm.images.exif import Exif

_MODEL = "SIMPLE_RADIAL"


@dataclass(frozen=True)
class CameraGuess:
    """Intrinsics worth trying.

    Attributes
    ----------
    camera
        The intrinsics.
    estimate_focal
        Whether its focal length is only a start.
    source
        Where they come from, in words.
    """

    camera: Camera
    estimate_focal: bool
    source: str


def guess_cameras(
    exif: Exif,
    width: int,
    height: int,
    cameras: Mapping[int, Camera],
    camera_keys: Mapping[str, Sequence[str | float | int | None] | None],
) -> list[CameraGuess]:
    """Return intrinsics to try, the most trusted first.

    A camera of the map with the same EXIF is taken as mapping refined it. Else the focal length comes from
    EXIF. Without EXIF, a camera of the map with the same image size may be the one. Of several such cameras, as
    a map with a camera for every image has, the one of median focal length stands for all. The last guess is
    always to estimate the focal length with the pose: EXIF may be of another copy, sizes may be equal by chance.

    Parameters
    ----------
    exif, width, height
        Of the photograph.
    cameras
        The map's, by camera id.
    camera_keys
        `camera_key` of each camera id (as text), None where its photographs have no EXIF.
    """
    key = camera_key(exif, width, height)
    fitting = [
        camera
        for camera_id, camera in cameras.items()
        if (camera.width, camera.height) == (width, height)
        and _same_key(camera_keys.get(str(camera_id)), key)
    ]
    focal_px = exif.focal_px(width, height) if exif.is_of_size(width, height) else None
    guesses = []
    if fitting:
        # One, because every guess costs a RANSAC.
        typical = sorted(fitting, key=lambda camera: camera.focal_px)[len(fitting) // 2]
        source = "as in the map, by EXIF" if key else "as in the map, by image size"
        guesses.append(CameraGuess(typical, False, source))
    elif focal_px:
        camera = Camera.from_focal(_MODEL, width, height, focal_px, focal_is_known=True)
        guesses.append(CameraGuess(camera, False, "focal length from EXIF"))
    start = FOCAL_GUESS_PER_SIDE * max(width, height)
    unknown = Camera.from_focal(_MODEL, width, height, start, focal_is_known=False)
    return [*guesses, CameraGuess(unknown, True, "focal length estimated")]


def _same_key(
    known: Sequence[str | float | int | None] | None, key: tuple[str | float | int | None, ...] | None
) -> bool:
    """Whether a map's camera, whose key JSON made a list, has the key of a photograph; both may have none."""
    return (None if known is None else tuple(known)) == key

"""With which intrinsics a photograph may have been taken, before its pose is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sfm.geometry.camera import Camera
from sfm.images.cameras import FOCAL_GUESS_PER_SIDE, camera_key
from sfm.images.exif import Exif
from sfm.localization.pose_parameters import HELD, Freedom, Prior

_MODEL = "SIMPLE_RADIAL"
# EXIF rounds to whole millimetres, and lenses are not quite as long as they are called; a lens sits on its sensor
# within a hundredth of the image. Distortion: from a phone's to a wide-angle lens's.
_WHOLE_PRINCIPAL = 0.01
_LENS_DISTORTION = 0.05
_NEARLY_KNOWN_FOCAL = 0.02
# A map estimates its cameras, and lenses move a little to focus.
_AS_MAPPED = Freedom(0.005, 0.0, 0.002, 0.005)
_UNKNOWN_FOCAL = 1.0
# A part cut out of a photograph has its principal point anywhere, outside too.
_UNKNOWN_PRINCIPAL = 0.5
_UNKNOWN_ASPECT = 0.5


@dataclass(frozen=True)
class CameraGuess:
    """Intrinsics worth trying.

    Attributes
    ----------
    camera
        The intrinsics.
    freedom
        How far they may be off.
    source
        Where they come from, in words.
    """

    camera: Camera
    freedom: Freedom
    source: str

    @property
    def prior(self) -> Prior:
        """The intrinsics and how far they may be off."""
        return Prior(self.camera, self.freedom)

    @property
    def estimate_focal(self) -> bool:
        """Whether the focal length is only a start."""
        return self.freedom.focal >= _UNKNOWN_FOCAL

    @property
    def is_of_a_part(self) -> bool:
        """Whether the photograph may be a part of one, or squeezed."""
        return self.freedom.principal >= _UNKNOWN_PRINCIPAL


def given_camera(camera: Camera) -> CameraGuess:
    """Return the guess for intrinsics that the user knows."""
    return CameraGuess(camera, HELD, "given")


def guesses_of_given(camera: Camera) -> list[CameraGuess]:
    """Return intrinsics that the user knows, and what to fall back to where residuals speak against them."""
    return [given_camera(camera), *_estimated(camera.width, camera.height, ", as those given do not fit")]


def guess_cameras(
    exif: Exif,
    width: int,
    height: int,
    cameras: Mapping[int, Camera],
    camera_keys: Mapping[str, Sequence[str | float | int | None] | None],
) -> list[CameraGuess]:
    """Return intrinsics to try, from the narrowest to the freest.

    A camera of the map with the same EXIF is taken as mapping refined it. Else the focal length comes from
    EXIF. Without EXIF, a camera of the map with the same image size may be the one. Of several such cameras, as
    a map with a camera for every image has, the one of median focal length stands for all. EXIF may be of another
    copy and sizes may be equal by chance: so the focal length is estimated with the pose, too, then the principal
    point, for photographs that were cropped, and then the aspect, for such as were squeezed.

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
        guesses.append(CameraGuess(typical, _AS_MAPPED, source))
    elif focal_px:
        camera = Camera.from_focal(_MODEL, width, height, focal_px, focal_is_known=True)
        nearly = Freedom(_NEARLY_KNOWN_FOCAL, 0.0, _WHOLE_PRINCIPAL, _LENS_DISTORTION)
        guesses.append(CameraGuess(camera, nearly, "focal length from EXIF"))
    return [*guesses, *_estimated(width, height)]


def _estimated(width: int, height: int, why: str = "") -> list[CameraGuess]:
    """Return guesses from the size alone: of whole photographs, of parts, and of squeezed ones."""
    start = FOCAL_GUESS_PER_SIDE * max(width, height)
    unknown = Camera.from_focal(_MODEL, width, height, start, focal_is_known=False)
    whole = Freedom(_UNKNOWN_FOCAL, 0.0, _WHOLE_PRINCIPAL, _LENS_DISTORTION)
    part = replace(whole, principal=_UNKNOWN_PRINCIPAL)
    squeezed = replace(part, aspect=_UNKNOWN_ASPECT)
    return [
        CameraGuess(unknown, whole, f"focal length estimated{why}"),
        CameraGuess(unknown, part, f"focal length and principal point estimated{why}"),
        CameraGuess(unknown, squeezed, f"focal length, principal point and aspect estimated{why}"),
    ]


def _same_key(
    known: Sequence[str | float | int | None] | None, key: tuple[str | float | int | None, ...] | None
) -> bool:
    """Whether a map's camera, whose key JSON made a list, has the key of a photograph; both may have none."""
    return (None if known is None else tuple(known)) == key

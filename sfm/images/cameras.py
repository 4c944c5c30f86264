"""Which camera took which photograph, and what its focal length is before any map is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median

from sfm.errors import InputError
from sfm.geometry.camera import CAMERA_MODELS, Camera
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo, PhotoSet
from sfm.options import check, option

FOCAL_GUESS_PER_SIDE = 1.2  # focal length over longer side where nothing is known, as COLMAP guesses
_FISHEYE_GUESS_PER_SIDE = 0.4  # the same for a fisheye lens, which then sees 143 degrees across
_MAX_SIZES_OF_ONE_CAMERA = 4  # more image sizes than these come from many cameras


@dataclass(frozen=True)
class CameraOptions:
    """How photographs are grouped into cameras, and what is known of these."""

    camera: str = option(
        "auto",
        "Which photographs share a camera. auto: those of one camera, lens, focal length and size by their "
        "EXIF; without EXIF those of one size.",
        choices=["auto", "single", "per-image", "per-folder"],
    )
    camera_model: str = option("SIMPLE_RADIAL", "COLMAP camera model to estimate.", choices=CAMERA_MODELS)
    intrinsics: Path | None = option(
        None, "Known intrinsics, held fixed: a file in the form of COLMAP's cameras.txt, models included."
    )


@dataclass(frozen=True)
class CameraAssignment:
    """The cameras of a photo set.

    Attributes
    ----------
    cameras
        Intrinsics to start from, by camera id.
    camera_of
        Camera id by photo name.
    summary
        One line that says what was chosen.
    doubts
        One sentence for each group of photographs whose EXIF is of other pictures.
    zoom_assumed
        Ids of the cameras that nothing but an equal size, and maybe make, says were zoomed alike in all photographs.
    """

    cameras: dict[int, Camera]
    camera_of: dict[str, int]
    summary: str
    doubts: tuple[str, ...] = ()
    zoom_assumed: frozenset[int] = frozenset()


def camera_key(exif: Exif, width: int, height: int) -> tuple[str | float | int | None, ...] | None:
    """Return what tells a camera and its zoom from others by EXIF; None where EXIF says nothing of it."""
    if not (exif.make or exif.model or exif.focal_mm or exif.focal_35mm):
        return None
    return exif.make, exif.model, exif.lens, exif.focal_mm, exif.focal_35mm, width, height


def assign_cameras(
    photo_set: PhotoSet, options: CameraOptions, intrinsics: Mapping[int, Camera] | None = None
) -> CameraAssignment:
    """Decide which photographs share a camera and with which intrinsics mapping starts.

    Parameters
    ----------
    photo_set
        The photographs.
    options
        The grouping and the camera model.
    intrinsics
        Known cameras by id, what the file `options.intrinsics` holds; then nothing is estimated or guessed.

    Raises
    ------
    InputError
        If photographs of different sizes should share a camera, if given intrinsics fit no or several
        cameras to a photograph, or if options contradict each other.
    """
    check(options)
    if intrinsics is not None:
        return _assign_given(photo_set.photos, options, intrinsics)
    groups: dict[Hashable, list[Photo]] = defaultdict(list)
    key, how = _grouping(photo_set.photos, options.camera)
    for photo in photo_set.photos:
        groups[key[photo.name]].append(photo)
    cameras = {i: _camera_of_group(group, options) for i, group in enumerate(groups.values(), start=1)}
    camera_of = {photo.name: i for i, group in enumerate(groups.values(), start=1) for photo in group}
    return CameraAssignment(
        cameras,
        camera_of,
        f"{_counts(cameras, camera_of)}, {how}; {_focal_told(cameras)}",
        tuple(filter(None, map(_other_size_told, groups.values()))),
        _zoom_assumed(groups.values()) if options.camera == "auto" else frozenset(),
    )


def _grouping(photos: Sequence[Photo], camera: str) -> tuple[dict[str, Hashable], str]:
    """Return a key by photo name, equal for photographs of one camera, and words for the rule."""
    if camera == "single":
        return {photo.name: 0 for photo in photos}, "as told"
    if camera == "per-image":
        return {photo.name: photo.name for photo in photos}, "one per image as told"
    if camera == "per-folder":
        return {
            photo.name: str(PurePosixPath(photo.name).parent) for photo in photos
        }, "one per folder as told"
    return _automatic_grouping(photos)


def _automatic_grouping(photos: Sequence[Photo]) -> tuple[dict[str, Hashable], str]:
    exif_keys = {photo.name: camera_key(photo.exif, photo.width, photo.height) for photo in photos}
    unmarked = [photo for photo in photos if exif_keys[photo.name] is None]
    sizes = {(photo.width, photo.height) for photo in unmarked}
    collected = len(sizes) > _MAX_SIZES_OF_ONE_CAMERA
    keys: dict[str, Hashable] = {}
    for photo in photos:
        alone: Hashable = photo.name if collected else (photo.width, photo.height)
        keys[photo.name] = exif_keys[photo.name] or alone
    rules = ["by EXIF"] if len(unmarked) < len(photos) else []
    if unmarked:
        rules.append(
            "one per image without EXIF, as their many sizes suggest" if collected else "without EXIF by size"
        )
    return keys, ", ".join(rules)


def _camera_of_group(group: Sequence[Photo], options: CameraOptions) -> Camera:
    first = group[0]
    for photo in group:
        if (photo.width, photo.height) != (first.width, first.height):
            raise InputError(
                f"--camera {options.camera}: {first.name} is {_size(first)} and {photo.name} {_size(photo)}, "
                "so they cannot share a camera; use --camera auto or per-image."
            )
    told = [(focal, photo) for photo in group if (focal := photo.exif.focal_px(photo.width, photo.height))]
    known = [focal for focal, photo in told if photo.exif.is_of_size(photo.width, photo.height)]
    focals = (
        known
        or [focal for focal, _ in told]
        or [guessed_focal_px(options.camera_model, first.width, first.height)]
    )
    return Camera.from_focal(
        options.camera_model, first.width, first.height, median(focals), focal_is_known=bool(known)
    )


def guessed_focal_px(model: str, width: int, height: int) -> float:
    """Return the focal length in pixels that is taken where nothing is known but COLMAP's camera model."""
    per_side = _FISHEYE_GUESS_PER_SIDE if model.endswith("FISHEYE") else FOCAL_GUESS_PER_SIDE
    return per_side * max(width, height)


def _zoom_assumed(groups: Iterable[Sequence[Photo]]) -> frozenset[int]:
    return frozenset(
        i
        for i, group in enumerate(groups, start=1)
        if len(group) > 1 and not any(photo.exif.focal_mm or photo.exif.focal_35mm for photo in group)
    )


def _other_size_told(group: Sequence[Photo]) -> str | None:
    others = [photo for photo in group if not photo.exif.is_of_size(photo.width, photo.height)]
    if not others or not others[0].exif.pixels:
        return None
    first, (longer, shorter) = others[0], others[0].exif.pixels
    of_how_many = first.name if len(others) == 1 else f"{first.name} and {_number(len(others) - 1, 'other')}"
    return (
        f"EXIF of {of_how_many} is of a picture of {longer:.0f} x {shorter:.0f} pixels, and the file has "
        f"{max(first.width, first.height)} x {min(first.width, first.height)}: it was cropped or enlarged "
        "since, and the focal length in EXIF is taken for a guess."
    )


def _assign_given(
    photos: Sequence[Photo], options: CameraOptions, intrinsics: Mapping[int, Camera]
) -> CameraAssignment:
    if options.camera in ("per-image", "per-folder"):
        raise InputError(
            f"--intrinsics and --camera {options.camera} contradict each other: the given cameras say "
            "already who shares one. Leave --camera out."
        )
    if options.camera == "single" and len(intrinsics) > 1:
        raise InputError(
            f"--camera single contradicts --intrinsics with its {len(intrinsics)} cameras: keep one of them."
        )
    camera_of = {photo.name: _given_camera(photo, intrinsics) for photo in photos}
    used = {i: intrinsics[i] for i in sorted(set(camera_of.values()))}
    return CameraAssignment(used, camera_of, f"{_counts(used, camera_of)}, given and held fixed")


def _given_camera(photo: Photo, intrinsics: Mapping[int, Camera]) -> int:
    fitting = {i: c for i, c in intrinsics.items() if (c.width, c.height) == (photo.width, photo.height)}
    if not fitting:
        sizes = ", ".join(sorted({f"{c.width} x {c.height}" for c in intrinsics.values()}))
        raise InputError(
            f"{photo.name} is {_size(photo)} (EXIF orientation not applied), but --intrinsics are for "
            f"{sizes}: give intrinsics of that size."
        )
    if len(set(fitting.values())) == 1:
        return min(fitting)
    folder = PurePosixPath(photo.name).parent.name
    if folder.isdecimal() and int(folder) in fitting:
        return int(folder)
    raise InputError(
        f"--intrinsics holds {len(fitting)} different cameras of {_size(photo)} and {photo.name} could be "
        "of any: keep one, or put each camera's photographs into a folder named by its id "
        f"({', '.join(map(str, fitting))})."
    )


def _counts(cameras: Mapping[int, Camera], camera_of: Mapping[str, int]) -> str:
    return f"{_number(len(cameras), 'camera')} for {_number(len(camera_of), 'photograph')}"


def _focal_told(cameras: Mapping[int, Camera]) -> str:
    known = sum(camera.focal_is_known for camera in cameras.values())
    if len(cameras) == 1:
        focal = next(iter(cameras.values())).focal_px
        return (
            f"focal length {focal:.0f} px from EXIF" if known else f"focal length guessed as {focal:.0f} px"
        )
    if known in (0, len(cameras)):
        return "focal lengths from EXIF" if known else "focal lengths guessed"
    return f"focal length from EXIF for {known}, guessed for {len(cameras) - known}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _size(photo: Photo) -> str:
    return f"{photo.width} x {photo.height}"

"""What a photo set is: which files are photographs, their sizes and what their cameras wrote into them."""

from __future__ import annotations

import hashlib
import math
import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sfm.errors import InputError
from sfm.images.decode import open_image
from sfm.images.exif import Exif, read_exif
from sfm.progress import SILENT, Progress

# A stereo camera's .mpo and a panorama camera's .insp begin with an ordinary JPEG; so do these other names of it.
_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jps", ".insp"})
IMAGE_SUFFIXES = _JPEG_SUFFIXES | {".png", ".tif", ".tiff", ".webp", ".bmp"}
# fmt: off
_OTHER_PHOTO_SUFFIXES = frozenset({
    ".heic", ".heif", ".hif", ".avif", ".gif", ".jp2", ".j2k", ".jxl", ".jxr", ".exr", ".hdr", ".psd",
    ".tga", ".ppm", ".pgm", ".pnm", ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf",
    ".orf", ".raf", ".rw2", ".pef", ".srw", ".rwl", ".3fr", ".fff", ".iiq", ".x3f", ".gpr",
})
# fmt: on
# What is kept of a photograph lies in a file of its name with this ending, and names have 255 bytes at most.
_FEATURES_SUFFIX = ".safetensors"
_LONGEST_NAME_BYTES = 255 - len(_FEATURES_SUFFIX)
_ACCEPTED = "JPEG, PNG, TIFF, WebP and BMP files are read"


@dataclass(frozen=True)
class Photo:
    """One readable photograph.

    Width, height and every pixel coordinate in this project are of the pixel grid as it is stored: the EXIF
    orientation is not applied. So one camera serves upright and sideways photographs, whose lens and sensor
    are the same. The orientation is for showing pictures and for telling which way is down.

    Attributes
    ----------
    name
        Path below the root of the set, with forward slashes and extension; unique within the set.
    path
        Where the file is.
    width, height
        Size of the stored pixel grid.
    exif
        What the camera wrote into the file.
    """

    name: str
    path: Path
    width: int
    height: int
    exif: Exif

    @property
    def content_hash(self) -> str:
        """SHA-256 of the file's bytes, hexadecimal; read on first use."""
        # No cached_property: before Python 3.12 its lock is one for all instances, and photographs would wait for
        # each other.
        known: str | None = self.__dict__.get("_content_hash")
        if known is None:
            known = self.__dict__["_content_hash"] = self._hashed()
        return known

    def _hashed(self) -> str:
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True)
class Skipped:
    """A file that looked like a photograph and is left out; `reason` is a clause without a full stop."""

    name: str
    reason: str


@dataclass(frozen=True)
class PhotoSet:
    """Photographs to be mapped together.

    Attributes
    ----------
    root
        Folder that the names are relative to.
    photos
        The readable photographs, sorted by name.
    skipped
        What was left out, sorted by name.
    """

    root: Path
    photos: tuple[Photo, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the photographs, sorted."""
        return [photo.name for photo in self.photos]


def read_photo_set(source: Path, progress: Progress = SILENT) -> PhotoSet:
    """Find photographs and read their headers; pixels are not decoded.

    Parameters
    ----------
    source
        A folder, searched with its subfolders except hidden ones; or a text file with one image path a line,
        relative to the text file, `#` for comments; or a single image.
    progress
        Hears a warning for every file that is left out.

    Raises
    ------
    InputError
        If there is no readable photograph, or a listed file does not exist.
    """
    root, found = _find(Path(source))
    found = _each_file_once(root, found)
    read: list[Photo | Skipped] = []
    with progress.stage("Read photographs", len(found)) as step:
        for path, problem in found:
            name = path.relative_to(root).as_posix()
            read.append(Skipped(_printable(name), problem) if problem else _read_photo(path, name))
            step.advance()
    read.sort(key=lambda item: item.name)
    photos = tuple(item for item in read if isinstance(item, Photo))
    skipped = tuple(item for item in read if isinstance(item, Skipped))
    if not photos:
        raise InputError(_why_there_are_none(source, skipped))
    for item in skipped:
        progress.warn(f"{item.name} is left out: {item.reason}.")
    return PhotoSet(root, photos, skipped)


def _find(source: Path) -> tuple[Path, list[tuple[Path, str | None]]]:
    """Return the root of the set, and each file with the reason why it cannot be used, or None."""
    if source.is_dir():
        return source, list(_walk(source))
    if not source.is_file():
        raise InputError(
            f"{source} does not exist: give a folder of photographs, an image or a list of images."
        )
    if source.suffix.lower() in IMAGE_SUFFIXES:
        return source.parent, [(source, None)]
    paths = _read_list(source)
    return _common_root(source.parent, paths), [(path, None) for path in paths]


def _walk(root: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield image files below `root`, and what cannot be used with the reason.

    Linked folders are entered after all real ones and each folder once, so that loops end and no photograph
    is taken twice.
    """
    seen: set[str] = set()
    folders: list[Path] = [root]
    linked: list[Path] = []
    while folders or linked:
        folder = folders.pop() if folders else linked.pop(0)
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if folder == root:
                raise InputError(f"The folder {root} cannot be read: {error.strerror}.") from error
            yield folder, f"the folder cannot be read ({error.strerror})"
            continue
        for entry in entries:
            path, suffix = folder / entry.name, Path(entry.name).suffix.lower()
            if entry.name.startswith("."):
                continue
            kind = _file_type(path)
            if kind == stat.S_IFDIR:
                (linked if entry.is_symlink() else folders).append(path)
            elif suffix in IMAGE_SUFFIXES:
                yield path, None if kind == stat.S_IFREG else "it is a broken link, out of reach or no file"
            elif suffix in _OTHER_PHOTO_SUFFIXES:
                yield path, f"{suffix[1:].upper()} is not supported, convert it to JPEG or TIFF"


def _each_file_once(root: Path, found: Iterable[tuple[Path, str | None]]) -> list[tuple[Path, str | None]]:
    """Say of further links to a file which one is taken: the file itself, or else the first of them."""
    files = sorted(found, key=lambda item: (item[1] is not None, item[0].is_symlink(), item[0]))
    taken: dict[tuple[int, int], Path] = {}
    once: list[tuple[Path, str | None]] = []
    for path, problem in files:
        if problem is None:
            first = taken.setdefault(_identity(path), path)
            problem = (
                None if first == path else f"it is the same file as {first.relative_to(root).as_posix()}"
            )
        once.append((path, problem))
    return once


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, hash(path)  # reading it will tell what is wrong
    return status.st_dev, status.st_ino


def _file_type(path: Path) -> int | None:
    """Return `stat`'s type of what `path` leads to, None where it leads nowhere or may not be followed."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return None


def _read_list(source: Path) -> list[Path]:
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is neither an image nor a list of images: {_ACCEPTED}.") from error
    except OSError as error:
        raise InputError(f"The image list {source} cannot be read: {error.strerror}.") from error
    paths: dict[Path, None] = {}
    folder = Path(os.path.abspath(source.parent))  # noqa: PTH100 - Path.resolve would follow links
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        path = Path(os.path.normpath(folder / entry))
        if not entry or (entry.startswith("#") and not path.is_file()):
            continue
        if not path.is_file():
            raise InputError(f"{source}, line {number}: there is no image {entry}.")
        paths[path] = None
    if not paths:
        raise InputError(f"The image list {source} names no image: write one path a line.")
    return list(paths)


def _common_root(folder: Path, paths: Sequence[Path]) -> Path:
    """Return `folder` if all paths lie in it, else the deepest folder that holds them all."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    if all(path.is_relative_to(folder) for path in paths):
        return folder
    return Path(os.path.commonpath([path.parent for path in paths]))


def _read_photo(path: Path, name: str) -> Photo | Skipped:
    if _printable(name) != name:
        return Skipped(_printable(name), "its name is not UTF-8 or has a line break, rename it")
    if max(len(part.encode()) for part in name.split("/")) > _LONGEST_NAME_BYTES:
        return Skipped(name, f"its name has more than {_LONGEST_NAME_BYTES} bytes, rename it")
    if any(part.endswith(_FEATURES_SUFFIX) for part in name.split("/")[:-1]):
        return Skipped(
            name, f"its folder's name ends in {_FEATURES_SUFFIX} as files of features do, rename it"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd EXIF
            with open_image(path) as image:
                return Photo(name, path, *image.size, read_exif(image))
    except InputError as error:
        return Skipped(name, str(error))


def _printable(name: str) -> str:
    """Return `name` with question marks for bytes that are not UTF-8 and for line breaks."""
    return "?".join(name.encode("utf-8", "replace").decode().splitlines())


def _why_there_are_none(source: Path, skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return f"There are no images in {source}: {_ACCEPTED}."
    reason, count = Counter(item.reason for item in skipped).most_common(1)[0]
    example = next(item.name for item in skipped if item.reason == reason)
    return f"No image in {source} can be read, e.g. {example}: {reason} ({count} of {len(skipped)})."


def capture_order(photos: Sequence[Photo]) -> list[str]:
    """Return names in the order of capture: by EXIF time where every photograph has one of its own, else by name.

    Where two have the same time, as in a burst of a camera that writes whole seconds, names tell the order of all.
    Numbers within names count as numbers: IMG_9 comes before IMG_10.
    """
    times = [photo.exif.time for photo in photos]
    if all(times) and len(set(times)) == len(times):
        return [
            p.name for p in sorted(photos, key=lambda photo: (photo.exif.time or datetime.min, photo.name))
        ]
    return [p.name for p in sorted(photos, key=lambda photo: natural_key(photo.name))]


def gps_positions(photos: Iterable[Photo]) -> dict[str, tuple[float, float, float]]:
    """Return latitude and longitude in degrees and altitude in metres (or NaN) by name, where EXIF has them."""
    return {
        photo.name: (
            photo.exif.latitude_deg,
            photo.exif.longitude_deg,
            math.nan if photo.exif.altitude_m is None else photo.exif.altitude_m,
        )
        for photo in photos
        if photo.exif.latitude_deg is not None and photo.exif.longitude_deg is not None
    }


def tell_unused_positions(photos: Iterable[Photo], progress: Progress) -> None:
    """Warn of photographs that record a position, or an altitude, which cannot be used; one line a reason."""
    reasons: dict[str, list[str]] = {}
    for photo in photos:
        if photo.exif.position_problem:
            reasons.setdefault(photo.exif.position_problem, []).append(photo.name)
    for reason, names in reasons.items():
        what = f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}"
        progress.warn(f"GPS of {what} is not used, or without altitude: {reason}.")


def orientations_of(photo_set: PhotoSet | None) -> dict[str, int]:
    """Return the EXIF orientations by image name, where they are not 1."""
    photos = photo_set.photos if photo_set else ()
    return {photo.name: photo.exif.orientation for photo in photos if photo.exif.orientation != 1}


def every_nth(photo_set: PhotoSet, n: int) -> PhotoSet:
    """Return the set with only every `n`-th photograph, in the order of capture, beginning with the first."""
    taken = set(capture_order(photo_set.photos)[::n])
    return replace(photo_set, photos=tuple(photo for photo in photo_set.photos if photo.name in taken))


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key under which numbers within names count as numbers."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", name.casefold())
        if part
    ] + [(2, 0, name)]

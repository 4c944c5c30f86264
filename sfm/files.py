"""Writing files so that a reader never sees half of one: a temporary name first, then a rename."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sfm.errors import InputError, WorkError
from sfm.json_values import json_text

T = TypeVar("T")
Array = np.ndarray[Any, np.dtype[Any]]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
_UNWRITABLE = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,  # where no folder can be made, as in /proc
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
)
# Where a full disk, a quota, a limit or a broken disk ends a write: what is wrong, and what to do.
_FAILED_WRITES = {
    errno.ENOSPC: ("The disk is full", "Free some space"),
    errno.EDQUOT: ("The disk quota is used up", "Free some space"),
    errno.EFBIG: ("Files may not be as large as this one", "Raise the limit (ulimit -f)"),
    errno.EIO: ("The disk reports an error", "Check it"),
}
# Folders that cannot be synchronised, on file systems that do it by themselves or not at all.
_UNSYNCED = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM)
_LEFTOVER_FILE = re.compile(r"\.[0-9a-f]{32}\.part(\..*)?", re.DOTALL)
# How often, and how much later, a folder that is being replaced is read again.
_TRIES, _WAIT_S = 100, 0.02
_NEW, _OLD = ".part.new", ".part.old"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The temporary name keeps the suffix of `path` (some writers choose the format by it) and ends up nowhere
    if the block fails. What was written is on the disk before it takes its name, so that a power cut leaves the
    old file or the new one. Raises `InputError` where nothing may be written and `WorkError` where the disk is full.
    """
    # Without the name of `path`, which may be as long as the system allows.
    temporary = path.with_name(f".{uuid.uuid4().hex}.part{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            sync(temporary)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # the first error is the one to tell
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync(file: Path) -> None:
    """Wait until a file's content is on the disk."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can tell."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise


def sync_tree(folder: Path) -> None:
    """Wait until all files and folders below a folder are on the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_folder(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals to write `path` into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _FAILED_WRITES:
            raise WorkError(failed_write(error.errno, path)) from error
        if error.errno in _UNWRITABLE:
            raise InputError(
                f"Cannot write {path}: {error.strerror}. Choose another output folder."
            ) from error
        raise


def failed_write(number: int | None, path: Path | None = None) -> str | None:
    """Return the line that tells why a file could not be written, by the system's error number; None for others."""
    if number not in _FAILED_WRITES:
        return None
    wrong, remedy = _FAILED_WRITES[number]
    where = "" if path is None else f": could not write {path}"
    return f"{wrong}{where}. {remedy} and run the same command again; finished work is kept."


@contextmanager
def replaced_folder(folder: Path, then: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Yield a new folder beside `folder`; let it take that one's place when the block ends without an error.

    `then` is called once the new folder stands, before the old one goes; if it fails, the old one comes back. If the
    process is killed, `restore_folders` leaves one of both, whole. Errors are those of `atomic_path`.
    """
    new, old = (folder.with_name(f".{folder.name}{age}") for age in (_NEW, _OLD))
    with writing(folder):
        restore_folder(folder)
        remove_tree(new)
        new.mkdir(parents=True)
        try:
            yield new
            sync_tree(new)
        except BaseException:
            remove_tree(new)
            raise
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        sync_folder(folder.parent)
        try:
            then()
        except BaseException:
            if old.exists():
                folder.rename(new)
                old.rename(folder)
                remove_tree(new)
            raise
        remove_tree(old)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder below `parent` for files that are to be renamed into it; gone when the block ends."""
    folder = parent / f".{uuid.uuid4().hex}{_NEW}"
    with writing(parent):
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            remove_tree(folder)


def restore_folder(folder: Path) -> bool:
    """Put right what a kill within `replaced_folder` left: the old folder comes back where there is no new one.

    Returns whether there was anything to put right. Nobody else may be replacing the folder.
    """
    new, old = (folder.with_name(f".{folder.name}{age}") for age in (_NEW, _OLD))
    left = old.is_dir() or new.is_dir()
    if old.is_dir() and not folder.exists():
        old.rename(folder)
        sync_folder(folder.parent)
    remove_tree(old)
    remove_tree(new)
    return left


def being_replaced(*folders: Path) -> bool:
    """Whether one of the folders is being replaced by `replaced_folder`, or was when its process was killed."""
    return any(folder.with_name(f".{folder.name}{_OLD}").is_dir() for folder in folders if folder.name)


def read_unreplaced(folder: Path, read: Callable[[], T]) -> T:
    """Return what `read` makes of a folder; read again where another process has replaced it meanwhile.

    Errors of `read` are passed on if the folder was the same before and after.
    """
    for _ in range(_TRIES):
        before = _identity(folder)
        try:
            result = read()
        except Exception:
            if _identity(folder) == before and not being_replaced(folder, folder.parent):
                raise
            time.sleep(_WAIT_S)
        else:
            if _identity(folder) == before:
                return result
    return read()


def _identity(folder: Path) -> tuple[int, int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def remove_tree(folder: Path) -> None:
    """Remove a folder that this project made, as far as it can be."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(root: Path, is_foreign: Callable[[Path], bool]) -> None:
    """Remove what a killed process left below `root` under temporary names, and put folders right.

    Only names that `atomic_path` and `replaced_folder` give are touched. Folders of which `is_foreign` is true, and
    what is linked to, are not looked into.
    """
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        for name in [name for name in folders if name.startswith(".") and name.endswith((_NEW, _OLD))]:
            restore_folder(here / name.removeprefix(".").removesuffix(_NEW).removesuffix(_OLD))
        folders[:] = [name for name in folders if not is_foreign(here / name)]
        for name in names:
            if _LEFTOVER_FILE.fullmatch(name):
                (here / name).unlink(missing_ok=True)


def read_text(path: Path, what: str) -> str:
    """Read a UTF-8 text file that somebody gave; `InputError` names it as `what` if it is missing or no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"Cannot read {what} {path}: it is not a text file.") from error
    except OSError as error:
        raise InputError(f"Cannot read {what} {path}: {error.strerror}.") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a result as `json_text` has it, whole or not at all: NaN and infinities become null."""
    write_text(path, json_text(value) + "\n")


def refuse_suffix(path: Path, *known: str) -> None:
    """Raise `InputError` if the name of a picture to be written ends in none of the `known` suffixes."""
    if path.suffix.lower() not in known:
        raise InputError(f"{path}: pictures are written as {', '.join(known[:-1])} or {known[-1]}.")


def write_image(path: Path, rgb: Array) -> None:
    """Write (H, W, 3) uint8 RGB pixels as JPEG or PNG, by the suffix; whole or not at all."""
    from PIL import Image

    refuse_suffix(path, *PICTURE_SUFFIXES)
    with atomic_path(path) as temporary:
        Image.fromarray(rgb).save(temporary, quality=90)


def write_tensors(
    path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays and string metadata as a safetensors file, whole or not at all."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with atomic_path(path) as temporary:
        # safetensors makes its file readable for its owner alone, whatever the umask.
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            save_file(
                {name: np.ascontiguousarray(array) for name, array in tensors.items()},
                temporary,
                dict(metadata or {}),
            )
            temporary.chmod(mode)
        except SafetensorError as error:
            # safetensors wraps the system's error and keeps only its text.
            if number := re.search(r"os error (\d+)", str(error)):
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
            raise


def read_tensors(path: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Read a safetensors file: its arrays and its metadata. Raises `InputError` if it is damaged or missing."""
    with _reading(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def read_leading_rows(path: Path, name: str, count: int) -> Array:
    """Read at most `count` first rows of an array of a safetensors file; errors are those of `read_tensors`."""
    with _reading(path) as file:
        stored = file.get_slice(name)
        rows: Array = stored[: min(count, stored.get_shape()[0])]
        return rows


def number_of_rows(path: Path, name: str) -> int:
    """Return the length of an array of a safetensors file without reading it; errors are those of `read_tensors`."""
    with _reading(path) as file:
        return int(file.get_slice(name).get_shape()[0])


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """Open a safetensors file; turn what is wrong with it into an error that says so."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    # The latter three for types of numbers that numpy has not, and for a single number where rows are wanted.
    except (SafetensorError, OSError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path} is missing or is not a whole safetensors file ({error}).") from error


def read_metadata(path: Path) -> dict[str, str] | None:
    """Read only the metadata of a safetensors file; None if the file is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return None

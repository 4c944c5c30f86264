"""Writing files so that a reader never sees half of one: a temporary name first, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sfm.errors import InputError, WorkError
from sfm.json_values import json_text

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
# What the system says where no more may be written, and what that means.
NO_ROOM = {
    errno.ENOSPC: "The disk is full",
    errno.EDQUOT: "The quota of the disk is used up",
    errno.EFBIG: "The file is larger than the system allows (see `ulimit -f`)",
}
MAKE_ROOM = "Free some space, or raise the limit, and run the same command again; finished work is kept."


def no_room(error: OSError) -> str:
    """Return what an error that is one of `NO_ROOM` means."""
    return NO_ROOM[error.errno or errno.ENOSPC]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    The temporary name keeps the suffix of `path` (some writers choose the format by it) and ends up nowhere
    if the block fails. Raises `InputError` where nothing may be written and `WorkError` where the disk is full.
    """
    # Without the name of `path`, which may be as long as the system allows.
    temporary = path.with_name(f".{uuid.uuid4().hex}.part{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals to write `path` into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise WorkError(f"{no_room(error)}: could not write {path}. {MAKE_ROOM}") from error
        if error.errno in _UNWRITABLE:
            raise InputError(
                f"Cannot write {path}: {error.strerror}. Choose another output folder."
            ) from error
        raise


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`; let it take that one's place when the block ends without an error.

    If the process is killed between the two renames, `restore_folders` puts the old one back. Errors are those of
    `atomic_path`.
    """
    new, old = (folder.with_name(f".{folder.name}.part.{age}") for age in ("new", "old"))
    with writing(folder):
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            yield new
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def restore_folders(root: Path) -> None:
    """Put back the folders below `root` that a killed process was about to replace by `replaced_folder`."""
    for old in list(root.rglob(".*.part.old")):
        folder = old.with_name(old.name.removeprefix(".").removesuffix(".part.old"))
        if not folder.exists():
            old.rename(folder)


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
            for number in NO_ROOM:
                if f"os error {number})" in str(error) or os.strerror(number) in str(error):
                    raise OSError(number, os.strerror(number)) from error
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
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is missing or is not a whole safetensors file ({error}).") from error


def read_metadata(path: Path) -> dict[str, str] | None:
    """Read only the metadata of a safetensors file; None if the file is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return None

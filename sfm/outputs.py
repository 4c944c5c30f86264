"""Refuse to write over what was given, and over what this project did not make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sfm.errors import InputError
from sfm.files import remove_leftovers, write_json, writing
from sfm.workspace import held_folder, is_workspace

# Names of the files that were made in a folder which holds other things too.
_LEDGER = ".sfm.made.json"


def refuse_to_write_over(inputs: Iterable[Path | str | None], outputs: Iterable[Path]) -> None:
    """Raise `InputError` if an output is one of the inputs, takes one along, or is a file that lies in one.

    Parameters
    ----------
    inputs
        Files and folders that were given; None stands for one that was not.
    outputs
        Files and folders that will be written, replaced or removed.
    """
    given = [Path(path) for path in inputs if path is not None]
    for output in outputs:
        for path in given:
            if _is_lost(path, output):
                raise InputError(
                    f"{output} would be written over {path}, which was given as input: choose another output."
                )


def refuse_output_among_images(images: Path, out: Path) -> None:
    """Raise `InputError` if pictures written to `out` would be taken for photographs another time."""
    if images.is_dir() and out.resolve().is_relative_to(images.resolve()):
        raise InputError(f"The output folder {out} lies within the images {images}: choose one outside.")


def refuse_output_beside(files: Iterable[Path], out: Path) -> None:
    """Raise `InputError` if `out` is the folder that one of the photographs lies in."""
    for file in files:
        if file.resolve().parent == out.resolve():
            raise InputError(f"The output folder {out} holds the photograph {file.name}: choose another.")


def refuse_output_within(pieces: Iterable[Path], out: Path) -> None:
    """Raise `InputError` if `out` is a folder that was given, or lies within one; files among `pieces` say nothing."""
    for piece in pieces:
        if piece.is_dir() and out.resolve().is_relative_to(piece.resolve()):
            raise InputError(f"The output folder {out} lies within {piece}: choose one outside.")


@contextmanager
def claimed(folder: Path, names: Sequence[str], known_by: str = "") -> Iterator[None]:
    """Let files be written into a folder that may hold other things too; what a killed run left of them goes.

    What is written is remembered in the folder, unless it is a run's, where everything counts as made by it.

    Parameters
    ----------
    folder
        Where files will be written; made if it is missing.
    names
        Names of the files, and of folders of them.
    known_by
        A file that only this project leaves, by which earlier versions' folders are known.

    Raises
    ------
    InputError
        If a file of one of the names is there already and was not made by an earlier run.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder.")
    was_there, ledger = folder.exists(), folder / _LEDGER
    made = _made(folder)
    if not _is_of_a_run(folder):
        if not (known_by and (folder / known_by).is_file()):
            _refuse_others(folder, set(names) - made)
        if not made.issuperset(names):
            write_json(ledger, {"made": sorted(made.union(names))})
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder, names)
    try:
        with held_folder(folder):
            yield
    finally:
        if not any((folder / name).exists() for name in {*names, *made}):
            with suppress(OSError):  # what failed at once leaves no trace
                ledger.unlink(missing_ok=True)
                if not was_there:
                    folder.rmdir()


def _is_of_a_run(folder: Path) -> bool:
    return any(is_workspace(around) for around in (folder.absolute(), *folder.absolute().parents))


def _refuse_others(folder: Path, names: Iterable[str]) -> None:
    for name in sorted(names):
        if (folder / name).exists():
            raise InputError(
                f"{folder / name} is there already and was not made by sfm: choose another folder, or move it away."
            )


def _remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files, unless another process is writing here."""
    with suppress(BlockingIOError), held_folder(folder, alone=True):
        for place in (folder, *(folder / name for name in names)):
            remove_leftovers(place, lambda _: True)


def _made(folder: Path) -> set[str]:
    try:
        found = json.loads((folder / _LEDGER).read_text(encoding="utf-8"))["made"]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()


def _is_lost(given: Path, output: Path) -> bool:
    """Whether writing `output` as a whole would end what `given` holds."""
    here, there = given.resolve(), output.resolve()
    if here == there or here.is_relative_to(there) or (there.is_relative_to(here) and output.exists()):
        return True
    try:
        return given.samefile(output)  # one name in two spellings, or two names of one file
    except OSError:
        return False

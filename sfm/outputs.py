"""Refuse to write over what was given, and over what this project did not make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sfm.errors import InputError
from sfm.files import write_json
from sfm.workspace import is_workspace

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


def claim(folder: Path, names: Sequence[str], known_by: str = "") -> None:
    """Raise `InputError` if a file to be written is there already and was not made by an earlier run.

    What is written is remembered in the folder. In the folder of a run everything counts as made by it.

    Parameters
    ----------
    folder
        Where files will be written; made if it is missing.
    names
        Their names.
    known_by
        A file that only this project leaves, by which earlier versions' folders are known.
    """
    if any(is_workspace(around) for around in (folder.absolute(), *folder.absolute().parents)):
        return
    made = _made(folder)
    if not (known_by and (folder / known_by).is_file()):
        for name in names:
            if name not in made and (folder / name).exists():
                raise InputError(
                    f"{folder / name} is there already and was not made by sfm: choose another folder, or move it away."
                )
    if not made.issuperset(names):
        write_json(folder / _LEDGER, {"made": sorted(made.union(names))})


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

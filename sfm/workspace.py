"""Where every artifact of a run lives, and whether it is still valid.

Each artifact carries a recipe: its stage, the stage's version, its options and the digests of its inputs. Equal
recipes mean that the artifact can be reused; where they differ, the difference can be told.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfm.errors import InputError
from sfm.files import read_metadata, remove_leftovers, writing

_LOCK = ".sfm.lock"
DETECTED, KEYPOINTS = "detected", "keypoints"
# What a run writes into its folder, and replaces or removes there.
OWN_NAMES = (
    _LOCK,
    *(
        "features",
        "database.db",
        "sparse",
        "mapping",
        "run.json",
        "products.json",
        "cameras.json",
        "localization.safetensors",
    ),
    *("points.ply", "cameras.ply", "trajectory.tum"),
)


@dataclass(frozen=True)
class Recipe:
    """What an artifact was made of.

    Attributes
    ----------
    stage
        Name of the stage that made it.
    version
        Raised whenever the stage's code gives another result for the same input.
    options
        Options that affect the result, JSON-ready.
    inputs
        Digests of what went in, by name.
    """

    stage: str
    version: int
    options: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over everything above."""
        return digest_of([self.stage, self.version, dict(self.options), dict(self.inputs)])

    def as_metadata(self) -> dict[str, str]:
        """Return the recipe as string metadata of a safetensors file."""
        return {
            "digest": self.digest,
            "stage": self.stage,
            "version": str(self.version),
            "options": json.dumps(dict(self.options), sort_keys=True),
        }

    def matches(self, path: Path) -> bool:
        """Whether the safetensors file `path` is whole and was made by this recipe."""
        metadata = read_metadata(path)
        return metadata is not None and metadata.get("digest") == self.digest

    def differences(self, path: Path) -> list[str]:
        """Name what changed since the artifact in `path` was made; empty if there is none or it is the same."""
        metadata = read_metadata(path)
        if metadata is None or metadata.get("digest") == self.digest:
            return []
        try:
            before = json.loads(metadata.get("options", "{}"))
        except ValueError:
            return ["its recipe"]
        if metadata.get("version") != str(self.version):
            return ["a new version of sfm"]
        return changes(before, self.options) or ["its input"]


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON-ready value, hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Tell how options differ, one short text each: `max_size 1600 -> 1200`."""
    told = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if json.dumps(old) != json.dumps(new):
            told.append(f"{name} {_brief(old)} -> {_brief(new)}")
    return told


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 64 else text


def is_workspace(folder: Path) -> bool:
    """Whether a folder is the output folder of a run, finished or not."""
    return (folder / _LOCK).is_file()


@contextmanager
def held_folder(folder: Path, alone: bool = False) -> Iterator[None]:
    """Hold a folder itself, whatever lock file it has: shared by those who work within it, or `alone` for one of them.

    Raises `BlockingIOError` if others hold it that one wants alone. File systems without such locks let everyone in.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        except OSError as error:
            if isinstance(error, BlockingIOError):
                raise
        yield
    finally:
        os.close(handle)


class Workspace:
    """The output folder of a run.

    Parameters
    ----------
    root
        The folder; made if it does not exist.

    Raises
    ------
    InputError
        If the folder holds files that are not of a run, or cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"{self.root} is a file: give a folder for the output.")
        if self.root.is_dir() and not is_workspace(self.root) and any(self.root.iterdir()):
            raise InputError(
                f"{self.root} is not empty and not the output of an earlier run: give an empty or new folder."
            )
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            self._lock_file.touch()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace for one process; released by the system however the process ends.

        Raises `InputError` if another process holds it.
        """
        with writing(self.root):
            handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"Another process is working in {self.root}: wait for it to end or give another output folder."
            ) from None
        try:
            self._remove_leftovers()
            with ExitStack() as stack:
                for outer in self._outer_workspaces():
                    stack.enter_context(held_folder(outer))
                yield
        finally:
            os.close(handle)

    def _remove_leftovers(self) -> None:
        """Put right what a process that was killed left half done, unless another works in a run within this one."""
        with suppress(BlockingIOError), held_folder(self.root, alone=True), writing(self.root):
            remove_leftovers(self.root, is_workspace)

    def _outer_workspaces(self) -> list[Path]:
        """Return the workspaces that this one writes into besides itself: around it, and where its features are."""
        features = (self.root / "features").resolve()
        around = {folder for path in (self.root.resolve(), features) for folder in path.parents}
        return sorted(folder for folder in around - {self.root.resolve()} if is_workspace(folder))

    @property
    def _lock_file(self) -> Path:
        return self.root / _LOCK

    def detected(self, image: str) -> Path:
        """Path of what the detector found in an image: keypoints for every strong gradient of a place."""
        return self.root / "features" / DETECTED / f"{image}.safetensors"

    @property
    def orientations(self) -> Path:
        """What the keypoints of each image are turned to, and why."""
        return self.root / "features" / "orientations.json"

    def keypoints(self, image: str) -> Path:
        """Path of an image's keypoints as they are described and matched: the rows of descriptors are theirs."""
        return self.root / "features" / KEYPOINTS / f"{image}.safetensors"

    def descriptors(self, descriptor: str, image: str) -> Path:
        """Path of an image's descriptors."""
        return self.root / "features" / descriptor / f"{image}.safetensors"

    def share_features(self, other: Workspace) -> None:
        """Keep the features with those of `other`, by a link that survives moving both together.

        Features of its own that this workspace already has stay. Raises `InputError` where the file system
        has no links.
        """
        link = self.root / "features"
        if not link.exists() and not link.is_symlink():
            with writing(link):
                link.symlink_to(os.path.relpath(other.root / "features", self.root))

    @property
    def database(self) -> Path:
        """COLMAP's database: keypoints, matches and two-view geometries."""
        return self.root / "database.db"

    @property
    def sparse(self) -> Path:
        """Folder of the models: 0 is the largest."""
        return self.root / "sparse"

    @property
    def mapping(self) -> Path:
        """Folder of the snapshots of a map under way; gone when it is finished."""
        return self.root / "mapping"

    @property
    def revised_cameras(self) -> Path:
        """Which cameras took the photographs, where a map spoke against what was known before it."""
        return self.root / "cameras.json"

    @property
    def run_record(self) -> Path:
        """What was done: options, versions, time and counts of every stage."""
        return self.root / "run.json"

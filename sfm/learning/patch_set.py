"""Patch sets: patches of surface points seen in several views, with the origin of every source.

A set is a folder: `manifest.json` (version, patch scale, sources with their licences, options),
`points.safetensors` (for every point its number of patches, its scene and whether its views are real), and
shards `patches-0000.npy` of (N, 1, 32, 32) uint8 in the order of the points, which are memory-mapped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.networks import PATCH_SIZE
from sfm.features.patch_window import PatchWindow
from sfm.files import atomic_path, read_tensors, write_json, write_tensors

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

FORMAT = "sosnet-sfm patch set"
VERSION = 1
_SHARD_PATCHES = 65536
_COLUMNS = ("count", "scene", "views")


class Views(IntEnum):
    """Where the patches of a point come from."""

    REAL = 0
    """Different photographs."""
    SYNTHETIC = 1
    """One photograph, warped and lit anew."""


@dataclass(frozen=True)
class Source:
    """Photographs of one scene, or a collection of single photographs.

    Attributes
    ----------
    name
        What the scene is called in the set.
    path
        Its folder.
    licence, origin
        Under which terms and from where; empty if it was not said.
    overlapping
        Whether the photographs show one scene, so that real views of its points can be found.
    """

    name: str
    path: Path
    licence: str = ""
    origin: str = ""
    overlapping: bool = True


@dataclass(frozen=True)
class PointPatches:
    """Patches of some points, grouped by point.

    Attributes
    ----------
    patches : (N, 1, 32, 32) uint8
    counts : (P,) int64
        Number of patches of each point, summing to N.
    """

    patches: Bytes
    counts: Ints

    @staticmethod
    def grouped(patches: Sequence[Bytes], point: Sequence[Ints], min_views: int = 2) -> PointPatches:
        """Group patches of several images by the point they show; points with few views are dropped.

        Parameters
        ----------
        patches
            For each image (M_i, 1, 32, 32) uint8.
        point
            For each image (M_i,) ids of the points.
        min_views
            Points with fewer patches are dropped.
        """
        if not patches:
            return PointPatches(np.empty((0, 1, PATCH_SIZE, PATCH_SIZE), np.uint8), np.empty(0, np.int64))
        ids = np.concatenate(point)
        _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
        order = np.argsort(inverse, kind="stable")
        keep = (counts >= min_views)[inverse[order]]
        return PointPatches(np.concatenate(patches)[order[keep]], counts[counts >= min_views])

    def subset(self, count: int, rng: np.random.Generator) -> PointPatches:
        """Return `count` points drawn at random, or all if there are no more."""
        if count >= len(self.counts):
            return self
        chosen = np.zeros(len(self.counts), bool)
        chosen[rng.choice(len(self.counts), count, replace=False)] = True
        return PointPatches(self.patches[np.repeat(chosen, self.counts)], self.counts[chosen])


@dataclass(frozen=True)
class PatchSet:
    """A patch set on disk, its patches memory-mapped.

    Attributes
    ----------
    shards
        (N_i, 1, 32, 32) uint8 each.
    first : (P + 1,) int64
        Index of each point's first patch; the last entry is the number of patches.
    scene : (P,) int64
        Index into `scenes`.
    views : (P,) int64
        A value of `Views`.
    scenes
        Names of the scenes.
    manifest
        Everything that `manifest.json` says.
    """

    shards: tuple[Bytes, ...]
    first: Ints
    scene: Ints
    views: Ints
    scenes: tuple[str, ...]
    manifest: dict[str, Any]

    @staticmethod
    def open(folder: Path) -> PatchSet:
        """Open a set. Raises `InputError` if there is none, or it is damaged or of another version."""
        manifest = _read_manifest(folder)
        tensors, _ = read_tensors(folder / "points.safetensors")
        shards = tuple(_read_shard(folder, name) for name in manifest["shards"])
        lengths = {len(tensors.get(name, ())) for name in _COLUMNS}
        if len(lengths) != 1 or any(tensors[name].dtype.kind not in "iu" for name in _COLUMNS):
            raise InputError(f"{folder} is damaged: points.safetensors does not describe its points.")
        first = np.concatenate([[0], np.cumsum(tensors["count"])]).astype(np.int64)
        if sum(len(shard) for shard in shards) != first[-1]:
            raise InputError(f"{folder} is damaged: its shards do not hold the patches it lists.")
        return PatchSet(
            shards,
            first,
            tensors["scene"].astype(np.int64),
            tensors["views"].astype(np.int64),
            tuple(manifest["scenes"]),
            manifest,
        )

    @property
    def num_points(self) -> int:
        """Number of points."""
        return len(self.scene)

    @property
    def num_patches(self) -> int:
        """Number of patches."""
        return int(self.first[-1])

    @property
    def counts(self) -> Ints:
        """Number of patches of each point, (P,)."""
        return np.diff(self.first)

    @property
    def window(self) -> PatchWindow:
        """What the patches show."""
        return PatchWindow(float(self.manifest["patch_scale"]), float(self.manifest["foveation"]))

    @property
    def orientation(self) -> str:
        """How keypoints are turned: all of an "image", or each to its "gradient"."""
        return str(self.manifest["orientation"])

    def patches(self, index: Ints) -> Bytes:
        """Read the patches at `index`, in that order: (N, 1, 32, 32) uint8."""
        index = np.asarray(index)
        shard, row = np.divmod(index, _SHARD_PATCHES)
        result = np.empty((len(index), 1, PATCH_SIZE, PATCH_SIZE), np.uint8)
        for number in np.unique(shard):
            here = shard == number
            result[here] = self.shards[number][row[here]]
        return result

    def points_of(self, scenes: Iterable[str]) -> Ints:
        """Return the indices of all points of the named scenes. Raises `InputError` for an unknown name."""
        scenes = list(scenes)
        for name in scenes:
            if name not in self.scenes:
                raise InputError(f"The patch set has no scene {name}; it has {', '.join(self.scenes)}.")
        chosen = [self.scenes.index(name) for name in scenes]
        return np.flatnonzero(np.isin(self.scene, chosen))


def refuse_other_folder(folder: Path) -> None:
    """Raise `InputError` if a folder holds anything but an earlier patch set, for a new one takes its place."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder for the patch set.")
    names = {path.name for path in folder.iterdir()}
    if names:
        shards = _read_manifest(folder).get("shards", ()) if "manifest.json" in names else ()
        strange = sorted(names - {"manifest.json", "points.safetensors", *map(str, shards)})
        if strange:
            raise InputError(
                f"{folder / strange[0]} is not of a patch set, and a new set replaces the folder: choose another one."
            )


class PatchSetWriter:
    """Writes a patch set into an empty folder; it becomes one only when `finish` writes its manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pending: list[Bytes] = []
        self._num_pending = 0
        self._shards: list[str] = []
        self._scenes: list[str] = []
        self._counts: list[Ints] = []
        self._scene: list[Ints] = []
        self._views: list[Ints] = []

    @property
    def num_points(self) -> int:
        """Number of points so far."""
        return sum(len(counts) for counts in self._counts)

    def add(self, scene: str, views: Views, points: PointPatches) -> None:
        """Append points of one scene."""
        if not len(points.counts):
            return
        if scene not in self._scenes:
            self._scenes.append(scene)
        self._counts.append(points.counts)
        self._scene.append(np.full(len(points.counts), self._scenes.index(scene)))
        self._views.append(np.full(len(points.counts), int(views)))
        self._pending.append(points.patches)
        self._num_pending += len(points.patches)
        while self._num_pending >= _SHARD_PATCHES:
            self._write_shard()

    def finish(
        self,
        *,
        window: PatchWindow,
        orientation: str = "gradient",
        sources: Sequence[Source],
        options: dict[str, Any],
    ) -> PatchSet:
        """Write what is left, then the index, then the manifest. Raises `InputError` for an empty set."""
        if not self._counts:
            raise InputError("No point was seen in two views: the sources give no patches to learn from.")
        if self._num_pending:
            self._write_shard()
        index = {
            "count": np.concatenate(self._counts).astype(np.int32),
            "scene": np.concatenate(self._scene).astype(np.int32),
            "views": np.concatenate(self._views).astype(np.int32),
        }
        write_tensors(self.folder / "points.safetensors", index)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "patch_scale": window.scale,
            "foveation": window.foveation,
            "orientation": orientation,
            "points": len(index["count"]),
            "patches": int(index["count"].sum()),
            "scenes": self._scenes,
            "sources": [asdict(source) | {"path": source.path.name} for source in sources],
            "options": options,
            "shards": self._shards,
        }
        write_json(self.folder / "manifest.json", manifest)
        return PatchSet.open(self.folder)

    def _write_shard(self) -> None:
        rows = np.concatenate(self._pending)
        shard, rest = rows[:_SHARD_PATCHES], rows[_SHARD_PATCHES:]
        name = f"patches-{len(self._shards):04d}.npy"
        with atomic_path(self.folder / name) as temporary:
            np.save(temporary, shard)
        self._shards.append(name)
        self._pending, self._num_pending = ([rest] if len(rest) else []), len(rest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} is not a finished patch set: make one with `sfm patches build`."
        ) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} is not the manifest of a patch set.")
    if manifest.get("version") != VERSION:
        raise InputError(
            f"{folder} is a patch set of version {manifest.get('version')}, this program reads "
            f"version {VERSION}: build it again."
        )
    if not _is_well_formed(manifest):
        raise InputError(f"{path} is damaged: build the patch set again.")
    # Sets from before patches could be otherwise do not say that theirs are even and turned to gradients.
    return {"foveation": 0.0, "orientation": "gradient", **manifest}


def _is_well_formed(manifest: dict[str, Any]) -> bool:
    lists, numbers = ("shards", "scenes"), (manifest.get("patch_scale"), manifest.get("foveation", 0.0))
    return all(
        isinstance(manifest.get(name), list) and all(isinstance(entry, str) for entry in manifest[name])
        for name in lists
    ) and all(type(number) in (int, float) for number in (*numbers, manifest["version"]))


def _read_shard(folder: Path, name: str) -> Bytes:
    """Map a shard into memory; its name must not lead out of the folder."""
    path = folder / name
    try:
        if Path(name).name != name or path.is_symlink():
            raise ValueError(f"{name} does not lie in the folder")
        shard = np.load(path, mmap_mode="r", allow_pickle=False)
        if shard.dtype != np.uint8 or shard.shape[1:] != (1, PATCH_SIZE, PATCH_SIZE):
            raise ValueError(f"{name} holds no patches")
    except (OSError, ValueError, EOFError, AttributeError) as error:
        raise InputError(f"{folder} is damaged: a shard of patches cannot be read ({error}).") from error
    return np.asanyarray(shard)

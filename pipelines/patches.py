"""Building a patch set from photographs, maps and the field's own formats."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sfm.errors import InputError
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.patches import PATCH_SCALE
from sfm.features.rootsift import RootSift
from sfm.images.gray import GrayImage
from sfm.learning.patch_set import PatchSet, PatchSetWriter, PointPatches, Source, Views
from sfm.learning.synthetic import synthetic_points
from sfm.learning.tracks import real_points
from sfm.options import option
from sfm.progress import SILENT, Progress

_PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")


@dataclass(frozen=True)
class PatchSetOptions:
    """How patches are collected."""

    patch_scale: float = option(PATCH_SCALE, "Side of a patch, in sigmas of its keypoint.", minimum=1.0)
    keypoints_per_image: int = option(3000, "Detect at most this many keypoints in an image.", minimum=10)
    pairs_per_scene: int = option(500, "Match at most this many pairs of a scene's photographs.", minimum=1)
    points_per_scene: int = option(20000, "Keep at most this many real points of a scene.", minimum=1)
    synthetic_views: int = option(
        4, "Warp and relight every photograph this many times; 0 for none.", minimum=0
    )
    points_per_photo: int = option(500, "Keep at most this many synthetic points of a photograph.", minimum=1)
    seed: int = option(0, "Seed of every random choice.")
    workers: int = option(2, "Processes at work.", minimum=1, affects_result=False)


def read_sources(paths: Sequence[Path]) -> list[Source]:
    """Read sources: folders of overlapping photographs, or JSON lists that also say licence and origin.

    An entry of a JSON list has `path` (relative to the list) and may have `name`, `licence`, `origin` and
    `overlapping`. Raises `InputError` for what is missing, empty or unreadable, and for two scenes of one
    name.
    """
    sources: list[Source] = []
    for path in paths:
        if path.suffix == ".json":
            sources += _read_source_list(path)
        else:
            sources.append(Source(path.resolve().name, path))
    if not sources:
        raise InputError("Give at least one folder of photographs, or a JSON list of sources.")
    names = [source.name for source in sources]
    for source in sources:
        if not photos_of(source.path):
            raise InputError(f"{source.path} holds no photographs ({', '.join(_PHOTO_SUFFIXES)}).")
        if names.count(source.name) > 1:
            raise InputError(f"Two sources are called {source.name}: name them in a JSON list of sources.")
    return sources


def photos_of(folder: Path) -> list[Path]:
    """Return the photographs of a folder, in the order of their names."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PHOTO_SUFFIXES)


def build_patch_set(
    sources: Sequence[Source], folder: Path, options: PatchSetOptions, progress: Progress = SILENT
) -> PatchSet:
    """Collect patches of all sources into a new patch set.

    Overlapping photographs give points with real views; all photographs give points with synthetic ones.
    The result does not depend on the number of workers.
    """
    writer = PatchSetWriter(folder)
    scenes = [source for source in sources if source.overlapping]
    photos = [(source.name, path) for source in sources for path in photos_of(source.path)]
    if not options.synthetic_views:
        photos = []
    with ProcessPoolExecutor(options.workers) as pool:
        with progress.stage("Matching scenes", len(scenes), "scenes") as step:
            for source, points in zip(scenes, pool.map(_Real(options), scenes), strict=True):
                writer.add(source.name, Views.REAL, points)
                step.advance(note=f"{source.name}: {len(points.counts)} points")
        with progress.stage("Warping photographs", len(photos), "photos") as step:
            for (name, _), points in zip(photos, pool.map(_Synthetic(options), _paths(photos)), strict=True):
                writer.add(name, Views.SYNTHETIC, points)
                step.advance(note=f"{writer.num_points} points")
    return writer.finish(patch_scale=options.patch_scale, sources=sources, options=asdict(options))


@dataclass(frozen=True)
class _Real:
    """Real points of one source, as work for another process."""

    options: PatchSetOptions

    def __call__(self, source: Source) -> PointPatches:
        cv2.setNumThreads(1)
        rng = _generator(self.options.seed, source.name)
        detector = _detector(self.options)
        images = [
            GrayImage.of(cv2.cvtColor(_read(path), cv2.COLOR_BGR2GRAY)) for path in photos_of(source.path)
        ]
        points = real_points(
            images,
            [detector.detect(image) for image in images],
            RootSift(),
            rng,
            max_pairs=self.options.pairs_per_scene,
            patch_scale=self.options.patch_scale,
        )
        return points.subset(self.options.points_per_scene, rng)


@dataclass(frozen=True)
class _Synthetic:
    """Synthetic points of one photograph, as work for another process."""

    options: PatchSetOptions

    def __call__(self, path: Path) -> PointPatches:
        cv2.setNumThreads(1)
        rng = _generator(self.options.seed, path.parent.name + "/" + path.name)
        points = synthetic_points(
            _read(path),
            _detector(self.options),
            rng,
            num_views=self.options.synthetic_views,
            patch_scale=self.options.patch_scale,
        )
        return points.subset(self.options.points_per_photo, rng)


def _detector(options: PatchSetOptions) -> DogDetector:
    return DogDetector(DetectionOptions(max_keypoints=options.keypoints_per_image))


def _generator(seed: int, name: str) -> np.random.Generator:
    """Return a generator that depends on the seed and the name alone, not on the order of work."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _read(path: Path) -> Any:
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if photo is None:
        raise InputError(f"{path} is not a readable image: remove it or convert it.")
    return photo


def _paths(photos: Iterable[tuple[str, Path]]) -> Iterator[Path]:
    return (path for _, path in photos)


def _read_source_list(path: Path) -> list[Source]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [
            Source(
                name=str(entry.get("name", Path(entry["path"]).name)),
                path=path.parent / entry["path"],
                licence=str(entry.get("licence", "")),
                origin=str(entry.get("origin", "")),
                overlapping=bool(entry.get("overlapping", True)),
            )
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a list of sources: a JSON list of objects with `path` and, if known, `name`, "
            "`licence`, `origin`, `overlapping`."
        ) from error

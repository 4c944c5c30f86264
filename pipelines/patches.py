"""Building a patch set from photographs, maps and the field's own formats."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.rootsift import RootSift
from sfm.files import replaced_folder
from sfm.images.decode import read_rgb_pixels
from sfm.images.gray import GrayImage
from sfm.learning.foreign_sets import read_hpatches, read_phototour
from sfm.learning.patch_set import (
    PatchSet,
    PatchSetWriter,
    PointPatches,
    Source,
    Views,
    refuse_other_folder,
)
from sfm.learning.patch_set_options import PatchSetOptions
from sfm.learning.synthetic import synthetic_points
from sfm.learning.tracks import real_points
from sfm.options import as_recorded, check
from sfm.outputs import refuse_to_write_over
from sfm.pipelines.patch_sources import kind_of, map_points, orientation_of, photos_of
from sfm.progress import SILENT, Progress


def build_patch_set(
    sources: Sequence[Source], folder: Path, options: PatchSetOptions, progress: Progress = SILENT
) -> PatchSet:
    """Collect patches of all sources into a new patch set.

    Overlapping photographs give points with real views, and so do maps and sets of other formats; all
    photographs give points with synthetic views. The result does not depend on the number of workers.

    Raises
    ------
    InputError
        If a source is unreadable, or none of them shows a point twice.
    """
    check(options)
    folder = folder.resolve()
    refuse_other_folder(folder)
    refuse_to_write_over([source.path for source in sources], [folder])
    with replaced_folder(folder) as new:
        _write_patch_set(sources, PatchSetWriter(new), options, progress)
    return PatchSet.open(folder)


def _write_patch_set(
    sources: Sequence[Source], writer: PatchSetWriter, options: PatchSetOptions, progress: Progress
) -> None:
    photographed = [source for source in sources if kind_of(source.path) == "photos"]
    ready = [source for source in sources if source not in photographed]
    scenes = [source for source in photographed if source.overlapping]
    photos = [(source.name, path) for source in photographed for path in photos_of(source.path)]
    with progress.stage("Reading maps and sets", len(ready), "sources") as step:
        for source in ready:
            for name, points in _READERS[kind_of(source.path)](source, options):
                writer.add(name, Views.REAL, points)
            step.advance(note=f"{writer.num_points} points")
    with ThreadPoolExecutor(options.workers) as pool:
        with progress.stage("Matching scenes", len(scenes), "scenes") as step:
            for source, points in zip(scenes, pool.map(_Real(options), scenes), strict=True):
                writer.add(source.name, Views.REAL, points)
                step.advance(note=f"{writer.num_points} points")
        if options.synthetic_views:
            paths = [path for _, path in photos]
            with progress.stage("Warping photographs", len(photos), "photos") as step:
                for (name, _), points in zip(photos, pool.map(_Synthetic(options), paths), strict=True):
                    writer.add(name, Views.SYNTHETIC, points)
                    step.advance(note=f"{writer.num_points} points")
    writer.finish(
        window=options.window,
        orientation=_orientation(sources, options),
        sources=sources,
        options=as_recorded(options),
    )


def _orientation(sources: Sequence[Source], options: PatchSetOptions) -> str:
    """Tell how the keypoints of a set are turned: to their image only where those of every source are."""
    told = [
        options.orientation if kind_of(source.path) == "photos" else orientation_of(source.path)
        for source in sources
    ]
    return "image" if all(orientation == "image" for orientation in told) else "gradient"


def _read_map(source: Source, options: PatchSetOptions) -> Iterator[tuple[str, PointPatches]]:
    points = map_points(source.path, options.window)
    rng = _generator(options.seed, source.name)
    yield source.name, points.subset(options.points_per_scene, rng)


def _read_phototour(source: Source, _: PatchSetOptions) -> Iterator[tuple[str, PointPatches]]:
    yield source.name, read_phototour(source.path)


def _read_hpatches(source: Source, _: PatchSetOptions) -> Iterator[tuple[str, PointPatches]]:
    for sequence in sorted(path.parent for path in source.path.glob("*/ref.png")):
        yield f"{source.name}/{sequence.name}", read_hpatches(sequence)


_READERS: dict[str, Callable[[Source, PatchSetOptions], Iterator[tuple[str, PointPatches]]]] = {
    "map": _read_map,
    "phototour": _read_phototour,
    "hpatches": _read_hpatches,
}


@dataclass(frozen=True)
class _Real:
    """Real points of one source, as work for a thread."""

    options: PatchSetOptions

    def __call__(self, source: Source) -> PointPatches:
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
            window=self.options.window,
            orientation=self.options.orientation,
        )
        return points.subset(self.options.points_per_scene, rng)


@dataclass(frozen=True)
class _Synthetic:
    """Synthetic points of one photograph, as work for a thread."""

    options: PatchSetOptions

    def __call__(self, path: Path) -> PointPatches:
        rng = _generator(self.options.seed, path.parent.name + "/" + path.name)
        points = synthetic_points(
            _read(path),
            _detector(self.options),
            rng,
            num_views=self.options.synthetic_views,
            window=self.options.window,
            orientation=self.options.orientation,
        )
        return points.subset(self.options.points_per_photo, rng)


def _detector(options: PatchSetOptions) -> DogDetector:
    return DogDetector(DetectionOptions(max_keypoints=options.keypoints_per_image, keep="strongest"))


def _generator(seed: int, name: str) -> np.random.Generator:
    """Return a generator that depends on the seed and the name alone, not on the order of work."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _read(path: Path) -> Any:
    return np.ascontiguousarray(read_rgb_pixels(path)[..., ::-1])

"""Describing by several descriptors side by side: each photograph is decoded once, its patches cut once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sfm.errors import InputError
from sfm.features.descriptor import DescribesPatches, Descriptor
from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.files import number_of_rows, write_tensors
from sfm.images.photo_set import Photo
from sfm.pipelines.features import recipes_of, rows_there
from sfm.pipelines.keypoints import DecodedImages, turn_keypoints
from sfm.progress import SILENT, Progress
from sfm.stopwatch import Stopwatch
from sfm.threads import pool_of_cores
from sfm.viewgraph.orientations import BY_GRADIENT, ImageOrientations
from sfm.workspace import Workspace


@dataclass(frozen=True)
class SharedDescription:
    """The outcome of describing by several descriptors at once.

    Attributes
    ----------
    decoded
        Number of photographs that were decoded, once for all.
    patched
        Number of photographs whose patches were cut, once for all networks that see patches of one size.
    described
        Number of photographs described by each descriptor.
    seconds
        What each would have taken alone, from its share of the time; None where part of its work was there.
    """

    decoded: int
    patched: int
    described: Mapping[str, int]
    seconds: Mapping[str, float | None]


def describe_together(
    photos: Sequence[Photo],
    workspace: Workspace,
    detector: Detector,
    descriptors: Sequence[Descriptor],
    images: DecodedImages,
    orientations: ImageOrientations = BY_GRADIENT,
    progress: Progress = SILENT,
) -> SharedDescription:
    """Describe the keypoints of every photograph by several descriptors; see `sfm.pipelines.features`.

    The keypoints must have been detected (`detect_keypoints`). What cannot be decoded any more is left to
    `sfm.pipelines.features.extract_features` to tell.
    """

    def work(photo: Photo) -> _TimesOfImage:
        turn_keypoints(photo, workspace, detector, orientations)
        return _describe_by_all(photo, workspace, detector, descriptors, images, orientations)

    start = time.monotonic()
    with (
        progress.stage("Describe", len(photos)) as step,
        pool_of_cores() as pool,
    ):
        times = []
        for of_image in pool.map(work, photos):
            times.append(of_image)
            step.advance()
    elapsed = time.monotonic() - start
    shared = sum(t.decoding_s for t in times)
    cutting = sum(t.cutting_s for t in times)
    own = {d.name: sum(t.own_s.get(d.name, 0.0) for t in times) for d in descriptors}
    everything = shared + cutting + sum(own.values())
    described = {d.name: sum(d.name in t.own_s for t in times) for d in descriptors}
    seconds: dict[str, float | None] = {}
    for d in descriptors:
        alone = shared + own[d.name] + (cutting if isinstance(d, DescribesPatches) else 0.0)
        whole = described[d.name] == len(photos) and everything > 0
        seconds[d.name] = round(elapsed * alone / everything, 3) if whole else None
    return SharedDescription(
        sum(bool(t.own_s) for t in times), sum(t.cutting_s > 0 for t in times), described, seconds
    )


@dataclass(frozen=True)
class _TimesOfImage:
    """Seconds spent on an image: for all, for those that see patches, and by each descriptor that had to work."""

    decoding_s: float = 0.0
    cutting_s: float = 0.0
    own_s: Mapping[str, float] = field(default_factory=dict)


def _describe_by_all(
    photo: Photo,
    workspace: Workspace,
    detector: Detector,
    descriptors: Sequence[Descriptor],
    images: DecodedImages,
    orientations: ImageOrientations,
) -> _TimesOfImage:
    missing = []
    every = number_of_rows(workspace.keypoints(photo.name), "xy")
    for descriptor in descriptors:
        _, recipe = recipes_of(photo, detector, descriptor, orientations)
        path = workspace.descriptors(descriptor.name, photo.name)
        if rows_there(recipe, path) != every:
            missing.append((descriptor, recipe, path))
    if not missing:
        return _TimesOfImage()
    watch = Stopwatch()
    try:
        image = images.of(photo)
    except InputError:
        return _TimesOfImage()
    keypoints = Keypoints.load(workspace.keypoints(photo.name))
    decoding_s, cutting_s, own_s = watch.lap(), 0.0, {}
    patches: dict[tuple[PatchWindow, ...], Any] = {}
    for descriptor, recipe, path in missing:
        if isinstance(descriptor, DescribesPatches):
            if descriptor.patch_windows not in patches:
                patches[descriptor.patch_windows] = descriptor.cut_patches(image, keypoints)
                cutting_s += watch.lap()
            rows = descriptor.describe_patches(patches[descriptor.patch_windows])
        else:
            rows = descriptor.describe(image, keypoints)
        write_tensors(path, {"descriptors": rows}, recipe.as_metadata())
        own_s[descriptor.name] = watch.lap()
    return _TimesOfImage(decoding_s, cutting_s, own_s)

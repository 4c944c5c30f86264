"""Detect, turn and describe the keypoints of photographs, reusing what is still valid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.descriptor import DescribesPatches, Descriptor
from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints
from sfm.files import number_of_rows, read_tensors, write_tensors
from sfm.images.gray import GrayImage
from sfm.images.photo_set import Photo, Skipped
from sfm.pipelines.keypoints import (
    DecodedImages,
    detect_keypoints,
    keypoints_changed,
    keypoints_recipe,
    on_each,
    turn_keypoints,
)
from sfm.pipelines.orientation import find_orientations
from sfm.progress import SILENT, Progress
from sfm.threads import pool_of_cores, share_out
from sfm.viewgraph.orientations import ImageOrientations
from sfm.words import count
from sfm.workspace import Recipe, Workspace, digest_of

DESCRIPTORS_VERSION = 1


@dataclass(frozen=True)
class DescribedImage:
    """A photograph whose features lie in the workspace; the digests name what they were made of.

    Attributes
    ----------
    photo
        The photograph.
    keypoints_digest, descriptors_digest
        Equal digests mean equal features.
    in_full
        Whether all of its keypoints have been described, not the first alone.
    detected, described
        Whether this run has detected its keypoints, and has described any of them.
    """

    photo: Photo
    keypoints_digest: str
    descriptors_digest: str
    in_full: bool
    detected: bool
    described: bool


@dataclass(frozen=True)
class FeatureSet:
    """The outcome of detection and description.

    Attributes
    ----------
    images
        Photographs with features, sorted by name.
    skipped
        Photographs that turned out to be unreadable.
    orientations
        What the keypoints are turned to.
    """

    images: tuple[DescribedImage, ...]
    skipped: tuple[Skipped, ...]
    orientations: ImageOrientations

    @property
    def names(self) -> list[str]:
        """Names of the described photographs."""
        return [image.photo.name for image in self.images]


def extract_features(
    photos: Sequence[Photo],
    workspace: Workspace,
    detector: Detector,
    descriptor: Descriptor,
    max_size: int,
    progress: Progress = SILENT,
    describe_first: int = 0,
    orientation: str = "gradient",
) -> FeatureSet:
    """Detect the keypoints of every photograph, turn them, and describe all or the first; see also `describe_rest`.

    Parameters
    ----------
    photos
        What to describe.
    workspace
        Where features are kept; those made by the same recipe are reused.
    detector, descriptor
        What is used.
    max_size
        Longer side, in pixels, that larger photographs are shrunk to while they are decoded.
    progress
        Hears of it.
    describe_first
        How many keypoints of an image are described at least, the first of them; 0 for all.
    orientation
        What keypoints are turned to, see `OrientationOptions`.

    Raises
    ------
    InputError
        If no photograph can be decoded.
    """
    images = DecodedImages(max_size)
    tell_what_changed(photos, lambda photo: keypoints_changed(photo, workspace, detector), progress)
    keypoints = detect_keypoints(photos, workspace, detector, images, progress)
    orientations = find_orientations(
        keypoints.photos, workspace, detector, descriptor, orientation, images, progress
    )

    def differences(photo: Photo) -> list[str]:
        if photo.name in keypoints.detected:
            return []  # told already
        turned, described = recipes_of(photo, detector, descriptor, orientations)
        told = turned.differences(workspace.keypoints(photo.name))
        return told or described.differences(workspace.descriptors(descriptor.name, photo.name))

    tell_what_changed(keypoints.photos, differences, progress)

    def work(photo: Photo, pool: ThreadPoolExecutor) -> DescribedImage | Skipped:
        described = _describe_one(
            photo, workspace, detector, descriptor, orientations, images, describe_first, pool
        )
        if isinstance(described, Skipped):
            return described
        return replace(described, detected=photo.name in keypoints.detected)

    def is_done(photo: Photo) -> bool:
        return _is_described(photo, workspace, detector, descriptor, orientations, describe_first)

    done, skipped = on_each(keypoints.photos, work, is_done, "Describe", progress)
    _tell_what_was_reused(done, descriptor, progress)
    return FeatureSet(tuple(done), (*keypoints.skipped, *skipped), orientations)


def describe_rest(
    features: FeatureSet,
    names: Collection[str],
    workspace: Workspace,
    detector: Detector,
    descriptor: Descriptor,
    max_size: int,
    progress: Progress = SILENT,
) -> FeatureSet:
    """Describe all keypoints of the named images, of which `extract_features` has described the first.

    Parameters and errors are those of `extract_features`.
    """
    images = DecodedImages(max_size)

    def work(photo: Photo, pool: ThreadPoolExecutor) -> DescribedImage | Skipped:
        return _describe_one(photo, workspace, detector, descriptor, features.orientations, images, 0, pool)

    def is_done(photo: Photo) -> bool:
        return _is_described(photo, workspace, detector, descriptor, features.orientations, 0)

    photos = [image.photo for image in features.images if image.photo.name in names]
    done, skipped = on_each(photos, work, is_done, "Describe the rest", progress)
    gone = {one.name for one in skipped}
    now = {image.photo.name: image for image in done}
    kept = [
        replace(
            now.get(before.photo.name, before),
            detected=before.detected,
            described=before.described or before.photo.name in now,
        )
        for before in features.images
        if before.photo.name not in gone
    ]
    return replace(features, images=tuple(kept), skipped=(*features.skipped, *skipped))


def _is_described(
    photo: Photo,
    workspace: Workspace,
    detector: Detector,
    descriptor: Descriptor,
    orientations: ImageOrientations,
    describe_first: int,
) -> bool:
    """Whether an earlier run has described as many keypoints of a photograph as are wanted."""
    turned, recipe = recipes_of(photo, detector, descriptor, orientations)
    path = workspace.keypoints(photo.name)
    there = rows_there(recipe, workspace.descriptors(descriptor.name, photo.name))
    if there is None or not turned.matches(path):
        return False
    every = number_of_rows(path, "xy")
    return there >= min(describe_first or every, every)


def _describe_one(
    photo: Photo,
    workspace: Workspace,
    detector: Detector,
    descriptor: Descriptor,
    orientations: ImageOrientations,
    images: DecodedImages,
    describe_first: int,
    pool: ThreadPoolExecutor,
) -> DescribedImage | Skipped:
    turn_keypoints(photo, workspace, detector, orientations)
    keypoints_recipe, recipe = recipes_of(photo, detector, descriptor, orientations)
    keypoints_path = workspace.keypoints(photo.name)
    path = workspace.descriptors(descriptor.name, photo.name)
    there, every = rows_there(recipe, path), number_of_rows(keypoints_path, "xy")
    wanted = min(describe_first or every, every)
    describe = there is None or there < wanted
    if describe:
        try:
            image = images.of(photo)
        except InputError as error:
            return Skipped(photo.name, str(error))
        begin, there = there or 0, wanted
        keypoints = Keypoints.load(keypoints_path)
        rows = describe_keypoints(image, keypoints.take(slice(begin, wanted)), descriptor, pool)
        if begin:
            rows = np.concatenate([read_tensors(path)[0]["descriptors"], rows])
        write_tensors(path, {"descriptors": rows}, recipe.as_metadata())
    in_full = there == every
    digest = recipe.digest if in_full else digest_of([recipe.digest, there])
    return DescribedImage(photo, keypoints_recipe.digest, digest, in_full, False, describe)


def rows_there(recipe: Recipe, path: Path) -> int | None:
    """Return how many keypoints, the first, have been described by a recipe; None if there is no such file."""
    return number_of_rows(path, "descriptors") if recipe.matches(path) else None


def describe_keypoints(
    image: GrayImage, keypoints: Keypoints, descriptor: Descriptor, pool: ThreadPoolExecutor
) -> NDArray[np.float32]:
    """Describe keypoints in this thread of a pool of cores, and in those that have nothing else to do."""
    if not isinstance(descriptor, DescribesPatches):
        return descriptor.describe(image, keypoints)
    patches, size = descriptor.cut_patches(image, keypoints), descriptor.patches_a_part
    parts = [patches[start : start + size] for start in range(0, max(1, len(patches)), size)]
    return np.concatenate(share_out(pool, descriptor.describe_patches, parts))


def recipes_of(
    photo: Photo, detector: Detector, descriptor: Descriptor, orientations: ImageOrientations
) -> tuple[Recipe, Recipe]:
    """Return what the keypoints and the descriptors of a photograph are made of."""
    keypoints = keypoints_recipe(photo, detector, orientations)
    descriptors = Recipe(
        "descriptors", DESCRIPTORS_VERSION, descriptor.identity, {"keypoints": keypoints.digest}
    )
    return keypoints, descriptors


def tell_what_changed(
    photos: Sequence[Photo], differences: Callable[[Photo], list[str]], progress: Progress
) -> None:
    """Say how many images are made anew, and why; each is read for it if there is something to compare with."""
    with pool_of_cores() as pool:
        reasons = Counter(reason for told in pool.map(differences, photos) for reason in told)
    for reason, number in reasons.items():
        progress.say(f"Features of {count(number, 'images')} are made anew: {reason}.")


def _tell_what_was_reused(done: Sequence[DescribedImage], descriptor: Descriptor, progress: Progress) -> None:
    keypoints = sum(not image.detected for image in done)
    descriptors = sum(not image.described for image in done)
    if keypoints:
        progress.say(
            f"Reused: keypoints of {keypoints} and {descriptor.name} descriptors of {descriptors} "
            f"of {count(len(done), 'images')}."
        )

"""From photographs to keypoints and descriptors in the workspace, reusing what is still valid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.descriptor import DescribesPatches, Descriptor
from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints
from sfm.files import number_of_rows, read_tensors, write_tensors
from sfm.images.decode import load_gray
from sfm.images.gray import GrayImage
from sfm.images.photo_set import Photo, Skipped
from sfm.progress import SILENT, Progress
from sfm.threads import pool_of_cores, share_out
from sfm.words import count
from sfm.workspace import Recipe, Workspace, digest_of

T = TypeVar("T")

KEYPOINTS_VERSION = 2
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
    """

    images: tuple[DescribedImage, ...]
    skipped: tuple[Skipped, ...]

    @property
    def names(self) -> list[str]:
        """Names of the described photographs."""
        return [image.photo.name for image in self.images]


@dataclass(frozen=True)
class KeypointSet:
    """The outcome of detection alone.

    Attributes
    ----------
    photos
        Photographs with keypoints, sorted by name.
    skipped
        Photographs that turned out to be unreadable.
    detected
        Number of photographs whose keypoints were not there yet.
    """

    photos: tuple[Photo, ...]
    skipped: tuple[Skipped, ...]
    detected: int


def detect_keypoints(
    photos: Sequence[Photo],
    workspace: Workspace,
    detector: Detector,
    max_size: int,
    progress: Progress = SILENT,
) -> KeypointSet:
    """Detect the keypoints of every photograph, for any number of descriptors; see `extract_features`."""

    def work(photo: Photo, pool: ThreadPoolExecutor) -> tuple[Photo, bool] | Skipped:
        recipe, path = _keypoints_recipe(photo, detector), workspace.keypoints(photo.name)
        detect = not recipe.matches(path)
        if detect:
            try:
                image = load_gray(photo, max_size)
            except InputError as error:
                return Skipped(photo.name, str(error))
            detector.detect(image).save(path, recipe.as_metadata())
        return photo, detect

    def differences(photo: Photo) -> list[str]:
        return keypoints_changed(photo, workspace, detector)

    _tell_what_changed("Keypoints", photos, differences, progress)
    done, skipped = _on_each(photos, work, "Detect", progress)
    detected = sum(new for _, new in done)
    if detected < len(done):
        progress.say(f"Reused: keypoints of {len(done) - detected} of {count(len(done), 'images')}.")
    return KeypointSet(tuple(photo for photo, _ in done), tuple(skipped), detected)


def keypoints_changed(photo: Photo, workspace: Workspace, detector: Detector) -> list[str]:
    """Name what changed since a photograph's keypoints were detected; empty if nothing did, or there are none."""
    path = workspace.keypoints(photo.name)
    return _keypoints_recipe(photo, detector).differences(path) if path.exists() else []


def extract_features(
    photos: Sequence[Photo],
    workspace: Workspace,
    detector: Detector,
    descriptor: Descriptor,
    max_size: int,
    progress: Progress = SILENT,
    describe_first: int = 0,
) -> FeatureSet:
    """Detect the keypoints of every photograph and describe them, all or the first; see also `describe_rest`.

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

    Raises
    ------
    InputError
        If no photograph can be decoded.
    """

    def differences(photo: Photo) -> list[str]:
        if not workspace.keypoints(photo.name).exists():
            return []
        keypoints, descriptors = recipes_of(photo, detector, descriptor)
        told = keypoints.differences(workspace.keypoints(photo.name))
        return told or descriptors.differences(workspace.descriptors(descriptor.name, photo.name))

    _tell_what_changed("Features", photos, differences, progress)

    def work(photo: Photo, pool: ThreadPoolExecutor) -> DescribedImage | Skipped:
        return _describe_one(photo, workspace, detector, descriptor, max_size, describe_first, pool)

    done, skipped = _on_each(photos, work, "Detect and describe", progress)
    _tell_what_was_reused(done, descriptor, progress)
    return FeatureSet(tuple(done), tuple(skipped))


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

    def work(photo: Photo, pool: ThreadPoolExecutor) -> DescribedImage | Skipped:
        return _describe_one(photo, workspace, detector, descriptor, max_size, 0, pool)

    photos = [image.photo for image in features.images if image.photo.name in names]
    done, skipped = _on_each(photos, work, "Describe the rest", progress)
    gone = {one.name for one in skipped}
    now = {image.photo.name: image for image in done}
    images = [
        replace(
            now.get(before.photo.name, before),
            detected=before.detected,
            described=before.described or before.photo.name in now,
        )
        for before in features.images
        if before.photo.name not in gone
    ]
    return FeatureSet(tuple(images), (*features.skipped, *skipped))


def _on_each(
    photos: Sequence[Photo],
    work: Callable[[Photo, ThreadPoolExecutor], T | Skipped],
    title: str,
    progress: Progress,
) -> tuple[list[T], list[Skipped]]:
    """Return the outcomes of `work` in order, and apart from them what had to be skipped."""
    done: list[T] = []
    skipped: list[Skipped] = []
    with (
        progress.stage(title, len(photos)) as step,
        pool_of_cores() as pool,
    ):
        for outcome in pool.map(work, photos, repeat(pool)):
            if isinstance(outcome, Skipped):
                progress.warn(f"{outcome.name} is left out: {outcome.reason}.")
                skipped.append(outcome)
            else:
                done.append(outcome)
            step.advance()
    if not done:
        raise InputError(
            f"None of {count(len(photos), 'images')} can be read, e.g. {skipped[0].name}: {skipped[0].reason}."
        )
    return done, skipped


def _describe_one(
    photo: Photo,
    workspace: Workspace,
    detector: Detector,
    descriptor: Descriptor,
    max_size: int,
    describe_first: int,
    pool: ThreadPoolExecutor,
) -> DescribedImage | Skipped:
    keypoints_recipe, descriptors_recipe = recipes_of(photo, detector, descriptor)
    keypoints_path = workspace.keypoints(photo.name)
    descriptors_path = workspace.descriptors(descriptor.name, photo.name)
    detect = not keypoints_recipe.matches(keypoints_path)
    there = None if detect else rows_there(descriptors_recipe, descriptors_path)
    every = 0 if detect else number_of_rows(keypoints_path, "xy")
    describe = there is None or there < _wanted(every, describe_first)
    if describe:
        try:
            image = load_gray(photo, max_size)
        except InputError as error:
            return Skipped(photo.name, str(error))
        if detect:
            keypoints = detector.detect(image)
            keypoints.save(keypoints_path, keypoints_recipe.as_metadata())
        else:
            keypoints = Keypoints.load(keypoints_path)
        every, begin = len(keypoints), there or 0
        there = _wanted(every, describe_first)
        rows = describe_keypoints(image, keypoints.take(slice(begin, there)), descriptor, pool)
        if begin:
            rows = np.concatenate([read_tensors(descriptors_path)[0]["descriptors"], rows])
        write_tensors(descriptors_path, {"descriptors": rows}, descriptors_recipe.as_metadata())
    in_full = there == every
    descriptors_digest = (
        descriptors_recipe.digest if in_full else digest_of([descriptors_recipe.digest, there])
    )
    return DescribedImage(photo, keypoints_recipe.digest, descriptors_digest, in_full, detect, describe)


def rows_there(recipe: Recipe, path: Path) -> int | None:
    """Return how many keypoints, the first, have been described by a recipe; None if there is no such file."""
    return number_of_rows(path, "descriptors") if recipe.matches(path) else None


def _wanted(keypoints: int, describe_first: int) -> int:
    return min(describe_first or keypoints, keypoints)


def describe_keypoints(
    image: GrayImage, keypoints: Keypoints, descriptor: Descriptor, pool: ThreadPoolExecutor
) -> NDArray[np.float32]:
    """Describe keypoints in this thread of a pool of cores, and in those that have nothing else to do."""
    if not isinstance(descriptor, DescribesPatches):
        return descriptor.describe(image, keypoints)
    patches, size = descriptor.cut_patches(image, keypoints), descriptor.patches_a_part
    parts = [patches[start : start + size] for start in range(0, max(1, len(patches)), size)]
    return np.concatenate(share_out(pool, descriptor.describe_patches, parts))


def _keypoints_recipe(photo: Photo, detector: Detector) -> Recipe:
    return Recipe("keypoints", KEYPOINTS_VERSION, detector.identity, {"image": photo.content_hash})


def recipes_of(photo: Photo, detector: Detector, descriptor: Descriptor) -> tuple[Recipe, Recipe]:
    """Return what the keypoints and the descriptors of a photograph are made of."""
    keypoints = _keypoints_recipe(photo, detector)
    descriptors = Recipe(
        "descriptors", DESCRIPTORS_VERSION, descriptor.identity, {"keypoints": keypoints.digest}
    )
    return keypoints, descriptors


def _tell_what_changed(
    what: str, photos: Sequence[Photo], differences: Callable[[Photo], list[str]], progress: Progress
) -> None:
    """Say how many images are made anew, and why; each is read for it if there is something to compare with."""
    with pool_of_cores() as pool:
        reasons = Counter(reason for told in pool.map(differences, photos) for reason in told)
    for reason, number in reasons.items():
        progress.say(f"{what} of {count(number, 'images')} are made anew: {reason}.")


def _tell_what_was_reused(done: Sequence[DescribedImage], descriptor: Descriptor, progress: Progress) -> None:
    keypoints = sum(not image.detected for image in done)
    descriptors = sum(not image.described for image in done)
    if keypoints:
        progress.say(
            f"Reused: keypoints of {keypoints} and {descriptor.name} descriptors of {descriptors} "
            f"of {count(len(done), 'images')}."
        )

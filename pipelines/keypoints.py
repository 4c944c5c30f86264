"""Find the keypoints of photographs and turn them, reusing what is still valid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from threading import Lock
from typing import TypeVar

from sfm.errors import InputError
from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints
from sfm.features.orientation import oriented
from sfm.images.decode import load_gray
from sfm.images.gray import GrayImage
from sfm.images.photo_set import Photo, Skipped
from sfm.progress import SILENT, Progress
from sfm.threads import pool_of_cores
from sfm.viewgraph.orientations import ImageOrientations
from sfm.words import count
from sfm.workspace import Recipe, Workspace

T = TypeVar("T")

DETECTION_VERSION = 1
KEYPOINTS_VERSION = 3
# What decoded photographs may take, so that small sets are decoded once.
_DECODED_BYTES = 192 * 2**20


class DecodedImages:
    """Grey photographs, decoded when asked for; the first ones are kept as long as there is room.

    Parameters
    ----------
    max_size
        Longer side, in pixels, that larger photographs are shrunk to.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._kept: dict[str, GrayImage] = {}
        self._room = _DECODED_BYTES
        self._lock = Lock()

    def of(self, photo: Photo) -> GrayImage:
        """Return a photograph's grey levels; raises `InputError`, whose message is a clause, if it is unreadable."""
        kept = self._kept.get(photo.content_hash)
        if kept is not None:
            return kept
        image = load_gray(photo, self.max_size)
        with self._lock:
            if image.pixels.nbytes <= self._room:
                self._room -= image.pixels.nbytes
                self._kept[photo.content_hash] = image
        return image


@dataclass(frozen=True)
class KeypointSet:
    """The outcome of detection.

    Attributes
    ----------
    photos
        Photographs with keypoints, sorted by name.
    skipped
        Photographs that turned out to be unreadable.
    detected
        Names of the photographs whose keypoints were not there yet.
    """

    photos: tuple[Photo, ...]
    skipped: tuple[Skipped, ...]
    detected: frozenset[str]


def detect_keypoints(
    photos: Sequence[Photo],
    workspace: Workspace,
    detector: Detector,
    images: DecodedImages,
    progress: Progress = SILENT,
) -> KeypointSet:
    """Find the keypoints of every photograph, whichever way they will be turned.

    Raises `InputError` if no photograph can be decoded.
    """

    def is_done(photo: Photo) -> bool:
        return detection_recipe(photo, detector).matches(workspace.detected(photo.name))

    def work(photo: Photo, pool: ThreadPoolExecutor) -> tuple[Photo, bool] | Skipped:
        if is_done(photo):
            return photo, False
        try:
            image = images.of(photo)
        except InputError as error:
            return Skipped(photo.name, str(error))
        metadata = detection_recipe(photo, detector).as_metadata()
        detector.detect(image).save(workspace.detected(photo.name), metadata)
        return photo, True

    done, skipped = on_each(photos, work, is_done, "Detect", progress)
    detected = frozenset(photo.name for photo, new in done if new)
    return KeypointSet(tuple(photo for photo, _ in done), tuple(skipped), detected)


def keypoints_changed(photo: Photo, workspace: Workspace, detector: Detector) -> list[str]:
    """Name what changed since a photograph's keypoints were detected; empty if nothing did, or there are none."""
    path = workspace.detected(photo.name)
    return detection_recipe(photo, detector).differences(path) if path.exists() else []


def turn_keypoints(
    photo: Photo, workspace: Workspace, detector: Detector, orientations: ImageOrientations
) -> None:
    """Write the keypoints of a photograph as they are described, unless they are there; it must have been detected."""
    recipe = keypoints_recipe(photo, detector, orientations)
    path = workspace.keypoints(photo.name)
    if not recipe.matches(path):
        found = Keypoints.load(workspace.detected(photo.name))
        turned = oriented(found, orientations.of(photo.name), detector.limit)
        turned.save(path, recipe.as_metadata())


def detection_recipe(photo: Photo, detector: Detector) -> Recipe:
    """Return what the detected keypoints of a photograph are made of."""
    return Recipe("detected", DETECTION_VERSION, detector.identity, {"image": photo.content_hash})


def keypoints_recipe(photo: Photo, detector: Detector, orientations: ImageOrientations) -> Recipe:
    """Return what the keypoints of a photograph, as they are described, are made of."""
    turn = orientations.of(photo.name)
    options = {**detector.identity, "orientation": "gradient" if turn is None else turn}
    return Recipe(
        "keypoints", KEYPOINTS_VERSION, options, {"detected": detection_recipe(photo, detector).digest}
    )


def on_each(
    photos: Sequence[Photo],
    work: Callable[[Photo, ThreadPoolExecutor], T | Skipped],
    is_done: Callable[[Photo], bool],
    title: str,
    progress: Progress,
) -> tuple[list[T], list[Skipped]]:
    """Return the outcomes of `work` in order, and apart from them what had to be skipped.

    Progress counts the photographs that there is work on: those of which `is_done` is false. Raises `InputError` if
    nothing could be done.
    """
    done: list[T] = []
    skipped: list[Skipped] = []
    with pool_of_cores() as pool:
        reused = list(pool.map(is_done, photos))
        with progress.stage(title, reused.count(False)) as step:
            for before, outcome in zip(reused, pool.map(work, photos, repeat(pool)), strict=True):
                if isinstance(outcome, Skipped):
                    progress.warn(f"{outcome.name} is left out: {outcome.reason}.")
                    skipped.append(outcome)
                else:
                    done.append(outcome)
                if not before:
                    step.advance()
    if not done:
        raise InputError(
            f"None of {count(len(photos), 'images')} can be read, e.g. {skipped[0].name}: {skipped[0].reason}."
        )
    return done, skipped

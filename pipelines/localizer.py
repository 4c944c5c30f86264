"""A loaded map in which single photographs are found, and what is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.features.orientation import oriented
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.images.decode import exif_turn_deg, load_gray
from sfm.images.exif import Exif
from sfm.images.gray import GrayImage
from sfm.images.photo_set import Photo
from sfm.images.single_photo import read_gray, read_photo
from sfm.localization.options import FEW_INLIERS, LocalizationOptions
from sfm.localization.query_camera import CameraGuess, guess_cameras, guesses_of_given
from sfm.localization.search import Found, Query, match_to_map, search
from sfm.mapping.frame import MapFrame, Place, place_of
from sfm.options import check
from sfm.pipelines.features import describe_keypoints
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.localization_index import open_index, query_descriptor
from sfm.progress import SILENT, Progress
from sfm.stopwatch import Stopwatch
from sfm.threads import pool_of_cores

Bytes = NDArray[np.uint8]

# How a query may be turned against what its EXIF says, in the order of trying: quarter turns are commonest.
_TURNS_DEG = (0, 90, -90, 180, 45, -45, 135, -135)
# Keypoints by which the turns that EXIF does not expect are tried.
_SAMPLE = 1024
# What repeats upside down, the windows of a facade, made a wrong pose of 115 points where the right one has 1,500.
_MANY_INLIERS = 500
# Photographs of another place have about as many matches by chance however they are turned.
_CLEARLY_MORE = 1.2


@dataclass(frozen=True)
class Localization:
    """Where a photograph was taken.

    Attributes
    ----------
    name
        The photograph.
    found
        Pose, matches and everything else that the search came to.
    refusal
        Why there is no pose; empty if there is one.
    frame
        Frame of the world that the map is in; None if it has not been aligned.
    seconds
        Time by stage.
    """

    name: str
    found: Found | None
    refusal: str
    frame: MapFrame | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def localized(self) -> bool:
        """Whether the photograph was found in the map."""
        return not self.refusal

    @property
    def cam_from_world(self) -> Pose | None:
        """The pose in the map; None if the photograph was not found."""
        pose = self.found.pose if self.found and self.localized else None
        return pose.cam_from_world if pose else None

    @property
    def camera(self) -> Camera | None:
        """The intrinsics the pose goes with."""
        pose = self.found.pose if self.found and self.localized else None
        return pose.camera if pose else None

    @property
    def place(self) -> Place | None:
        """Latitude, longitude and heading; None if there is no pose, or the map is not aligned with the Earth."""
        pose = self.cam_from_world
        return place_of(self.frame, pose) if pose is not None and self.frame is not None else None

    @property
    def inliers(self) -> int:
        """Number of points of the map that agree with the pose."""
        return self.found.inliers if self.found else 0

    @property
    def confidence(self) -> float:
        """Probability that the pose is more than chance: 1 less the number of false alarms, 0 to 1."""
        if self.found is None or self.found.pose is None:
            return 0.0
        return float(1 - 10.0 ** min(self.found.log10_nfa, 0.0))

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON-ready values; what is not known is None."""
        pose, camera, found = self.cam_from_world, self.camera, self.found
        uncertainty = found.uncertainty if found and self.localized else None
        return {
            "name": self.name,
            "localized": self.localized,
            "refusal": self.refusal or None,
            "inliers": self.inliers,
            "matches": found.matches if found else 0,
            "log10_nfa": found.log10_nfa if found else None,
            "confidence": self.confidence,
            "cam_from_world": pose and {"rotation": pose.rotation, "translation": pose.translation},
            "quaternion_wxyz": pose and pose.quaternion_wxyz,
            "center": pose and pose.center,
            "sigma_position": uncertainty and uncertainty.position,
            "sigma_rotation_deg": uncertainty and uncertainty.rotation_deg,
            "position_covariance": uncertainty and uncertainty.position_covariance,
            "camera": camera
            and {
                "model": camera.model,
                "width": camera.width,
                "height": camera.height,
                "params": camera.params,
                "source": found.guess.source if found and found.guess else None,
            },
            "place": self.place,
            "seconds": self.seconds,
        }


class Localizer:
    """A loaded map in which photographs can be found, one after the other.

    Parameters
    ----------
    map
        Output folder of `sfm reconstruct`. The photographs are not needed; of its files, `sparse/0` and
        `localization.safetensors` are (or its features, of which the latter is made).
    options
        How photographs are looked for.
    descriptor
        Descriptor that the map is expected to be made with; None for whichever it is.
    weights
        Weights of the map's network, where they are not those that ship or have moved.
    device
        Where networks run: "auto", "cpu" or "cuda".
    progress
        Hears of what has to be made first.

    Raises
    ------
    InputError
        If there is no map, it has no descriptors, or they were made by something else than there is here.
    """

    def __init__(
        self,
        map: Path | str,
        options: LocalizationOptions | None = None,
        *,
        descriptor: str | None = None,
        weights: Path | None = None,
        device: str = "auto",
        progress: Progress = SILENT,
    ) -> None:
        self.options = options or LocalizationOptions()
        check(self.options)
        self.run = FinishedRun.open(Path(map))
        self.sparse_map = self.run.sparse_map
        self.index = open_index(self.run, descriptor, progress)
        self._descriptor, self._detection = query_descriptor(self.index, descriptor, weights, device)

    def localize(self, image: Path | str | Photo | Bytes, camera: Camera | None = None) -> Localization:
        """Find where a photograph was taken.

        Parameters
        ----------
        image
            A file, or (H, W) or (H, W, 3) uint8 pixels, grey or RGB.
        camera
            Its intrinsics, if they are known.

        Returns
        -------
        A result without a pose, but with a reason, where the photograph is not in the map.

        Raises
        ------
        InputError
            If the file cannot be read as an image (of a `Photo` only the reason is told, as `load_gray` does), or the
            intrinsics are for another size.
        """
        watch = Stopwatch()
        with watch("read"):
            name, exif, gray = self._read(image)
            gray = gray.resized_to(self._detection.max_size)
        guesses = self._guesses(name, exif, gray.original_size, camera)
        expected, *others = self._turns(exif)
        looks = [_Look(gray, guesses, self._detected(gray, self._detection, watch), watch)]
        found = self._search(looks[0], expected)
        if self.options.equalize and not self._detection.equalize and found.inliers < FEW_INLIERS:
            equalized = self._detected(gray, replace(self._detection, equalize=True), watch)
            looks.append(replace(looks[0], keypoints=equalized))
            found = _better(found, self._search(looks[1], expected))
        if others and (found.refusal or found.inliers < _MANY_INLIERS):
            turn = self._turn_of_most_matches(looks[-1], expected, others)
            if turn != expected:
                found = _better(found, *(self._search(look, turn) for look in looks))
        return Localization(name, found, found.refusal, self.run.frame, watch.seconds)

    def _turns(self, exif: Exif) -> list[int | None]:
        """Return what the keypoints of a query may be turned to: that of its EXIF first, then any eighth of a turn."""
        if self.index.recipe.get("orientation", "gradient") == "gradient":
            return [None]
        return [exif_turn_deg(exif.orientation) + turn for turn in _TURNS_DEG]

    def _detected(self, gray: GrayImage, detection: DetectionOptions, watch: Stopwatch) -> Keypoints:
        with watch("detect"):
            return DogDetector(detection).detect(gray)

    def _search(self, look: _Look, turn_deg: int | None) -> Found:
        """Search by the keypoints of a look, turned one way."""
        query = self._query(look, turn_deg, self._detection.max_keypoints)
        return search(query, self.sparse_map, self.index, self._ratio, self.options, look.watch)

    def _turn_of_most_matches(
        self, look: _Look, expected: int | None, others: Sequence[int | None]
    ) -> int | None:
        """Return the turn by which clearly more keypoints look like points of the map; the expected one if none."""
        alike = {turn: self._alike(look, turn) for turn in (expected, *others)}
        turn = max(others, key=alike.__getitem__)
        return turn if alike[turn] > _CLEARLY_MORE * alike[expected] else expected

    def _alike(self, look: _Look, turn_deg: int | None) -> int:
        """Return how many of a sample of keypoints, turned one way, look like points of the map."""
        query = self._query(look, turn_deg, _SAMPLE)
        return len(match_to_map(query, self.index, self._ratio, self.options.candidates, look.watch)[1])

    def _query(self, look: _Look, turn_deg: int | None, limit: int) -> Query:
        keypoints = oriented(look.keypoints, turn_deg, limit)
        with look.watch("describe"), pool_of_cores() as pool:
            descriptors = describe_keypoints(look.gray, keypoints, self._descriptor, pool)
        return Query(keypoints, descriptors, look.guesses, float(look.gray.scale.mean()))

    @property
    def _ratio(self) -> float:
        ratio: float | None = self.index.recipe["ratio"]
        return self._descriptor.ratio_tests.loosest if ratio is None else ratio

    def _guesses(
        self, name: str, exif: Exif, size: tuple[int, int], camera: Camera | None
    ) -> list[CameraGuess]:
        if camera is None:
            return guess_cameras(exif, *size, self.sparse_map.cameras, self.index.recipe["camera_keys"])
        if (camera.width, camera.height) != size:
            raise InputError(
                f"{name} is {size[0]} x {size[1]}, but the intrinsics are for {camera.width} x {camera.height}: "
                "give intrinsics of that size."
            )
        return guesses_of_given(camera)

    def _read(self, image: Path | str | Photo | Bytes) -> tuple[str, Exif, GrayImage]:
        if isinstance(image, np.ndarray):
            return "the image", Exif(), GrayImage.of(_gray(image))
        instead = "give an image, or use `sfm localize` on the folder"
        max_size = self._detection.max_size
        if isinstance(image, Photo):
            return image.name, image.exif, load_gray(image, max_size)
        photo = read_photo(Path(image), instead)
        return photo.name, photo.exif, read_gray(photo, max_size)


@dataclass(frozen=True)
class _Look:
    """A query's pixels, what its camera may be, its keypoints by one detection, and who takes the time."""

    gray: GrayImage
    guesses: Sequence[CameraGuess]
    keypoints: Keypoints
    watch: Stopwatch


def _better(*found: Found) -> Found:
    return max(found, key=lambda one: (not one.refusal, one.inliers))


def _gray(pixels: Bytes) -> Bytes:
    import cv2

    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise InputError("An image is an array of (H, W) or (H, W, 3) uint8.")
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)

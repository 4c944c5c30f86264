"""Find where photographs were taken, from a finished map alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.export import ExportContext, export
from sfm.features.detectors import DogDetector
from sfm.files import write_image, write_json, writing
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.images.cameras import CameraOptions, assign_cameras
from sfm.images.decode import load_gray, load_rgb
from sfm.images.exif import Exif
from sfm.images.gray import GrayImage
from sfm.images.photo_set import Photo, PhotoSet, read_photo_set
from sfm.localization.options import LocalizationOptions
from sfm.localization.picture import best_view, draw_points, scaled_pixels, seen_by
from sfm.localization.query_camera import CameraGuess, guess_cameras
from sfm.localization.search import Found, Query, search
from sfm.localization.stopwatch import Stopwatch
from sfm.mapping.colmap_io import read_cameras_txt
from sfm.mapping.frame import MapFrame, Place, place_of
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.options import check
from sfm.pipelines.finished_run import FinishedRun, capture_times_s
from sfm.pipelines.localization_index import open_index, query_descriptor
from sfm.pipelines.reconstruct import refuse_output_among_images
from sfm.progress import SILENT, Progress
from sfm.report.pictures import draw_matches

Bytes = NDArray[np.uint8]

_PICTURE_HEIGHT = 800
_PICTURE_SIZE = 1600


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
        return len(self.found.pose.inliers) if self.found and self.found.pose else 0

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
        self.index = open_index(self.run, progress)
        self._descriptor, self._detection = query_descriptor(self.index, descriptor, weights, device)
        self._detector = DogDetector(self._detection)

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
            If the file cannot be read as an image, or the intrinsics are for another size.
        """
        watch = Stopwatch()
        with watch("read"):
            name, exif, gray = self._read(image)
            gray = gray.resized_to(self._detection.max_size)
        guesses = self._guesses(name, exif, gray.original_size, camera)
        with watch("detect"):
            keypoints = self._detector.detect(gray)
        with watch("describe"):
            descriptors = self._descriptor.describe(gray, keypoints)
        query = Query(keypoints, descriptors, guesses, float(gray.scale.mean()))
        found = search(query, self.sparse_map, self.index, self.index.recipe["ratio"], self.options)
        return Localization(name, found, found.refusal, self.run.frame, watch.seconds | found.seconds)

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
        return [CameraGuess(camera, False, "given")]

    def _read(self, image: Path | str | Photo | Bytes) -> tuple[str, Exif, GrayImage]:
        if isinstance(image, np.ndarray):
            return "the image", Exif(), GrayImage.of(_gray(image))
        photo = image if isinstance(image, Photo) else _read_one(Path(image))
        try:
            return photo.name, photo.exif, load_gray(photo, self._detection.max_size)
        except InputError as error:
            raise InputError(f"{photo.path} cannot be used: {error}.") from error


@dataclass(frozen=True)
class LocalizedBatch:
    """What `localize` made.

    Attributes
    ----------
    out
        Folder of the results: localization.json, trajectory.tum, path.geojson and matches/.
    results
        One for each photograph, those that could not be opened first.
    """

    out: Path
    results: tuple[Localization, ...]

    @property
    def localized(self) -> tuple[Localization, ...]:
        """Those that were found in the map."""
        return tuple(result for result in self.results if result.localized)


def localize(
    map_path: Path | str,
    queries: Sequence[Path | str],
    out: Path | str | None = None,
    options: LocalizationOptions | None = None,
    *,
    intrinsics: Path | None = None,
    descriptor: str | None = None,
    weights: Path | None = None,
    device: str = "auto",
    images: Path | None = None,
    pictures: bool = True,
    progress: Progress = SILENT,
) -> LocalizedBatch:
    """Find where photographs were taken, and write it down.

    Parameters
    ----------
    map_path
        Output folder of a finished run.
    queries
        Photographs, folders of them, or text files that list them.
    out
        Folder of the results; default `localized` in the map's folder.
    options
        How photographs are looked for.
    intrinsics
        File of known cameras in the form of COLMAP's cameras.txt.
    descriptor, weights, device
        See `Localizer`.
    images
        Folder of the map's photographs, for the pictures, if it has moved. Where it is missing, the map's points
        are drawn instead.
    pictures
        Whether to draw the inliers of each photograph.
    progress
        Hears of it.

    Returns
    -------
    The results. A photograph that cannot be read, or is not in the map, is among them with the reason.

    Raises
    ------
    InputError
        If there is no photograph, or the map, an option or the output folder cannot be used.
    """
    if not queries:
        raise InputError("There is nothing to localise: give photographs, or folders of them.")
    photos, unreadable = _read_queries([Path(query) for query in queries], progress)
    cameras = _given_cameras(photos, intrinsics)
    localizer = Localizer(
        map_path, options, descriptor=descriptor, weights=weights, device=device, progress=progress
    )
    run = localizer.run if images is None else FinishedRun.open(Path(map_path), images)
    folder = Path(out) if out is not None else (run.root or run.model) / "localized"
    for query in queries:
        refuse_output_among_images(Path(query), folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    results = list(unreadable)
    with progress.stage("Localise", len(photos)) as step:
        for name, photo in photos.items():
            result = _localize_one(localizer, name, photo, cameras.get(name), progress)
            results.append(result)
            if pictures and result.localized:
                write_image(folder / "matches" / f"{_relative(name)}.jpg", _picture(result, photo, run))
            step.advance(note="" if result.localized else f"{name}: not in the map")
    _write_results(folder, results, photos, localizer, progress)
    return LocalizedBatch(folder, tuple(results))


def _read_queries(queries: Sequence[Path], progress: Progress) -> tuple[dict[str, Photo], list[Localization]]:
    """Return the readable photographs by a name that is theirs alone, and the others with the reason."""
    photos: dict[str, Photo] = {}
    unreadable: list[Localization] = []
    known: set[Path] = set()
    for query in dict.fromkeys(queries):
        try:
            found = read_photo_set(query, progress)
        except InputError as error:
            # One bad file among several is told and left out; of a single one nothing remains.
            if len(queries) == 1 or not query.is_file():
                raise
            progress.warn(str(error))
            unreadable.append(Localization(query.name, None, str(error)))
            continue
        unreadable += [Localization(skipped.name, None, skipped.reason) for skipped in found.skipped]
        for photo in found.photos:
            if photo.path.resolve() not in known:
                known.add(photo.path.resolve())
                photos[photo.name if photo.name not in photos else photo.path.as_posix()] = photo
    if not photos:
        raise InputError(
            f"None of the {len(queries)} files can be read as a photograph, e.g. {unreadable[0].refusal}"
        )
    return photos, unreadable


def _given_cameras(photos: dict[str, Photo], intrinsics: Path | None) -> dict[str, Camera]:
    if intrinsics is None:
        return {}
    given, options = read_cameras_txt(intrinsics), CameraOptions(intrinsics=intrinsics)
    cameras = {}
    for name, photo in photos.items():
        assigned = assign_cameras(PhotoSet(photo.path.parent, (photo,)), options, given)
        cameras[name] = assigned.cameras[assigned.camera_of[photo.name]]
    return cameras


def _localize_one(
    localizer: Localizer, name: str, photo: Photo, camera: Camera | None, progress: Progress
) -> Localization:
    try:
        result = replace(localizer.localize(photo, camera), name=name)
    except InputError as error:
        progress.warn(f"{name} is left out: {error}")
        return Localization(name, None, str(error).rstrip("."))
    return result


def _picture(result: Localization, photo: Photo, run: FinishedRun) -> Bytes:
    """Draw the inliers in the photograph and in the view of the map that sees most of them."""
    assert result.found is not None
    assert result.found.pose is not None
    found, inliers = result.found, result.found.pose.inliers
    view = best_view(run.sparse_map, found.point_ids[inliers])
    seen, view_xy = seen_by(view, found.point_ids[inliers])
    left = load_rgb(photo, _PICTURE_SIZE)
    left_xy = scaled_pixels(found.xy[inliers[seen]], left.shape[1] / photo.width)
    right, right_scale = _picture_of_view(view, run)
    return draw_matches(
        left, right, left_xy, scaled_pixels(view_xy, right_scale), np.ones(len(seen), bool), _PICTURE_HEIGHT
    )


def _picture_of_view(view: MapImage, run: FinishedRun) -> tuple[Bytes, float]:
    camera = run.sparse_map.cameras[view.camera_id]
    by_name = {photo.name: photo for photo in run.photo_set.photos} if run.photo_set else {}
    if view.name in by_name:
        with suppress(InputError):
            rgb = load_rgb(by_name[view.name], _PICTURE_SIZE)
            return rgb, rgb.shape[1] / camera.width
    return draw_points(run.sparse_map, camera, view.cam_from_world, _PICTURE_HEIGHT)


def _write_results(
    folder: Path,
    results: Sequence[Localization],
    photos: dict[str, Photo],
    localizer: Localizer,
    progress: Progress,
) -> None:
    run = localizer.run
    document = {
        "map": str(run.root or run.model),
        "frame": run.frame and dataclasses.asdict(run.frame),
        "descriptor": localizer.index.recipe["descriptor"]["name"],
        "queries": [result.as_json() for result in results],
    }
    write_json(folder / "localization.json", document)
    cameras: dict[int, Camera] = {}
    images: dict[int, MapImage] = {}
    for i, result in enumerate(results, start=1):
        if result.cam_from_world is not None and result.camera is not None:
            cameras[i] = result.camera
            images[i] = MapImage(result.name, i, result.cam_from_world)
    named = [replace(photo, name=name) for name, photo in photos.items()]
    context = ExportContext(
        image_names=list(photos), timestamps_s=capture_times_s(named), frame=run.frame, progress=progress
    )
    path = SparseMap(cameras, images)
    export(path, "tum", folder, context)
    # A file of an earlier call would tell of other photographs.
    (folder / "path.geojson").unlink(missing_ok=True)
    if run.frame is not None and run.frame.origin is not None:
        export(path, "geojson", folder, context)


def _relative(name: str) -> str:
    """Return a name as a path below a folder, whatever it is."""
    return "/".join(part for part in Path(name).parts if part not in ("/", "..", "."))


def _read_one(path: Path) -> Photo:
    if path.is_dir():
        raise InputError(f"{path} is a folder: give an image, or use `sfm localize` on the folder.")
    return read_photo_set(path).photos[0]


def _gray(pixels: Bytes) -> Bytes:
    import cv2

    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise InputError("An image is an array of (H, W) or (H, W, 3) uint8.")
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)

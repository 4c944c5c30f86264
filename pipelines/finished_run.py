"""What a finished run left in its folder, for those who use its map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.export import ExportContext
from sfm.features.keypoints import Keypoints
from sfm.files import read_metadata, read_tensors, read_unreplaced
from sfm.images.photo_set import Photo, PhotoSet, every_nth, read_photo_set
from sfm.localization.index import INDEX_NAME
from sfm.mapping.colmap_io import read_map
from sfm.mapping.frame import MapFrame, read_frame
from sfm.mapping.model_files import is_model_file
from sfm.mapping.sparse_map import SparseMap
from sfm.mapping.stored_matches import StoredMatches
from sfm.pipelines.products import PRODUCTS, PRODUCTS_NAME, put_right
from sfm.pipelines.run_record import read_record
from sfm.progress import SILENT, Progress
from sfm.workspace import DETECTED, KEYPOINTS

V = TypeVar("V")

_SUFFIX = ".safetensors"


def find_model(path: Path) -> Path:
    """Return the COLMAP model folder that `path` means: itself, or the largest model of a run's folder.

    Raises `InputError` if there is none.
    """
    candidates = path, path / "sparse/0", path / "0"
    with suppress(StopIteration):
        return read_unreplaced(
            path, lambda: read_unreplaced(candidates[1], lambda: next(filter(_is_model, candidates)))
        )
    if not path.exists():
        raise InputError(f"{path} does not exist: give the output folder of a run or a COLMAP model folder.")
    raise InputError(
        f"{path} holds no map: give the output folder of a finished run or a COLMAP model folder."
    )


def _is_model(folder: Path) -> bool:
    return any((folder / f"images.{suffix}").is_file() for suffix in ("bin", "txt"))


def capture_times_s(photos: Iterable[Photo]) -> dict[str, float]:
    """Return capture times by name, in seconds since 1970-01-01 by the camera's clock (EXIF has no time zone)."""
    return {p.name: p.exif.time.replace(tzinfo=UTC).timestamp() for p in photos if p.exif.time}


@dataclass(frozen=True)
class FinishedRun:
    """A map and the artifacts beside it; all but the map may be missing.

    Attributes
    ----------
    model
        Folder of the map, a COLMAP model.
    root
        Output folder of the run that made it; None for a model of other origin.
    images
        Folder of the photographs, as given; None to take what the run recorded.
    """

    model: Path
    root: Path | None = None
    images: Path | None = None

    @staticmethod
    def open(path: Path, images: Path | None = None) -> FinishedRun:
        """Open a run by its output folder, or by one of its model folders OUT/sparse/N.

        Raises `InputError` if there is no map, or `images` is no folder.
        """
        # What is replaced must have its real name: "." has none, and a link would lead elsewhere.
        path = path.resolve()
        put_right(path)
        model = find_model(path)
        if images is not None and not images.is_dir():
            raise InputError(f"{images} is not a folder: give the folder of the photographs.")
        root = model.absolute().parent.parent
        is_run = model.absolute().parent.name == "sparse" and any(
            (root / name).exists() for name in ("run.json", "features", "database.db", INDEX_NAME)
        )
        return FinishedRun(model, root if is_run else None, images)

    @property
    def pieces(self) -> list[Path]:
        """What the map consists of, which nothing else may be written over."""
        if self.root is None:
            return [path for path in self.model.iterdir() if is_model_file(path.name)]
        products = (*PRODUCTS, PRODUCTS_NAME, INDEX_NAME, "run.json", "database.db")
        return [self.root / name for name in ("sparse", "features", "mapping", *products)]

    @cached_property
    def sparse_map(self) -> SparseMap:
        """The map."""
        return self._map_and_frame[0]

    @cached_property
    def frame(self) -> MapFrame | None:
        """The frame of the world the map is in; None if it has not been aligned."""
        return self._map_and_frame[1]

    @cached_property
    def _map_and_frame(self) -> tuple[SparseMap, MapFrame | None]:
        """Both as they belong together, whoever replaces the model meanwhile."""
        return read_unreplaced(self.model, lambda: (read_map(self.model), read_frame(self.model)))

    @cached_property
    def record(self) -> dict[str, Any]:
        """What `run.json` says; empty if there is none, or only one of an earlier map."""
        record = read_record(self.root / "run.json") if self.root else {}
        mapped = read_record(self.model.parent / "mapping.json").get("digest")
        return record if mapped in (None, record.get("map_digest", mapped)) else {}

    @cached_property
    def photo_set(self) -> PhotoSet | None:
        """The photographs that were taken; None if where they were is not known or they are not there any more.

        Raises `InputError` if there are none in the folder given as `images`.
        """
        found = _recorded_photos(self.record) if self.images is None else read_photo_set(self.images)
        every = (self.record.get("options") or {}).get("photos", {}).get("every", 1)
        return every_nth(found, every) if found else None

    @property
    def image_names(self) -> list[str]:
        """Names of all images of the set that are known of, sorted."""
        names = set(self.sparse_map.poses) | set(self._artifacts("keypoints"))
        return sorted(names | set(self.photo_set.names if self.photo_set else ()))

    @property
    def keypoints(self) -> Mapping[str, Keypoints]:
        """Keypoints by image name, read when asked for; empty for a model of other origin."""
        return _Lazy(self._artifacts("keypoints"), Keypoints.load)

    def descriptors(self, descriptor: str | None = None) -> Mapping[str, NDArray[np.float32]]:
        """Descriptors by image name, read when asked for; empty for a model of other origin.

        `descriptor` chooses where the run's folder holds several, as in `context`.
        """
        return _Lazy(self._artifacts(self.descriptor_name(descriptor)), _load_descriptors)

    def descriptor_name(self, wanted: str | None = None) -> str | None:
        """Return whose rows are taken: those `wanted`, those the run recorded, or the only ones; None for none.

        Raises `InputError` if there are several to choose from, or none of the one wanted.
        """
        folder = self.root / "features" if self.root else None
        if folder is None or not folder.is_dir():
            return wanted
        there = sorted(f.name for f in folder.iterdir() if f.is_dir() and f.name not in (DETECTED, KEYPOINTS))
        recorded = self.record.get("descriptor")
        chosen = wanted or (recorded if recorded in there else None)
        if chosen is None and len(there) > 1:
            raise InputError(
                f"{folder} holds several descriptors: choose with --descriptor {' or '.join(there)}."
            )
        if wanted and wanted not in there:
            raise InputError(f"{folder} has no descriptor {wanted}: it has {', '.join(there) or 'none'}.")
        return chosen or (there[0] if there else None)

    def recipe_of(self, kind: str, image: str) -> str | None:
        """Return what made the features/`kind` of an image, as JSON; None if they are missing or do not say."""
        metadata = read_metadata(self.root / "features" / kind / f"{image}{_SUFFIX}") if self.root else None
        return (metadata or {}).get("options")

    @property
    def timestamps_s(self) -> dict[str, float]:
        """Capture times by name, in seconds since 1970-01-01 by the camera's clock, which knows no zone."""
        return capture_times_s(self.photo_set.photos) if self.photo_set else {}

    def context(self, descriptor: str | None = None, progress: Progress = SILENT) -> ExportContext:
        """Gather what exports need; features are read when asked for.

        Parameters
        ----------
        descriptor
            Which descriptor's rows, if the run's folder holds several; None for the one there is, or the one
            the run recorded.
        progress
            Handed on.
        """
        photos = self.photo_set
        database = self.root / "database.db" if self.root else None
        rows = self._artifacts(self.descriptor_name(descriptor))
        keypoints = {name: file for name, file in self._artifacts("keypoints").items() if name in rows}
        return ExportContext(
            image_names=self.image_names,
            image_folder=photos.root if photos else None,
            image_sizes={p.name: (p.width, p.height) for p in photos.photos} if photos else {},
            timestamps_s=self.timestamps_s,
            keypoints=_Lazy(keypoints, Keypoints.load),
            descriptors=_Lazy(rows, _load_descriptors),
            matches=StoredMatches(database) if database and database.is_file() else {},
            frame=self.frame,
            progress=progress,
        )

    def _artifacts(self, kind: str | None) -> dict[str, Path]:
        """Return the files of features/`kind` by image name."""
        if self.root is None or kind is None:
            return {}
        folder = self.root / "features" / kind
        files = sorted(folder.rglob(f"*{_SUFFIX}"))
        # A leading dot marks a file still being written.
        return {f.relative_to(folder).as_posix().removesuffix(_SUFFIX): f for f in files if f.name[0] != "."}


class _Lazy(Mapping[str, V]):
    """Values read from files when asked for."""

    def __init__(self, files: Mapping[str, Path], load: Any) -> None:
        self._files, self._load = files, load

    def __getitem__(self, name: str) -> V:
        value: V = self._load(self._files[name])
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _load_descriptors(path: Path) -> NDArray[np.float32]:
    tensors, _ = read_tensors(path)
    if "descriptors" not in tensors:
        raise InputError(f"{path} has no tensor `descriptors`: describe the images again.")
    return tensors["descriptors"]


def _recorded_photos(record: Mapping[str, Any]) -> PhotoSet | None:
    source = record.get("images")
    if isinstance(source, str):
        with suppress(InputError):
            return read_photo_set(Path(source))
    return None

"""COLMAP's database as this project fills it: cameras, images, keypoints, and verified pairs one by one.

Beside COLMAP's own tables it keeps two of this project's, which COLMAP passes over: the recipe each image and
each pair was made by. So a run that was killed goes on from the pairs it holds, and a pair made with other
options is never mistaken for a valid one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pycolmap
from numpy.typing import NDArray

from sfm.errors import WorkError
from sfm.files import writing
from sfm.geometry.camera import Camera
from sfm.geometry.two_view import TwoViewGeometry
from sfm.mapping.colmap_io import camera_from_colmap, camera_to_colmap, xy_from_colmap, xy_to_colmap
from sfm.mapping.colmap_verifier import to_colmap_two_view

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sfm_images (name TEXT PRIMARY KEY, digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sfm_options (options TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sfm_pairs (
    name1 TEXT NOT NULL, name2 TEXT NOT NULL, digest TEXT NOT NULL,
    matches INTEGER NOT NULL, inliers INTEGER NOT NULL, kind TEXT NOT NULL,
    log10_nfa REAL NOT NULL, forward REAL, accepted INTEGER NOT NULL,
    PRIMARY KEY (name1, name2)
);
"""


@dataclass(frozen=True)
class VerifiedPair:
    """The outcome of matching and verifying two images.

    Attributes
    ----------
    name1, name2
        The images.
    matches
        Number of putative matches.
    inliers
        Number of verified ones.
    kind
        Kind of two-view geometry, see `TwoViewGeometry`.
    log10_nfa
        How far from chance: log10 of the number of false alarms.
    forward : float or None
        Absolute cosine between the camera's way and its line of sight, 0 sideways to 1 forward or backward; None where
        the relative pose is not known.
    accepted
        Whether the pair takes part in mapping.
    """

    name1: str
    name2: str
    matches: int
    inliers: int
    kind: str
    log10_nfa: float
    forward: float | None
    accepted: bool


@dataclass(frozen=True)
class PairResult:
    """A pair with everything the database keeps of it; `matches` is (M, 2), indices of keypoints."""

    pair: VerifiedPair
    matches: NDArray[np.int32]
    geometry: TwoViewGeometry
    digest: str


@dataclass(frozen=True)
class ImageEntry:
    """An image to hold: its camera, and the digest of what its rows depend on (see `image_digest`)."""

    name: str
    camera_id: int
    digest: str


class MapDatabase:
    """COLMAP's database of one run. Use as a context manager; one writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._colmap, self._own = _open(path)
        self._ids = {image.name: image.image_id for image in self._colmap.read_all_images()}

    def __enter__(self) -> MapDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._own.close()
        self._colmap.close()

    def prepare(
        self,
        entries: Sequence[ImageEntry],
        cameras: Mapping[int, Camera],
        keypoints: Mapping[str, NDArray[np.float32]],
    ) -> bool:
        """Make the database hold exactly these images, keypoints and cameras.

        What it holds already is kept if it is part of that, else everything is dropped, for pairs refer to keypoints by
        index. `keypoints` gives (N, 2) positions by name, asked only for what is not held yet.

        Returns whether what was held could be kept.
        """
        wanted = {entry.name: entry.digest for entry in entries}
        held = dict(self._own.execute("SELECT name, digest FROM sfm_images").fetchall())
        reusable = held.keys() <= wanted.keys() and all(
            wanted[name] == digest for name, digest in held.items()
        )
        if not reusable or self._ids.keys() != held.keys() or self._cameras_changed(cameras):
            self._start_over()
            held, reusable = {}, not held
        missing = [entry for entry in entries if entry.name not in held]
        for camera_id in sorted({entry.camera_id for entry in missing}):
            if not self._colmap.exists_camera(camera_id):
                self._write_camera(camera_id, cameras[camera_id])
        for entry in missing:
            self._write_image(entry, keypoints[entry.name])
        return reusable

    def pairs(self) -> dict[tuple[str, str], VerifiedPair]:
        """Return the pairs held, by their names in order."""
        rows = self._own.execute(
            "SELECT name1, name2, matches, inliers, kind, log10_nfa, forward, accepted FROM sfm_pairs"
        ).fetchall()
        return {(row[0], row[1]): VerifiedPair(*row[:7], accepted=bool(row[7])) for row in rows}

    def pair_digests(self) -> dict[tuple[str, str], str]:
        """Return the recipe's digest of every pair held."""
        rows = self._own.execute("SELECT name1, name2, digest FROM sfm_pairs").fetchall()
        return {(name1, name2): digest for name1, name2, digest in rows}

    def write_pairs(self, results: Iterable[PairResult]) -> None:
        """Write pairs in one transaction; a pair held before is replaced."""
        results = list(results)
        with writing(self.path):
            try:
                # Kept out first: killed between the two transactions, a pair counts as not done.
                self._forget([(r.pair.name1, r.pair.name2) for r in results])
                with pycolmap.DatabaseTransaction(self._colmap):
                    for result in results:
                        self._write_pair(result)
                rows = [
                    (r.pair.name1, r.pair.name2, r.digest, r.pair.matches, r.pair.inliers, r.pair.kind)
                    + (r.pair.log10_nfa, r.pair.forward, int(r.pair.accepted))
                    for r in results
                ]
                with self._own:
                    self._own.executemany("INSERT INTO sfm_pairs VALUES (?,?,?,?,?,?,?,?,?)", rows)
            except sqlite3.OperationalError as error:
                raise _full_or(error, self.path) from error

    def keep_only(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Drop every pair that is not among `pairs`."""
        keep = set(pairs)
        drop = [pair for pair in self.pairs() if pair not in keep]
        self._forget(drop)
        with pycolmap.DatabaseTransaction(self._colmap):
            for name1, name2 in drop:
                self._delete(self._ids[name1], self._ids[name2])

    def options(self) -> dict[str, Any]:
        """Return the options that pairs were last made with; empty at first."""
        row = self._own.execute("SELECT options FROM sfm_options").fetchone()
        return dict(json.loads(row[0])) if row else {}

    def set_options(self, options: Mapping[str, Any]) -> None:
        """Record the options that pairs are made with, to tell what changed another time."""
        with self._own:
            self._own.execute("DELETE FROM sfm_options")
            self._own.execute("INSERT INTO sfm_options VALUES (?)", (json.dumps(dict(options)),))

    def verified_points(self, name1: str, name2: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the verified matches of an accepted pair as (K, 2) and (K, 2) pixels."""
        id1, id2 = self._ids[name1], self._ids[name2]
        inliers = self._colmap.read_two_view_geometry(id1, id2).inlier_matches
        xy1, xy2 = (xy_from_colmap(self._colmap.read_keypoints(i)[:, :2]) for i in (id1, id2))
        return xy1[inliers[:, 0]], xy2[inliers[:, 1]]

    def cameras(self) -> dict[int, Camera]:
        """Return the cameras held."""
        return {c.camera_id: camera_from_colmap(c) for c in self._colmap.read_all_cameras()}

    def _cameras_changed(self, cameras: Mapping[int, Camera]) -> bool:
        for camera_id, held in self.cameras().items():
            camera = cameras.get(camera_id)
            if camera is None or (held.model, held.width, held.height) != (
                camera.model,
                camera.width,
                camera.height,
            ):
                return True
            if held.focal_is_known != camera.focal_is_known or not np.allclose(held.params, camera.params):
                return True
        return False

    def _start_over(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._colmap, self._own = _open(self.path)
        self._ids = {}

    def _write_camera(self, camera_id: int, camera: Camera) -> None:
        self._colmap.write_camera(camera_to_colmap(camera, camera_id), use_camera_id=True)
        rig = pycolmap.Rig(rig_id=camera_id)
        rig.add_ref_sensor(pycolmap.sensor_t(pycolmap.SensorType.CAMERA, camera_id))
        self._colmap.write_rig(rig, use_rig_id=True)

    def _write_image(self, entry: ImageEntry, xy: NDArray[np.float32]) -> None:
        with writing(self.path):
            with pycolmap.DatabaseTransaction(self._colmap):
                image_id = self._colmap.write_image(
                    pycolmap.Image(name=entry.name, camera_id=entry.camera_id)
                )
                frame = pycolmap.Frame(frame_id=image_id, rig_id=entry.camera_id)
                sensor = pycolmap.sensor_t(pycolmap.SensorType.CAMERA, entry.camera_id)
                frame.add_data_id(pycolmap.data_t(sensor, image_id))
                self._colmap.write_frame(frame, use_frame_id=True)
                self._colmap.write_keypoints(image_id, xy_to_colmap(xy).astype(np.float32))
            try:
                with self._own:
                    self._own.execute("INSERT INTO sfm_images VALUES (?, ?)", (entry.name, entry.digest))
            except sqlite3.OperationalError as error:
                raise _full_or(error, self.path) from error
        self._ids[entry.name] = image_id

    def _write_pair(self, result: PairResult) -> None:
        id1, id2 = self._ids[result.pair.name1], self._ids[result.pair.name2]
        self._delete(id1, id2)
        self._colmap.write_matches(id1, id2, result.matches.astype(np.uint32))
        if result.pair.accepted:
            self._colmap.write_two_view_geometry(
                id1, id2, to_colmap_two_view(result.geometry, result.matches)
            )

    def _delete(self, id1: int, id2: int) -> None:
        if self._colmap.exists_matches(id1, id2):
            self._colmap.delete_matches(id1, id2)
        if self._colmap.exists_two_view_geometry(id1, id2):
            self._colmap.delete_two_view_geometry(id1, id2)

    def _forget(self, pairs: Sequence[tuple[str, str]]) -> None:
        with self._own:
            self._own.executemany("DELETE FROM sfm_pairs WHERE name1 = ? AND name2 = ?", pairs)


def _open(path: Path) -> tuple[pycolmap.Database, sqlite3.Connection]:
    """Open both connections; a file that is no database any more is replaced, for all of it can be made again."""
    for attempt in (1, 2):
        try:
            colmap = pycolmap.Database.open(path)
            own = sqlite3.connect(path, timeout=30)
            own.executescript(_SCHEMA)
            return colmap, own
        except (sqlite3.DatabaseError, RuntimeError, ValueError) as error:
            if attempt == 2:
                raise _full_or(error, path) from error
            with suppress(OSError):
                path.unlink()
    raise AssertionError("unreachable")


def _full_or(error: Exception, path: Path) -> Exception:
    if "full" in str(error):
        return WorkError(
            f"The disk is full: could not write {path}. Free some space and run the same command again; "
            "finished work is kept."
        )
    return WorkError(f"The database {path} cannot be written: {error}. Delete it and run again.")


def image_digest(keypoints_digest: str, camera: Camera) -> str:
    """Return what an image's rows in the database depend on."""
    return json.dumps([keypoints_digest, _as_json(camera)])


def _as_json(camera: Camera) -> list[Any]:
    return [camera.model, camera.width, camera.height, list(camera.params), camera.focal_is_known]

"""COLMAP's database as this project fills it: cameras, images, keypoints, and verified pairs one by one.

Beside COLMAP's own tables it keeps three of this project's, which COLMAP passes over: the recipe each image and
each pair was made by, and the options. Rows of both kinds are written in one transaction, so that a run killed
at any point goes on from the pairs it holds, and a pair made with other options is never mistaken for a valid
one. COLMAP makes its tables; their rows are written here in SQL, because pycolmap writes on a connection of its
own and ends the whole process where a transaction cannot be committed to a full disk.
"""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import SfmError, WorkError
from sfm.files import failed_write, writing
from sfm.geometry.camera import Camera
from sfm.geometry.two_view import TwoViewGeometry
from sfm.mapping.colmap import pycolmap
from sfm.mapping.colmap_io import camera_to_colmap, xy_from_colmap, xy_to_colmap
from sfm.mapping.colmap_verifier import to_colmap_two_view
from sfm.mapping.database_check import damage_of, is_cut
from sfm.workspace import digest_of

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
_CAMERA_SENSOR = pycolmap.SensorType.CAMERA.value
_PATIENCE_S = 30.0
_FULL_BYTES = 2**20


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
    """COLMAP's database of one run. Use as a context manager; one writer at a time.

    Within the context, what SQLite refuses becomes a `WorkError` that says what to do. A file that is no whole
    database any more is replaced, for all of it can be made again.

    Attributes
    ----------
    damage
        What was wrong with the file that has been replaced, in a few words; empty if nothing was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._ids: dict[str, int] = {}
        self._open()

    def __enter__(self) -> MapDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, sqlite3.Error):
            raise _refusal(error, self.path) from error

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def prepare(
        self,
        entries: Sequence[ImageEntry],
        cameras: Mapping[int, Camera],
        keypoints: Mapping[str, NDArray[np.float32]],
    ) -> bool:
        """Make the database hold exactly these images, keypoints and cameras.

        Images that are not wanted any more go, and their pairs with them. If one that is wanted changed, or the file is
        damaged, everything is dropped, for pairs refer to keypoints by index. `keypoints` gives (N, 2) positions by
        name, asked only for what is not held yet.

        Returns whether what was held of the wanted images could be kept.
        """
        self._replace_if_damaged()
        wanted = {entry.name: entry.digest for entry in entries}
        held = dict(self._rows.execute("SELECT name, digest FROM sfm_images"))
        kept = held.keys() & wanted.keys()
        reusable = held.keys() == self._ids.keys() and all(held[name] == wanted[name] for name in kept)
        if not reusable:
            self._start_over()
            held = {}
        reusable = reusable and not self.damage
        with self._rows:
            for name in held.keys() - wanted.keys():
                self._forget_image(name)
            self._forget_unused_cameras()
        missing = [entry for entry in entries if entry.name not in held]
        known_cameras = {camera_id for (camera_id,) in self._rows.execute("SELECT camera_id FROM cameras")}
        with self._rows:
            for camera_id in sorted({entry.camera_id for entry in missing} - known_cameras):
                self._write_camera(camera_id, cameras[camera_id])
            for entry in missing:
                self._write_image(entry, keypoints[entry.name])
        self._ids = self._read_ids()
        return reusable

    def pairs(self) -> dict[tuple[str, str], VerifiedPair]:
        """Return the pairs held, by their names in order."""
        rows = self._rows.execute(
            "SELECT name1, name2, matches, inliers, kind, log10_nfa, forward, accepted FROM sfm_pairs"
        )
        return {(row[0], row[1]): _verified_pair(row) for row in rows}

    def pair_digests(self) -> dict[tuple[str, str], str]:
        """Return the recipe's digest of every pair held."""
        rows = self._rows.execute("SELECT name1, name2, digest FROM sfm_pairs")
        return {(name1, name2): digest for name1, name2, digest in rows}

    def write_pairs(self, results: Iterable[PairResult]) -> None:
        """Write pairs in one transaction; a pair held before is replaced."""
        with self._rows:
            for result in results:
                self._delete(result.pair.name1, result.pair.name2)
                self._write_pair(result)

    def keep_only(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Drop every pair that is not among `pairs`."""
        keep = set(pairs)
        with self._rows:
            for pair in self.pair_digests():
                if pair not in keep:
                    self._delete(*pair)

    def options(self) -> dict[str, Any]:
        """Return the options that pairs were last made with; empty at first."""
        row = self._rows.execute("SELECT options FROM sfm_options").fetchone()
        return dict(json.loads(row[0])) if row else {}

    def set_options(self, options: Mapping[str, Any]) -> None:
        """Record the options that pairs are made with, to tell what changed another time."""
        with self._rows:
            self._rows.execute("DELETE FROM sfm_options")
            self._rows.execute("INSERT INTO sfm_options VALUES (?)", (json.dumps(dict(options)),))

    def verified_points(self, name1: str, name2: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the verified matches of an accepted pair as (K, 2) and (K, 2) pixels."""
        id1, id2 = self._ids[name1], self._ids[name2]
        (inliers,) = self._rows.execute(
            "SELECT data FROM two_view_geometries WHERE pair_id = ?", (_pair_id(id1, id2),)
        ).fetchone()
        index = np.frombuffer(inliers or b"", "<u4").reshape(-1, 2)
        if id1 > id2:
            index = index[:, ::-1]
        return self._positions(id1)[index[:, 0]], self._positions(id2)[index[:, 1]]

    def copy_without(self, pairs: Iterable[tuple[str, str]], path: Path) -> None:
        """Write a copy to `path` in which these pairs are not verified, for a mapper that is not to see them."""
        numbers = [(_pair_id(self._ids[name1], self._ids[name2]),) for name1, name2 in pairs]
        with fresh_copy(self._rows, path) as copy:
            copy.executemany("DELETE FROM two_view_geometries WHERE pair_id = ?", numbers)

    def _positions(self, image_id: int) -> NDArray[np.float64]:
        columns, data = self._rows.execute(
            "SELECT cols, data FROM keypoints WHERE image_id = ?", (image_id,)
        ).fetchone()
        return xy_from_colmap(np.frombuffer(data or b"", "<f4").reshape(-1, columns)[:, :2])

    def _replace_if_damaged(self) -> None:
        """Look through the whole file: what is missing at its end, SQLite finds only when it gets there."""
        if damage := damage_of(self._rows):
            self.damage = damage
            self._start_over()

    def _open(self) -> None:
        if is_cut(self.path):
            self.damage = "its end is missing"
            _unlink(self.path)
        try:
            self._rows = _connect(self.path)
            self._ids = self._read_ids()
        except sqlite3.OperationalError as error:  # full, locked, read-only: the file itself may be fine
            raise _refusal(error, self.path) from error
        except sqlite3.DatabaseError as error:
            self.damage = self.damage or str(error)
            _unlink(self.path)
            try:
                self._rows = _connect(self.path)
            except sqlite3.Error:
                raise _refusal(error, self.path) from error
            self._ids = {}

    def _read_ids(self) -> dict[str, int]:
        return dict(self._rows.execute("SELECT name, image_id FROM images"))

    def _start_over(self) -> None:
        self.close()
        _unlink(self.path)
        self._open()

    def _write_camera(self, camera_id: int, camera: Camera) -> None:
        colmap = camera_to_colmap(camera, camera_id)
        self._insert(
            "cameras",
            camera_id=camera_id,
            model=colmap.model.value,
            width=camera.width,
            height=camera.height,
            params=_blob(colmap.params, "<f8"),
            prior_focal_length=int(camera.focal_is_known),
        )
        # A rig of one camera, whose id is the camera's.
        self._insert("rigs", rig_id=camera_id, ref_sensor_id=camera_id, ref_sensor_type=_CAMERA_SENSOR)

    def _write_image(self, entry: ImageEntry, xy: NDArray[np.float32]) -> None:
        image_id = self._insert("images", name=entry.name, camera_id=entry.camera_id)
        self._insert("frames", frame_id=image_id, rig_id=entry.camera_id)
        self._insert(
            "frame_data",
            frame_id=image_id,
            data_id=image_id,
            sensor_id=entry.camera_id,
            sensor_type=_CAMERA_SENSOR,
        )
        positions = _blob(xy_to_colmap(xy), "<f4")
        self._insert("keypoints", image_id=image_id, rows=len(xy), cols=2, data=positions)
        self._insert("sfm_images", name=entry.name, digest=entry.digest)

    def _forget_image(self, name: str) -> None:
        pairs = self._rows.execute("SELECT name1, name2 FROM sfm_pairs WHERE ? IN (name1, name2)", (name,))
        for pair in pairs.fetchall():
            self._delete(*pair)
        self._rows.execute("DELETE FROM sfm_images WHERE name = ?", (name,))
        for table, column in (
            ("keypoints", "image_id"),
            ("frame_data", "frame_id"),
            ("frames", "frame_id"),
            ("images", "image_id"),
        ):
            self._rows.execute(f"DELETE FROM {table} WHERE {column} = ?", (self._ids[name],))

    def _forget_unused_cameras(self) -> None:
        used = "SELECT camera_id FROM images"
        self._rows.execute(f"DELETE FROM rigs WHERE rig_id NOT IN ({used})")
        self._rows.execute(f"DELETE FROM cameras WHERE camera_id NOT IN ({used})")

    def _write_pair(self, result: PairResult) -> None:
        pair = result.pair
        id1, id2 = self._ids[pair.name1], self._ids[pair.name2]
        matches = result.matches if id1 < id2 else result.matches[:, ::-1]
        pair_id = _pair_id(id1, id2)
        self._insert("matches", pair_id=pair_id, rows=len(matches), cols=2, data=_blob(matches, "<u4"))
        if pair.accepted:
            geometry = to_colmap_two_view(result.geometry, result.matches)
            if id1 > id2:
                geometry.invert()
            self._write_two_view(pair_id, geometry)
        self._insert("sfm_pairs", digest=result.digest, **asdict(pair))

    def _write_two_view(self, pair_id: int, geometry: pycolmap.TwoViewGeometry) -> None:
        inliers = geometry.inlier_matches
        matrices = {"F": geometry.F, "E": geometry.E, "H": geometry.H}
        values = {name: _blob(matrix, "<f8") for name, matrix in matrices.items() if matrix is not None}
        if (pose := geometry.cam2_from_cam1) is not None:
            x, y, z, w = pose.rotation.quat
            values |= {"qvec": _blob([w, x, y, z], "<f8"), "tvec": _blob(pose.translation, "<f8")}
        self._insert(
            "two_view_geometries",
            pair_id=pair_id,
            rows=len(inliers),
            cols=2,
            data=_blob(inliers, "<u4"),
            config=int(geometry.config),
            **values,
        )

    def _insert(self, table: str, **values: Any) -> int:
        """Insert a row, and return its number."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        query = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
        return int(self._rows.execute(query, tuple(values.values())).lastrowid or 0)

    def _delete(self, name1: str, name2: str) -> None:
        pair_id = _pair_id(self._ids[name1], self._ids[name2])
        for table in ("matches", "two_view_geometries"):
            self._rows.execute(f"DELETE FROM {table} WHERE pair_id = ?", (pair_id,))
        # Two statements: SQLite finds no index for a list of pairs of names, and would read the whole table.
        self._rows.executemany(
            "DELETE FROM sfm_pairs WHERE name1 = ? AND name2 = ?", [(name1, name2), (name2, name1)]
        )


def _verified_pair(row: tuple[Any, ...]) -> VerifiedPair:
    name1, name2, matches, inliers, kind, log10_nfa, forward, accepted = row
    return VerifiedPair(name1, name2, matches, inliers, kind, log10_nfa, forward, bool(accepted))


def _connect(path: Path) -> sqlite3.Connection:
    """Open the file, with COLMAP's tables and this project's; made where there is none."""
    connection = sqlite3.connect(path, timeout=_PATIENCE_S)
    try:
        connection.execute("PRAGMA schema_version")  # a file that is no database says so here, and only here
        try:
            pycolmap.Database.open(path).close()
        except RuntimeError as error:  # COLMAP does not say why
            if damage := damage_of(connection):
                raise sqlite3.DatabaseError(damage) from error
            raise sqlite3.OperationalError("COLMAP cannot open it") from error
        connection.executescript(_SCHEMA)
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def fresh_copy(rows: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Copy a database to `path`, and yield a connection whose changes to the copy are one transaction.

    Whatever a run that was killed left there is replaced.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    _unlink(path)
    with closing(sqlite3.connect(path)) as copy:
        rows.backup(copy)
        with copy:
            yield copy


def _unlink(path: Path) -> None:
    with writing(path):
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _refusal(error: sqlite3.Error, path: Path) -> SfmError:
    # COLMAP does not say that the disk is full, and SQLite calls a broken disk an I/O error.
    if "full" in str(error) or shutil.disk_usage(path.parent).free < _FULL_BYTES:
        return WorkError(str(failed_write(errno.ENOSPC, path)))
    if "disk I/O error" in str(error):
        return WorkError(str(failed_write(errno.EIO, path)))
    if "locked" in str(error):
        return WorkError(f"Another program is writing to {path}: close it and run the same command again.")
    return WorkError(f"The database {path} cannot be used: {error}. Delete it and run again.")


def _pair_id(id1: int, id2: int) -> int:
    return int(pycolmap.image_pair_to_pair_id(id1, id2))


def _blob(values: Any, dtype: str) -> bytes:
    return np.ascontiguousarray(values, dtype).tobytes()


def image_digest(keypoints_digest: str, camera_id: int, camera: Camera) -> str:
    """Return what an image's rows in the database depend on."""
    return digest_of([keypoints_digest, camera_id, asdict(camera)])

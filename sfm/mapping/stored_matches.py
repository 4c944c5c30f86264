"""Reading the matches and keypoints of a COLMAP database without opening it for writing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.mapping.colmap_io import xy_from_colmap
from sfm.mapping.database_check import is_cut

# COLMAP packs the two image ids of a pair, the smaller one first, into one number.
_MAX_IMAGES = 2**31 - 1


class StoredMatches(Mapping[tuple[str, str], NDArray[np.uint32]]):
    """The matches of a COLMAP database by pair of image names, read when asked for.

    Values are (M, 2) uint32 indices into the keypoints of the first and the second image; pairs without
    matches are left out. Raises `InputError` if the file is no COLMAP database.

    Parameters
    ----------
    database
        Path of the database file.
    verified
        Whether to read those that agree with the pair's two-view geometry instead of the putative ones.
    """

    def __init__(self, database: Path, *, verified: bool = False) -> None:
        self._database = database
        self._table = "two_view_geometries" if verified else "matches"
        names = dict(self._rows("SELECT image_id, name FROM images"))
        self._pair_ids = {
            (names[pair_id // _MAX_IMAGES], names[pair_id % _MAX_IMAGES]): pair_id
            for (pair_id,) in self._rows(f"SELECT pair_id FROM {self._table} WHERE rows > 0 ORDER BY pair_id")
        }

    def __getitem__(self, pair: tuple[str, str]) -> NDArray[np.uint32]:
        rows = self._rows(f"SELECT data FROM {self._table} WHERE pair_id = ?", self._pair_ids[pair])
        return np.frombuffer(rows[0][0], "<u4").reshape(-1, 2).astype(np.uint32)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pair_ids)

    def __len__(self) -> int:
        return len(self._pair_ids)

    def _rows(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        return _rows(self._database, query, *values)


def stored_keypoints(
    database: Path, which: Mapping[str, int] | None = None
) -> dict[str, tuple[int, NDArray[np.float64]]]:
    """Return of each image in a COLMAP database, by name, the number of its keypoints and the pixel of one of them.

    Parameters
    ----------
    database
        Path of the database file.
    which
        Index of that keypoint by name; the first one where it names none.

    Returns
    -------
    Pixels are (1, 2), or (0, 2) where there is no such keypoint.

    Raises
    ------
    InputError
        If the file is no COLMAP database.
    """
    query = (
        "SELECT name, rows, substr(data, 1 + 4 * cols * coalesce(value, 0), 8) FROM images "
        "JOIN keypoints USING (image_id) LEFT JOIN json_each(?) ON key = name"
    )
    return {
        name: (number, xy_from_colmap(np.frombuffer(pixel or b"", "<f4").reshape(-1, 2)))
        for name, number, pixel in _rows(database, query, json.dumps(dict(which or {})))
    }


def _rows(database: Path, query: str, *values: int | str) -> list[tuple[Any, ...]]:
    if is_cut(database):
        raise InputError(
            f"{database} is damaged: its end is missing. Run `sfm reconstruct` into its folder again."
        )
    try:
        try:
            return _ask(database, "mode=ro", query, values)
        except sqlite3.OperationalError:
            # On read-only media SQLite cannot make the files beside it that readers share; nobody writes there either.
            return _ask(database, "mode=ro&immutable=1", query, values)
    except sqlite3.Error as error:
        raise InputError(f"{database} is not a readable COLMAP database ({error}).") from error


def _ask(database: Path, how: str, query: str, values: tuple[int | str, ...]) -> list[tuple[Any, ...]]:
    # `mode=ro` neither makes a missing file nor waits for one who writes.
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?{how}", uri=True)) as connection:
        return connection.execute(query, values).fetchall()

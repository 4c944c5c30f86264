"""Reading camera positions from a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sfm.errors import InputError
from sfm.files import read_text
from sfm.plain_numbers import plain_float

_NAMES = ("name", "image", "filename", "file")
_METRES = (("x", "y", "z"), ("easting", "northing", "up"), ("easting", "northing", "height"))
_LATITUDES, _LONGITUDES = ("latitude", "lat", "latitude_deg"), ("longitude", "lon", "lng", "longitude_deg")
_ALTITUDES = ("altitude", "alt", "height", "altitude_m")
_EXPECTED = (
    "its first line names the columns: name,x,y,z in metres (z up), or name,latitude,longitude[,altitude]"
)


@dataclass(frozen=True)
class Positions:
    """Camera positions by image name.

    Attributes
    ----------
    values
        x, y, z in metres; or latitude and longitude in degrees and altitude in metres, NaN where not given.
    geodetic
        Which of both.
    """

    values: dict[str, tuple[float, float, float]]
    geodetic: bool


def read_positions(path: Path, image_names: Collection[str] = ()) -> Positions:
    """Read a CSV file of camera positions.

    A row that begins with `#` is a comment, unless it names one of `image_names`.

    Raises
    ------
    InputError
        If the file cannot be read, lacks the columns, names an image twice or holds no number where one should be.
    """
    lines = list(csv.reader(read_text(path, "the positions").splitlines()))
    if not lines:
        raise InputError(f"{path} is empty: {_EXPECTED}.")
    header = [word.strip().lower() for word in lines[0]]
    columns, geodetic = _columns(header, path)
    values: dict[str, tuple[float, float, float]] = {}
    for number, row in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in row) or _is_comment(row, columns[0], image_names):
            continue
        try:
            name = row[columns[0]].strip()
            a, b, c = (
                math.nan if i is None or not row[i].strip() else plain_float(row[i]) for i in columns[1:]
            )
        except (IndexError, ValueError) as error:
            raise InputError(f"{path}, line {number}: a number is missing; {_EXPECTED}.") from error
        wrong = not (abs(a) <= 90 and abs(b) <= 180) if geodetic else not math.isfinite(a + b + c)
        if wrong or math.isinf(c):
            raise InputError(f"{path}, line {number}: these numbers are no position; {_EXPECTED}.")
        if name in values:
            raise InputError(f"{path}, line {number}: a second position of {name}: keep one.")
        values[name] = (a, b, c)
    if not values:
        raise InputError(f"{path} holds no position: {_EXPECTED}.")
    return Positions(values, geodetic)


def _is_comment(row: list[str], name_column: int, image_names: Collection[str]) -> bool:
    if not row[0].lstrip().startswith("#"):
        return False
    return len(row) <= name_column or row[name_column].strip() not in image_names


def _columns(header: list[str], path: Path) -> tuple[tuple[int, int, int, int | None], bool]:
    """Return the columns of the name and of three numbers (the last may be missing), and whether they are geodetic."""

    def find(names: tuple[str, ...]) -> int | None:
        return next((header.index(name) for name in names if name in header), None)

    name = find(_NAMES)
    for axes in _METRES:
        if name is not None and all(axis in header for axis in axes):
            x, y, z = (header.index(axis) for axis in axes)
            return (name, x, y, z), False
    latitude, longitude = find(_LATITUDES), find(_LONGITUDES)
    if name is None or latitude is None or longitude is None:
        raise InputError(f"{path} has the columns {', '.join(header)}; {_EXPECTED}.")
    return (name, latitude, longitude, find(_ALTITUDES)), True

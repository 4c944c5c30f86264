"""GeoJSON (RFC 7946): the camera path and the cameras on the Earth, for QGIS, geojson.io and web maps."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sfm.errors import InputError
from sfm.export.context import ExportContext, Exporter
from sfm.files import write_json
from sfm.mapping.camera_shapes import names_by_folder
from sfm.mapping.frame import Place, place_of
from sfm.mapping.sparse_map import SparseMap

# A ten-millionth of a degree is a centimetre.
_DEGREE_DIGITS = 8
_METRE_DIGITS = 3


class GeojsonExporter(Exporter):
    """Writes `path.geojson`: a line for each folder's path, and a point for each camera.

    A path across the date line is cut there, as the standard has it. A point's properties are the image's `name`,
    `heading` (degrees clockwise from north), `pitch` (degrees above the horizon) and `time` (ISO 8601, by the
    camera's clock), as far as they are known. The line is in the order of
    capture times if every image of it has one, else of names.
    """

    description = "GeoJSON: camera path in latitude and longitude, after `sfm align --to gps`"
    files = ("path.geojson",)

    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write `path.geojson` into `folder`."""
        frame = context.frame
        if frame is None or frame.origin is None:
            raise InputError(
                "GeoJSON takes latitude and longitude, which this map does not have: run `sfm align MAP` first."
            )
        places = {name: place_of(frame, pose) for name, pose in sparse_map.poses.items()}
        known = {name: place for name, place in places.items() if place is not None}
        points = [_camera(name, place, context.timestamps_s.get(name)) for name, place in known.items()]
        path = folder / "path.geojson"
        write_json(path, {"type": "FeatureCollection", "features": [*_paths(known, context), *points]})
        return [path]


def _paths(places: dict[str, Place], context: ExportContext) -> list[dict[str, Any]]:
    lines = []
    for folder, names in names_by_folder(places).items():
        times = context.timestamps_s
        if all(name in times for name in names):
            names = sorted(names, key=lambda name: (times[name], name))
        if len(names) > 1:
            geometry = _line([_position(places[name]) for name in names])
            lines.append({"type": "Feature", "geometry": geometry, "properties": {"folder": folder}})
    return lines


def _line(positions: list[list[float]]) -> dict[str, Any]:
    """Return a path as a line, or as lines that end at the date line where it crosses it (RFC 7946, 3.1.9)."""
    parts = [[positions[0]]]
    for before, after in itertools.pairwise(positions):
        if abs(after[0] - before[0]) > 180:
            side = math.copysign(180.0, before[0])
            on_line = _on_date_line(before, after, side)
            parts[-1].append(on_line)
            parts.append([[-side, *on_line[1:]]])
        parts[-1].append(after)
    if len(parts) == 1:
        return {"type": "LineString", "coordinates": parts[0]}
    return {"type": "MultiLineString", "coordinates": parts}


def _on_date_line(before: list[float], after: list[float], side: float) -> list[float]:
    """Return where the way between two positions meets longitude `side`, 180 or -180."""
    there, back = abs(side - before[0]), abs(-side - after[0])
    share = there / (there + back) if there + back else 0.0
    digits = (_DEGREE_DIGITS, _METRE_DIGITS)
    rest = zip(before[1:], after[1:], digits, strict=False)
    return [side, *(round(a + share * (b - a), d) for a, b, d in rest)]


def _camera(name: str, place: Place, time_s: float | None) -> dict[str, Any]:
    properties: dict[str, Any] = {"name": name}
    if place.heading_deg is not None:
        properties["heading"] = round(place.heading_deg, 2)
    if place.pitch_deg is not None:
        properties["pitch"] = round(place.pitch_deg, 2)
    if time_s is not None and math.isfinite(time_s):
        properties["time"] = datetime.fromtimestamp(time_s, UTC).replace(tzinfo=None).isoformat()
    geometry = {"type": "Point", "coordinates": _position(place)}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _position(place: Place) -> list[float]:
    """Return longitude, latitude and, if it is known, altitude, in the order of RFC 7946."""
    degrees = [round(place.longitude_deg, _DEGREE_DIGITS), round(place.latitude_deg, _DEGREE_DIGITS)]
    return degrees if place.altitude_m is None else [*degrees, round(place.altitude_m, _METRE_DIGITS)]

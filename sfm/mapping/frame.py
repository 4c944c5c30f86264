"""In which frame of the world a map's coordinates are, once it has been aligned with something.

Kept in a file within the model's folder, so that it goes when the map is made anew.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sfm.errors import InputError
from sfm.files import write_json
from sfm.geometry.geodesy import enu_to_geodetic
from sfm.geometry.pose import Pose
from sfm.mapping.model_files import FRAME_NAME

# A camera that looks steeper than this up or down looks in no direction of the compass.
_STEEPEST_DEG = 80.0


@dataclass(frozen=True)
class MapFrame:
    """The frame of an aligned map.

    Attributes
    ----------
    aligned_to
        "gps", "csv", "model" or "gravity".
    unit
        "m", or "" where the scale is the map's own.
    origin
        Latitude and longitude in degrees and altitude in metres (NaN if no position had one) of the point (0, 0, 0),
        whose axes point east, north and up; None for a frame of other axes.
    z_up
        Whether the z axis points up.
    orientation_known
        Whether the alignment fixes which way the map is turned. Positions on one line leave open how it is
        turned about that line.
    note
        What is to be said of the alignment, in a sentence; empty if nothing.
    """

    aligned_to: str
    unit: str = ""
    origin: tuple[float, float, float] | None = None
    z_up: bool = False
    orientation_known: bool = True
    note: str = ""


@dataclass(frozen=True)
class Place:
    """Where on Earth a camera stands and which way it looks.

    Attributes
    ----------
    latitude_deg, longitude_deg, altitude_m
        WGS84; the altitude in whatever the positions of the alignment counted it from, None where they had none.
    heading_deg
        Direction of the line of sight, clockwise from true north, 0 to 360; None where it is not known, or the camera
        looks up or down.
    pitch_deg
        How far the line of sight points above the horizon; None where it is not known.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float | None
    heading_deg: float | None
    pitch_deg: float | None


def place_of(frame: MapFrame, cam_from_world: Pose) -> Place | None:
    """Return where on Earth a camera of the map is; None for a map that is not aligned with the Earth."""
    if frame.origin is None:
        return None
    altitude_known = math.isfinite(frame.origin[2])
    # Where the altitude is not known, that of the sea is near enough for latitude and longitude.
    latitude, longitude, altitude = enu_to_geodetic(cam_from_world.center, np.nan_to_num(frame.origin))
    east, north, up = cam_from_world.rotation[2]
    pitch = float(np.degrees(np.arctan2(up, np.hypot(east, north))))
    heading = float(np.degrees(np.arctan2(east, north)) % 360)
    known = frame.orientation_known
    return Place(
        float(latitude),
        float(longitude),
        float(altitude) if altitude_known else None,
        heading if known and abs(pitch) < _STEEPEST_DEG else None,
        pitch if known else None,
    )


def read_frame(model: Path) -> MapFrame | None:
    """Read the frame of the map in a model's folder; None if it has not been aligned. `InputError` if damaged."""
    path = model / FRAME_NAME
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))["frame"]
        origin = values.pop("origin")
        if origin is not None:
            latitude, longitude, altitude = origin
            origin = latitude, longitude, math.nan if altitude is None else altitude
        return MapFrame(**values, origin=origin)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} is damaged ({error}): align the map again.") from error


def write_frame(model: Path, frame: MapFrame, residuals: dict[str, object]) -> None:
    """Write the frame of the map in a model's folder, and what the alignment left, for people to read."""
    write_json(model / FRAME_NAME, {"frame": asdict(frame), "residuals": residuals})

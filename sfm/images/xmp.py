"""Read the position that a drone wrote into a photograph's XMP, with its accuracy.

EXIF of drones is often cut to a few decimals, where XMP keeps what the receiver measured. DJI and Autel (which
writes DJI's names under `drone:`) give positions and, with RTK, standard deviations; Skydio positions; Parrot and
others the accuracy of the EXIF position under Pix4D's `Camera:`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from sfm.plain_numbers import plain_float

_PREFIXES = "drone-dji|drone-skydio|drone-parrot|drone-autel|drone|Camera"
# XMP writes simple values as attributes or as elements.
_ATTRIBUTE = re.compile(rf"""\b(?:{_PREFIXES}):(\w+)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")
_ELEMENT = re.compile(rf"<(?:{_PREFIXES}):(\w+)\s*>([^<]*)</")
# DJI's first drones misspelt the longitude.
_LATITUDES, _LONGITUDES = ("GpsLatitude", "Latitude"), ("GpsLongitude", "GpsLongtitude", "Longitude")
_ALTITUDES = ("AbsoluteAltitude",)
_ACCURACIES = (("RtkStdLat", "GPSXYAccuracy"), ("RtkStdLon", "GPSXYAccuracy"), ("RtkStdHgt", "GPSZAccuracy"))
_LONGEST = 2**20


@dataclass(frozen=True)
class DronePosition:
    """What XMP says of a position; None where it says nothing plausible.

    Attributes
    ----------
    latitude_deg, longitude_deg
        WGS84 position, north and east positive; both or neither.
    altitude_m
        Height in metres, from the ellipsoid with RTK, else from the sea.
    accuracy_m
        Standard deviations north, east and up, or None.
    """

    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    accuracy_m: tuple[float, float, float] | None = None


def read_drone_position(image: Image.Image) -> DronePosition:
    """Read the position from the XMP of an opened image; damaged XMP counts as none."""
    packet = image.info.get("xmp", b"")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes):
        return DronePosition()
    return parse_drone_position(packet[:_LONGEST].decode("utf-8", "replace"))


def parse_drone_position(packet: str) -> DronePosition:
    """Read the position from an XMP packet."""
    values = {m[1]: m[2] or m[3] or "" for m in _ATTRIBUTE.finditer(packet)}
    values |= {m[1]: m[2] for m in _ELEMENT.finditer(packet)}
    latitude, longitude = _first(values, _LATITUDES), _first(values, _LONGITUDES)
    accuracy = _accuracy(values)
    if latitude is None or longitude is None or not _on_earth(latitude, longitude):
        return DronePosition(accuracy_m=accuracy)
    return DronePosition(latitude, longitude, _first(values, _ALTITUDES), accuracy)


def _first(values: Mapping[str, str], names: tuple[str, ...]) -> float | None:
    return next((number for name in names if (number := _number(values.get(name, ""))) is not None), None)


def _number(text: str) -> float | None:
    numerator, _, denominator = text.partition("/")
    try:
        number = plain_float(numerator) / (plain_float(denominator) if denominator else 1.0)
    except (ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _on_earth(latitude: float, longitude: float) -> bool:
    # A drone without a fix writes zeros.
    return abs(latitude) <= 90 and abs(longitude) <= 180 and not (latitude == 0 and longitude == 0)


def _accuracy(values: Mapping[str, str]) -> tuple[float, float, float] | None:
    north, east, up = (_first(values, names) for names in _ACCURACIES)
    if north is None or east is None or up is None or min(north, east, up) <= 0:
        return None
    return north, east, up

"""What a camera wrote about a photograph: lens, orientation, place and time (Exif 2.32, CIPA DC-008)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image

_FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)
_PLAUSIBLE_FOCAL_PER_SIDE = (0.1, 50.0)  # focal length over longer side: from fisheye to telescope
_MM_PER_FOCAL_PLANE_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}

# Tag numbers, by the directory that holds them.
_MAKE, _MODEL, _ORIENTATION, _DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0132
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_FOCAL, _FOCAL_35MM, _LENS_MODEL = 0x920A, 0xA405, 0xA434
_PIXELS_X, _PIXELS_Y = 0xA002, 0xA003
_PLANE_X_RESOLUTION, _PLANE_UNIT = 0xA20E, 0xA210
_DATE_TIME_ORIGINAL, _DATE_TIME_DIGITIZED = 0x9003, 0x9004
_SUBSEC, _SUBSEC_ORIGINAL, _SUBSEC_DIGITIZED = 0x9290, 0x9291, 0x9292
_GPS_LAT_REF, _GPS_LAT, _GPS_LON_REF, _GPS_LON, _GPS_ALT_REF, _GPS_ALT, _GPS_STATUS = 1, 2, 3, 4, 5, 6, 9


@dataclass(frozen=True)
class Exif:
    """The EXIF fields that mapping can use; None where the file says nothing plausible.

    Attributes
    ----------
    make, model, lens
        Names of the camera and its lens.
    focal_mm
        Focal length in millimetres.
    focal_35mm
        Focal length in millimetres of the lens with the same view on 36 x 24 mm film.
    sensor_mm
        Longer side of the sensor in millimetres, from the focal plane resolution.
    orientation
        How the stored pixels must be turned to stand upright: 1 (as they are) to 8.
    latitude_deg, longitude_deg
        WGS84 position, north and east positive.
    altitude_m
        Height above sea level in metres.
    time
        Moment of exposure by the camera's own clock, without a time zone.
    """

    make: str | None = None
    model: str | None = None
    lens: str | None = None
    focal_mm: float | None = None
    focal_35mm: float | None = None
    sensor_mm: float | None = None
    orientation: int = 1
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    time: datetime | None = None

    def focal_px(self, width: int, height: int) -> float | None:
        """Return the focal length in pixels of a width x height image; None where EXIF does not tell.

        The 35 mm equivalent comes first, taken over the diagonal as CIPA DCG-001 defines it. Without it, the
        focal length in millimetres is scaled by the sensor size from the focal plane resolution.
        """
        longer = max(width, height)
        if self.focal_35mm:
            focal = self.focal_35mm / _FULL_FRAME_DIAGONAL_MM * math.hypot(width, height)
        elif self.focal_mm and self.sensor_mm:
            focal = self.focal_mm / self.sensor_mm * longer
        else:
            return None
        least, most = _PLAUSIBLE_FOCAL_PER_SIDE
        return focal if least <= focal / longer <= most else None


def read_exif(image: Image.Image) -> Exif:
    """Read the EXIF fields of an opened image; damaged EXIF counts as none."""
    try:
        tags = image.getexif()
        photo, gps = tags.get_ifd(_EXIF_IFD), tags.get_ifd(_GPS_IFD)
    except Exception:  # Pillow raises almost anything on damaged EXIF, and the pixels may still be good
        return Exif()
    latitude, longitude = _position(gps)
    return Exif(
        make=_text(tags.get(_MAKE)),
        model=_text(tags.get(_MODEL)),
        lens=_text(photo.get(_LENS_MODEL)),
        focal_mm=_positive(photo.get(_FOCAL)),
        focal_35mm=_positive(photo.get(_FOCAL_35MM)),
        sensor_mm=_sensor_mm(photo),
        orientation=_orientation(tags.get(_ORIENTATION)),
        latitude_deg=latitude,
        longitude_deg=longitude,
        altitude_m=_altitude(gps),
        time=_time(tags, photo),
    )


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return value.split("\0")[0].strip() or None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _orientation(value: Any) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _sensor_mm(photo: Mapping[int, Any]) -> float | None:
    resolution = _positive(photo.get(_PLANE_X_RESOLUTION))
    # The resolution counts pixels of the photograph as it was taken, not of a copy made smaller since.
    pixels = max(_positive(photo.get(_PIXELS_X)) or 0, _positive(photo.get(_PIXELS_Y)) or 0)
    unit_mm = _MM_PER_FOCAL_PLANE_UNIT.get(photo.get(_PLANE_UNIT, 2))
    if not resolution or not pixels or not unit_mm:
        return None
    side = pixels / resolution * unit_mm
    return side if 1 <= side <= 100 else None


def _position(gps: Mapping[int, Any]) -> tuple[float | None, float | None]:
    latitude = _angle(gps.get(_GPS_LAT), gps.get(_GPS_LAT_REF), negative="S", limit=90)
    longitude = _angle(gps.get(_GPS_LON), gps.get(_GPS_LON_REF), negative="W", limit=180)
    no_fix = _text(gps.get(_GPS_STATUS)) == "V" or (latitude == 0 and longitude == 0)
    if no_fix or latitude is None or longitude is None:
        return None, None
    return latitude, longitude


def _angle(value: Any, reference: Any, *, negative: str, limit: float) -> float | None:
    parts = [_number(part) for part in value] if isinstance(value, tuple) else []
    if len(parts) != 3 or parts[0] is None:
        return None
    # Some writers leave minutes or seconds out as 0/0 and put fractions into degrees.
    degrees = parts[0] + (parts[1] or 0) / 60 + (parts[2] or 0) / 3600
    if (_text(reference) or "").upper() == negative:
        degrees = -degrees
    return degrees if abs(degrees) <= limit else None


def _altitude(gps: Mapping[int, Any]) -> float | None:
    altitude = _number(gps.get(_GPS_ALT))
    # Exif 3.0 counts 0 and 1 from the ellipsoid, 2 and 3 from the sea; the odd ones lie below.
    below = gps.get(_GPS_ALT_REF) in (1, 3, b"\x01", b"\x03")
    return -altitude if altitude is not None and below else altitude


def _time(tags: Mapping[int, Any], photo: Mapping[int, Any]) -> datetime | None:
    candidates = (
        (photo.get(_DATE_TIME_ORIGINAL), photo.get(_SUBSEC_ORIGINAL)),
        (photo.get(_DATE_TIME_DIGITIZED), photo.get(_SUBSEC_DIGITIZED)),
        (tags.get(_DATE_TIME), photo.get(_SUBSEC)),
    )
    for stamp, fraction in candidates:
        try:
            time = datetime.strptime((_text(stamp) or "")[:19], "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        digits = _text(fraction) or ""
        return time.replace(microsecond=int(digits[:6].ljust(6, "0"))) if digits.isdecimal() else time
    return None

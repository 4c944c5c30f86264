"""What a camera wrote about a photograph: lens, orientation, place and time (Exif 2.32, CIPA DC-008)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image

from sfm.images.xmp import read_drone_position

_FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)
_PLAUSIBLE_FOCAL_PER_SIDE = (0.1, 50.0)  # focal length over longer side: from fisheye to telescope
_SAME_SHAPE = 0.01  # of the shorter side, and a pixel of rounding
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
    pixels
        Longer and shorter side of the photograph in pixels when EXIF was written.
    orientation
        How the stored pixels must be turned to stand upright: 1 (as they are) to 8.
    latitude_deg, longitude_deg
        WGS84 position, north and east positive. A drone's own (XMP) comes before that of EXIF, which is often cut.
    altitude_m
        Height above sea level in metres, or above the ellipsoid where the receiver counts from there.
    position_accuracy_m
        Standard deviations of the position north, east and up.
    position_problem
        Why a recorded position, or its altitude, is not used: a clause without a full stop.
    time
        Moment of exposure by the camera's own clock, without a time zone.
    """

    make: str | None = None
    model: str | None = None
    lens: str | None = None
    focal_mm: float | None = None
    focal_35mm: float | None = None
    sensor_mm: float | None = None
    pixels: tuple[float, float] | None = None
    orientation: int = 1
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_m: float | None = None
    position_accuracy_m: tuple[float, float, float] | None = None
    position_problem: str | None = None
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

    def is_of_size(self, width: int, height: int) -> bool:
        """Whether a width x height image may show all that the camera took; where EXIF has no size, it may.

        A copy made smaller does, and its focal length follows from EXIF. One of another shape was cropped, and a larger
        one may have been: what EXIF says of its focal length is then a guess.
        """
        if self.pixels is None:
            return True
        longer, shorter = max(width, height), min(width, height)
        scale = longer / self.pixels[0]
        return longer <= self.pixels[0] and abs(shorter - scale * self.pixels[1]) <= _SAME_SHAPE * shorter + 1


def read_exif(image: Image.Image) -> Exif:
    """Read the EXIF fields of an opened image; damaged EXIF counts as none."""
    try:
        tags = image.getexif()
        photo, gps = tags.get_ifd(_EXIF_IFD), tags.get_ifd(_GPS_IFD)
    except Exception:  # Pillow raises almost anything on damaged EXIF, and the pixels may still be good
        return Exif()
    latitude, longitude, problem = _position(gps)
    altitude = _altitude(gps)
    drone = read_drone_position(image)
    if drone.latitude_deg is not None:
        latitude, longitude, problem = drone.latitude_deg, drone.longitude_deg, None
        altitude = altitude if drone.altitude_m is None else drone.altitude_m
    return Exif(
        make=_text(tags.get(_MAKE)),
        model=_text(tags.get(_MODEL)),
        lens=_text(photo.get(_LENS_MODEL)),
        focal_mm=_positive(photo.get(_FOCAL)),
        focal_35mm=_positive(photo.get(_FOCAL_35MM)),
        sensor_mm=_sensor_mm(photo),
        pixels=_pixels(photo),
        orientation=_orientation(tags.get(_ORIENTATION)),
        latitude_deg=latitude,
        longitude_deg=longitude,
        altitude_m=altitude,
        position_accuracy_m=drone.accuracy_m,
        position_problem=problem or _altitude_problem(gps, altitude),
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


def _pixels(photo: Mapping[int, Any]) -> tuple[float, float] | None:
    across, down = _positive(photo.get(_PIXELS_X)), _positive(photo.get(_PIXELS_Y))
    return None if across is None or down is None else (max(across, down), min(across, down))


def _position(gps: Mapping[int, Any]) -> tuple[float | None, float | None, str | None]:
    """Return latitude and longitude, or why those there are cannot be used."""
    if _GPS_LAT not in gps and _GPS_LON not in gps:
        return None, None, None
    latitude, longitude = _angle(gps.get(_GPS_LAT), limit=90), _angle(gps.get(_GPS_LON), limit=180)
    north, east = _sign(gps.get(_GPS_LAT_REF), "NS"), _sign(gps.get(_GPS_LON_REF), "EW")
    problem = None
    if latitude is None or longitude is None:
        problem = "its latitude or longitude is no number on Earth"
    elif _text(gps.get(_GPS_STATUS)) == "V":
        problem = "the receiver had no fix"
    elif latitude == 0 and longitude == 0:
        problem = "it is latitude 0, longitude 0, as without a fix"
    elif north is None or east is None:
        problem = "its hemisphere is missing (GPSLatitudeRef, GPSLongitudeRef)"
    elif latitude < 0 or longitude < 0:
        problem = "its degrees are negative beside a hemisphere"
    if problem or latitude is None or longitude is None or north is None or east is None:
        return None, None, problem
    return north * latitude, east * longitude, None


def _sign(reference: Any, letters: str) -> int | None:
    """Return 1 for the first of two letters, -1 for the second; None where the reference says neither."""
    letter = (_text(reference) or " ")[0].upper()
    return (1, -1)[letters.index(letter)] if letter in letters else None


def _altitude_problem(gps: Mapping[int, Any], altitude: float | None) -> str | None:
    return "its altitude is no number" if altitude is None and _GPS_ALT in gps else None


def _angle(value: Any, *, limit: float) -> float | None:
    parts = [_number(part) for part in value] if isinstance(value, tuple) else []
    if len(parts) != 3 or parts[0] is None:
        return None
    # Some writers leave minutes or seconds out as 0/0 and put fractions into degrees.
    degrees = parts[0] + (parts[1] or 0) / 60 + (parts[2] or 0) / 3600
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

"""Positions on the Earth: WGS84 latitude, longitude and height, and local frames of metres east, north and up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# WGS84, the ellipsoid of GPS.
_SEMI_MAJOR_M = 6378137.0
_FLATTENING = 1 / 298.257223563
_ECCENTRICITY2 = _FLATTENING * (2 - _FLATTENING)
_LATITUDE_STEPS = 5


def geodetic_to_enu(positions: Floats, origin: Floats) -> Floats:
    """Convert WGS84 positions to metres east, north and up in the tangent plane at `origin`.

    Parameters
    ----------
    positions : (N, 3)
        Latitude and longitude in degrees, ellipsoidal height in metres.
    origin : (3,)
        The same of the point of tangency.

    Returns
    -------
    (N, 3) float64
    """
    return (_ecef(positions) - _ecef(origin)) @ _enu_from_ecef(origin).T


def enu_to_geodetic(enu: Floats, origin: Floats) -> Floats:
    """Convert metres east, north and up in the tangent plane at `origin` to WGS84 positions: the inverse.

    Parameters
    ----------
    enu : (N, 3)
        Metres.
    origin : (3,)
        Latitude and longitude in degrees and ellipsoidal height in metres of the point of tangency.

    Returns
    -------
    (N, 3) float64: latitude, longitude (-180 to 180) in degrees, height in metres.

    References
    ----------
    B. Bowring, "Transformation from spatial to geographical coordinates", Survey Review 1976.
    """
    x, y, z = np.moveaxis(np.asarray(enu, np.float64) @ _enu_from_ecef(origin) + _ecef(origin), -1, 0)
    semi_minor = _SEMI_MAJOR_M * (1 - _FLATTENING)
    from_axis = np.hypot(x, y)
    # The parametric latitude; each step leaves an error a thousand times smaller.
    beta = np.arctan2(z, (1 - _FLATTENING) * from_axis)
    for _ in range(_LATITUDE_STEPS):
        latitude = np.arctan2(
            z + _ECCENTRICITY2 / (1 - _ECCENTRICITY2) * semi_minor * np.sin(beta) ** 3,
            from_axis - _ECCENTRICITY2 * _SEMI_MAJOR_M * np.cos(beta) ** 3,
        )
        beta = np.arctan2((1 - _FLATTENING) * np.sin(latitude), np.cos(latitude))
    normal = _SEMI_MAJOR_M / np.sqrt(1 - _ECCENTRICITY2 * np.sin(latitude) ** 2)
    # Of two forms, the one that does not divide by what is nearly zero, near the poles or the equator.
    height = np.where(
        np.abs(np.cos(latitude)) > 0.5,
        from_axis / np.maximum(np.cos(latitude), 1e-300) - normal,
        z / np.where(np.sin(latitude) == 0, 1.0, np.sin(latitude)) - normal * (1 - _ECCENTRICITY2),
    )
    return np.stack([np.degrees(latitude), np.degrees(np.arctan2(y, x)), height], axis=-1)


def _enu_from_ecef(origin: Floats) -> Floats:
    latitude, longitude = np.radians(np.asarray(origin, np.float64)[:2])
    sin_lat, cos_lat, sin_lon, cos_lon = (
        np.sin(latitude),
        np.cos(latitude),
        np.sin(longitude),
        np.cos(longitude),
    )
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )


def _ecef(positions: Floats) -> Floats:
    """Convert latitude, longitude (degrees) and height (metres) to Earth-centred coordinates in metres."""
    positions = np.asarray(positions, np.float64)
    latitude, longitude = np.radians(positions[..., 0]), np.radians(positions[..., 1])
    height = positions[..., 2]
    normal = _SEMI_MAJOR_M / np.sqrt(1 - _ECCENTRICITY2 * np.sin(latitude) ** 2)
    return np.stack(
        [
            (normal + height) * np.cos(latitude) * np.cos(longitude),
            (normal + height) * np.cos(latitude) * np.sin(longitude),
            (normal * (1 - _ECCENTRICITY2) + height) * np.sin(latitude),
        ],
        axis=-1,
    )

"""How well a map agrees with the GPS positions its images carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.geodesy import geodetic_to_enu
from sfm.geometry.similarity import Degeneracy, Sim3, align_points_robust

Floats = NDArray[np.float64]

MIN_POSITIONS = 4


@dataclass(frozen=True)
class GpsResidual:
    """Horizontal disagreement of a map with GPS after the best similarity.

    Attributes
    ----------
    rms_m, median_m
        Horizontal distances between GPS positions and transformed camera centres, over all positions. One
        image with a stale position moves the first but hardly the second.
    spread_m
        Root mean square horizontal distance of the GPS positions from their mean: the residual of a map that
        explains nothing.
    positions, outliers
        Number of positions compared, and of those the alignment gave no weight: stale positions, or images
        that stand in the wrong place of the map.
    residuals_m : (N,) float64
        The horizontal distance of each position, in the order given.
    inliers : (N,) bool
        Which positions the alignment gave weight.
    altitude_used
        Whether the recorded altitudes took part in the alignment, or level ground was the better assumption.
    enu_from_map
        The alignment: from the map to metres east, north and up of `origin`.
    degeneracy
        "line" where all positions lie on one line; see `sfm.geometry.similarity.Alignment`.
    origin
        Latitude and longitude in degrees and altitude in metres of the local frame's origin.
    """

    rms_m: float
    median_m: float
    spread_m: float
    positions: int
    outliers: int
    residuals_m: Floats
    inliers: NDArray[np.bool_]
    altitude_used: bool
    enu_from_map: Sim3
    degeneracy: Degeneracy
    origin: tuple[float, float, float]


def gps_residual(centers: Floats, gps: Floats, *, seed: int = 0) -> GpsResidual | None:
    """Align camera centres with GPS positions and measure what remains, horizontally.

    The altitude in EXIF is often off by more than a walk's whole rise, and along a nearly straight path a
    wrong altitude tilts and rolls the map freely. So the map is aligned twice, robustly: with the altitudes
    as recorded (if all have one) and on level ground; the alignment with the smaller horizontal residual
    counts.

    Parameters
    ----------
    centers : (N, 3)
        Camera centres in the map's unit.
    gps : (N, 3)
        Latitude and longitude in degrees, altitude in metres or NaN, of the same images.
    seed
        Of the samples that the robust alignments start from.

    Returns
    -------
    GpsResidual, or None with fewer than `MIN_POSITIONS` positions: three points fit nearly any map.
    """
    centers = np.asarray(centers, np.float64).reshape(-1, 3)
    gps = np.asarray(gps, np.float64).reshape(-1, 3)
    if len(centers) < MIN_POSITIONS:
        return None
    # Longitudes on both sides of the date line must not be averaged as they stand.
    east_of_first = (gps[:, 1] - gps[0, 1] + 180) % 360 - 180
    gps = np.column_stack([gps[:, 0], gps[0, 1] + east_of_first, gps[:, 2]])
    has_altitude = bool(np.isfinite(gps[:, 2]).all())
    level = float(np.nanmedian(gps[:, 2])) if np.isfinite(gps[:, 2]).any() else 0.0
    ground = np.column_stack([gps[:, :2], np.full(len(gps), level)])
    # The median, so that one stale position does not carry the frame away.
    origin = np.median(ground, axis=0)
    on_ground = geodetic_to_enu(ground, origin)
    on_ground[:, 2] = 0.0
    candidates = [(False, on_ground)]
    if has_altitude:
        candidates.append((True, geodetic_to_enu(gps, origin)))
    results = []
    for altitude_used, enu in candidates:
        fit = align_points_robust(centers, enu, seed=seed)
        horizontal = np.linalg.norm((fit.sim3.apply(centers) - enu)[:, :2], axis=1)
        offsets = enu[:, :2] - enu[:, :2].mean(axis=0)
        results.append(
            GpsResidual(
                rms_m=float(np.sqrt(np.mean(horizontal**2))),
                median_m=float(np.median(horizontal)),
                spread_m=float(np.sqrt((offsets**2).sum(axis=1).mean())),
                positions=len(centers),
                outliers=int((~fit.inliers).sum()),
                residuals_m=horizontal,
                inliers=fit.inliers,
                altitude_used=altitude_used,
                enu_from_map=fit.sim3,
                degeneracy=fit.degeneracy,
                origin=(float(origin[0]), float(origin[1]), float(origin[2])),
            )
        )
    return min(results, key=lambda result: result.rms_m)

"""How well a map agrees with the GPS positions its images carry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.geodesy import geodetic_to_enu
from sfm.geometry.similarity import Alignment, Degeneracy, Sim3, align_points_robust

Floats = NDArray[np.float64]

MIN_POSITIONS = 4
# No position of a photograph is known better than this: shutter and antenna are apart.
GPS_LEAST_SIGMA_M = 0.02
_SHARE_WITH_ALTITUDE = 0.5
# A ten-thousandth of a millimetre: equal as numbers.
_EQUAL_DIGITS = 12
# So many photographs with one position, and elsewhere in the map, are a receiver that stuck.
_STUCK = 3


@dataclass(frozen=True)
class GpsResidual:
    """Horizontal disagreement of a map with GPS after the best similarity.

    Attributes
    ----------
    rms_m, median_m
        Horizontal distances between GPS positions and transformed camera centres, over all positions but those of
        a stuck receiver. One
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
    as recorded (of those that have one, if these are half of them) and on level ground; the alignment with
    the smaller horizontal residual counts.

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
    GpsResidual, or None with fewer than `MIN_POSITIONS` different positions: three points fit nearly any map.
    """
    centers = np.asarray(centers, np.float64).reshape(-1, 3)
    gps = _across_date_line(np.asarray(gps, np.float64).reshape(-1, 3))
    group = equal_positions(gps)
    if not len(gps) or group.max() + 1 < MIN_POSITIONS:
        return None
    level = float(np.nanmedian(gps[:, 2])) if np.isfinite(gps[:, 2]).any() else 0.0
    ground = np.column_stack([gps[:, :2], np.full(len(gps), level)])
    # The median, so that one stale position does not carry the frame away.
    origin = np.median(ground, axis=0)
    on_ground = geodetic_to_enu(ground, origin)
    on_ground[:, 2] = 0.0
    everywhere = np.ones(len(gps), np.bool_)
    results = [_residual(centers, on_ground, group, everywhere, origin, False, seed)]
    high = np.isfinite(gps[:, 2])
    distinct = len(np.unique(group[high]))
    if distinct >= max(MIN_POSITIONS, _SHARE_WITH_ALTITUDE * (group.max() + 1)):
        in_space = geodetic_to_enu(np.where(high[:, None], gps, ground), origin)
        results.append(_residual(centers, in_space, group, high, origin, True, seed))
    both = np.logical_and.reduce([result.inliers for result in results])
    counted = both if both.any() else everywhere
    return min(results, key=lambda result: float(np.mean(result.residuals_m[counted] ** 2)))


def equal_positions(gps: Floats) -> NDArray[np.int64]:
    """Number the different places among (N, 3) geodetic positions, (N,): equal latitude and longitude are one.

    A receiver that is stuck, or slower than the camera, gives many photographs one position. Together they are worth
    one.
    """
    rounded = np.round(np.nan_to_num(gps), _EQUAL_DIGITS)
    level = np.unique(rounded[:, :2], axis=0, return_inverse=True)[1].reshape(-1)
    if len(np.unique(level)) >= MIN_POSITIONS:
        return level
    # Up a tower, heights alone tell places apart.
    return np.unique(rounded, axis=0, return_inverse=True)[1].reshape(-1)


def _across_date_line(gps: Floats) -> Floats:
    """Bring longitudes next to each other: on both sides of the date line they must not be averaged as they stand."""
    if not len(gps):
        return gps
    east_of_first = (gps[:, 1] - gps[0, 1] + 180) % 360 - 180
    return np.column_stack([gps[:, 0], gps[0, 1] + east_of_first, gps[:, 2]])


def _residual(
    centers: Floats,
    enu: Floats,
    group: NDArray[np.int64],
    used: NDArray[np.bool_],
    origin: Floats,
    altitude_used: bool,
    seed: int,
) -> GpsResidual:
    """Align by those positions that are `used`, equal ones counted once, and measure all."""
    labels = np.unique(group[used])
    members = [np.flatnonzero(used & (group == label)) for label in labels]
    source, target = (np.array([np.median(points[m], axis=0) for m in members]) for points in (centers, enu))
    fit = align_points_robust(source, target, seed=seed, least_sigma=GPS_LEAST_SIGMA_M)
    horizontal = np.linalg.norm((fit.sim3.apply(centers) - enu)[:, :2], axis=1)
    inliers = _inliers(fit, labels, group, horizontal)
    if not altitude_used:
        inliers |= (
            horizontal <= 6 * GPS_LEAST_SIGMA_M
        )  # heights, which level ground leaves, are no fault of theirs
    # What a stuck receiver says of most of its photographs says nothing of the map.
    counted = inliers | (np.bincount(group)[group] < _STUCK)
    counted |= not counted.any()
    offsets = enu[:, :2] - enu[:, :2].mean(axis=0)
    return GpsResidual(
        rms_m=float(np.sqrt(np.mean(horizontal[counted] ** 2))),
        median_m=float(np.median(horizontal[counted])),
        spread_m=float(np.sqrt((offsets**2).sum(axis=1).mean())),
        positions=len(centers),
        outliers=int((~inliers).sum()),
        residuals_m=horizontal,
        inliers=inliers,
        altitude_used=altitude_used,
        enu_from_map=fit.sim3,
        degeneracy=fit.degeneracy,
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
    )


def _inliers(
    fit: Alignment, labels: NDArray[np.int64], group: NDArray[np.int64], horizontal: Floats
) -> NDArray[np.bool_]:
    """Tell which positions agree with the fit: those it took, and of others those as near as these."""
    alone = np.bincount(group)[group] == 1
    taken = np.isin(group, labels[fit.inliers]) & alone
    near = horizontal <= max(horizontal[taken].max(initial=0.0), 6 * GPS_LEAST_SIGMA_M)
    return taken | (near & ~(np.isin(group, labels) & alone))

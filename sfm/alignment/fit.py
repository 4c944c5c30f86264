"""A map aligned to positions in the world, to another map, or to gravity alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.alignment.gravity import Gravity
from sfm.alignment.plausibility import problem_of
from sfm.errors import InputError
from sfm.evaluation.gps import GPS_LEAST_SIGMA_M, MIN_POSITIONS, GpsResidual, equal_positions, gps_residual
from sfm.evaluation.trajectory import Trajectory
from sfm.geometry.geodesy import geodetic_to_enu
from sfm.geometry.pose import Pose
from sfm.geometry.similarity import (
    Alignment,
    Sim3,
    align_points_robust,
    align_poses,
    align_upright_robust,
    shortest_rotation,
    turn_about_line,
)
from sfm.mapping.frame import MapFrame
from sfm.mapping.sparse_map import SparseMap

Floats = NDArray[np.float64]

# GPS of a phone is good to some metres.
GPS_NOISE_M = 8.0
# Other axes explain positions where they leave less than this share of the residuals.
_FAR_BETTER = 0.2
# Positions whose second spread is below this many residuals lie on a line as far as they can tell.
_LINE_IN_RESIDUALS = 2.0
# How much worse an upright alignment may fit than a free one, which turns with the noise of the positions too.
_WORSE_BY_SHARE, _WORSE_BY_M = 1.25, 1.0

_LINE = "All cameras stand on one line as far as positions tell: the rotation about it is not observable from them"
_LINE_SETTLED = f"{_LINE} and comes from the cameras' up vectors."
_LINE_OPEN = (
    f"{_LINE}, and the cameras do not tell which way is up: headings and heights off the line are unknown."
)
_STACKED = (
    "All positions lie above each other: which way the map is turned about the vertical is not observable."
)


@dataclass(frozen=True)
class MapAlignment:
    """How a map comes into another frame, and what remains.

    Attributes
    ----------
    frame
        The frame.
    frame_from_map
        The similarity.
    residuals
        Distance between aligned camera and reference by image name, in the frame's unit; horizontal for GPS.
    outliers
        Names of images that were given no weight.
    how
        What decided the orientation, in a few words.
    """

    frame: MapFrame
    frame_from_map: Sim3
    residuals: dict[str, float]
    outliers: tuple[str, ...]
    how: str

    @property
    def rms(self) -> float:
        """Root mean square residual over all images, outliers included; NaN without positions."""
        values = np.array(list(self.residuals.values()))
        return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")

    @property
    def median(self) -> float:
        """Median residual; NaN without positions."""
        return float(np.median(list(self.residuals.values()))) if self.residuals else float("nan")

    def as_json(self) -> dict[str, Any]:
        """Return the residuals as JSON-ready values."""
        return {
            "positions": len(self.residuals),
            "rms": self.rms,
            "median": self.median,
            "max": max(self.residuals.values(), default=float("nan")),
            "outliers": list(self.outliers),
            "images": self.residuals,
            "orientation": self.how,
        }


def align_to_gps(
    sparse_map: SparseMap, gps: Mapping[str, tuple[float, float, float]], gravity: Gravity, aligned_to: str
) -> MapAlignment:
    """Align a map to geodetic positions of its images: metres east, north and up of an origin among them.

    GPS is good to some metres, and along a street that turns a freely fitted map by tens of degrees. So the
    cameras' own upward direction is kept wherever it is reliable and the positions do not speak against it.

    Parameters
    ----------
    sparse_map
        The map.
    gps
        Latitude and longitude in degrees and altitude in metres (or NaN), by image name.
    gravity
        Which way is up in the map.
    aligned_to
        "gps" or "csv", for the frame.

    Raises
    ------
    InputError
        If fewer than four images of the map have a position, or all have the same.
    """
    names = [name for name in sparse_map.poses if name in gps]
    if len(names) < MIN_POSITIONS:
        have = f"{len(names)} of the map's {len(sparse_map.poses)} images"
        raise InputError(
            f"Only {have} have a GPS position, and it takes {MIN_POSITIONS}: align with --to csv (positions in a "
            "file), --to model or --to gravity."
        )
    positions = np.array([gps[name] for name in names])
    _refuse_few_places(positions)
    centers = _centers(sparse_map, names)
    chosen, how, frame, free, enu = _fit_gps(centers, positions, gravity)
    origin = free.origin
    once = np.unique(equal_positions(positions), return_index=True)[1]
    problem = problem_of(sparse_map, _only(chosen, once), enu[once], gravity, noise_m=GPS_NOISE_M)
    if problem:
        exchanged = positions[:, [1, 0, 2]]
        told = _explained_exchange(sparse_map, centers, exchanged, gravity)
        raise InputError(f"The GPS positions do not fit the map: {problem}.{told} The map stays as it is.")
    how = how or f"the GPS positions ({'with' if free.altitude_used else 'without'} their altitudes)"
    altitude = origin[2] if np.isfinite(positions[:, 2]).any() else float("nan")
    frame = replace(frame, aligned_to=aligned_to, unit="m", origin=(*origin[:2], altitude), z_up=True)
    return _result(frame, chosen, names, how)


def _fit_gps(
    centers: Floats, positions: Floats, gravity: Gravity
) -> tuple[Alignment, str, MapFrame, GpsResidual, Floats]:
    free = gps_residual(centers, positions)
    assert free is not None
    enu = geodetic_to_enu(np.where(np.isfinite(positions), positions, free.origin[2]), np.array(free.origin))
    # Heights that are not known are the map's own: they neither help nor hurt.
    unknown = ~np.isfinite(positions[:, 2])
    enu[unknown, 2] = free.enu_from_map.apply(centers[unknown])[:, 2]
    fit = Alignment(free.enu_from_map, free.residuals_m, free.inliers, free.degeneracy)
    once = np.unique(equal_positions(positions), return_index=True)[1]
    chosen, how, frame = _settle_gps(fit, centers, enu, gravity, once)
    return chosen, how, frame, free, enu


def _refuse_few_places(positions: Floats) -> None:
    places = len(np.unique(equal_positions(positions)))
    if places == 1:
        raise InputError(
            "All GPS positions are the same: they give no scale and no direction. Align with --to csv, --to model "
            "or --to gravity."
        )
    if places < MIN_POSITIONS:
        raise InputError(
            f"The {len(positions)} GPS positions are only {places} different ones, of a receiver that stuck or was "
            f"rounded, and it takes {MIN_POSITIONS}: align with --to csv, --to model or --to gravity."
        )


def _only(fit: Alignment, rows: NDArray[np.int64]) -> Alignment:
    return replace(fit, residuals=fit.residuals[rows], inliers=fit.inliers[rows])


def _explained_exchange(sparse_map: SparseMap, centers: Floats, exchanged: Floats, gravity: Gravity) -> str:
    if np.abs(exchanged[:, 0]).max() > 90:
        return ""

    chosen, _, _, _, enu = _fit_gps(centers, exchanged, gravity)
    if problem_of(sparse_map, chosen, enu, gravity) is not None:
        return ""
    return " With latitude and longitude exchanged they do: exchange the columns."


def _exchanged_axes(
    sparse_map: SparseMap, centers: Floats, targets: Floats, gravity: Gravity, residual: float
) -> str:
    """Return the change of axes under which positions fit far better than by `residual`, in a sentence."""
    changes = {
        "With x and y exchanged they do: exchange the columns": targets[:, [1, 0, 2]],
        "With z counted downwards they do: give it upwards": targets * [1, 1, -1],
        "With y and z exchanged they do: exchange the columns": targets[:, [0, 2, 1]],
        "With x and y exchanged and z counted downwards they do: give x, y, z with z up": targets[
            :, [1, 0, 2]
        ]
        * [1, 1, -1],
    }
    best, told = (_FAR_BETTER * residual, np.inf), ""
    for name, changed in changes.items():
        fit = align_points_robust(centers, changed, least_sigma=GPS_LEAST_SIGMA_M)
        # Of changes that fit alike, the one that leaves the cameras most nearly level.
        score = max(float(np.median(fit.residuals)), GPS_LEAST_SIGMA_M), float(np.ptp(changed[:, 2]))
        if score < best and problem_of(sparse_map, fit, changed, gravity) is None:
            best, told = score, f" {name}."
    return told


def align_to_positions(
    sparse_map: SparseMap, positions: Mapping[str, tuple[float, float, float]], gravity: Gravity
) -> MapAlignment:
    """Align a map to positions of its cameras along axes of one's own, z up, in metres.

    Parameters
    ----------
    sparse_map
        The map.
    positions
        x, y and z by image name.
    gravity
        Which way is up in the map: it decides where the positions lie on one line.

    Raises
    ------
    InputError
        If fewer than three images of the map have a position, or all have the same.
    """
    names = [name for name in sparse_map.poses if name in positions]
    if len(names) < 3:
        raise InputError(
            f"{len(names)} of the map's {len(sparse_map.poses)} images have a position in the file, and it takes 3: "
            f"name them as the map does, like {min(sparse_map.poses)!r}."
        )
    centers, targets = _centers(sparse_map, names), np.array([positions[name] for name in names])
    if np.ptp(targets, axis=0).max() <= 1e-9:
        raise InputError("All positions in the file are the same: they give no scale and no direction.")
    fit = align_points_robust(centers, targets, least_sigma=GPS_LEAST_SIGMA_M)
    chosen, how, frame = _settle_line(fit, centers, targets, gravity)
    problem = problem_of(sparse_map, chosen, targets, gravity)
    residual = np.inf if problem else float(np.median(chosen.residuals))
    told = _exchanged_axes(sparse_map, centers, targets, gravity, residual)
    if problem or told:
        problem = problem or f"half of the cameras are {residual:.3g} or more off them"
        raise InputError(f"The positions do not fit the map: {problem}.{told} The map stays as it is.")
    frame = replace(frame, aligned_to="csv", unit="m", z_up=True)
    return _result(frame, chosen, names, how or "the positions")


def align_to_map(
    sparse_map: SparseMap, reference: Trajectory, reference_frame: MapFrame | None
) -> MapAlignment:
    """Align a map to known poses of its images; it takes over their frame.

    Where the cameras stand on one line, the orientations of both settle the rotation about it.

    Raises `InputError` if fewer than two images of the map have a known pose.
    """
    poses = sparse_map.poses
    names = [name for name in poses if name in reference.poses]
    if len(names) < 2:
        raise InputError(
            f"The map and {reference.source} share {len(names)} images, and it takes 2: the map has "
            f"{len(poses)} like {min(poses)!r}, the other {len(reference.poses)} like {min(reference.poses)!r}."
        )
    centers = _centers(sparse_map, names)
    targets = np.array([reference.poses[name].center for name in names])
    fit = align_points_robust(centers, targets)
    how = "the camera centres"
    if _is_line(fit, targets):
        kept = [name for name, inlier in zip(names, fit.inliers, strict=True) if inlier]
        settled = align_poses([poses[n] for n in kept], [reference.poses[n] for n in kept])
        residuals = np.linalg.norm(settled.sim3.apply(centers) - targets, axis=1)
        fit = Alignment(settled.sim3, residuals, fit.inliers, settled.degeneracy)
        how = "the camera centres, and about their line the orientations"
    problem = problem_of(sparse_map, fit, targets, None)
    if problem:
        raise InputError(
            f"The poses of {reference.source} do not fit the map: {problem}. Do its names mean the same images? "
            "The map stays as it is."
        )
    frame = reference_frame or MapFrame("model")
    return _result(replace(frame, aligned_to="model"), fit, names, how)


def align_to_gravity(gravity: Gravity) -> MapAlignment:
    """Turn a map so that z points up; its scale stays its own.

    Raises `InputError` where the cameras do not tell which way is up.
    """
    if not gravity.reliable:
        raise InputError(
            f"The cameras do not tell which way is up: half of them are held {gravity.roll_deg:.0f} degrees askew "
            f"or more, or look {abs(gravity.tilt_deg):.0f} degrees up or down. Align with --to gps, csv or model."
        )
    turn = Sim3(1.0, shortest_rotation(gravity.up, np.array([0.0, 0.0, 1.0])), np.zeros(3))
    return MapAlignment(MapFrame("gravity", z_up=True), turn, {}, (), _by_gravity(gravity))


def _settle_gps(
    free: Alignment, centers: Floats, enu: Floats, gravity: Gravity, once: NDArray[np.int64]
) -> tuple[Alignment, str, MapFrame]:
    """Keep the cameras' upward direction, unless the positions speak against it."""
    line = _is_line(free, enu)
    if gravity.reliable:
        upright = _upright(centers, enu, gravity, once)
        if _rms(upright) <= _WORSE_BY_SHARE * _rms(free) + _WORSE_BY_M:
            if _stacked_up(enu, upright):
                return upright, _by_gravity(gravity), _unknown(_STACKED)
            return upright, _by_gravity(gravity), MapFrame("", note=_LINE_SETTLED if line else "")
    return free, "", _unknown(_LINE_OPEN) if line else MapFrame("")


def _upright(centers: Floats, enu: Floats, gravity: Gravity, once: NDArray[np.int64]) -> Alignment:
    """Align with the vertical given, by each position once; measure all."""
    fit = align_upright_robust(centers[once], enu[once], gravity.up, least_sigma=GPS_LEAST_SIGMA_M)
    residuals = np.linalg.norm((fit.sim3.apply(centers) - enu)[:, :2], axis=1)
    inliers = residuals <= fit.residuals[fit.inliers].max(initial=0.0)
    inliers[once] = fit.inliers
    return Alignment(fit.sim3, residuals, inliers, fit.degeneracy)


def _settle_line(
    free: Alignment, centers: Floats, targets: Floats, gravity: Gravity
) -> tuple[Alignment, str, MapFrame]:
    """Where positions lie on one line, turn the map about it until the cameras stand upright."""
    if not _is_line(free, targets):
        return free, "", MapFrame("")
    if not gravity.reliable:
        return free, "", _unknown(_LINE_OPEN)
    if _stacked_up(targets, free):
        return free, "", _unknown(_STACKED)
    sim3 = turn_about_line(free.sim3, targets[free.inliers], gravity.up)
    residuals = np.linalg.norm(sim3.apply(centers) - targets, axis=1)
    settled = Alignment(sim3, residuals, free.inliers, free.degeneracy)
    return (
        settled,
        f"the positions, and about their line {_by_gravity(gravity)}",
        MapFrame("", note=_LINE_SETTLED),
    )


def _unknown(note: str) -> MapFrame:
    return MapFrame("", orientation_known=False, note=note)


def _is_line(fit: Alignment, targets: Floats) -> bool:
    """Tell whether positions are apart along one direction only, beyond what their residuals explain."""
    return fit.degeneracy != "none" or _on_a_line(targets[fit.inliers], fit.residuals[fit.inliers])


def _on_a_line(targets: Floats, residuals: Floats) -> bool:
    """Tell whether points are apart along one direction only, beyond what their residuals explain."""
    if len(targets) < 3:
        return True
    spreads = np.linalg.svd(targets - targets.mean(axis=0), compute_uv=False) / np.sqrt(len(targets))
    noise = float(np.sqrt(np.mean(residuals**2)))
    return bool(spreads[1] <= max(_LINE_IN_RESIDUALS * noise, 1e-6 * spreads[0]))


def _stacked_up(targets: Floats, fit: Alignment) -> bool:
    """Tell whether the positions are apart in height only, so that they show no heading."""
    if fit.degeneracy == "point":
        return True
    level = targets[fit.inliers, :2]
    spread = float(np.sqrt(((level - level.mean(axis=0)) ** 2).sum(axis=1).mean()))
    height = float(np.std(targets[fit.inliers, 2]))
    return spread < 0.02 * height


def _rms(fit: Alignment) -> float:
    kept = fit.residuals[fit.inliers]
    return float(np.sqrt(np.mean(kept**2)))


def _by_gravity(gravity: Gravity) -> str:
    return f"the cameras' up vectors (rows of photographs level to {gravity.roll_deg:.1f} degrees)"


def _centers(sparse_map: SparseMap, names: list[str]) -> Floats:
    poses: dict[str, Pose] = sparse_map.poses
    return np.array([poses[name].center for name in names])


def _result(frame: MapFrame, fit: Alignment, names: list[str], how: str) -> MapAlignment:
    return MapAlignment(
        frame,
        fit.sim3,
        {name: float(r) for name, r in zip(names, fit.residuals, strict=True)},
        tuple(name for name, inlier in zip(names, fit.inliers, strict=True) if not inlier),
        how,
    )

"""What a map says against itself: focal lengths, GPS and verified pairs that do not agree with it.

A wrong map is often smooth and has small reprojection errors. What gives it away is knowledge that did not
take part in making it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from sfm.evaluation.folds import side_by_side
from sfm.evaluation.gps import GpsResidual, gps_residual
from sfm.geometry.camera import Camera
from sfm.geometry.epipolar import essential_from_pose, fundamental_from_essential, sampson_error_sq
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.viewgraph.graph import components

Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]

FOCAL_TOLERANCE = 0.10
# Lenses that keep straight lines straight see 127 degrees across at most.
_WIDEST_DEG = 130.0
_PAIR_AGREES = 0.5  # share of a pair's verified matches that must fit the map's poses
# Share of all verified matches: of 365 maps wrong ones had 0.08 and more, right ones at most 0.044.
_CONTRADICTIONS = 0.06
# Share of its matches from which a pair holds two images together: parts of wrong maps were held by 0.49 to 0.92 at
# most, those of right ones by 0.95 and more.
_PAIR_HOLDS = 0.93
# Pairs that the map puts side by side, with no verified match: 3 of 12 on a folded map, none of 7 to 64 on right ones.
_UNMATCHED_PAIRS, _UNMATCHED_SHARE = 2, 0.1
# GPS of a phone is good to some metres: below this nothing can be said, and a spread has to stand out of it.
_GPS_NOISE_M = 8.0
_GPS_SHARE_OF_SPREAD = 0.25


@dataclass(frozen=True)
class SelfCheck:
    """Agreement of a map with what is known besides.

    Attributes
    ----------
    focal_ratios
        Focal length in the map over that of EXIF, by camera id, for cameras whose EXIF gives one that was not held.
    gps
        Residual to the images' GPS positions; None where fewer than four have one.
    pairs
        Number of accepted pairs whose images are both in the map.
    contradicting
        Those of them with less than half of their verified matches within twice the threshold of the map's
        epipolar lines.
    contradicting_share
        Share of all verified matches that lie in contradicting pairs. Repeated structure makes some such pairs
        in good maps, of few matches each.
    misplaced
        Names of images that no pair holds together with most of the map, however indirectly: with 93% or more of
        its verified matches within twice the threshold. They may have few matches, so that the map is right but
        for them; and they may agree with each other, like two wings of a building that repeats.
    unmatched
        Pairs of images that by the map see the same from nearly the same place, and have no verified match.
    is_folded
        Whether these are so many that the map has to be folded.
    problems
        One sentence for every finding that makes the map doubtful; empty for a good map.
    off_exif
        What says which camera's focal length is not that of EXIF, by camera id: a problem, or a remark.
    remarks
        One sentence for every finding that makes what was given doubtful, and not the map.
    """

    focal_ratios: dict[int, float]
    gps: GpsResidual | None
    pairs: int
    contradicting: tuple[tuple[str, str], ...]
    contradicting_share: float
    misplaced: tuple[str, ...]
    unmatched: tuple[tuple[str, str], ...]
    is_folded: bool
    problems: tuple[str, ...]
    off_exif: Mapping[int, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def doubting(self, *problems: str) -> SelfCheck:
        """Return the check with more that makes the map doubtful."""
        return replace(self, problems=(*self.problems, *problems))

    def doubting_exif(self) -> SelfCheck:
        """Return the check with EXIF in doubt, instead of the map, where their focal lengths differ."""
        others = tuple(problem for problem in self.problems if problem not in self.off_exif.values())
        told = [f"EXIF does not fit the photographs: {problem}" for problem in self.off_exif.values()]
        return replace(self, problems=others, remarks=tuple(dict.fromkeys([*self.remarks, *told])))

    @property
    def contradicting_pairs(self) -> int:
        """Number of pairs that contradict the map."""
        return len(self.contradicting)

    def as_json(self) -> dict[str, Any]:
        """Return the findings as JSON-ready values."""
        gps = self.gps and {
            "rms_m": self.gps.rms_m,
            "median_m": self.gps.median_m,
            "spread_m": self.gps.spread_m,
            "positions": self.gps.positions,
            "outliers": self.gps.outliers,
        }
        return {
            "focal_ratios": {str(i): ratio for i, ratio in self.focal_ratios.items()},
            "gps": gps,
            "pairs": self.pairs,
            "contradicting_pairs": self.contradicting_pairs,
            "contradicting_share": self.contradicting_share,
            "misplaced": list(self.misplaced),
            "unmatched": [list(pair) for pair in self.unmatched],
            "problems": list(self.problems),
            "remarks": list(self.remarks),
        }


def check_map(
    sparse_map: SparseMap,
    prior: Mapping[int, Camera],
    gps: Mapping[str, tuple[float, float, float]],
    pairs: Iterable[tuple[str, str]],
    verified_points: Callable[[str, str], Points],
    threshold_px: float,
    rejected: Iterable[tuple[str, str]] = (),
) -> SelfCheck:
    """Check a map against EXIF focal lengths, GPS positions and its own verified pairs.

    Parameters
    ----------
    sparse_map
        The map.
    prior
        Cameras before mapping, by the ids of the map.
    gps
        Latitude and longitude in degrees and altitude in metres (or NaN), by image name.
    pairs
        Names of the accepted pairs.
    verified_points
        Gives the verified matches of a pair, (K, 2) and (K, 2) pixels.
    threshold_px
        Largest epipolar error of a verified match.
    rejected
        Names of the pairs that were matched, and have no verified match beyond chance.
    """
    pairs = list(pairs)
    ratios = focal_ratios(sparse_map, prior)
    off_exif = {
        i: f"camera {i} has a focal length of {sparse_map.cameras[i].focal_px:.0f} px where "
        f"EXIF says {prior[i].focal_px:.0f}"
        for i, ratio in ratios.items()
        if abs(ratio - 1) > FOCAL_TOLERANCE
    }
    problems = [*off_exif.values(), *_implausible_views(sparse_map)]
    residual = residual_to_gps(sparse_map, gps)
    if residual and residual.rms_m > max(_GPS_NOISE_M, _GPS_SHARE_OF_SPREAD * residual.spread_m):
        problems.append(
            f"the path is {residual.rms_m:.0f} m off its GPS positions, which spread over {residual.spread_m:.0f} m"
        )
    agreements = _agreements(sparse_map, pairs, verified_points, 2 * threshold_px)
    contradicting = [pair for pair in agreements if pair.share < _PAIR_AGREES]
    share = sum(pair.matches for pair in contradicting) / max(sum(pair.matches for pair in agreements), 1)
    if share > _CONTRADICTIONS:
        problems.append(
            f"{share:.0%} of the verified matches, in {len(contradicting)} of {len(agreements)} pairs, contradict it"
        )
    unmatched = side_by_side(sparse_map, rejected)
    together = len(unmatched) + len(side_by_side(sparse_map, pairs) if unmatched else ())
    is_folded = len(unmatched) >= max(_UNMATCHED_PAIRS, _UNMATCHED_SHARE * together)
    if is_folded:
        problems.append(
            f"of {together} pairs that it puts side by side, {len(unmatched)} have no verified match: it may be "
            "folded where something looks alike on two sides"
        )
    return SelfCheck(
        ratios,
        residual,
        len(agreements),
        tuple(pair.names for pair in contradicting),
        share,
        _misplaced(sparse_map, agreements),
        tuple(unmatched),
        is_folded,
        tuple(problems),
        off_exif,
    )


def focal_ratios(sparse_map: SparseMap, prior: Mapping[int, Camera]) -> dict[int, float]:
    """Return the map's focal lengths over those of EXIF, by camera id, where EXIF gives one that was not held.

    One that was held is the same to the last digit, which no adjustment leaves it.
    """
    return {
        i: camera.focal_px / prior[i].focal_px
        for i, camera in sparse_map.cameras.items()
        if prior[i].focal_is_known and not prior[i].fixed and camera.focal_px != prior[i].focal_px
    }


def _implausible_views(sparse_map: SparseMap) -> list[str]:
    """Say of which cameras a map made lenses that nobody builds: a fisheye, or strong distortion, taken for less."""
    views_deg = {
        i: 2 * np.degrees(np.arctan(max(camera.width, camera.height) / 2 / camera.focal_px))
        for i, camera in sparse_map.cameras.items()
        if not camera.is_fisheye and not camera.fixed
    }
    return [
        f"camera {i} would see {view_deg:.0f} degrees across: if its lens is a fisheye, say so by --camera-model "
        "OPENCV_FISHEYE"
        for i, view_deg in views_deg.items()
        if view_deg > _WIDEST_DEG
    ]


def residual_to_gps(
    sparse_map: SparseMap, gps: Mapping[str, tuple[float, float, float]]
) -> GpsResidual | None:
    """Return how far a map is from its images' GPS positions; None where fewer than four images have one."""
    located = [(pose.center, gps[name]) for name, pose in sparse_map.poses.items() if name in gps]
    if not located:
        return None
    centers, positions = zip(*located, strict=True)
    return gps_residual(np.array(centers), np.array(positions))


@dataclass(frozen=True)
class _Agreement:
    """How many verified matches a pair has, and the share of them that fits the map's poses."""

    names: tuple[str, str]
    matches: int
    share: float


def _agreements(
    sparse_map: SparseMap,
    pairs: Iterable[tuple[str, str]],
    verified_points: Callable[[str, str], Points],
    threshold_px: float,
) -> list[_Agreement]:
    """Return the agreement of each pair whose images are both in the map."""
    images = {image.name: image for image in sparse_map.images.values()}
    agreements = []
    for names in pairs:
        if names[0] in images and names[1] in images:
            points = verified_points(*names)
            share = _agreement(sparse_map, images[names[0]], images[names[1]], points, threshold_px)
            agreements.append(_Agreement(names, len(points[0]), share))
    return agreements


def _misplaced(sparse_map: SparseMap, agreements: Sequence[_Agreement]) -> tuple[str, ...]:
    """Return the names of images that no fully agreeing pairs connect with the largest part of the map.

    Wrong pairs do not matter here, however many they are: in the right place, right pairs agree as a whole.
    """
    graph = nx.Graph()
    graph.add_nodes_from(sparse_map.poses)
    graph.add_edges_from(pair.names for pair in agreements if pair.share >= _PAIR_HOLDS)
    return tuple(sorted(name for part in components(graph)[1:] for name in part))


def _agreement(
    sparse_map: SparseMap, image1: MapImage, image2: MapImage, points: Points, threshold_px: float
) -> float:
    """Return the share of matches within `threshold_px` of the epipolar lines of the map's poses."""
    cameras = [sparse_map.cameras[image.camera_id] for image in (image1, image2)]
    cam2_from_cam1 = image2.cam_from_world @ image1.cam_from_world.inverse()
    # Ideal pixels: rays times the focal length, so that the threshold keeps its unit.
    scales = [np.diag([camera.focal_px, camera.focal_px, 1.0]) for camera in cameras]
    F = fundamental_from_essential(essential_from_pose(cam2_from_cam1), *scales)
    ideal = [camera.normalize(xy) * camera.focal_px for camera, xy in zip(cameras, points, strict=True)]
    return float(np.mean(sampson_error_sq(F, *ideal) <= threshold_px**2)) if len(points[0]) else 0.0

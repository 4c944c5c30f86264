"""Several maps of the same photographs: their numbers, and what is to be said of the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sfm.geometry.pose import Pose
from sfm.geometry.similarity import Sim3, align_points_robust, align_poses
from sfm.mapping.sparse_map import SparseMap
from sfm.report.content import GalleryPair

Floats = NDArray[np.float64]

# Three centres fix a similarity, but leave nothing to judge it by.
MIN_COMMON = 3


@dataclass(frozen=True)
class Metric:
    """A number that maps are compared by.

    Attributes
    ----------
    key
        Its name in records.
    label
        What it is, with its unit.
    better
        Which way it is better; None where neither is.
    digits
        Digits after the point.
    """

    key: str
    label: str
    better: Literal["higher", "lower"] | None
    digits: int = 0


METRICS = (
    Metric("registered", "Images in the map", "higher"),
    Metric("models", "Models", "lower"),
    Metric("points", "Points", "higher"),
    Metric("observations", "Observations", "higher"),
    Metric("track_length", "Mean track length (images)", "higher", 2),
    Metric("error_px", "Mean reprojection error (px)", None, 3),
    Metric("verified_pairs", "Verified pairs", None),
    Metric("inliers_per_pair", "Inliers a verified pair, median", "higher"),
)


def map_numbers(sparse_map: SparseMap) -> dict[str, float]:
    """Return those of `METRICS` that the map itself tells, by key."""
    return {
        "registered": len(sparse_map.images),
        "points": len(sparse_map.xyz),
        "observations": sparse_map.num_observations,
        "track_length": sparse_map.mean_track_length,
        "error_px": sparse_map.mean_error_px,
    }


@dataclass(frozen=True)
class Arm:
    """One way of making the map, e.g. one descriptor.

    Attributes
    ----------
    name
        What it is called.
    sparse_map
        The map to show; None if none was made.
    samples
        Values of each metric by key, one a repetition; a metric may be missing.
    failure
        Why there is no map; empty if there is one.
    warnings
        What the map's self-check found against it, one sentence each.
    gallery
        Pairs with the arm's own matches; pairs of one name are shown together across the arms.
    """

    name: str
    sparse_map: SparseMap | None
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    failure: str = ""
    warnings: Sequence[str] = ()
    gallery: Sequence[GalleryPair] = ()


@dataclass(frozen=True)
class ComparisonContent:
    """What the comparison page shows.

    Attributes
    ----------
    title
        What was mapped.
    image_names
        All photographs.
    arms
        What is compared, in the order of columns.
    metrics
        The rows of the table.
    truth
        True poses `cam_from_world` by image name, if known; paths are then measured against them.
    truth_unit
        Unit of the true positions, e.g. `m`; empty if they have none.
    orientations
        EXIF orientation of images by name, where it is not 1: which side of the maps is up.
    run
        What was run: `command`, `options`, `versions` and `stages` as in a report, and anything else.
    """

    title: str
    image_names: Sequence[str]
    arms: Sequence[Arm]
    metrics: Sequence[Metric] = METRICS
    truth: Mapping[str, Pose] = field(default_factory=dict)
    truth_unit: str = ""
    orientations: Mapping[str, int] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def frame(self) -> CommonFrame | None:
        """All maps in one frame, see `align_arms`; made once for the page and the picture."""
        return align_arms(self)

    @cached_property
    def table(self) -> Table:
        """The metrics, each with a cell for every arm."""
        return compare_arms(self.metrics, self.arms)


@dataclass(frozen=True)
class Cell:
    """A metric of an arm over its repetitions.

    Attributes
    ----------
    median, low, high
        Of the repetitions; NaN without any.
    count
        Number of repetitions.
    best
        Whether this arm stands out, see `compare_samples`.
    """

    median: float
    low: float
    high: float
    count: int
    best: bool = False


Table = Sequence[tuple[Metric, Sequence[Cell]]]


def compare_samples(metric: Metric, samples: Sequence[Sequence[float]]) -> list[Cell]:
    """Return a cell for each arm, the best one marked only if it stands out of the spread.

    It does if it was ahead of every other arm in every repetition, and its median by more than the
    repetitions of either spread, from their lowest to their highest value. One run alone has no known
    spread, so nothing is marked.

    Parameters
    ----------
    metric
        What was measured.
    samples
        Values of each arm, one a repetition; NaN and missing ones do not count.
    """
    cells = []
    for values in samples:
        known = np.array([value for value in values if np.isfinite(value)], np.float64)
        if len(known):
            cells.append(Cell(float(np.median(known)), float(known.min()), float(known.max()), len(known)))
        else:
            cells.append(Cell(np.nan, np.nan, np.nan, 0))
    ranked = [i for i, cell in enumerate(cells) if cell.count]
    if metric.better is None or len(ranked) < 2:
        return cells
    ranked.sort(key=lambda i: cells[i].median, reverse=metric.better == "higher")
    best, others = cells[ranked[0]], [cells[i] for i in ranked[1:]]
    if all(_stands_out(best, other) for other in others):
        cells[ranked[0]] = Cell(best.median, best.low, best.high, best.count, best=True)
    return cells


def compare_arms(metrics: Sequence[Metric], arms: Sequence[Arm]) -> Table:
    """Return each metric with a cell for every arm; see `compare_samples`."""
    return [(m, compare_samples(m, [arm.samples.get(m.key, ()) for arm in arms])) for m in metrics]


def _stands_out(best: Cell, other: Cell) -> bool:
    apart = best.low > other.high or best.high < other.low
    spread = max(best.high - best.low, other.high - other.low)
    return min(best.count, other.count) > 1 and apart and abs(best.median - other.median) > spread


@dataclass(frozen=True)
class AlignedArm:
    """A map in the common frame.

    Attributes
    ----------
    arm
        The arm.
    sparse_map
        Its map in the common frame; in its own where it could not be aligned.
    aligned
        Whether it could be.
    distances
        Distance of each camera centre to where it should be, by image name, in the frame's unit.
    """

    arm: Arm
    sparse_map: SparseMap
    aligned: bool
    distances: Mapping[str, float]


@dataclass(frozen=True)
class CommonFrame:
    """All maps in one frame.

    Attributes
    ----------
    arms
        The arms that have a map.
    reference
        Whose poses the others are measured against: `ground truth`, or the name of an arm.
    poses
        Those poses.
    unit
        Unit of distances: the truth's, or `%` of the extent of the reference path (the diagonal of its bounding box).
    """

    arms: Sequence[AlignedArm]
    reference: str
    poses: Mapping[str, Pose]
    unit: str

    @property
    def largest(self) -> SparseMap:
        """The map with the most images of those that could be aligned; of all if none could."""
        candidates = [arm for arm in self.arms if arm.aligned] or self.arms
        return max(candidates, key=lambda arm: len(arm.sparse_map.images)).sparse_map


def align_arms(content: ComparisonContent) -> CommonFrame | None:
    """Bring the maps into one frame, by the camera centres they have in common with the reference.

    The reference is the ground truth or, without one, the arm with the most images. In that case distances
    have no unit of their own and are given as a percentage of the extent of the reference path.

    Returns None if no arm has a map.
    """
    with_map = [arm for arm in content.arms if arm.sparse_map is not None]
    if not with_map:
        return None
    largest = max(with_map, key=lambda arm: len(_map_of(arm).images))
    poses = dict(content.truth) or _map_of(largest).poses
    # With ground truth and nobody in common with it, the frame would be empty.
    if not any(len(poses.keys() & _map_of(arm).poses.keys()) >= MIN_COMMON for arm in with_map):
        poses = _map_of(largest).poses
    is_truth = bool(content.truth) and poses.keys() == dict(content.truth).keys()
    extent = _extent(poses)
    to_unit = 1.0 if is_truth else 100.0 / extent
    arms = []
    for arm in with_map:
        sparse_map = _map_of(arm)
        common = sorted(poses.keys() & sparse_map.poses.keys())
        if len(common) < MIN_COMMON:
            arms.append(AlignedArm(arm, sparse_map, False, {}))
            continue
        moved = sparse_map.transformed(similarity_of(sparse_map.poses, poses, common))
        centers = {name: pose.center for name, pose in moved.poses.items()}
        distances = {
            name: to_unit * float(np.linalg.norm(centers[name] - poses[name].center)) for name in common
        }
        arms.append(AlignedArm(arm, moved, True, distances))
    return CommonFrame(
        arms,
        "ground truth" if is_truth else largest.name,
        poses,
        content.truth_unit if is_truth else "%",
    )


def similarity_of(source: Mapping[str, Pose], target: Mapping[str, Pose], common: Sequence[str]) -> Sim3:
    """Return `target_from_source` that most cameras agree on, so that a few lost ones do not bend the rest.

    Parameters
    ----------
    source, target
        Poses `cam_from_world` by image name.
    common
        The names, at least three, to go by.
    """
    a = np.array([source[name].center for name in common])
    b = np.array([target[name].center for name in common])
    fit = align_points_robust(a, b)
    if fit.degeneracy != "none":
        fit = align_poses([source[name] for name in common], [target[name] for name in common])
    return fit.sim3


def _map_of(arm: Arm) -> SparseMap:
    assert arm.sparse_map is not None
    return arm.sparse_map


def _extent(poses: Mapping[str, Pose]) -> float:
    centers = np.array([pose.center for pose in poses.values()]).reshape(-1, 3)
    return float(np.linalg.norm(np.ptp(centers, axis=0))) or 1.0 if len(centers) else 1.0

"""The numbers that maps of the same photographs are compared by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import Trajectory
from sfm.mapping.sparse_map import SparseMap
from sfm.report.comparison import METRICS, Metric, map_numbers

_AUC_DEG = (1, 5, 10)

# Judged among the registered images alone, so that leaving out the hard ones makes them better.
_OF_REGISTERED = (
    Metric("gps_rms_m", "GPS distance of registered images, rms (m)", "lower", 1),
    Metric("ate_rmse", "ATE of registered images, rmse", "lower", 4),
    Metric("focal_error_percent", "Focal length off EXIF, at most (%)", "lower", 1),
    Metric("rotation_median_deg", "Rotation error of registered images, median (deg)", "lower", 3),
)
_CORRECT = Metric(
    "correct_images",
    "Images in a correct model (within 8 m of GPS, focal length within 10% of EXIF)",
    "higher",
)
_AUC = tuple(Metric(f"auc_{t}_deg", f"Pose AUC @ {t}° (%)", "higher", 1) for t in _AUC_DEG)
_TIMES = (
    Metric("describe_s", "Time to describe (s)", "lower", 1),
    Metric("match_s", "Time to match and verify (s)", "lower", 1),
    Metric("map_s", "Time to map (s)", "lower", 1),
)
_STAGE_OF_TIME = {"describe_s": "features", "match_s": "matching", "map_s": "mapping"}

Samples = Mapping[str, Sequence[float]]


def run_numbers(
    record: Mapping[str, Any], sparse_map: SparseMap, truth: Trajectory | None
) -> dict[str, float]:
    """Return the numbers of a finished run by the keys of `comparison_metrics`; NaN for what is not known.

    Parameters
    ----------
    record
        What its run.json holds.
    sparse_map
        Its largest map.
    truth
        True poses of the photographs, if known.
    """
    inliers = [pair["inliers"] for pair in record["pairs"] if pair["accepted"]]
    check, stages = record["self_check"], record["stages"]
    return {
        **map_numbers(sparse_map),
        "models": len(record["models"]),
        "verified_pairs": len(inliers),
        "inliers_per_pair": float(np.median(inliers)) if inliers else np.nan,
        "problems": len(check["problems"]),
        "correct_images": _or_nan(record.get("correct_images")),
        "gps_rms_m": _or_nan((check["gps"] or {}).get("rms_m")),
        "focal_error_percent": _or_nan(record["models"][0].get("focal_error_percent")),
        **(_errors(sparse_map, truth) if truth else {}),
        **{key: _or_nan(stages[stage].get("work_seconds")) for key, stage in _STAGE_OF_TIME.items()},
    }


def no_map_numbers(truth: Trajectory | None, located: bool = False) -> dict[str, float]:
    """Return the numbers of a run whose photographs, `located` by GPS or not, made no map."""
    nothing = dict.fromkeys(("registered", "points", "observations"), 0.0)
    if located:
        nothing["correct_images"] = 0.0
    return nothing | (dict.fromkeys((metric.key for metric in _AUC), 0.0) if truth else {})


def comparison_metrics(samples: Sequence[Samples]) -> list[Metric]:
    """Return what the arms are compared by, in the order of rows: the numbers that any of them has.

    Errors of the registered images favour no arm unless all maps have equally many images.

    Parameters
    ----------
    samples
        Of each arm the values by key, one a repetition.
    """
    registered = {value for arm in samples for value in arm.get("registered", ())}
    equal = len(registered) <= 1
    errors = [metric if equal else replace(metric, better=None) for metric in _OF_REGISTERED]
    problems = Metric("problems", "Problems found by the self-check", "lower")
    registered_first, *others = METRICS
    every = (registered_first, _CORRECT, *others, problems, *errors, *_AUC, *_TIMES)
    return [m for m in every if any(np.isfinite(value) for arm in samples for value in arm.get(m.key, ()))]


def _errors(sparse_map: SparseMap, truth: Trajectory) -> dict[str, float]:
    known = {name: pose for name, pose in sparse_map.poses.items() if name in truth.poses}
    found = evaluate_poses(known, truth)
    areas = {f"auc_{t}_deg": found.auc_percent[t] for t in _AUC_DEG}
    return {"ate_rmse": found.ate_rmse, "rotation_median_deg": found.rotation_median_deg, **areas}


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)

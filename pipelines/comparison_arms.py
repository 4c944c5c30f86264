"""What a comparison shows of each descriptor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfm.mapping.database import VerifiedPair
from sfm.mapping.sparse_map import SparseMap
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.report import gallery_of, pairs_to_show, problems_of
from sfm.progress import Progress
from sfm.report.comparison import Arm

# Added to inliers before they are compared by ratio: below it, twice as many say little.
_FEW_INLIERS = 15


@dataclass(frozen=True)
class ArmRun:
    """One map of an arm.

    Attributes
    ----------
    seed
        Its seed.
    out
        Its folder, that of a finished run if there is a map.
    numbers
        Values by the keys of the table's metrics.
    failure
        Why there is no map; empty if there is one.
    """

    seed: int
    out: Path
    numbers: Mapping[str, float]
    failure: str = ""


@dataclass
class Shown:
    """What an arm is shown by: its first map."""

    sparse_map: SparseMap | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    out: Path | None = None


def arms_of(
    runs: Mapping[str, Sequence[ArmRun]],
    failures: Mapping[str, str],
    shown: Mapping[str, Shown],
    progress: Progress,
) -> list[Arm]:
    """Return what page and picture show of each arm: its first map, and the numbers of all of its maps.

    Parameters
    ----------
    runs
        The maps of each descriptor.
    failures
        Why a descriptor has no map, by its name.
    shown
        What each is shown by.
    progress
        Hears of the photographs that are read for the galleries.
    """
    chosen = _pairs_for_all({name: arm.record for name, arm in shown.items() if arm.sparse_map})
    arms = []
    for name, of_arm in runs.items():
        keys = dict.fromkeys(key for run in of_arm for key in run.numbers)
        samples = {key: [run.numbers.get(key, math.nan) for run in of_arm] for key in keys}
        warnings = problems_of(shown[name].record)
        if not failures.get(name):
            warnings += [f"With seed {run.seed}: {run.failure}" for run in of_arm if run.failure]
        folder = shown[name].out
        gallery = gallery_of(FinishedRun.open(folder), chosen, progress) if folder else ()
        arms.append(Arm(name, shown[name].sparse_map, samples, failures.get(name, ""), warnings, gallery))
    return arms


def _pairs_for_all(records: Mapping[str, Mapping[str, Any]]) -> list[tuple[VerifiedPair, str]]:
    """Choose pairs of images to look at under every descriptor: as for a report, and where they differ most."""
    first = next(iter(records.values()))
    chosen = pairs_to_show([VerifiedPair(**pair) for pair in first["pairs"]], first["left_out"])
    inliers: dict[tuple[str, str], dict[str, int]] = {}
    for name, record in records.items():
        for pair in record["pairs"]:
            key = pair["name1"], pair["name2"]
            inliers.setdefault(key, {})[name] = pair["inliers"] if pair["accepted"] else 0

    def difference(counts: Mapping[str, int]) -> float:
        return (max(counts.values()) + _FEW_INLIERS) / (min(counts.values()) + _FEW_INLIERS)

    # Where each descriptor chose its own pairs, some were not looked at by all.
    by_all = [key for key, counts in inliers.items() if len(counts) == len(records)]
    most = max(by_all, key=lambda key: difference(inliers[key]), default=None)
    taken = {(pair.name1, pair.name2) for pair, _ in chosen}
    if most is not None and most not in taken and difference(inliers[most]) > 1:
        told = ", ".join(f"{count} with {name}" for name, count in inliers[most].items())
        pair = next(pair for pair in first["pairs"] if (pair["name1"], pair["name2"]) == most)
        chosen.append((VerifiedPair(**pair), f"descriptors differ most: verified matches {told}"))
    return chosen

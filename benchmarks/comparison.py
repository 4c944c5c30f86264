"""Both pipelines in turn on the same images: times, memory, and the quality that they bought."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from sfm.mapping.colmap_io import read_map
from sfm.pipelines.evaluate import evaluate
from sfm.pipelines.quality import QualityOptions

COLMAP = "colmap"
_STAGES = ("extract", "match", "map")


def compare(
    scene: Path, descriptors: Sequence[str], qualities: Sequence[str], repeats: int, max_size: int
) -> dict[str, Any]:
    """Run COLMAP and this project with each descriptor in each quality, in turn, `repeats` times over.

    Returns
    -------
    By pipeline the runs one by one, and medians over the repeats of times, peaks and their ratios to COLMAP's in the
    same turn.
    """
    images, truth = scene / "images", scene / "ground_truth"
    cameras = truth / "cameras.txt"
    job = {
        "images": str(images if images.is_dir() else scene),
        "cameras": str(cameras) if cameras.is_file() else None,
        "max_size": max_size,
    }
    pipelines: dict[str, dict[str, str]] = {COLMAP: {"pipeline": COLMAP}}
    for descriptor, quality in itertools.product(descriptors, qualities):
        name = descriptor if quality == QualityOptions.quality else f"{descriptor}, {quality}"
        pipelines[name] = {"pipeline": descriptor, "quality": quality}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in pipelines}
    for _ in range(repeats):
        for name, done in runs.items():
            with tempfile.TemporaryDirectory() as folder:
                done.append(_run({**job, **pipelines[name]}, Path(folder), truth))
    return {
        name: {
            "median": {key: median(run[key] for run in done) for key in _figures(done[0])},
            "ratio_to_colmap": {
                key: median(ours[key] / theirs[key] for ours, theirs in zip(done, runs[COLMAP], strict=True))
                for key in (
                    "seconds",
                    "peak_mib",
                    *(f"{s}_{u}" for s in _STAGES for u in ("seconds", "cpu_seconds", "peak_mib")),
                )
            },
            "runs": done,
        }
        for name, done in runs.items()
    }


def _figures(run: dict[str, Any]) -> list[str]:
    return [key for key, value in run.items() if isinstance(value, int | float)]


def _run(job: dict[str, Any], folder: Path, truth: Path) -> dict[str, Any]:
    """Run one job in a process of its own and look at its map."""
    path = folder / "job.json"
    path.write_text(json.dumps({**job, "out": str(folder / "out")}), encoding="utf-8")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run_one", str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    seconds = time.perf_counter() - start
    answer = json.loads(done.stdout)
    found = read_map(Path(answer["model"]))
    run: dict[str, Any] = {
        "seconds": seconds,
        "peak_mib": max(s["peak_mib"] for s in answer["stages"].values()),
    }
    for name in _STAGES:
        run |= {f"{name}_{key}": value for key, value in answer["stages"][name].items()}
    run |= {
        "registered": len(found.images),
        "points": len(found.xyz),
        "track_length": found.mean_track_length,
        "error_px": found.mean_error_px,
    }
    if truth.is_dir():
        run |= _quality(Path(answer["model"]), truth)
    return {key: round(value, 4) for key, value in run.items()}


def _quality(model: Path, truth: Path) -> dict[str, float]:
    figures = evaluate(model, truth)
    return {
        "ate_rmse": figures.ate_rmse,
        "auc_1_deg_percent": figures.auc_percent[1],
        "auc_5_deg_percent": figures.auc_percent[5],
    }


def told(scene: str, measured: dict[str, Any]) -> str:
    """Return the table of a scene: medians, and in brackets the median ratio to COLMAP."""
    head = ("", "whole (s)", "extract", "match", "map", "peak (MiB)", "images", "points", "ATE (mm)", "AUC@1")
    rows: list[tuple[str, ...]] = [head]
    for name, figures in measured.items():
        middle, ratio = figures["median"], figures["ratio_to_colmap"]
        cells = [
            f"{middle[key]:.1f} ({ratio[key]:.2f})"
            for key in ("seconds", "extract_seconds", "match_seconds", "map_seconds")
        ]
        cells.append(f"{middle['peak_mib']:.0f} ({ratio['peak_mib']:.2f})")
        cells += [f"{middle['registered']:.0f}", f"{middle['points']:.0f}"]
        cells.append(f"{1000 * middle['ate_rmse']:.1f}" if "ate_rmse" in middle else "")
        cells.append(f"{middle['auc_1_deg_percent']:.1f}" if "auc_1_deg_percent" in middle else "")
        rows.append((name, *cells))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([scene, *lines])

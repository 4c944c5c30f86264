"""One run of one pipeline in a process of its own: `python -m benchmarks.run_one JOB.json`, the answer on stdout.

A job names the pipeline ("colmap" or a descriptor, and then the quality), images, output folder, camera file or null,
and the images' largest side.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from benchmarks.peak_memory import forget_peak, peak_mib
from sfm.progress import Silent, Step

# This project's stages, in COLMAP's words, by the titles they show while they run.
_STAGES = {
    "Detect": "extract",
    "Describe a sample": "extract",
    "Look which way is up": "extract",
    "Describe": "extract",
    "Describe the rest": "extract",
    "Match and verify": "match",
    "Map": "map",
}


class _Stages(Silent):
    """Peaks of memory by stage, and their times."""

    def __init__(self) -> None:
        self.measured: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "images") -> Iterator[Step]:
        """Measure what is done inside."""
        forget_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        with super().stage(name, total, unit) as step:
            yield step
        # A stage that is gone through again counts together.
        measured = self.measured.setdefault(
            _STAGES.get(name, name), {"seconds": 0.0, "cpu_seconds": 0.0, "peak_mib": 0.0}
        )
        measured["seconds"] += time.perf_counter() - wall
        measured["cpu_seconds"] += time.process_time() - cpu
        measured["peak_mib"] = max(measured["peak_mib"], peak_mib())


def run_ours(job: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Reconstruct; return the model's folder and what was measured."""
    import sfm

    stages = _Stages()
    given = {"intrinsics": Path(job["cameras"])} if job["cameras"] else {}
    out = Path(job["out"])
    result = sfm.reconstruct(
        job["images"],
        out,
        progress=stages,
        descriptor=job["pipeline"],
        quality=job["quality"],
        max_size=job["max_size"],
        camera="single",
        **given,
    )
    # The record's times hold more than the bars: choosing, checking, writing.
    recorded = result.record["stages"]
    for name, own in (("extract", "features"), ("match", "matching"), ("map", "mapping")):
        stages.measured[name]["seconds"] = recorded[own]["seconds"]
    return out / "sparse" / "0", stages.measured


def run_colmap(job: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Run pycolmap's own pipeline with its defaults; return the largest model's folder and what was measured."""
    import pycolmap

    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.ERROR)
    out, images, stages = Path(job["out"]), job["images"], _Stages()
    out.mkdir(parents=True)
    database = out / "database.db"
    reader = pycolmap.ImageReaderOptions()
    mapping = pycolmap.IncrementalPipelineOptions()
    mapping.min_model_size = 3
    if job["cameras"]:
        lines = Path(job["cameras"]).read_text(encoding="utf-8").splitlines()
        camera = next(line for line in lines if line and not line.startswith("#")).split()
        reader.camera_model, reader.camera_params = camera[1], ",".join(camera[4:])
        mapping.ba_refine_focal_length = mapping.ba_refine_extra_params = False
        mapping.mapper.abs_pose_refine_focal_length = mapping.mapper.abs_pose_refine_extra_params = False
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.max_image_size = job["max_size"]
    with stages.stage("extract"):
        pycolmap.extract_features(
            database,
            images,
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reader,
            extraction_options=extraction,
            device=pycolmap.Device.cpu,
        )
    with stages.stage("match"):
        pycolmap.match_exhaustive(database, device=pycolmap.Device.cpu)
    with stages.stage("map"):
        models = pycolmap.incremental_mapping(database, images, out, options=mapping)
    largest = max(models, key=lambda i: models[i].num_reg_images())
    return out / str(largest), stages.measured


def main() -> None:
    """Run the job and print the answer as JSON."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with redirect_stdout(sys.stderr):
        model, stages = run_colmap(job) if job["pipeline"] == "colmap" else run_ours(job)
    json.dump({"model": str(model), "stages": stages}, sys.stdout)


if __name__ == "__main__":
    main()

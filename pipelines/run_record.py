"""What run.json will say: when, with what, and every stage with its time and counts."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sfm.options import as_recorded
from sfm.pipelines.stage_options import ReconstructOptions

_LIBRARIES = ("sosnet-sfm", "numpy", "scipy", "opencv-python", "torch", "pycolmap", "poselib")

# What others read from a record, and of which type it is; the entries of tables and lists are objects too.
_TABLES = ("options", "stages")
_LISTS = ("pairs", "models")
_TYPES: dict[str, type] = {
    "images": str,
    "descriptor": str,
    "started": str,
    "versions": dict,
    "self_check": dict,
    "left_out": dict,
    "skipped": dict,
}


class RunRecord:
    """Collects the record of a run.

    Attributes
    ----------
    data
        The record, JSON-ready.
    described_in_s
        How long description took where it was done before this run, for several at once; None otherwise.
    """

    described_in_s: float | None = None

    def __init__(self, images: Path, options: ReconstructOptions) -> None:
        self.data: dict[str, Any] = {
            "images": str(images.resolve()),
            "descriptor": options.description.descriptor,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "options": {f.name: as_recorded(getattr(options, f.name)) for f in dataclasses.fields(options)},
            "versions": {"python": platform.python_version(), **library_versions()},
            "stages": {},
        }

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage; what is put into the dictionary it yields is recorded with the time.

        A stage that is gone through several times is recorded by what was put in last, and the time of all.
        """
        start = time.monotonic()
        counts: dict[str, Any] = {}
        yield counts
        before = self.data["stages"].get(name, {}).get("seconds", 0.0)
        self.data["stages"][name] = {"seconds": round(before + time.monotonic() - start, 3), **counts}

    def tell_time_of_work(self, earlier: Mapping[str, Any]) -> None:
        """Add to each stage how long its work took, whichever run did it; None where several did parts of it."""
        stages = self.data["stages"]
        described, pairs, mapped = stages["features"], stages["matching"], stages["mapping"]
        work = {
            "features": (described["described"], described["images"]),
            "matching": (pairs["pairs"] - pairs["reused"], pairs["pairs"]),
            "mapping": (int(not mapped["reused"]), 1),
        }
        options, before = self.data["options"], earlier.get("options", {})
        for name, (done, total) in work.items():
            # An interrupted run with other options leaves work of which the record does not tell.
            decisive = ("detection", "description") if name == "features" else options
            same = all(before.get(stage) == options[stage] for stage in decisive)
            if name == "features" and self.described_in_s is not None:
                stages[name]["work_seconds"] = self.described_in_s
            elif done == total:
                stages[name]["work_seconds"] = stages[name]["seconds"]
            elif done or not same:
                stages[name]["work_seconds"] = None
            else:
                stages[name]["work_seconds"] = earlier.get("stages", {}).get(name, {}).get("work_seconds")


def read_record(path: Path) -> dict[str, Any]:
    """Return what an earlier run recorded; empty if there is nothing to read. Values of a wrong type are left out."""
    return {key: value for key, value in read_object(path).items() if _fits(key, value)}


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty if there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _fits(key: str, value: Any) -> bool:
    if key in _TABLES:
        return isinstance(value, dict) and all(isinstance(entry, dict) for entry in value.values())
    if key in _LISTS:
        return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
    return isinstance(value, _TYPES.get(key, object))


def library_versions() -> dict[str, str]:
    """Return the versions of this project and of the libraries that decide what comes out, by name."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

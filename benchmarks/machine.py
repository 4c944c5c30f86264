"""What was measured on: processor, memory, versions."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sfm.cli.info import BFLOAT16_UNITS, INT8_UNITS, cpu_has

_LIBRARIES = ("sosnet-sfm", "numpy", "opencv-python", "torch", "pycolmap")


def describe_machine() -> dict[str, Any]:
    """Return the machine and the versions, JSON-ready."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "bfloat16": cpu_has(*BFLOAT16_UNITS),
        "int8": cpu_has(*INT8_UNITS),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0] or 0) / 2**20, 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _LIBRARIES},
    }


def _field(path: str, name: str) -> str:
    """Return the first value of `name` in one of Linux' files of fields, "0" or empty text where there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [value for key, _, value in (line.partition(":") for line in lines) if key.strip() == name]
    return found[0].strip() if found else "0"

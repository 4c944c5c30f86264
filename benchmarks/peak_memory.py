"""The largest memory a process held since a moment: what Linux keeps as VmHWM, set back at the start of a stage."""

from __future__ import annotations

from pathlib import Path

_PROCESS = Path("/proc/self")


def forget_peak() -> None:
    """Count from now on."""
    (_PROCESS / "clear_refs").write_text("5")


def peak_mib() -> float:
    """Return the largest resident memory of this process since `forget_peak`, MiB."""
    line = next(line for line in (_PROCESS / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

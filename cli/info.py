"""`sfm info`: what this installation has, and what it lacks."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.resources
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfm.cli.console import Console, common_options
from sfm.cli.options import command
from sfm.threads import usable_cores

DISTRIBUTION = "sosnet-sfm"

# Names of a processor's units that multiply these, as Linux lists them.
BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")
INT8_UNITS = ("avx512_vnni",)


@dataclass(frozen=True)
class SystemLibrary:
    """A shared library that comes from the system and not from a wheel."""

    soname: str
    apt_package: str
    needed_by: str


SYSTEM_LIBRARIES = (
    SystemLibrary("libGL.so.1", "libgl1", "opencv-python, open3d"),
    SystemLibrary("libEGL.so.1", "libegl1", "open3d"),
    SystemLibrary("libglib-2.0.so.0", "libglib2.0-0", "opencv-python"),
    SystemLibrary("libSM.so.6", "libsm6", "opencv-python"),
    SystemLibrary("libXext.so.6", "libxext6", "opencv-python"),
    SystemLibrary("libusb-1.0.so.0", "libusb-1.0-0", "open3d"),
)


@command()
@common_options
def info(console: Console) -> None:
    """Show versions, hardware, missing system libraries and packaged weights.

    Add its output to a report of a fault.
    """
    packages = dependency_versions()
    hardware = describe_hardware()
    missing = missing_libraries() if platform.system() == "Linux" else []
    weights = packaged_weights()

    console.table(
        "Software",
        ["package", "version"],
        [
            ("sfm", importlib.metadata.version(DISTRIBUTION)),
            ("python", platform.python_version()),
            *packages.items(),
        ],
    )
    console.table("Hardware", ["", ""], [(name, _shown(value)) for name, value in hardware.items()])
    console.print(f"Packaged weights: {', '.join(weights) or 'none'}")
    console.print(f"Missing system libraries: {', '.join(lib.soname for lib in missing) or 'none'}")
    if missing:
        console.print(f"Get them with: {apt_line(missing)}")
    console.summary(
        {
            "sfm": importlib.metadata.version(DISTRIBUTION),
            "python": platform.python_version(),
            "packages": packages,
            "hardware": hardware,
            "weights": weights,
            "missing_libraries": [lib.soname for lib in missing],
            "install_missing": apt_line(missing) if missing else None,
        }
    )


def dependency_versions() -> dict[str, str | None]:
    """Return the version of every dependency of the installed distribution, None where it is missing."""
    versions: dict[str, str | None] = {}
    for requirement in importlib.metadata.requires(DISTRIBUTION) or []:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def describe_hardware() -> dict[str, Any]:
    """Return platform, usable cores, fast precisions, memory and CUDA devices; None for the unknown."""
    return {
        "platform": platform.platform(),
        "cpu_cores": usable_cores(),
        "cpu_bfloat16": cpu_has(*BFLOAT16_UNITS),
        "cpu_int8": cpu_has(*INT8_UNITS),
        "memory_gb": memory_gb(),
        "cuda_devices": cuda_devices(),
    }


def cpu_has(*units: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Return whether the processor lists one of the units among its features; None where this cannot be read."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    if flags is None:
        return None
    return not set(units).isdisjoint(flags.group(1).split())


def memory_gb() -> float | None:
    """Return the memory this process may use, in 1e9 bytes: the machine's, or its container's limit."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        limit = "max"
    if limit.isdigit():
        total = min(total, int(limit))
    return round(total / 1e9, 1)


def cuda_devices() -> list[str] | None:
    """Return the names of the CUDA devices torch can use; None where torch does not import."""
    try:
        import torch
    except (ImportError, OSError):
        return None
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def missing_libraries() -> list[SystemLibrary]:
    """Return the system libraries that the loader does not find and that no wheel brings along."""
    return [lib for lib in SYSTEM_LIBRARIES if not _loads(lib.soname) and not _shipped(lib.soname)]


def apt_line(libraries: list[SystemLibrary]) -> str:
    """Return the one command that installs `libraries` on Debian and Ubuntu."""
    return "sudo apt-get install -y " + " ".join(lib.apt_package for lib in libraries)


def packaged_weights() -> list[str]:
    """Return the names of the descriptors whose weights the package carries."""
    folder = importlib.resources.files("sfm.features.weights")
    return sorted(
        item.name.removesuffix(".safetensors")
        for item in folder.iterdir()
        if item.name.endswith(".safetensors")
    )


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _shipped(soname: str) -> bool:
    if not soname.startswith("libusb"):
        return False
    try:
        import libusb_package
    except ImportError:
        return False
    return libusb_package.get_library_path() is not None


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return str(value)

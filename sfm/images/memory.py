"""Refuse pictures whose pixels would not fit into memory beside those of other threads."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from sfm.errors import InputError
from sfm.threads import usable_cores

# Of all memory, what photographs may take that are decoded at the same time; the rest is for what is made of them.
_SHARE = 0.5
_OF_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def refuse_what_does_not_fit(size: tuple[int, int], bytes_per_pixel: int) -> None:
    """Raise `InputError`, with a clause, if decoding `size` pixels takes more memory than one thread may have."""
    needed, allowed = size[0] * size[1] * bytes_per_pixel, bytes_for_one_thread()
    if needed > allowed:
        raise InputError(
            f"{size[0]} x {size[1]} pixels take {needed / 2**30:.1f} GB to decode, of {allowed / 2**30:.1f} GB that "
            "this machine has for each thread, make it smaller"
        )


def bytes_for_one_thread() -> int:
    """Return how many bytes decoding may take in each of the threads that decode side by side."""
    return int(_memory_bytes() * _SHARE / usable_cores())


@cache
def _memory_bytes() -> int:
    """Return the memory of the machine, or of the container that this process runs in."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(_OF_CONTAINER.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit
        return machine

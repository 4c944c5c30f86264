"""The memory allocator's habits, where they cost more than the work itself."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Keep freed memory in the process instead of giving it back to the system.

    A network's layers ask for buffers of tens of megabytes and free them again, batch after batch. glibc maps
    each of them anew, and the system clears every page: a third of the time of a training on a CPU. The process
    stays as large as its largest moment, until it ends.

    Returns
    -------
    Whether the allocator could be told; only glibc can.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))

"""How many patches a network takes at once: learned while it works."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from sfm.errors import WorkError

_ROUNDS = 3


class BatchSize:
    """Tries sizes in turn on the batches that have to be done anyway, then keeps to the fastest.

    Parameters
    ----------
    sizes
        What to choose from. A single one is taken as it is.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._best = {size: float("inf") for size in sizes}
        self._trials = [size for _ in range(_ROUNDS) for size in sizes] if len(self._best) > 1 else []
        self._lock = Lock()

    def next(self) -> int:
        """Return the size of the next batch."""
        with self._lock:
            if self._trials:
                return self._trials.pop(0)
            return min(self._best, key=lambda size: self._best[size])

    def took(self, size: int, seconds: float) -> None:
        """Hear how long a full batch of `size` took."""
        with self._lock:
            if size in self._best:
                self._best[size] = min(self._best[size], seconds / size)

    def too_large(self, size: int) -> int:
        """Hear that a batch of `size` did not fit into memory; return half of it, which is the most from now on.

        Raises `WorkError` if not even one fits.
        """
        if size <= 1:
            raise WorkError(
                "The device has no memory left for a single patch: free some, or use --device cpu."
            )
        half = size // 2
        with self._lock:
            self._trials = [trial for trial in self._trials if trial <= half]
            self._best = {s: best for s, best in self._best.items() if s <= half} or {half: float("inf")}
        return half

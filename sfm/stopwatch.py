"""Time by stage, or from one moment to the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds by the names of stages, and tells them lap by lap; runs from when it is made.

    Attributes
    ----------
    seconds
        What was measured of each stage so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last_lap = time.perf_counter()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the block, also if it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        before, self._last_lap = self._last_lap, time.perf_counter()
        return self._last_lap - before

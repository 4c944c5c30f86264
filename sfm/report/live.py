"""The page of a map that is still being made, and what it asks for while it is open."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfm.mapping.sparse_map import SparseMap
from sfm.progress import Progress, Step
from sfm.report.comparison import MIN_COMMON, similarity_of
from sfm.report.page import headline_numbers, render_page
from sfm.report.scene import pack_scene

# A growing map is sent again and again: fewer points than in a report, and no more lines than are read at a glance.
MAX_LIVE_POINTS = 60_000
_MAX_LINES = 8


@dataclass
class _Stage:
    name: str
    unit: str
    total: int | None
    done: int = 0
    start_s: float = field(default_factory=time.monotonic)

    def as_json(self) -> dict[str, Any]:
        elapsed = time.monotonic() - self.start_s
        left = None
        if self.total and 0 < self.done <= self.total:
            left = round(elapsed * (self.total - self.done) / self.done, 1)
        return {
            "name": self.name,
            "unit": self.unit,
            "total": self.total,
            "done": self.done,
            "seconds_left": left,
        }


class LivePage:
    """What is shown of a run under way: fed by the run, read by a server in other threads.

    Parameters
    ----------
    title
        What is being mapped.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.finished: Path | None = None
        self._lock = threading.Lock()
        self._stages: list[_Stage] = []
        self._lines: deque[str] = deque(maxlen=_MAX_LINES)
        self._total = 0
        self._map: SparseMap | None = None
        self._version = 0
        self._packed: tuple[int, dict[str, Any]] = 0, {}

    # -- fed by the run ----------------------------------------------------------------------------------

    def show(self, sparse_map: SparseMap) -> None:
        """Show a later state of the map, in the place and size of the one before."""
        with self._lock:
            before = self._map
        if before is not None:
            common = sorted(before.poses.keys() & sparse_map.poses.keys())
            if len(common) >= MIN_COMMON:
                # The mapper moves and scales its model as it goes.
                sparse_map = sparse_map.transformed(similarity_of(sparse_map.poses, before.poses, common))
        with self._lock:
            self._map, self._version = sparse_map, self._version + 1

    def tell(self, line: str) -> None:
        """Show a line of what the run tells."""
        with self._lock:
            self._lines.append(line)

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[_Stage]:
        """Show a stage while it lasts."""
        stage = _Stage(name, unit, total)
        with self._lock:
            self._stages.append(stage)
            if unit == "images" and total:
                self._total = max(self._total, total)
        try:
            yield stage
        finally:
            with self._lock:
                self._stages.remove(stage)

    def finish(self, report: Path) -> None:
        """Have the page replaced by the report in this file."""
        self.finished = report

    # -- read by the server ------------------------------------------------------------------------------

    def html(self) -> str:
        """Return the page; when the run has finished, the report."""
        if self.finished is not None:
            return self.finished.read_text(encoding="utf-8")
        scripts = ("viewer.js", "controls.js", "cameras.js", "live.js")
        return render_page("live.html", scripts, asks_its_server=True, title=self.title)

    def state(self, seen: int) -> dict[str, Any]:
        """Return what the page shows now, JSON-ready.

        Parameters
        ----------
        seen
            Version of the map that the page has already; only a later one comes along.
        """
        with self._lock:
            stage = self._stages[-1].as_json() if self._stages else None
            lines, sparse_map, version, total = list(self._lines), self._map, self._version, self._total
        state: dict[str, Any] = {
            "finished": self.finished is not None,
            "stage": stage,
            "lines": lines,
            "version": version,
        }
        if sparse_map is not None and version > seen:
            state |= self._pack(sparse_map, version, total)
        return state

    def _pack(self, sparse_map: SparseMap, version: int, total: int) -> dict[str, Any]:
        """Return the map for the viewer, packed when the first page asks for it."""
        packed, values = self._packed
        if packed != version:
            values = {
                "scene": pack_scene(sparse_map, max_points=MAX_LIVE_POINTS),
                "numbers": headline_numbers(sparse_map, max(total, len(sparse_map.images))),
            }
            self._packed = version, values
        return values


class LiveProgress:
    """Progress that is also shown on a page; implements `sfm.progress.Progress`.

    Parameters
    ----------
    inner
        Who else hears of it.
    page
        The page.
    begin
        Called once, when the first stage begins: what was given could be used so far.
    """

    def __init__(self, inner: Progress, page: LivePage, begin: Callable[[], None] | None = None) -> None:
        self._inner, self._page, self._begin = inner, page, begin

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "images") -> Iterator[Step]:
        """Open a stage for both."""
        if self._begin is not None:
            begin, self._begin = self._begin, None
            begin()
        with self._inner.stage(name, total, unit) as step, self._page.stage(name, total, unit) as shown:
            yield _Both(step, shown)

    def say(self, message: str) -> None:
        """Tell both."""
        self._inner.say(message)
        self._page.tell(message)

    def detail(self, message: str) -> None:
        """Tell the inner one only."""
        self._inner.detail(message)

    def warn(self, message: str) -> None:
        """Tell both."""
        self._inner.warn(message)
        self._page.tell(f"Warning: {message}")


class _Both:
    def __init__(self, step: Step, shown: _Stage) -> None:
        self._step, self._shown = step, shown

    def advance(self, count: int = 1, note: str | None = None) -> None:
        self._step.advance(count, note)
        self._shown.done += count


def state_json(page: LivePage, seen: int) -> bytes:
    """Return `page.state(seen)` as JSON text."""
    return json.dumps(page.state(seen), allow_nan=False, separators=(",", ":")).encode()

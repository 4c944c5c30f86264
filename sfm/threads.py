"""How many threads pay, and threads of libraries, held back where this project's own keep the cores busy."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

from sfm.allocator import keep_freed_memory


def usable_cores() -> int:
    """Return on how many cores this process may run: fewer than there are where it was given only some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def map_in_order(
    pool: ThreadPoolExecutor, work: Callable[[Item], Outcome], items: Iterable[Item]
) -> Iterator[tuple[Item, Outcome]]:
    """Yield each item with what `work` makes of it, in order, while few wait: `pool.map` would queue all at once."""
    waiting: deque[tuple[Item, Future[Outcome]]] = deque()
    ahead = 4 * usable_cores()
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def share_out(
    pool: ThreadPoolExecutor, work: Callable[[Item], Outcome], parts: Sequence[Item]
) -> list[Outcome]:
    """Work on the parts of something in this thread of the pool, and in those that have nothing else to do.

    Without it the last of many photographs keep a few cores busy while the others wait.
    """
    waiting = deque(enumerate(parts))
    outcomes: dict[int, Outcome] = {}

    def take_parts() -> None:
        while waiting:
            try:
                place, part = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            outcomes[place] = work(part)

    # Whatever the pool has been given before comes first, so that these begin only where threads are idle.
    helpers = [pool.submit(take_parts) for _ in range(min(len(parts), usable_cores()) - 1)]
    try:
        take_parts()
    finally:
        waiting.clear()
        begun = [helper for helper in helpers if not helper.cancel()]
    for helper in begun:
        helper.result()
    return [outcomes[place] for place in range(len(parts))]


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Hold OpenCV, torch and the linear algebra library to the thread that calls them.

    Photographs and pairs are worked on side by side, one a core. Libraries that split each of them over all cores once
    more only get in each other's way.
    """
    import cv2

    torch = sys.modules.get("torch")  # who has not imported it needs no limit of it
    of_opencv = cv2.getNumThreads()
    of_torch = torch.get_num_threads() if torch else 1
    cv2.setNumThreads(1)
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        cv2.setNumThreads(of_opencv)
        if torch:
            torch.set_num_threads(of_torch)


@contextmanager
def pool_of_cores() -> Iterator[ThreadPoolExecutor]:
    """Open a pool of one thread a core, for photographs and pairs that are worked on side by side.

    Libraries keep to the thread that calls them, and freed memory stays with the process: the next photograph needs
    buffers as large as the last one's, and having them cleared by the system took 6 to 9% of a whole run.
    """
    keep_freed_memory()
    with one_thread_each(), ThreadPoolExecutor(usable_cores()) as pool:
        yield pool

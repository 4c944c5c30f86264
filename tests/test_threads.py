"""Threads: as many as this process may run at once, and libraries held to one each."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import pytest

from sfm import threads
from sfm.threads import map_in_order, one_thread_each, pool_of_cores, share_out, usable_cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no process can be held to a core here")
def test_a_process_held_to_one_core_counts_one():
    code = (
        "import os; from sfm.threads import usable_cores; "
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(usable_cores())"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert told.strip() == "1"


def test_where_nothing_is_known_of_affinity_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_outcomes_come_in_order_and_few_wait():
    begun = []

    def work(item):
        begun.append(item)
        return item * item

    most = 0
    with ThreadPoolExecutor(2) as pool:
        for place, (item, outcome) in enumerate(map_in_order(pool, work, range(200))):
            assert (item, outcome) == (place, place * place)
            most = max(most, len(begun) - place)
    assert place == 199
    assert most <= 4 * usable_cores() + 1


def test_idle_threads_take_parts(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    together = threading.Barrier(2, timeout=20)

    def work(part):
        together.wait()  # passes only if two threads work at once
        return part, threading.get_ident()

    with ThreadPoolExecutor(2) as pool:
        outcomes = pool.submit(share_out, pool, work, range(6)).result()
    assert [part for part, _ in outcomes] == list(range(6))
    assert len({thread for _, thread in outcomes}) == 2


def test_threads_that_have_other_work_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    done = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(done.wait, 20)
        outcomes = pool.submit(share_out, pool, lambda part: part * part, range(5)).result(timeout=10)
        done.set()
    assert outcomes == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("fails", [0, 3])
def test_a_part_that_fails_fails_the_whole(monkeypatch, fails):
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)

    def work(part):
        if part == fails:
            raise ValueError("no such part")
        return part

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="no such part"):
        pool.submit(share_out, pool, work, range(4)).result()


def test_opencv_is_held_to_one_thread_and_let_go():
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        with one_thread_each():
            assert cv2.getNumThreads() == 1
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_a_pool_has_a_thread_a_core_and_keeps_freed_memory(monkeypatch):
    kept = []
    monkeypatch.setattr(threads, "usable_cores", lambda: 3)
    monkeypatch.setattr(threads, "keep_freed_memory", lambda: kept.append(True))
    together = threading.Barrier(3, timeout=10)
    before = cv2.getNumThreads()

    def work(_):
        together.wait()
        return cv2.getNumThreads()

    with pool_of_cores() as pool:
        assert list(pool.map(work, range(3))) == [1, 1, 1]
    assert kept == [True]
    assert cv2.getNumThreads() == before

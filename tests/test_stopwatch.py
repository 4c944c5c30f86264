from types import SimpleNamespace

import pytest

from sfm import stopwatch
from sfm.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that says what it is told."""
    moments = []
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter=lambda: moments.pop(0)))
    return moments


def test_seconds_of_a_stage_add_up(clock):
    clock += [0, 1, 3, 10, 14, 20, 25]
    watch = Stopwatch()
    for stage in ("read", "match", "read"):
        with watch(stage):
            pass
    assert watch.seconds == {"read": 7, "match": 4}


def test_a_stage_that_fails_is_timed_too(clock):
    clock += [0, 1, 3]
    watch = Stopwatch()
    with pytest.raises(ValueError, match="bad"), watch("read"):
        raise ValueError("bad")
    assert watch.seconds == {"read": 2}


def test_laps_follow_each_other(clock):
    clock += [0, 2, 2.5]
    watch = Stopwatch()
    assert [watch.lap(), watch.lap()] == [2, 0.5]

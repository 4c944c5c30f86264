"""Signals sent to a process whose worker threads are at something long."""

import signal
import subprocess
import sys

import pytest

from sfm.cli.stopping import INTERRUPTED, TERMINATED

SCRIPT = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import click
import sfm.cli.info
from sfm.cli.main import main

@click.command()
def info():
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(time.sleep, float(sys.argv[1]))
        print("begun", flush=True)
        work.result()

sfm.cli.info.info = info
main(["info"])
"""
STOPPED = "Stopped. Finished work is kept; run the same command to go on.\n"
WAITING = "Stopping: what is under way is finished first (press Ctrl-C again to stop at once).\n"


@pytest.fixture
def begin():
    """Return a function: it starts work of so many seconds, whose end nobody can hasten but by leaving."""
    started = []

    def start(seconds, **values):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(seconds)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **values,
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_the_first_lets_what_is_under_way_end_and_says_so(begin, number, code):
    process = begin(2)
    process.send_signal(number)
    assert process.communicate(timeout=30)[1] == WAITING + STOPPED
    assert process.returncode == code


def test_nothing_is_said_of_a_short_wait(begin):
    process = begin(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] in (STOPPED, ""), "nothing if it was over by then"


@pytest.mark.parametrize("more", [1, 3])
def test_the_second_ends_the_process(begin, more):
    process = begin(600)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == WAITING
    for _ in range(more):
        process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == (
        "Stopped at once. Finished work is kept; run the same command to go on.\n"
    )
    assert process.returncode == INTERRUPTED


def test_ctrl_c_that_is_meant_for_others(begin):
    process = begin(1, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0

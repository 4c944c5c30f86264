"""Let writes of commands fail, run them again, and compare with an undisturbed run.

    python -m benchmarks.failing_writes --tries 100

needs Linux and a C compiler (`cc`), and writes its section of docs/reliability.md.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import shutil
import subprocess
import sys
from datetime import date
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks.kill import fresh
from benchmarks.reliability import (
    Job,
    Outcome,
    differences,
    faults_told,
    finish,
    jobs,
    load_commands,
    start,
    write_section,
)

_SOURCE = Path(__file__).with_suffix(".c")
_ERRORS = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)
_BAD_WORDS = ("fault in sfm", "Traceback")


def main() -> None:
    """Try every command, and write what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=100, help="failures a command, 0 for one at every write")
    parser.add_argument("--work", type=Path, default=Path("build/failing"), help="folder for scene and runs")
    parser.add_argument("--only", nargs="*", help="commands; all of them if not given")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    work = arguments.work.resolve()
    library = _preloaded(work / "failing_writes.so")
    load_commands()
    outcomes: dict[str, Outcome] = {}
    writes: dict[str, int] = {}
    for job in jobs(work):
        if not arguments.only or job.name in arguments.only:
            writes[job.name], outcomes[job.name] = try_job(job, arguments.tries, library, work)
            print(job.name, writes[job.name], outcomes[job.name], flush=True)
            write_section("Writes that fail", report(outcomes, writes))


def _preloaded(path: Path) -> ctypes.CDLL:
    """Return the library that lets writes fail; the process begins anew where it is not preloaded yet."""
    if os.environ.get("LD_PRELOAD") != str(path):
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", path, _SOURCE, "-ldl"], check=True)
        os.environ["LD_PRELOAD"] = str(path)
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.failing_writes", *sys.argv[1:]])
    library = ctypes.CDLL(str(path))
    library.fail_writes.argtypes = ctypes.c_char_p, ctypes.c_long, ctypes.c_int
    library.writes_seen.restype = ctypes.c_long
    return library


def try_job(job: Job, tries: int, library: ctypes.CDLL, work: Path) -> tuple[int, Outcome]:
    """Let the writes of a command fail from some call on; return how many calls there are, and what came of it."""
    told = work / "told.txt"

    def run(folder: Path, after: int = -1, number: int = 0) -> tuple[int, str]:
        def arm() -> None:
            library.fail_writes(str(folder).encode(), after, number)

        return finish(start(job.arguments(folder), told, arm), told)

    wanted = fresh(job, work / "undisturbed")
    status, words = run(wanted)
    writes = int(library.writes_seen())
    if status:
        return writes, Outcome(faults=[f"the undisturbed run ended with {status}: {words}"])
    outcome = Outcome()
    calls = np.unique(np.linspace(0, writes - 1, tries or writes).astype(int))
    for call, number in zip(calls, cycle(_ERRORS), strict=False):
        folder = fresh(job, work / "failed")
        status, words = run(folder, int(call), number)
        found = faults_of_end(status, words)
        if status == 0:
            outcome.ended_first += 1
            found += [f"ended well, but {why}" for why in differences(job, folder, wanted)]
        status, words = run(folder)
        again = (
            [f"then ended with {status}: {words.strip()[-200:]}"]
            if status
            else differences(job, folder, wanted)
        )
        outcome.tries += 1
        outcome.faults += [
            f"{errno.errorcode[number]} from write {call} on: {why}" for why in (*found, *again)
        ]
    shutil.rmtree(work / "failed", ignore_errors=True)
    return writes, outcome


def faults_of_end(status: int, words: str) -> list[str]:
    """Say what is wrong with how a command ended: it must end by itself, with a line that says what to do."""
    if status < 0:
        return [f"ended by signal {-status}: {words.strip()[-200:]}"]
    if status not in (0, 1, 2) or any(bad in words for bad in _BAD_WORDS):
        return [f"ended with {status}: {words.strip()[-300:]}"]
    return []


def report(outcomes: dict[str, Outcome], writes: dict[str, int]) -> str:
    """Return the section's text."""
    rows = [
        f"| `{name}` | {writes[name]} | {o.tries} | {o.ended_first} | {len(o.faults)} |"
        for name, o in outcomes.items()
    ]
    return "\n".join(
        [
            f"`python -m benchmarks.failing_writes`, {date.today().isoformat()}. Each try starts a command anew, and "
            "every write and fsync into its folder fails from one call on, by turns with ENOSPC, EIO, EFBIG and "
            "EDQUOT; the calls are spread evenly. The command has to end by itself, with exit code 1 or 2 and a line "
            "that does not call it a fault in sfm. Then the same command is given again with a disk that works, and "
            "everything in the folder is compared with what an undisturbed run left.",
            "",
            "| command | write calls | tries | of them ended well all the same | faults |",
            "|---|---|---|---|---|",
            *rows,
            "",
            faults_told(outcomes),
        ]
    )


if __name__ == "__main__":
    main()

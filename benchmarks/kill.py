"""Kill commands at random moments, run them again, and compare with an undisturbed run.

    python -m benchmarks.kill --tries 100

writes its section of docs/reliability.md.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import time
from datetime import date
from pathlib import Path

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


def main() -> None:
    """Try every command, and write what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=100, help="kills a command")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--work", type=Path, default=Path("build/kill"), help="folder for scene and runs")
    parser.add_argument("--only", nargs="*", help="commands; all of them if not given")
    arguments = parser.parse_args()
    load_commands()
    arguments.work.mkdir(parents=True, exist_ok=True)
    work = arguments.work.resolve()
    outcomes: dict[str, Outcome] = {}
    for job in jobs(work):
        if not arguments.only or job.name in arguments.only:
            outcomes[job.name] = try_job(job, arguments.tries, random.Random(arguments.seed), work)
            print(job.name, outcomes[job.name], flush=True)
            write_section("Killed at random moments", report(outcomes))


def try_job(job: Job, tries: int, rng: random.Random, work: Path) -> Outcome:
    """Kill one command `tries` times, each in a folder of its own, and run it to its end."""
    told = work / "told.txt"
    wanted = fresh(job, work / "undisturbed")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    status, words = finish(start(job.arguments(wanted), told), told)
    after_it = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after_it.ru_utime + after_it.ru_stime - before.ru_utime - before.ru_stime
    if status:
        return Outcome(faults=[f"the undisturbed run ended with {status}: {words}"])
    outcome = Outcome()
    for number in range(tries):
        folder = fresh(job, work / "killed")
        after = rng.uniform(0, seconds)
        outcome.tries += 1
        outcome.ended_first += not kill_after(after, start(job.arguments(folder), told))
        status, words = finish(start(job.arguments(folder), told), told)
        found = (
            [f"ended with {status}: {words.strip()[-200:]}"] if status else differences(job, folder, wanted)
        )
        outcome.faults += [f"try {number}, killed after {after:.2f} s: {fault}" for fault in found]
    return outcome


def kill_after(seconds: float, process: int) -> bool:
    """Kill a process after so many seconds of its own work; return whether it was still there."""
    while _worked_s(process) < seconds and not os.waitid(
        os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT
    ):
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)  # not waited for yet, so the number is still its own
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


def _worked_s(process: int) -> float:
    """Return the processor's time a process has had, which other load on the machine does not change."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fresh(job: Job, folder: Path) -> Path:
    """Return the folder with nothing but what the command starts from."""
    shutil.rmtree(folder, ignore_errors=True)
    if job.outputs == "map":
        folder.mkdir()
    job.prepare(folder)
    return folder


def report(outcomes: dict[str, Outcome]) -> str:
    """Return the section's text."""
    rows = [
        f"| `{name}` | {o.tries} | {o.tries - o.ended_first} | {len(o.faults)} |"
        for name, o in outcomes.items()
    ]
    return "\n".join(
        [
            f"`python -m benchmarks.kill`, {date.today().isoformat()}. Each try starts a command anew, sends SIGKILL "
            "after a random part of the processor time that an undisturbed run takes, gives the same command again, "
            "and compares everything in the folder with what the undisturbed run left: files missing or left behind, "
            "tensors, poses, sizes.",
            "",
            "| command | tries | of them killed before the end | faults |",
            "|---|---|---|---|",
            *rows,
            "",
            faults_told(outcomes),
        ]
    )


if __name__ == "__main__":
    main()

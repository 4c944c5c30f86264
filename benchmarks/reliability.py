"""Run commands in processes that may die, and compare what they leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from sfm.cli.main import COMMANDS, LazyGroup, main
from sfm.errors import SfmError
from sfm.files import replaced_folder, write_text
from sfm.mapping.colmap_io import read_map
from sfm.rendering.walk import StreetOptions, render_street

REPORT = Path(__file__).parents[1] / "docs" / "reliability.md"
# Until a command counts as hanging.
PATIENCE_S = 600.0
_QUICK = ["--descriptor", "sift", "--max-keypoints", "600", "--describe-first", "0", "--seed", "1"]
_SAME_POSE = 1e-4
_SIZED, _SAME_SIZE = (".ply", ".h5", ".bin", ".tum", ".kitti", ".txt", ".pt"), 0.02


@dataclass(frozen=True)
class Job:
    """A command under trial.

    Attributes
    ----------
    name
        The command.
    arguments
        Its words, given the folder it works in.
    prepare
        Puts into that folder what the command starts from.
    outputs
        Folder of what it makes, below that folder.
    """

    name: str
    arguments: Callable[[Path], list[str]]
    prepare: Callable[[Path], None]
    outputs: str


@dataclass
class Outcome:
    """What became of the tries of one command."""

    tries: int = 0
    ended_first: int = 0
    faults: list[str] = field(default_factory=list)


def jobs(base: Path) -> list[Job]:
    """Return the commands that are tried, on a scene and a map that are made below `base` if they are not there."""
    scene, made, patches = base / "scene", base / "map", base / "patches"
    if not scene.exists():
        with replaced_folder(scene) as new:
            render_street(new, StreetOptions(views=6, width=320, height=240))
    images = str(scene / "images")
    if not (made / "run.json").exists():
        must(["reconstruct", images, "-o", str(made), *_QUICK], base)

    def with_map(folder: Path) -> None:
        shutil.copytree(made, folder / "map", symlinks=True)

    def nothing(folder: Path) -> None:
        folder.mkdir()

    def with_patches(folder: Path) -> None:
        folder.mkdir()
        if not (patches / "manifest.json").exists():
            must(["patches", "build", str(made), "-o", str(patches)], base)

    def words(*given: str) -> Callable[[Path], list[str]]:
        return lambda folder: [word.replace("@", str(folder)) for word in given]

    every = [
        f for name in ("ply", "tum", "kitti", "colmap-bin", "nerfstudio", "hloc") for f in ("--format", name)
    ]
    truth = str(scene / "ground_truth")
    training = ["--loss", "hardnet", "--steps", "12", "--batch-size", "32", "--checkpoint-every", "3"]
    return [
        Job("reconstruct", words("reconstruct", images, "-o", "@/out", *_QUICK), nothing, "out"),
        Job(
            "compare",
            words(
                "compare",
                images,
                "-o",
                "@/out",
                "--descriptors",
                "sift",
                "--max-keypoints",
                "600",
                "--seed",
                "1",
            ),
            nothing,
            "out",
        ),
        Job("localize", words("localize", "@/map", images, "--no-pictures"), with_map, "map"),
        Job("align", words("align", "@/map", "--to", "model", "--reference", truth), with_map, "map"),
        Job("train", words("train", str(patches), "-o", "@/out", *training), with_patches, "out"),
        Job("export", words("export", "@/map", *every), with_map, "map"),
    ]


def must(arguments: Sequence[str], base: Path) -> None:
    """Run a command that has to succeed."""
    status, told = finish(start(arguments, base / "told.txt"), base / "told.txt")
    if status != 0:
        raise SystemExit(f"sfm {' '.join(arguments)} ended with {status}:\n{told}")


def load_commands() -> None:
    """Import what commands import, so that processes forked from this one start at once."""
    for name in COMMANDS:
        LazyGroup.get_command(main, None, name)  # type: ignore[arg-type]
    for name in ("align", "compare", "export", "localize", "patches", "reconstruct", "train"):
        __import__(f"sfm.pipelines.{name}")


def start(arguments: Sequence[str], told: Path, before: Callable[[], None] = lambda: None) -> int:
    """Run a command in a process of its own, whose words go to the file `told`; return its number."""
    process = os.fork()
    if process:
        return process
    status = 70
    try:
        handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        before()
        main.main(list(arguments), prog_name="sfm")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def finish(process: int, told: Path) -> tuple[int, str]:
    """Wait for a process; return its exit code, negative for a signal, and what it told. A hang is killed: -9."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), told.read_text(errors="replace")
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.005)


def differences(job: Job, found: Path, wanted: Path) -> list[str]:
    """Say what a command left otherwise than an undisturbed run of it did."""
    first, second = (_contents(folder / job.outputs) for folder in (found, wanted))
    told = [f"{name} is missing" for name in sorted(second.keys() - first.keys())]
    told += [f"{name} was left behind" for name in sorted(first.keys() - second.keys())]
    for name in sorted(first.keys() & second.keys()):
        told += [f"{name}: {why}" for why in _difference(first[name], second[name])]
    return told


def _contents(folder: Path) -> dict[str, Path]:
    files = (Path(base) / name for base, _, names in os.walk(folder) for name in names)
    return {file.relative_to(folder).as_posix(): file for file in files}


def _difference(first: Path, second: Path) -> Iterator[str]:
    """Yield how one file differs from another, as far as two undisturbed runs would not."""
    try:
        if first.suffix == ".safetensors":
            one, two = load_file(first), load_file(second)
            same = one.keys() == two.keys() and all(np.allclose(one[k], two[k], atol=1e-3) for k in one)
            if not same:
                yield "other numbers"
        elif first.name == "images.bin":
            one_map, two_map = read_map(first.parent), read_map(second.parent)
            if one_map.poses.keys() != two_map.poses.keys():
                yield "other images"
            for name in one_map.poses.keys() & two_map.poses.keys():
                if not np.allclose(one_map.poses[name].center, two_map.poses[name].center, atol=_SAME_POSE):
                    yield f"another pose of {name}"
        elif first.suffix == ".json":
            if json.loads(first.read_text()).keys() != json.loads(second.read_text()).keys():
                yield "other entries"
        elif first.suffix in _SIZED and abs(1 - first.stat().st_size / second.stat().st_size) > _SAME_SIZE:
            yield "another size"
    except (SfmError, SafetensorError, ValueError, OSError) as error:
        yield f"cannot be read ({error})"


def write_section(title: str, text: str) -> None:
    """Put a section into docs/reliability.md, in the place of the one of the same title."""
    head = (
        "# Reliability\n\nWhat was tried to break runs, how often, and what was lost. Every section is written by the "
        "script it names; `make reliability` makes all of them again. The scene is six rendered photographs of a "
        "street (320 x 240 pixels), small so that many tries are possible.\n"
    )
    parts = (REPORT.read_text(encoding="utf-8") if REPORT.is_file() else head).split("\n## ")
    kept = [part.rstrip("\n") for part in parts[1:] if part.split("\n", 1)[0] != title]
    sections = sorted([*kept, f"{title}\n\n{text.rstrip()}"])
    write_text(REPORT, "\n\n## ".join([head.rstrip("\n"), *sections]) + "\n")


def faults_told(outcomes: dict[str, Outcome]) -> str:
    """Return every fault as an item of a list, or that there is none."""
    lines = [f"- {name}: {fault}" for name, outcome in outcomes.items() for fault in outcome.faults]
    return "\n".join(["Faults:", "", *lines]) if lines else "Faults: none."

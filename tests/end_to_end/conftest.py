"""A small street to reconstruct, and its finished reconstruction: made once a session for all workers."""

import fcntl
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from sfm.features.choice import DescriptionOptions
from sfm.mapping.colmap_io import read_map

from .command import succeeds

SEED = 1
DESCRIPTOR = DescriptionOptions().descriptor
VIEWS = 9


@dataclass(frozen=True)
class Street:
    images: Path
    ground_truth: Path


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "end_to_end"
    folder.mkdir(exist_ok=True)
    return folder


def once(folder, make):
    """Make `folder` by `make(folder)`, in one process; the others wait for it."""
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".done"
        if not done.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def street(shared) -> Street:
    """Nine small photographs of the demo street, and the truth about them."""

    def render(folder):
        from sfm.rendering.walk import StreetOptions, render_street

        render_street(folder, StreetOptions(views=VIEWS, width=400, height=300))

    folder = once(shared / "street", render)
    return Street(folder / "images", folder / "ground_truth")


@pytest.fixture(scope="session")
def finished(shared, street) -> Path:
    """Output folder of `sfm reconstruct` on the street; look, but do not change it."""

    def reconstruct(folder):
        done = succeeds("reconstruct", street.images, "-o", folder / "out", "--seed", SEED, "--json")
        (folder / "stdout.json").write_text(done.stdout)
        (folder / "stderr.txt").write_text(done.stderr)
        json.loads(done.stdout)

    return once(shared / "finished", reconstruct) / "out"


@pytest.fixture
def described(finished, tmp_path) -> Path:
    """An output folder in which the street's photographs are described, and nothing else is done."""
    out = tmp_path / "out"
    copy_described(finished, out)
    return out


def copy_described(finished, out):
    """Copy the features of a finished run, and nothing else, to where another is to go on."""
    shutil.copytree(finished / "features", out / "features")
    shutil.copy(finished / ".sfm.lock", out)


# Its map holds together with half the keypoints, which are described and matched sooner.
MAPPED_WITH = {"lund": ("--max-keypoints", 4000)}


@pytest.fixture
def mapped_scene(shared, sfm_data, tmp_path):
    """Return a function: it gives a finished map of a scene to look at or to change, with its features and pairs.

    Intrinsics are given where they are known. The map is made once a session: describing and matching take most of the
    time, and several tests map the same photographs.
    """

    def output(scene) -> Path:
        folder = sfm_data / "scenes" / scene
        intrinsics = folder / "ground_truth" / "cameras.txt"
        options = (
            *MAPPED_WITH.get(scene, ()),
            *(("--intrinsics", intrinsics) if intrinsics.is_file() else ()),
        )

        def reconstruct(made):
            succeeds("reconstruct", folder / "images", "-o", made / "out", *options, timeout=1200)

        made = once(shared / f"scene-{scene}", reconstruct)
        return Path(shutil.copytree(made / "out", tmp_path / f"{scene}-map"))

    return output


def assert_same_map(out, finished):
    """The same images registered, and points within a hundredth."""
    first, second = (read_map(folder / "sparse" / "0") for folder in (out, finished))
    assert set(first.poses) == set(second.poses)
    assert len(first.xyz) == pytest.approx(len(second.xyz), rel=0.01)

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfm.rendering.walk import StreetOptions, render_street

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
VIEWS = 6

pytestmark = pytest.mark.slow


def run_example(name, *arguments):
    command = [sys.executable, EXAMPLES / name, *arguments]
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    scene = tmp_path_factory.mktemp("street")
    return render_street(scene, StreetOptions(views=VIEWS, width=512, height=384)).images


@pytest.fixture(scope="module")
def reconstructed(photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("example") / "map"
    return out, run_example("reconstruct_a_folder.py", photographs, out)


def test_every_example_explains_itself():
    for script in EXAMPLES.glob("*.py"):
        assert f"python examples/{script.name}" in run_example(script.name, "--help")


def test_reconstruct_a_folder(reconstructed):
    out, told = reconstructed
    assert f"{VIEWS} of {VIEWS} photographs are in the map." in told
    centers = np.array(re.findall(r"^street_\d+\.jpg +(\S+) +(\S+) +(\S+)$", told, re.MULTILINE), float)
    assert len(np.unique(centers, axis=0)) == VIEWS
    assert (out / "points.ply").stat().st_size > 0


def test_load_a_map(reconstructed, tmp_path):
    out, _ = reconstructed
    told = run_example("load_a_map.py", out / "sparse" / "0", tmp_path / "map.png")
    rows = re.findall(r"^street_\d+\.jpg +(\d+) +(\S+) px$", told, re.MULTILINE)
    count, error_px = np.array(rows, float).T
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    # What the mapper says of its points, and what pose, intrinsics and pixels give when put together by hand.
    assert count.sum() == record["observations"]
    assert np.average(error_px, weights=count) == pytest.approx(
        record["mean_reprojection_error_px"], abs=0.01
    )
    with Image.open(tmp_path / "map.png") as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=10**7) or []) > 100

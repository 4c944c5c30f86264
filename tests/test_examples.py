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


def test_compare_descriptors(photographs, tmp_path):
    truth = photographs.parent / "ground_truth"
    told = run_example(
        "compare_descriptors.py",
        photographs,
        tmp_path / "out",
        "--ground-truth",
        truth,
        "--max-keypoints",
        1000,
    )
    assert re.search(r"^ +sift +triplet +sosnet$", told, re.MULTILINE)
    assert re.search(rf"^Images in the map +{VIEWS} +{VIEWS} +{VIEWS}$", told, re.MULTILINE)
    areas = re.search(r"^Pose AUC @ 5.*? +([\d.]+) +([\d.]+) +([\d.]+)$", told, re.MULTILINE).groups()
    assert all(float(area) > 50 for area in areas)
    assert (tmp_path / "out" / "compare.html").stat().st_size > 100_000


def test_adapt_to_your_map(photographs, tmp_path):
    told = run_example(
        "adapt_to_your_map.py", photographs, tmp_path / "out", "--steps", 3, "--max-keypoints", 1000
    )
    points, patches = map(int, re.search(r"^(\d+) points with (\d+) patches", told).groups())
    assert patches >= 2 * points > 100
    for name in ("packaged", "adapted"):
        images, _, verified = re.search(rf"^{name} +(\d+) +(\d+) +(\d+)$", told, re.MULTILINE).groups()
        assert int(images) == VIEWS
        assert int(verified) > 300
    assert (tmp_path / "out" / "training" / "weights.safetensors").is_file()

"""The study of correct images on a street whose photographs carry GPS positions."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sfm.mapping.colmap_io import read_poses
from sfm.rendering.walk import StreetOptions, render_street
from tests.images.files import exif_bytes

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "correct_images.py"
METRES_PER_DEGREE = 111_195.0
VIEWS = 9

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def located(tmp_path_factory):
    """Photographs of the demo street with exact GPS positions near (0, 0)."""
    street = render_street(
        tmp_path_factory.mktemp("street"), StreetOptions(views=VIEWS, width=400, height=300)
    )
    poses = read_poses(street.ground_truth)
    centers = {name: pose.center for name, pose in poses.items()}
    # Gravity is along y in the street; latitude and longitude are along its ground.
    for name, (east, _, north) in centers.items():
        path = street.images / name
        place = {
            1: "N" if north >= 0 else "S",
            2: degrees(north),
            3: "E" if east >= 0 else "W",
            4: degrees(east),
        }
        with Image.open(path) as image:
            image.load()
            image.save(path, quality=95, exif=exif_bytes(gps=place))
    return street.images


def degrees(metres):
    return (abs(metres) / METRES_PER_DEGREE, 0.0, 0.0)


def study(photos, folder, *arguments):
    command = [sys.executable, SCRIPT, photos, "-o", folder / "work", "--results", folder / "results",
               "--name", "street", "--descriptors", "sift", *arguments]  # fmt: skip
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended, json.loads((folder / "results" / "street.json").read_text())


def test_the_table_and_going_on(located, tmp_path):
    study(located, tmp_path, "--max-keypoints", "2000", "--every", "1")
    ended, found = study(located, tmp_path, "--max-keypoints", "2000", "--every", "1,2")
    assert "Reused: the map." in ended.stderr, "the first cell goes on from the first run"
    assert [(cell["every"], cell["images"]) for cell in found["cells"]] == [(1, VIEWS), (2, 5)]
    for cell in found["cells"]:
        (arm,) = cell["arms"].values()
        assert arm["correct_images"] == arm["registered"] == [cell["images"]]
        assert arm["gps_rms_m"][0] < 1
    table = (tmp_path / "results" / "street.md").read_text()
    assert f"| 1 | 2,000 | {VIEWS} | **{VIEWS}** [{VIEWS}, 0." in table
    assert f"| **all** | | **{VIEWS + 5}** | **{VIEWS + 5}** |" in table
    assert str(tmp_path) not in table + json.dumps(found), "no path of the machine"


def test_photographs_without_a_map_are_counted_as_none(located, tmp_path):
    _, found = study(located, tmp_path, "--max-keypoints", "40", "--every", "4")
    (cell,) = found["cells"]
    assert cell["images"] == 3
    assert cell["arms"]["sift"]["correct_images"] == [0]
    assert cell["arms"]["sift"]["failure"]

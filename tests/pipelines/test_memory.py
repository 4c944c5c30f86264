"""The memory that features and matching need is that of the photographs under way, not of all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.features.pictures import texture

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peaks are read from Linux"
)

# Prints the peak in MiB while features are made and pairs matched; the first image warms up libraries and caches.
MEASURE = """
import json, sys
from pathlib import Path
import torch  # many pairs import it, few do not
from benchmarks.peak_memory import forget_peak, peak_mib
from sfm.features.choice import DescriptionOptions, make_descriptor
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.geometry.two_view import VerificationOptions
from sfm.images.cameras import CameraOptions, assign_cameras
from sfm.images.photo_set import read_photo_set
from sfm.mapping.colmap_verifier import make_verifier
from sfm.matching.pairs import sequential_pairs
from sfm.matching.options import MatchingOptions
from sfm.pipelines.features import extract_features
from sfm.pipelines.matching import match_pairs
from sfm.workspace import Workspace

images, out, descriptor = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
photos = read_photo_set(images)
cameras = assign_cameras(photos, CameraOptions(), None)
made = make_descriptor(DescriptionOptions(descriptor=descriptor, device="cpu"), 1600)
workspace, detector = Workspace(out), DogDetector(DetectionOptions(contrast_threshold=float(sys.argv[4])))
peaks = {}
extract_features(photos.photos[:2], workspace, detector, made, 1600)
forget_peak()
features = extract_features(photos.photos, workspace, detector, made, 1600)
peaks["features"] = peak_mib()
forget_peak()
pairs = sequential_pairs(features.names, 2)
match_pairs(
    pairs, features, cameras.cameras, cameras.camera_of, workspace, descriptor, MatchingOptions(),
    make_verifier(VerificationOptions()),
)
peaks["matching"] = peak_mib()
peaks["keypoints"] = len(Keypoints.load(workspace.keypoints(features.names[0])))
print(json.dumps(peaks))
"""


def peaks(folder, count, descriptor, size, contrast=0.02):
    images = folder / f"images{count}"
    images.mkdir()
    for i in range(count):
        cv2.imwrite(str(images / f"{i:03d}.png"), texture(*size, seed=i))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(images), str(folder / f"out{count}"), descriptor, str(contrast)],
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout)


def test_more_photographs_need_no_more_memory(tmp_path):
    few, many = (peaks(tmp_path, count, "sift", (400, 300)) for count in (4, 40))
    # 36 photographs more; what each of them keeps, its recipe and some rows of the database, is far below a megabyte,
    # of its descriptors would be 1.3. Of few, two need not be at their peak, 25 MiB, at the same moment.
    # Descriptors of up to 48 images stay in memory while pairs are matched: 512 bytes a keypoint.
    for stage, room_mib in (("features", 40), ("matching", 36 * 2500 * 600 / 2**20 + 25)):
        assert many[stage] < few[stage] + room_mib, stage


@pytest.mark.slow
def test_the_most_keypoints_fit_into_two_gibibytes(tmp_path):
    found = peaks(tmp_path, 3, "sosnet", (1600, 1200), contrast=0.002)
    assert found["keypoints"] == 8192
    # Photographs under way, and so their memory, are as many as there are cores.
    assert max(found["features"], found["matching"]) < 2048 * max(1, (os.cpu_count() or 1) / 2)

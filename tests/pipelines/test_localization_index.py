"""The index of a map that is made from the features beside it."""

import numpy as np
import pytest

from sfm.errors import InputError
from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.files import write_json, write_tensors
from sfm.mapping.colmap_io import write_map
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.localization_index import index_path, open_index
from sfm.workspace import Recipe
from tests.mapping.maps import make_map

NETWORK = {"descriptor": "sosnet", "version": 2, "weights_sha256": "f00", "patch_scale": 12.0}
DETECTION = DetectionOptions(max_keypoints=500)


def write_features(root, sparse_map, identity=NETWORK):
    rng = np.random.default_rng(0)
    for image in sparse_map.images.values():
        count = len(image.xy)
        keypoints = Keypoints(image.xy.astype(np.float32), *rng.random((3, count), dtype=np.float32))
        made_by = Recipe("keypoints", 1, DogDetector(DETECTION).identity, {})
        keypoints.save(root / f"features/keypoints/{image.name}.safetensors", made_by.as_metadata())
        rows = rng.normal(size=(count, 128)).astype(np.float32)
        write_tensors(
            root / f"features/{identity['descriptor']}/{image.name}.safetensors",
            {"descriptors": rows / np.linalg.norm(rows, axis=1, keepdims=True)},
            Recipe("descriptors", 1, identity, {}).as_metadata(),
        )


@pytest.fixture
def sparse_map():
    return make_map(("a.jpg", "day/b.jpg"), points=60)


@pytest.fixture
def root(sparse_map, tmp_path):
    """A finished run that has neither its record nor its index any more."""
    write_map(sparse_map, tmp_path / "sparse/0")
    write_features(tmp_path, sparse_map)
    return tmp_path


@pytest.mark.parametrize("record", [None, "{cut", '{"images": "/gone"}'])
def test_features_say_themselves_what_made_them(root, record):
    if record is not None:
        (root / "run.json").write_text(record)
    recipe = open_index(FinishedRun.open(root)).recipe
    assert recipe["descriptor"] == {"name": "sosnet", "identity": NETWORK, "weights": None}
    assert recipe["detection"]["max_keypoints"] == 500


@pytest.mark.parametrize(
    ("record", "ratio"),
    [
        ({"stages": {"matching": {"ratio": 0.85, "weak_ratio": 0.92}}}, 0.92),
        ({"stages": {"matching": {"ratio": 0.9, "weak_ratio": 0.0}}}, 0.9),
        ({"options": {"matching": {"ratio": 0.7, "weak_ratio": 0.75}}}, 0.75),
        ({"options": {"matching": {"ratio": None, "weak_ratio": 0.75}}}, None),
        ({"options": {"matching": {"ratio": "0.7", "weak_ratio": 0.75}}}, None),
        ({}, None),
    ],
)
def test_the_ratio_test_is_the_looser_one_that_the_map_was_made_with(root, record, ratio):
    write_json(root / "run.json", record)
    assert open_index(FinishedRun.open(root)).recipe["ratio"] == ratio


def test_of_several_descriptors_one_is_chosen(root, sparse_map):
    write_features(root, sparse_map, {"descriptor": "sift", "version": 1})
    with pytest.raises(InputError, match="choose with --descriptor sift or sosnet"):
        open_index(FinishedRun.open(root))
    assert open_index(FinishedRun.open(root), "sosnet").recipe["descriptor"]["identity"] == NETWORK


def test_the_record_comes_before_what_is_asked_for(root, sparse_map):
    write_features(root, sparse_map, {"descriptor": "sift", "version": 1})
    write_json(root / "run.json", {"descriptor": "sosnet"})
    assert open_index(FinishedRun.open(root), "sift").recipe["descriptor"]["name"] == "sosnet"


def test_features_made_in_different_ways_make_no_index(root, sparse_map):
    other = make_map(("a.jpg",), points=60)
    write_features(root, other, NETWORK | {"patch_scale": 16.0})
    run = FinishedRun.open(root)
    with pytest.raises(InputError, match="features/sosnet are missing, damaged or made in different ways"):
        open_index(run)
    assert not index_path(run).exists()


def test_features_that_do_not_say_what_made_them(root, sparse_map):
    path = root / "features/sosnet/a.jpg.safetensors"
    write_tensors(path, {"descriptors": np.eye(len(sparse_map.images_by_name[0].xy), 128, dtype=np.float32)})
    with pytest.raises(InputError, match="run `sfm reconstruct` again"):
        open_index(FinishedRun.open(root))

import json

import numpy as np
import pytest

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.patch_window import PatchWindow
from sfm.learning import patch_set
from sfm.learning.patch_set import PatchSet, PatchSetWriter, PointPatches, Views
from sfm.learning.trainer import train
from sfm.learning.training_options import TrainingOptions
from tests.learning.patch_sets import small_patch_set, textures


def test_what_is_written_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(patch_set, "_SHARD_PATCHES", 100)
    rng = np.random.default_rng(0)
    first, second = textures(70, 3, rng), textures(50, 2, rng)
    writer = PatchSetWriter(tmp_path / "set")
    writer.add("a", Views.REAL, first)
    writer.add("b", Views.SYNTHETIC, second)
    writer.finish(window=PatchWindow(24.0), sources=[], options={})
    opened = PatchSet.open(tmp_path / "set")
    assert (opened.num_points, opened.num_patches, opened.window) == (120, 310, PatchWindow(24.0))
    assert [len(shard) for shard in opened.shards] == [100, 100, 100, 10]
    assert np.array_equal(opened.patches(np.arange(310)), np.concatenate([first.patches, second.patches]))
    assert np.array_equal(
        opened.patches(np.array([309, 5, 100])), opened.patches(np.arange(310))[[309, 5, 100]]
    )
    assert opened.counts.tolist() == [3] * 70 + [2] * 50
    assert np.array_equal(opened.points_of(["b"]), np.arange(70, 120))


def test_a_set_from_before_foveation_is_of_even_patches(tmp_path):
    small_patch_set(tmp_path / "set")
    path = tmp_path / "set" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["foveation"]
    path.write_text(json.dumps(manifest))
    opened = PatchSet.open(tmp_path / "set")
    assert opened.window == PatchWindow(24.0, 0.0)
    options = TrainingOptions(loss="tfeat", steps=1, batch_size=8, device="cpu")
    assert pretrained.load("tfeat", train(opened, tmp_path / "run", options).weights).window == opened.window


def test_a_set_says_how_keypoints_are_turned_and_weights_say_it_after_it(tmp_path):
    small_patch_set(tmp_path / "old")
    path = tmp_path / "old" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["orientation"]  # as in sets from before there was a choice
    path.write_text(json.dumps(manifest))
    small_patch_set(tmp_path / "new", orientation="image")
    options = TrainingOptions(loss="tfeat", steps=1, batch_size=8, device="cpu")
    for name, orientation in (("old", "gradient"), ("new", "image")):
        opened = PatchSet.open(tmp_path / name)
        trained = train(opened, tmp_path / f"run-{name}", options)
        assert opened.orientation == orientation
        assert pretrained.load("tfeat", trained.weights).orientation == orientation


def test_sources_keep_licence_and_origin(tmp_path):
    small_patch_set(tmp_path / "set")
    (source,) = json.loads((tmp_path / "set" / "manifest.json").read_text())["sources"]
    assert source["licence"] == "CC0-1.0"
    assert source["origin"] == "our own"
    assert source["path"] == "photos"  # no path of the machine it was built on


def test_grouping_puts_the_patches_of_a_point_together():
    patches = [np.full((3, 1, 32, 32), 10, np.uint8), np.full((4, 1, 32, 32), 20, np.uint8)]
    grouped = PointPatches.grouped(patches, [np.array([7, 3, 5]), np.array([5, 9, 7, 8])])
    assert grouped.counts.tolist() == [2, 2]
    assert grouped.patches[:, 0, 0, 0].tolist() == [10, 20, 10, 20]


def test_a_subset_keeps_whole_points():
    points = textures(30, 3, np.random.default_rng(0))
    subset = points.subset(10, np.random.default_rng(1))
    assert len(subset.counts) == 10
    assert len(subset.patches) == 30


def test_an_empty_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="no patches"):
        PatchSetWriter(tmp_path / "set").finish(window=PatchWindow(24.0), sources=[], options={})


def test_an_unfinished_set_is_no_set(tmp_path):
    writer = PatchSetWriter(tmp_path / "set")
    writer.add("a", Views.REAL, textures(5, 2, np.random.default_rng(0)))
    with pytest.raises(InputError, match="not a finished patch set"):
        PatchSet.open(tmp_path / "set")


def test_a_set_of_another_version_is_refused(tmp_path):
    small_patch_set(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(InputError, match="version 99"):
        PatchSet.open(tmp_path)


def test_a_truncated_shard_is_refused(tmp_path):
    small_patch_set(tmp_path)
    shard = tmp_path / "patches-0000.npy"
    shard.write_bytes(shard.read_bytes()[:-5000])
    with pytest.raises(InputError, match="damaged"):
        PatchSet.open(tmp_path)


def test_unknown_scenes_are_named(tmp_path):
    with pytest.raises(InputError, match="no scene mill; it has harbour, market"):
        small_patch_set(tmp_path).points_of(["mill"])


@pytest.mark.parametrize("name", ["../outside.npy", "/etc/hostname", "sub/patches.npy", "..", "", "\0"])
def test_a_shard_outside_the_folder_is_refused(tmp_path, name):
    small_patch_set(tmp_path / "set")
    np.save(tmp_path / "outside.npy", np.zeros((9, 1, 32, 32), np.uint8))
    _change_manifest(tmp_path / "set", shards=[name])
    with pytest.raises(InputError, match="damaged"):
        PatchSet.open(tmp_path / "set")


def test_a_shard_that_leads_outside_by_a_link_is_refused(tmp_path):
    small_patch_set(tmp_path / "set")
    shard = tmp_path / "set/patches-0000.npy"
    shard.rename(tmp_path / "outside.npy")
    shard.symlink_to(tmp_path / "outside.npy")
    with pytest.raises(InputError, match="does not lie in the folder"):
        PatchSet.open(tmp_path / "set")


@pytest.mark.parametrize("key", ["shards", "scenes", "patch_scale", "foveation", "version"])
@pytest.mark.parametrize("value", [None, True, "text", {"a": 1}, [1], [["x"]]])
def test_a_manifest_with_a_value_of_a_wrong_type_is_refused(tmp_path, key, value):
    small_patch_set(tmp_path / "set")
    _change_manifest(tmp_path / "set", **{key: value})
    with pytest.raises(InputError):
        PatchSet.open(tmp_path / "set")


def _change_manifest(folder, **values):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))

import json
import sqlite3
import time

import pycolmap
import pytest

from sfm.errors import WorkError
from sfm.mapping import incremental
from sfm.mapping.colmap_io import from_reconstruction, read_map, to_reconstruction
from sfm.mapping.incremental import MapperSettings, largest_first, run_mapper, write_models

from .mapper_contract import MapperContract, Steps
from .maps import assert_same_map, make_map
from .synthetic import along_a_wall, write_database


class TestIncremental(MapperContract):
    def run(self, database, out, settings, seed, step):
        return run_mapper(database, out, settings, seed, step)


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "database.db").write_bytes(b"not a database" * 100)
    with pytest.raises(WorkError):
        run_mapper(tmp_path / "database.db", tmp_path / "scratch", MapperSettings(), 0, Steps())
    assert not (tmp_path / "scratch").exists()


def test_an_empty_database_makes_no_model(tmp_path):
    pycolmap.Database.open(tmp_path / "database.db").close()
    assert run_mapper(tmp_path / "database.db", tmp_path / "scratch", MapperSettings(), 0, Steps()) == []


def test_two_images_make_a_map(tmp_path):
    truth = along_a_wall(["a.jpg", "b.jpg"], points=400)
    write_database(tmp_path / "database.db", truth)
    settings = MapperSettings(threads=1, min_model_size=2)
    (model,) = run_mapper(tmp_path / "database.db", tmp_path / "scratch", settings, 0, Steps())
    made = from_reconstruction(model)
    assert made.poses.keys() == {"a.jpg", "b.jpg"}
    assert len(made.xyz) > 50


def models():
    large, small = make_map(points=30), make_map(names=("x.jpg", "y.jpg"), points=10, seed=1)
    return large, small, [to_reconstruction(large), to_reconstruction(small)]


def test_a_model_whose_images_are_in_larger_ones_is_left_out():
    large, small, both = models()
    part = to_reconstruction(make_map(names=[image.name for image in large.images.values()][:2], points=12))
    kept = largest_first([both[1], part, both[0]])
    assert [from_reconstruction(model).poses.keys() for model in kept] == [
        large.poses.keys(),
        small.poses.keys(),
    ]


def test_models_are_written_in_their_order_with_their_record(tmp_path):
    large, small, both = models()
    write_models(both, tmp_path / "sparse", {"mapping.json": json.dumps({"a": 1})})
    assert sorted(path.name for path in (tmp_path / "sparse").iterdir()) == ["0", "1", "mapping.json"]
    assert_same_map(read_map(tmp_path / "sparse" / "0"), large)
    assert_same_map(read_map(tmp_path / "sparse" / "1"), small)


def test_nothing_of_earlier_models_stays(tmp_path):
    _, _, both = models()
    write_models(both, tmp_path / "sparse", {"mapping.json": "{}"})
    write_models(both[:1], tmp_path / "sparse", {"other.json": "{}"})
    assert sorted(path.name for path in (tmp_path / "sparse").iterdir()) == ["0", "other.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["sparse"]


def test_a_full_disk_leaves_the_earlier_models(disk):
    """pycolmap itself does not notice: it leaves half a file and says nothing."""
    folder = disk(120)
    small, large = to_reconstruction(make_map(points=5)), to_reconstruction(make_map(points=3000))
    write_models([small], folder / "sparse", {"mapping.json": "{}"})
    with pytest.raises(WorkError, match="The disk is full"):
        write_models([large], folder / "sparse", {})
    assert len(read_map(folder / "sparse" / "0").xyz) == 5


def test_the_mapper_reads_and_does_not_write_the_database(tmp_path):
    write_database(tmp_path / "database.db", along_a_wall(["a.jpg", "b.jpg", "c.jpg"]))
    with sqlite3.connect(tmp_path / "database.db") as connection:
        before = list(connection.iterdump())
    run_mapper(tmp_path / "database.db", tmp_path / "scratch", MapperSettings(threads=1), 0, Steps())
    with sqlite3.connect(tmp_path / "database.db") as connection:
        assert list(connection.iterdump()) == before


class Watcher:
    def __init__(self, snapshots):
        self.snapshots, self.seen, self.kept = snapshots, [], []

    def __call__(self, sparse_map):
        self.seen.append(sparse_map)
        self.kept.append(len(list(self.snapshots.iterdir())))


def test_whoever_watches_sees_the_map_grow(tmp_path):
    truth, step = along_a_wall([f"{i:02d}.jpg" for i in range(8)]), Steps()
    write_database(tmp_path / "database.db", truth)
    watcher = Watcher(tmp_path / "scratch" / "snapshots")
    (model,) = run_mapper(
        tmp_path / "database.db", tmp_path / "scratch", MapperSettings(threads=1), 0, step, watcher
    )
    sizes = [len(sparse_map.images) for sparse_map in watcher.seen]
    assert len(sizes) >= 2
    assert sizes == sorted(sizes)
    assert sizes[0] < 8
    assert all(len(sparse_map.xyz) > 20 for sparse_map in watcher.seen)
    assert max(watcher.kept) <= 3, "older snapshots are removed"
    assert step.done == 8
    # Watching changes nothing.
    (alone,) = run_mapper(tmp_path / "database.db", tmp_path / "again", MapperSettings(threads=1), 0, Steps())
    assert_same_map(from_reconstruction(model), from_reconstruction(alone))


def test_old_snapshots_are_removed_also_when_nobody_watches(tmp_path, monkeypatch):
    monkeypatch.setattr(incremental, "SNAPSHOT_IMAGES", 1)
    write_database(tmp_path / "database.db", along_a_wall([f"{i:02d}.jpg" for i in range(8)]))
    kept = []

    class Counting(Steps):
        def advance(self, count=1, note=None):
            kept.append(len(list((tmp_path / "scratch" / "snapshots").iterdir())))

    run_mapper(tmp_path / "database.db", tmp_path / "scratch", MapperSettings(threads=1), 0, Counting())
    assert 1 < max(kept) <= 3


def test_watching_takes_a_small_share_of_the_time(tmp_path):
    write_database(tmp_path / "database.db", along_a_wall([f"{i:02d}.jpg" for i in range(8)]))
    seen = []

    def slow(sparse_map):
        seen.append(sparse_map)
        time.sleep(1)

    run_mapper(tmp_path / "database.db", tmp_path / "scratch", MapperSettings(threads=1), 0, Steps(), slow)
    assert len(seen) == 1, "a second look would come after nine more seconds"


def test_colmap_is_told_how_often_and_how_long_to_adjust(tmp_path, monkeypatch):
    told = []

    def stop(*_, options, **__):
        told.append(options)
        return {}

    monkeypatch.setattr(pycolmap, "incremental_mapping", stop)
    pycolmap.Database.open(tmp_path / "database.db").close()
    often = MapperSettings(global_growth=1.5, global_refinements=2, local_refinements=1)
    for settings in (MapperSettings(), often):
        run_mapper(tmp_path / "database.db", tmp_path / "scratch", settings, 0, Steps())
    names = (
        "ba_global_frames_ratio",
        "ba_global_points_ratio",
        "ba_global_max_refinements",
        "ba_local_max_refinements",
    )
    usual, changed = ([getattr(options, name) for name in names] for options in told)
    assert usual == [1.3, 1.3, 1, 1]
    assert changed == [1.5, 1.5, 2, 1]

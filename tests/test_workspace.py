import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sfm.errors import InputError
from sfm.files import write_tensors
from sfm.workspace import Recipe, Workspace, changes, digest_of


def recipe(**changed):
    parts = {
        "stage": "keypoints",
        "version": 1,
        "options": {"max_size": 1600, "name": "dog"},
        "inputs": {"image": "ab"},
    }
    return Recipe(**(parts | changed))


def made_by(made, path):
    write_tensors(path, {"x": np.zeros(1)}, made.as_metadata())
    return path


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "descriptors"},
        {"version": 2},
        {"options": {"max_size": 1200, "name": "dog"}},
        {"options": {"max_size": 1600}},
        {"inputs": {"image": "cd"}},
        {"inputs": {"image": "ab", "mask": "x"}},
    ],
)
def test_a_recipe_matches_only_what_it_made(tmp_path, changed):
    path = made_by(recipe(), tmp_path / "a.safetensors")
    assert recipe().matches(path)
    assert not recipe(**changed).matches(path)
    assert not recipe().matches(tmp_path / "none")


def test_half_written_artifacts_match_nothing(tmp_path):
    path = made_by(recipe(), tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    assert not recipe().matches(path)
    assert recipe().differences(path) == []


def test_the_change_is_named(tmp_path):
    path = made_by(recipe(), tmp_path / "a.safetensors")
    assert recipe().differences(path) == []
    assert recipe(options={"max_size": 1200, "name": "dog"}).differences(path) == ["max_size 1600 -> 1200"]
    assert recipe(inputs={"image": "cd"}).differences(path) == ["its input"]
    assert recipe(version=2).differences(path) == ["a new version of sfm"]


def test_the_order_of_options_does_not_matter():
    assert recipe(options={"name": "dog", "max_size": 1600}).digest == recipe().digest
    assert digest_of({"a": 1, "b": [2.5, None]}) == digest_of({"b": [2.5, None], "a": 1})


def test_changes_are_short():
    before, after = {"a": 1, "b": "x", "sha": "0" * 64}, {"a": 1, "b": None, "c": True, "sha": "f" * 64}
    assert changes(before, after) == ["b x -> null", "c null -> true", "sha 000000000000 -> ffffffffffff"]
    assert changes({"a": (1, 2)}, {"a": [1, 2]}) == []


def test_paths():
    workspace = Workspace.__new__(Workspace)
    workspace.root = Path("out")
    assert workspace.keypoints("day 1/a.jpg") == Path("out/features/keypoints/day 1/a.jpg.safetensors")
    assert workspace.descriptors("sift", "a.png") == Path("out/features/sift/a.png.safetensors")
    # Two files with one stem do not meet.
    assert workspace.keypoints("a.jpg") != workspace.keypoints("a.png")


def test_made_with_its_parents_and_known_again(tmp_path):
    Workspace(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "points.ply").write_text("x")
    Workspace(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "points.ply").read_text() == "x"


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and not the output of an earlier run"):
        Workspace(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="out is a file"):
        Workspace(tmp_path / "out")
    with pytest.raises(InputError, match="out"):
        Workspace(tmp_path / "out" / "deeper")


def test_a_read_only_disk(disk):
    out = disk(100)
    Workspace(out / "before")
    disk.make_read_only()
    with pytest.raises(InputError, match=r"Cannot write .*: Read-only file system. Choose another"):
        Workspace(out / "new")
    with pytest.raises(InputError, match=r"Cannot write"):
        Workspace(out / "before")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Cannot write"):
        Workspace(tmp_path / "out")


HOLD = """
import sys, time
from pathlib import Path
from sfm.workspace import Workspace
with Workspace(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the workspace tmp_path/out."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_process_is_refused_until_the_first_is_gone(tmp_path, holder):
    workspace = Workspace(tmp_path / "out")
    with pytest.raises(InputError, match="Another process is working in"), workspace.lock():
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with workspace.lock():
        pass
    with workspace.lock():
        pass


PART = "." + "0123456789abcdef" * 2 + ".part"


def test_what_a_killed_process_left_is_removed(tmp_path):
    workspace = Workspace(tmp_path)
    kept = [workspace.keypoints("a.jpg"), workspace.keypoints("b/c.jpg"), workspace.run_record]
    left = [
        workspace.keypoints("a.jpg").with_name(f"{PART}.safetensors"),
        workspace.keypoints("b/c.jpg").with_name(f"{PART}.safetensors"),
        tmp_path / f"{PART}.json",
        tmp_path / f"{PART}.new" / "0" / "images.bin",
        tmp_path / ".sparse.part.new" / "0" / "images.bin",
    ]
    fill([*kept, *left])
    with workspace.lock():
        assert all(path.exists() for path in kept)
        assert not any(path.exists() for path in left)
        assert not (tmp_path / ".sparse.part.new").exists()


def fill(paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


@pytest.mark.parametrize(
    "name",
    [".thesis.part", ".a.0123abcd.part.jpg", "video.part", ".part", ".notes.part.old", f"{PART[:-6]}.part"],
)
def test_what_others_left_under_like_names_stays(tmp_path, name):
    workspace = Workspace(tmp_path)
    fill([tmp_path / "deeper" / name])
    with workspace.lock():
        assert (tmp_path / "deeper" / name).read_text() == "x"


def test_a_run_within_keeps_its_temporary_files(tmp_path):
    outer, inner = Workspace(tmp_path), Workspace(tmp_path / "sift")
    theirs = [inner.root / f"{PART}.json", inner.root / ".sparse.part.new" / "0" / "images.bin"]
    fill(theirs)
    with outer.lock():
        assert all(path.exists() for path in theirs)
    with inner.lock():
        assert not any(path.exists() for path in theirs)


@pytest.mark.parametrize("lives", [True, False])
def test_features_that_another_process_is_writing_for_a_run_within_stay(tmp_path, lives):
    outer, inner = Workspace(tmp_path / "compared"), Workspace(tmp_path / "compared" / "out")
    inner.share_features(outer)
    half = outer.root / "features" / "sift" / f"{PART}.safetensors"
    fill([half])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(inner.root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    fill([half])
    if not lives:
        process.kill()
        process.wait()
    with outer.lock():
        assert half.exists() == lives
    process.kill()
    process.communicate()


def test_the_same_process_may_hold_a_run_and_one_within(tmp_path):
    outer, inner = Workspace(tmp_path), Workspace(tmp_path / "sift")
    with outer.lock(), inner.lock():
        pass
    with outer.lock():
        pass


def test_a_map_that_a_killed_process_was_replacing_is_put_back(tmp_path):
    workspace = Workspace(tmp_path)
    aside = tmp_path / "sparse" / ".0.part.old"
    aside.mkdir(parents=True)
    (aside / "images.bin").write_text("x")
    with workspace.lock():
        assert (workspace.sparse / "0" / "images.bin").read_text() == "x"
        assert not aside.exists()


def test_recipes_are_readable_in_the_file(tmp_path):
    metadata = recipe().as_metadata()
    assert json.loads(metadata["options"]) == {"max_size": 1600, "name": "dog"}
    assert all(isinstance(value, str) for value in metadata.values())

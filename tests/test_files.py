import contextlib
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from sfm import files
from sfm.errors import InputError, WorkError
from sfm.files import (
    atomic_path,
    failed_write,
    read_leading_rows,
    read_metadata,
    read_tensors,
    read_text,
    replaced_folder,
    restore_folder,
    write_json,
    write_tensors,
    write_text,
    writing,
)


def interrupted(path, error):
    path.write_text("half of the new")
    raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_written_under_another_name_first(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".txt"
        assert temporary.name.startswith(".")
        assert ".part" in temporary.name
    assert target.read_text() == "half"
    assert names(target.parent) == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "in" / "sparse"
    for name in ("first", "second"):
        with replaced_folder(folder) as new:
            (new / name).write_text(name)
            assert not (folder / name).exists()
    assert names(folder) == ["second"]
    assert names(folder.parent) == ["sparse"]


def test_a_folder_whose_replacement_fails_stays(tmp_path):
    with replaced_folder(tmp_path / "sparse") as new:
        (new / "first").write_text("whole")
    with pytest.raises(ValueError, match="half"), replaced_folder(tmp_path / "sparse") as new:
        interrupted(new / "first", ValueError("half"))
    assert (tmp_path / "sparse" / "first").read_text() == "whole"
    assert names(tmp_path) == ["sparse"]


@pytest.mark.parametrize("renames", [1, 2])
def test_a_folder_outlives_a_kill_while_it_is_replaced(tmp_path, monkeypatch, renames):
    folder, done = tmp_path / "run" / "sparse", 0
    with replaced_folder(folder) as new:
        (new / "model").write_text("old")
    whole = Path.rename

    def killed_after(self, target):
        nonlocal done
        done += 1
        if done > renames:
            raise SystemExit
        return whole(self, target)

    monkeypatch.setattr(Path, "rename", killed_after)
    with contextlib.suppress(SystemExit), replaced_folder(folder) as new:
        # From here on nothing is cleaned up any more, as after a kill.
        monkeypatch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
        (new / "model").write_text("new")
    monkeypatch.undo()
    assert restore_folder(folder)
    assert (folder / "model").read_text() == ("old" if renames == 1 else "new")
    assert names(folder.parent) == ["sparse"]
    assert not restore_folder(folder)


def test_the_old_folder_comes_back_if_what_follows_fails(tmp_path):
    folder = tmp_path / "sparse"
    with replaced_folder(folder) as new:
        (new / "model").write_text("old")

    def fails():
        assert (folder / "model").read_text() == "new"
        raise WorkError("no products")

    with pytest.raises(WorkError, match="no products"), replaced_folder(folder, fails) as new:
        (new / "model").write_text("new")
    assert (folder / "model").read_text() == "old"
    assert names(tmp_path) == ["sparse"]


def test_content_is_on_the_disk_before_it_has_its_name_and_the_name_before_we_go_on(tmp_path, monkeypatch):
    target, synced = tmp_path / "a.txt", []
    whole = os.fsync

    def record(handle):
        synced.append((str(Path(f"/proc/self/fd/{handle}").readlink()), target.exists()))
        return whole(handle)

    monkeypatch.setattr(os, "fsync", record)
    write_text(target, "x")
    (file, named_before), (folder, named_after) = synced
    assert Path(file).name.endswith(".part.txt")
    assert not named_before
    assert (folder, named_after) == (str(tmp_path), True)


def test_a_folder_is_on_the_disk_before_the_old_one_goes(tmp_path, monkeypatch):
    folder, synced = tmp_path / "sparse", []
    with replaced_folder(folder) as new:
        (new / "model").write_text("old")
    whole = os.fsync

    def record(handle):
        synced.append((Path(f"/proc/self/fd/{handle}").readlink().name, (folder / "model").read_text()))
        return whole(handle)

    monkeypatch.setattr(os, "fsync", record)
    with replaced_folder(folder) as new:
        (new / "model").write_text("new")
    assert synced == [("model", "old"), (".sparse.part.new", "old"), (tmp_path.name, "new")]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(error), atomic_path(target) as temporary:
        interrupted(temporary, error)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["日" * 80 + ".jpg.txt", "😀" * 60 + ".txt", "a" * 251 + ".txt"])
def test_names_as_long_as_the_system_allows(tmp_path, name):
    write_text(tmp_path / name, "x")
    assert names(tmp_path) == [name]


def test_text_is_utf8(tmp_path):
    write_json(tmp_path / "a.json", {"name": "día 日本"})
    assert "día 日本" in (tmp_path / "a.json").read_bytes().decode("utf-8")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "día 日本"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xd8\xff\xe0", "it is not a text file"), (None, "No such file or directory")],
)
def test_a_text_that_cannot_be_read_is_told_without_the_systems_numbers(tmp_path, content, reason):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_text(path, "the poses")
    assert str(error.value) == f"Cannot read the poses {path}: {reason}."


def test_numbers_that_json_has_not_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"rms": float("nan"), "folder": tmp_path})
    assert json.loads((tmp_path / "a.json").read_text()) == {"rms": None, "folder": str(tmp_path)}


def refused(path, number):
    with writing(path):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "The disk is full: could not write"),
        (errno.EDQUOT, "The disk quota is used up: could not write"),
        (errno.EFBIG, r"Files may not be as large as this one: could not write .* \(ulimit -f\)"),
        (errno.EIO, "The disk reports an error: could not write"),
    ],
)
def test_a_disk_that_takes_no_more_is_work_that_failed(tmp_path, number, told):
    with pytest.raises(WorkError, match=told) as caught:
        refused(tmp_path / "a", number)
    assert str(caught.value).endswith("finished work is kept.")
    assert failed_write(errno.EBUSY) is None


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOENT, errno.ENAMETOOLONG])
def test_no_permission_is_bad_input(tmp_path, number):
    with pytest.raises(InputError, match="Choose another output folder"):
        refused(tmp_path / "a", number)


def test_other_faults_are_not_hidden(tmp_path):
    with pytest.raises(OSError, match="busy") as caught, writing(tmp_path / "a"):
        raise OSError(errno.EBUSY, "busy")
    assert not isinstance(caught.value, InputError)


def test_a_folder_that_is_a_file_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_tensors_and_metadata_come_back(tmp_path):
    tensors = {
        "rows": np.arange(12, dtype=np.float32).reshape(3, 4),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "none": np.empty((0, 2), np.float32),
    }
    write_tensors(tmp_path / "t.safetensors", tensors, {"digest": "abc"})
    found, metadata = read_tensors(tmp_path / "t.safetensors")
    assert metadata == {"digest": "abc"} == read_metadata(tmp_path / "t.safetensors")
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_tensors_have_the_mode_of_any_other_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_tensors(tmp_path / "t.safetensors", {"a": np.zeros(2)})
        write_text(tmp_path / "t.txt", "a")
    finally:
        os.umask(before)
    assert (tmp_path / "t.safetensors").stat().st_mode == (tmp_path / "t.txt").stat().st_mode


def test_leading_rows(tmp_path):
    path = tmp_path / "t.safetensors"
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    write_tensors(path, {"rows": rows})
    np.testing.assert_array_equal(read_leading_rows(path, "rows", 2), rows[:2])
    np.testing.assert_array_equal(read_leading_rows(path, "rows", 9), rows)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(InputError, match="is not a whole"):
        read_leading_rows(path, "rows", 2)


@pytest.mark.parametrize("cut", [0, 4, 40, -1])
def test_half_a_file_is_no_file(tmp_path, cut):
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"a": np.arange(50.0)}, {"digest": "abc"})
    path.write_bytes(path.read_bytes()[:cut])
    assert read_metadata(path) is None
    with pytest.raises(InputError, match=r"t\.safetensors is missing or is not a whole"):
        read_tensors(path)


def test_no_file(tmp_path):
    assert read_metadata(tmp_path / "none") is None
    with pytest.raises(InputError, match="none is missing"):
        read_tensors(tmp_path / "none")


def test_tensors_on_a_full_disk(tmp_path, monkeypatch):
    def full(tensors, filename, metadata):
        raise safetensors.SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    import safetensors
    import safetensors.numpy

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(WorkError, match="disk is full"):
        files.write_tensors(tmp_path / "t.safetensors", {"a": np.zeros(2)})
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["BF16", "F8_E4M3"])
def test_tensors_of_numbers_that_numpy_has_not_are_refused(tmp_path, kind):
    size = {"BF16": 2}.get(kind, 1)
    header = json.dumps({"a": {"dtype": kind, "shape": [4], "data_offsets": [0, 4 * size]}}).encode()
    path = tmp_path / "t.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4 * size))
    with pytest.raises(InputError, match=r"t\.safetensors"):
        read_tensors(path)

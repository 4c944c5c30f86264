"""No command writes over what it was given, or over what it did not make."""

from contextlib import nullcontext

import pytest

from sfm.errors import InputError
from sfm.outputs import claimed, refuse_output_beside, refuse_output_within, refuse_to_write_over
from sfm.workspace import Workspace, held_folder


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos" / "day").mkdir(parents=True)
    (tmp_path / "photos" / "day" / "a.jpg").write_text("a photograph")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ("photos/day/a.jpg", "photos/day/a.jpg"),
        ("photos/day/a.jpg", "photos/day/../day/a.jpg"),
        ("photos/day/a.jpg", "link.jpg"),
        ("photos/day/a.jpg", "other.jpg"),
        ("link.jpg", "photos/day/a.jpg"),
        ("photos", "photos/day/a.jpg"),
        ("photos", "photos"),
        ("photos/day/a.jpg", "photos"),
    ],
)
def test_an_input_is_not_written_over_whatever_it_is_called(folder, given, output):
    (folder / "link.jpg").symlink_to(folder / "photos/day/a.jpg")
    (folder / "other.jpg").hardlink_to(folder / "photos/day/a.jpg")
    with pytest.raises(InputError, match=r"would be written over .*, which was given as input"):
        refuse_to_write_over([None, folder / given], [folder / "fine", folder / output])


@pytest.mark.parametrize("output", ["b.jpg", "photos/b.jpg", "photos-2", "out/photos/a.jpg"])
def test_other_places_are_fine(folder, output):
    refuse_to_write_over([folder / "photos", folder / "photos/day/a.jpg", None], [folder / output])


def test_results_do_not_go_among_photographs_or_into_a_map(folder):
    photographs = [folder / "photos/day/a.jpg"]
    with pytest.raises(InputError, match=r"day holds the photograph a\.jpg: choose another"):
        refuse_output_beside(photographs, folder / "photos" / ".." / "photos" / "day")
    refuse_output_beside(photographs, folder)
    refuse_output_beside(photographs, folder / "photos/day/found")
    for inside in ("photos", "photos/day", "photos/new"):
        with pytest.raises(InputError, match=r"lies within .*photos: choose one outside"):
            refuse_output_within([folder / "photos", *photographs], folder / inside)
    refuse_output_within([folder / "photos/day", *photographs], folder / "photos/found")


def claim(folder, names, known_by=""):
    """Claim names and write them."""
    with claimed(folder, names, known_by):
        for name in names:
            (folder / name).write_text("x")


def test_a_file_of_somebody_else_stays(folder):
    (folder / "transforms.json").write_text("years of work")
    with pytest.raises(InputError, match=r"transforms\.json is there already and was not made by sfm"):
        claim(folder, ["sparse_pc.ply", "transforms.json"])
    claim(folder, ["sparse_pc.ply"])
    assert (folder / "transforms.json").read_text() == "years of work"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [".sfm.made.json", "photos", "sparse_pc.ply", "transforms.json"]


def test_what_fails_at_once_leaves_no_trace(folder):
    with pytest.raises(ValueError, match="no frame"), claimed(folder / "out", ["a.tum"]):
        raise ValueError("no frame")
    assert not (folder / "out").exists()


@pytest.mark.parametrize("another", [True, False])
def test_what_a_killed_run_left_is_removed_but_not_what_another_is_writing(folder, another):
    out, names = folder / "out", ["a.tum", "pictures"]
    half = [out / place / f".{'0' * 32}.part.jpg" for place in ("", "pictures")]
    with claimed(out, names):
        (out / "pictures").mkdir()
        for path in half:
            path.write_text("x")
    with held_folder(out) if another else nullcontext(), claimed(out, names):
        assert [path.exists() for path in half] == [another, another]


def test_what_an_earlier_run_made_may_be_replaced(folder):
    for names in (["a.tum"], ["a.tum"], ["b.tum"], ["a.tum", "b.tum"]):
        claim(folder / "out", names)
    (folder / "out" / "c.tum").write_text("x")
    with pytest.raises(InputError, match=r"c\.tum"):
        claim(folder / "out", ["a.tum", "c.tum"])


def test_folders_of_runs_and_of_earlier_versions_are_known(folder):
    Workspace(folder / "run")
    for place, known_by in (("run/export", ""), ("earlier", "mark")):
        (folder / place).mkdir()
        for name in ("a.tum", "mark"):
            (folder / place / name).write_text("x")
        claim(folder / place, ["a.tum"], known_by)


@pytest.mark.parametrize("ledger", ["", "[]", '{"made": 3}', '{"made": [3]}', "{"])
def test_a_damaged_ledger_claims_nothing(folder, ledger):
    (folder / ".sfm.made.json").write_text(ledger)
    (folder / "a.tum").write_text("x")
    with pytest.raises(InputError, match=r"a\.tum"):
        claim(folder, ["a.tum"])

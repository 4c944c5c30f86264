"""No command writes over what it was given, or over what it did not make."""

import pytest

from sfm.errors import InputError
from sfm.outputs import claim, refuse_to_write_over
from sfm.workspace import Workspace


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
    with pytest.raises(InputError, match="would be written over .*, which was given as input"):
        refuse_to_write_over([None, folder / given], [folder / "fine", folder / output])


@pytest.mark.parametrize("output", ["b.jpg", "photos/b.jpg", "photos-2", "out/photos/a.jpg"])
def test_other_places_are_fine(folder, output):
    refuse_to_write_over([folder / "photos", folder / "photos/day/a.jpg", None], [folder / output])


def test_a_file_of_somebody_else_stays(folder):
    (folder / "transforms.json").write_text("years of work")
    with pytest.raises(InputError, match=r"transforms\.json is there already and was not made by sfm"):
        claim(folder, ["sparse_pc.ply", "transforms.json"])
    claim(folder, ["sparse_pc.ply"])
    assert sorted(path.name for path in folder.iterdir()) == [".sfm.made.json", "photos", "transforms.json"]


def test_what_an_earlier_run_made_may_be_replaced(folder):
    for names in (["a.tum"], ["a.tum"], ["b.tum"], ["a.tum", "b.tum"]):
        claim(folder / "out", names)
        for name in names:
            (folder / "out" / name).write_text("x")
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

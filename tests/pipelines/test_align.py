"""From a finished run and positions to a map in another frame, or to the map as it was."""

import hashlib

import pytest

from sfm.alignment.options import AlignmentOptions
from sfm.errors import InputError, WorkError
from sfm.files import write_json
from sfm.mapping.colmap_io import read_map, write_map
from sfm.pipelines import align as pipeline
from sfm.pipelines import products
from sfm.pipelines.localize import _remove_earlier_pictures
from tests.mapping.maps import make_map

NAMES = tuple(f"{i}.jpg" for i in range(6))


@pytest.fixture
def run(tmp_path):
    root = tmp_path / "out"
    write_map(make_map(NAMES), root / "sparse/0")
    write_json(root / "run.json", {})
    (root / ".sfm.lock").touch()
    return root


def table(path, rows):
    path.write_text("name,x,y,z\n" + "".join(f"{n},{x},{y},{z}\n" for n, (x, y, z) in rows.items()))
    return AlignmentOptions(to="csv", reference=path)


def positions_of(root, scale=3.0):
    """Where the cameras stand, with z up: those of the map have y down."""
    poses = read_map(root / "sparse/0").poses
    return {name: tuple(scale * pose.center[[0, 2, 1]] * [1, 1, -1]) for name, pose in poses.items()}


def digests(root):
    files = sorted(f for f in root.rglob("*") if f.is_file() and f.name != ".sfm.lock")
    return {f.relative_to(root): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_model_and_products_are_in_the_new_frame(run, tmp_path):
    found = pipeline.align(run, table(tmp_path / "p.csv", positions_of(run)))
    assert found.frame_from_map.scale == pytest.approx(3)
    assert (run / "sparse/0/frame.json").is_file()
    assert {"points.ply", "cameras.ply", "trajectory.tum"} <= {f.name for f in run.iterdir()}
    assert not [f for f in run.iterdir() if f.name.endswith(".part")]


def test_absurd_positions_leave_everything_as_it_was(run, tmp_path):
    before = digests(run)
    names = list(positions_of(run))
    shuffled = dict(
        zip(
            names,
            [positions_of(run)[n] for n in ("3.jpg", "0.jpg", "5.jpg", "1.jpg", "4.jpg", "2.jpg")],
            strict=True,
        )
    )
    with pytest.raises(InputError, match="The map stays as it is"):
        pipeline.align(run, table(tmp_path / "p.csv", shuffled))
    assert digests(run) == before


def test_products_that_cannot_be_written_leave_the_model(run, tmp_path, monkeypatch):
    before = digests(run)

    def full(*_args):
        raise WorkError("The disk is full.")

    monkeypatch.setattr(products, "export", full)
    with pytest.raises(WorkError):
        pipeline.align(run, table(tmp_path / "p.csv", positions_of(run)))
    assert digests(run) == before


def test_pictures_of_an_earlier_localisation_go_and_others_stay(tmp_path):
    pictures = tmp_path / "matches"
    for name in ("sub/a.jpg.jpg", "b.jpg.jpg", "mine.png"):
        (pictures / name).parent.mkdir(parents=True, exist_ok=True)
        (pictures / name).touch()
    (tmp_path / "x.jpg").touch()
    write_json(
        tmp_path / "localization.json", {"queries": [{"name": n} for n in ("sub/a.jpg", "b.jpg", "../x")]}
    )
    _remove_earlier_pictures(tmp_path)
    assert [f.name for f in pictures.rglob("*")] == ["mine.png"]
    assert (tmp_path / "x.jpg").exists()
    (tmp_path / "localization.json").write_text("damaged")
    _remove_earlier_pictures(tmp_path)

"""What a run writes for its user stays in step with its map, whatever is killed or damaged between."""

import multiprocessing
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from sfm import files
from sfm.alignment.options import AlignmentOptions
from sfm.errors import InputError, WorkError
from sfm.export import ExportContext
from sfm.files import replaced_folder, write_json
from sfm.geometry.similarity import Sim3
from sfm.mapping.colmap_io import read_map, write_map
from sfm.mapping.frame import MapFrame
from sfm.mapping.transform import move_model
from sfm.pipelines import align as align_module
from sfm.pipelines.align import align
from sfm.pipelines.evaluate import evaluate
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.products import PRODUCTS, recorded_context, renew_products
from sfm.workspace import Workspace
from tests.mapping.maps import make_map

TIMES = {name: 1000.0 + i for i, name in enumerate(make_map().poses)}
CONTEXT = ExportContext(image_names=tuple(TIMES), timestamps_s=TIMES)


@pytest.fixture
def run(tmp_path):
    """The folder of a run with its products, which remember times that no photograph is there to tell."""
    root = tmp_path / "out"
    Workspace(root)
    write_json(root / "run.json", {})
    write_map(make_map(), root / "sparse" / "0")
    renew(root)
    return root


@pytest.fixture
def reference(tmp_path):
    """The same map in another frame, to align with."""
    b_from_a = Sim3(2.0, np.eye(3)[[1, 2, 0]], np.array([1.0, 2, 3]))
    write_map(make_map().transformed(b_from_a), tmp_path / "reference")
    return tmp_path / "reference"


def renew(root):
    model = root / "sparse" / "0"
    return renew_products(root, model, read_map(model), CONTEXT)


def to(reference):
    return AlignmentOptions(to="model", reference=reference)


def contents(root):
    return {name: (root / name).read_bytes() for name in PRODUCTS}


def made_of(root, folder):
    """Products as they are written of the map in `root` alone."""
    Workspace(folder)
    shutil.copytree(root / "sparse", folder / "sparse")
    renew(folder)
    return contents(folder)


def without_its_end(path):
    path.write_bytes(path.read_bytes()[:-100])


def with_another_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [without_its_end, with_another_byte, empty, Path.unlink])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_damaged_product_is_named_and_made_again_alone(run, name, damage):
    before = contents(run)
    times = {n: (run / n).stat().st_mtime_ns for n in PRODUCTS}
    damage(run / name)
    found = renew(run)
    assert found.damaged == {name: "missing" if damage is Path.unlink else "damaged or was changed"}
    assert found.reused == tuple(n for n in PRODUCTS if n != name)
    assert contents(run) == before
    assert all((run / n).stat().st_mtime_ns == times[n] for n in found.reused)
    assert renew(run).reused == PRODUCTS


def test_a_copied_run_is_reused(run, tmp_path):
    shutil.copytree(run, tmp_path / "copy", copy_function=shutil.copyfile)
    found = renew(tmp_path / "copy")
    assert (found.reused, found.damaged) == (PRODUCTS, {})


def test_the_record_keeps_names_and_times(run):
    kept = recorded_context(run)
    assert (tuple(kept.image_names), kept.timestamps_s) == (tuple(sorted(TIMES)), TIMES)


@pytest.mark.parametrize(
    "images", [None, "a", {"names": 3, "timestamps_s": [1]}, {"timestamps_s": {"a": "b"}}]
)
def test_a_record_of_other_types_tells_nothing_and_is_made_anew(run, images):
    before = contents(run)
    write_json(run / "products.json", {"version": 1, "images": images, "files": {}})
    kept = recorded_context(run)
    assert (list(kept.image_names), kept.timestamps_s) == ([], {})
    assert renew(run).reused == ()
    assert (contents(run), renew(run).reused) == (before, PRODUCTS)


def test_another_clock_makes_the_products_anew(run):
    model = run / "sparse" / "0"
    later = ExportContext(image_names=tuple(TIMES), timestamps_s={n: t + 1 for n, t in TIMES.items()})
    assert renew_products(run, model, read_map(model), later).reused == ()


def killed_after(function, calls):
    left = calls

    def call(*arguments, **values):
        nonlocal left
        if not left:
            os._exit(9)
        left -= 1
        return function(*arguments, **values)

    return call


def align_and_die(root, reference, owner, name, calls):
    setattr(owner, name, killed_after(getattr(owner, name), calls))
    align(root, to(reference))


# Renames in their order: the old model aside, the new one in its place, then each product and their record as they are
# written, then as they take the places of the old ones.
MOMENTS = [
    (Path, "rename", 0),
    (Path, "rename", 1),
    (files, "sync_folder", 2),
    *((Path, "replace", 1 + done) for done in range(8)),
    (files, "remove_tree", 3),
    (files, "remove_tree", 4),
]


@pytest.mark.parametrize(("owner", "name", "calls"), MOMENTS)
def test_the_next_command_puts_right_what_a_kill_left(run, reference, tmp_path, owner, name, calls):
    process = multiprocessing.get_context("fork").Process(
        target=align_and_die, args=(run, reference, owner, name, calls)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    evaluate(run, reference)
    assert {path.name for path in (run / "sparse").iterdir()} <= {"0", ".0.part.new"}
    assert contents(run) == made_of(run, tmp_path / "alone")
    assert b"\n1000.000000 " in contents(run)["trajectory.tum"]
    align(run, to(reference))
    assert evaluate(run, reference).ate_rmse < 1e-9
    assert contents(run) == made_of(run, tmp_path / "again")


def test_a_model_of_other_origin_comes_back_too(tmp_path, reference):
    model = tmp_path / "model"
    write_map(make_map(), model)
    process = multiprocessing.get_context("fork").Process(
        target=align_and_die, args=(model, reference, Path, "rename", 1)
    )
    process.start()
    process.join()
    assert not model.exists()
    assert evaluate(model, reference).registered == len(TIMES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "reference"]


def test_the_old_model_comes_back_if_its_products_cannot_be_written(run, reference, monkeypatch):
    before, model = contents(run), (run / "sparse/0/images.bin").read_bytes()

    def full(*_):
        raise WorkError("The disk is full")

    monkeypatch.setattr(align_module, "renew_products", full)
    with pytest.raises(WorkError, match="The disk is full"):
        align(run, to(reference))
    monkeypatch.undo()
    assert (run / "sparse/0/images.bin").read_bytes() == model
    assert not (run / "sparse/0/frame.json").exists()
    assert contents(run) == before


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf"), -1.0])
def test_no_scale_that_leaves_no_map(run, scale):
    before = (run / "sparse/0/images.bin").read_bytes()
    with pytest.raises(InputError, match="the map stays as it was"):
        move_model(run / "sparse/0", Sim3(scale, np.eye(3), np.zeros(3)), MapFrame("gps"), {})
    assert (run / "sparse/0/images.bin").read_bytes() == before


def test_a_second_model_leaves_the_products_alone(run, reference):
    shutil.copytree(run / "sparse/0", run / "sparse/1")
    before = contents(run)
    align(run / "sparse/1", to(reference))
    assert contents(run) == before


def test_a_record_of_an_earlier_map_is_none(run):
    write_json(run / "sparse/mapping.json", {"digest": "new"})
    write_json(run / "run.json", {"descriptor": "sift", "map_digest": "old"})
    assert FinishedRun.open(run).record == {}
    write_json(run / "run.json", {"descriptor": "sift", "map_digest": "new"})
    assert FinishedRun.open(run).record["descriptor"] == "sift"


@pytest.mark.parametrize("what", ["sparse", "sparse/0"])
def test_a_model_that_is_replaced_while_it_is_read_is_read_again(run, what):
    moved = make_map().transformed(Sim3(2.0, np.eye(3), np.zeros(3)))
    stop = threading.Event()

    def replace():
        with Workspace(run).lock():
            while not stop.is_set():
                for sparse_map in (moved, make_map()):
                    with replaced_folder(run / what) as new:
                        write_map(sparse_map, new if what == "sparse/0" else new / "0")

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        for _ in range(60):
            found = FinishedRun.open(run).sparse_map
            assert np.allclose(found.xyz, make_map().xyz) or np.allclose(found.xyz, moved.xyz)
    finally:
        stop.set()
        replacing.join()

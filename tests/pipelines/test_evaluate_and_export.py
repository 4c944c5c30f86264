"""From the folder of a finished run to numbers and files."""

import json
import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pycolmap
import pytest
from click.testing import CliRunner
from PIL import Image

from sfm.cli.main import main
from sfm.errors import InputError
from sfm.evaluation.trajectory import read_tum
from sfm.export import FORMATS
from sfm.files import write_json, write_tensors
from sfm.geometry.similarity import Sim3
from sfm.mapping.colmap_io import write_map
from sfm.mapping.stored_matches import StoredMatches
from sfm.pipelines.evaluate import evaluate
from sfm.pipelines.export import export
from sfm.pipelines.finished_run import FinishedRun, find_model
from sfm.pipelines.report import report
from tests.export.test_hloc import features_of, hloc_matches
from tests.mapping.maps import make_map, make_map_of

ALL = ("day 1/a 1.jpg", "day 1/a 2.jpg", "b.jpg", "ü.jpg", "z lost.jpg")
REGISTERED = ALL[:4]


@pytest.fixture
def run(tmp_path):
    """A finished run of five photographs, four of them registered."""
    photographs, root = tmp_path / "my photos", tmp_path / "out"
    for i, name in enumerate(ALL):
        path = photographs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:00:{10 - i:02d}"
        Image.new("L", (640, 480)).save(path, exif=exif)
    keypoints, descriptors, matches = features_of(ALL)
    write_map(make_map_of(keypoints, REGISTERED), root / "sparse/0")
    for name in ALL:
        keypoints[name].save(root / f"features/keypoints/{name}.safetensors")
        write_tensors(root / f"features/sift/{name}.safetensors", {"descriptors": descriptors[name]})
    with pycolmap.Database.open(root / "database.db") as database:
        camera_id = database.write_camera(pycolmap.Camera.create_from_model_name(1, "PINHOLE", 500, 640, 480))
        ids = {n: database.write_image(pycolmap.Image(name=n, camera_id=camera_id)) for n in reversed(ALL)}
        for (a, b), pairs in matches.items():
            database.write_matches(ids[a], ids[b], pairs)
    write_json(root / "run.json", {"images": str(photographs), "descriptor": "sift"})
    return root


def moved_map(names=REGISTERED):
    b_from_a = Sim3(2.0, np.eye(3)[[1, 2, 0]], np.array([1.0, 2, 3]))
    return make_map(names).transformed(b_from_a)


class TestStoredMatches:
    def test_equal_what_was_written_in_either_order(self, run):
        stored = StoredMatches(run / "database.db")
        _, _, matches = features_of(ALL)
        assert len(stored) == len(matches)
        for (a, b), pairs in matches.items():
            found = stored[a, b] if (a, b) in stored else np.flip(stored[b, a], 1)
            np.testing.assert_array_equal(found, pairs)

    def test_no_database(self, tmp_path):
        with pytest.raises(InputError, match="not a readable COLMAP database"):
            StoredMatches(tmp_path / "none.db")
        assert not (tmp_path / "none.db").exists()
        (tmp_path / "text.db").write_text("not a database at all, but long enough to be looked at" * 20)
        with pytest.raises(InputError, match="not a readable COLMAP database"):
            StoredMatches(tmp_path / "text.db")


class TestFinding:
    def test_run_or_model(self, run):
        for path in (run, run / "sparse", run / "sparse/0"):
            assert find_model(path) == run / "sparse/0"
        for path in (run, run / "sparse/0"):
            assert FinishedRun.open(path).root == run.absolute()

    def test_a_model_of_other_origin(self, tmp_path):
        write_map(make_map(), tmp_path / "model")
        opened = FinishedRun.open(tmp_path / "model")
        assert opened.root is None
        assert opened.image_names == sorted(make_map().poses)

    def test_no_map(self, tmp_path):
        with pytest.raises(InputError, match="holds no map"):
            find_model(tmp_path)
        with pytest.raises(InputError, match="does not exist"):
            find_model(tmp_path / "none")

    def test_only_the_photographs_that_were_taken(self, run):
        record = json.loads((run / "run.json").read_text("utf-8"))
        write_json(run / "run.json", {**record, "options": {"photos": {"every": 2}}})
        # EXIF times run against the names.
        assert set(FinishedRun.open(run).photo_set.names) == {"z lost.jpg", "b.jpg", "day 1/a 1.jpg"}

    @pytest.mark.parametrize("source", ["folder", "list"])
    def test_photographs_that_are_gone_are_no_obstacle(self, run, tmp_path, source):
        photographs = tmp_path / "my photos"
        if source == "list":
            (tmp_path / "list.txt").write_text("".join(f"my photos/{name}\n" for name in ALL))
            write_json(run / "run.json", {"images": str(tmp_path / "list.txt")})
        assert len(FinishedRun.open(run).photo_set.photos) == len(ALL)
        for name in ALL:
            (photographs / name).unlink()
        assert FinishedRun.open(run).photo_set is None
        assert FinishedRun.open(run).context().image_folder is None
        with pytest.raises(InputError, match="There are no images in"):
            FinishedRun.open(run, photographs).photo_set  # noqa: B018

    def test_what_the_run_knows(self, run):
        opened = FinishedRun.open(run)
        assert opened.image_names == sorted(ALL)
        assert opened.timestamps_s["b.jpg"] == datetime.fromisoformat("2024-05-01T12:00:08+00:00").timestamp()
        context = opened.context()
        assert context.image_sizes["z lost.jpg"] == (640, 480)
        assert sorted(context.keypoints) == sorted(context.descriptors) == sorted(ALL)

    def test_the_descriptor_is_chosen(self, run):
        write_tensors(run / "features/sosnet/b.jpg.safetensors", {"descriptors": np.ones((1, 4), np.float32)})
        assert FinishedRun.open(run).context().descriptors["b.jpg"].shape[1] == 16
        assert FinishedRun.open(run).context("sosnet").descriptors["b.jpg"].shape == (1, 4)
        with pytest.raises(InputError, match=r"no descriptor tfeat: it has sift, sosnet"):
            FinishedRun.open(run).context("tfeat")
        (run / "run.json").unlink()
        with pytest.raises(InputError, match="--descriptor sift or sosnet"):
            FinishedRun.open(run).context()

    def test_an_unreadable_record_is_no_obstacle(self, run):
        (run / "run.json").write_text("{half")
        assert FinishedRun.open(run).image_names == sorted(ALL)


class TestEvaluate:
    def test_against_a_model(self, run, tmp_path):
        write_map(moved_map(), tmp_path / "truth", text=True)
        result = evaluate(run, tmp_path / "truth")
        assert (result.registered, result.total) == (4, 4)
        assert result.ate_max < 1e-9
        assert result.truth_from_map.scale == pytest.approx(2)

    @pytest.mark.parametrize("photographs_known", [True, False])
    def test_against_its_own_tum_export(self, run, photographs_known):
        if not photographs_known:
            (run / "run.json").unlink()
        (file,) = export(run, "tum")
        result = evaluate(run, file)
        assert result.registered == 4
        assert result.ate_max < 1e-9

    def test_tum_without_names_goes_by_capture_time(self, run, tmp_path):
        (file,) = export(run, "tum")
        lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
        (tmp_path / "bare.tum").write_text("\n".join(lines) + "\n")
        # Capture runs against the order of names: by order the poses would be wrong.
        assert list(read_tum(file).poses) == ["ü.jpg", "b.jpg", "day 1/a 2.jpg", "day 1/a 1.jpg"]
        assert evaluate(run, tmp_path / "bare.tum").ate_max < 1e-9

    def test_on_the_command_line(self, run, tmp_path):
        write_map(moved_map(), tmp_path / "truth")
        command = ["evaluate", str(run), "--ground-truth", str(tmp_path / "truth")]
        done = CliRunner().invoke(main, [*command, "--json"])
        assert done.exit_code == 0, done.output
        summary = json.loads(done.stdout)
        assert summary["registered"] == 4
        assert summary["auc_percent"]["1"] > 99.9
        done = CliRunner().invoke(main, [*command, "--per-image"])
        assert "4 of 4" in done.stdout
        assert "day 1/a 1.jpg" in done.stdout

    def test_bad_input_on_the_command_line(self, run, tmp_path):
        done = CliRunner().invoke(main, ["evaluate", str(run), "--ground-truth", str(tmp_path / "none")])
        assert done.exit_code == 2
        assert len(done.stderr.strip().splitlines()) == 1


class TestExport:
    # GeoJSON speaks of latitude and longitude: tests/export/test_geojson.py has a map that knows them.
    @pytest.mark.parametrize("format", sorted(set(FORMATS) - {"geojson"}))
    def test_every_format(self, run, format):
        if format == "colmap-text":
            with pytest.raises(InputError, match="colmap-bin"):
                export(run, format)
            return
        files = export(run, format)
        assert files
        assert all(file.parent == run.absolute() / "export" / format for file in files)

    def test_hloc_gets_features_and_matches_of_all_images(self, run):
        features, matches = export(run, "hloc")
        keypoints, descriptors, expected = features_of(ALL)
        with h5py.File(features) as file:
            for name in ALL:
                np.testing.assert_array_equal(file[name]["keypoints"], keypoints[name].xy)
                np.testing.assert_array_equal(file[name]["descriptors"], descriptors[name].T)
        for (a, b), pairs in expected.items():
            found, _ = hloc_matches(matches, a, b)
            assert set(map(tuple, found.tolist())) == set(map(tuple, pairs.tolist()))

    def test_nerfstudio_finds_the_photographs(self, run, tmp_path):
        transforms, _ = export(run, "nerfstudio", tmp_path / "elsewhere/nerf")
        for frame in json.loads(transforms.read_text("utf-8"))["frames"]:
            assert (transforms.parent / frame["file_path"]).is_file()

    def test_on_the_command_line(self, run):
        done = CliRunner().invoke(
            main, ["export", str(run), "--format", "ply", "--format", "kitti", "--json"]
        )
        assert done.exit_code == 0, done.output
        assert [len(files) for files in json.loads(done.stdout)["files"].values()] == [2, 2]
        assert "1 of 5 images are not in the map" in done.stderr

    def test_help_lists_the_formats(self):
        done = CliRunner().invoke(main, ["export", "--help"])
        assert "KITTI trajectory" in done.stdout


@pytest.mark.parametrize("value", [None, 3, "text", [1], {"photos": 7}, {"a": [1]}, [{"x": 1}]])
@pytest.mark.parametrize(
    "key",
    ["images", "descriptor", "options", "stages", "pairs", "models", "self_check", "skipped", "left_out"],
)
def test_run_record_with_a_value_of_a_wrong_type_never_gives_a_fault(run, value, key):
    record = json.loads((run / "run.json").read_text())
    write_json(run / "run.json", record | {key: value})
    with suppress(InputError):
        report(run)
    opened = FinishedRun.open(run)
    assert set(REGISTERED) <= set(opened.image_names)


@pytest.mark.parametrize("text", ["[]", "7", "[" * 100_000, "\0", '{"images": NaN}'])
def test_run_record_that_is_none_counts_as_missing(run, text):
    (run / "run.json").write_text(text)
    assert FinishedRun.open(run).photo_set is None


def test_model_is_found_from_within_and_by_a_link(run, tmp_path, monkeypatch):
    monkeypatch.chdir(run / "sparse/0")
    link = tmp_path / "link"
    link.symlink_to(run / "sparse/0")
    for path in (Path(), link):
        opened = FinishedRun.open(path)
        assert opened.model == run / "sparse/0"
        assert opened.root == run


def test_database_is_read_where_sqlite_may_make_no_file(run, monkeypatch):
    connect = sqlite3.connect

    def read_only(address, **values):
        if "immutable" not in address:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(address, **values)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    assert len(StoredMatches(run / "database.db")) > 0

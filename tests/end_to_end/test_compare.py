"""`sfm compare` on a street whose cameras are known: shared work, the table, the page, what goes wrong."""

import csv
import json
import shutil
import signal
import time

import pytest
import torch

from sfm.features import pretrained
from sfm.features.networks import NETWORKS
from sfm.features.patch_window import PatchWindow
from sfm.pipelines.evaluate import evaluate

from .command import files_of, refuses, sfm, start, succeeds
from .conftest import SEED, VIEWS, once

PAIRS = VIEWS * (VIEWS - 1) // 2


def record(folder, name="run.json"):
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def weights(shared):
    """A network that never was trained: random filters, too, tell patches from each other."""

    def make(folder):
        torch.manual_seed(0)
        network = NETWORKS["tfeat"]()
        network.initialise()
        pretrained.save(network, "tfeat", folder / "tfeat.safetensors", window=PatchWindow(24))

    return once(shared / "weights", make) / "tfeat.safetensors"


@pytest.fixture(scope="session")
def arguments(street, weights):
    """Two descriptors that work and one whose weights are missing."""
    descriptors = f"sift,tfeat={weights},hardnet=nowhere.safetensors"
    return ("compare", street.images, "--descriptors", descriptors, "--ground-truth", street.ground_truth,
            "--repeat", 2, "--seed", SEED)  # fmt: skip


@pytest.fixture(scope="session")
def compared(shared, arguments):
    """Output folder of `sfm compare`; look, but do not change it."""

    def make(folder):
        done = succeeds(*arguments, "-o", folder / "out", "--json")
        (folder / "stdout.json").write_text(done.stdout)
        (folder / "stderr.txt").write_text(done.stderr)

    return once(shared / "compared", make) / "out"


@pytest.fixture
def copy(compared, tmp_path):
    return shutil.copytree(compared, tmp_path / "out", symlinks=True)


class TestWorkIsSharedAndFair:
    def test_keypoints_and_patches_are_made_once(self, compared):
        shared = record(compared, "compare.json")["stages"]
        assert shared["detection"]["detected"] == VIEWS
        assert (shared["description"]["decoded"], shared["description"]["patched"]) == (VIEWS, VIEWS)
        assert shared["description"]["described"] == {"sift": VIEWS, "tfeat": VIEWS}
        for folder in ("sift", "sift-seed-2", "tfeat", "tfeat-seed-2"):
            stages = record(compared / folder)["stages"]
            assert (stages["features"]["detected"], stages["features"]["described"]) == (0, 0)
            assert stages["detection"] == shared["detection"]
            assert stages["description"] == shared["description"]
            assert (compared / folder / "features").resolve() == (compared / "features").resolve()
        told = (compared.parent / "stderr.txt").read_text()
        assert told.count("Detect: ") == 1

    def test_all_but_the_descriptor_and_the_seed_is_the_same(self, compared):
        first, *others = (
            record(compared / folder) for folder in ("sift", "sift-seed-2", "tfeat", "tfeat-seed-2")
        )
        assert [r["options"]["mapping"].pop("seed") for r in (first, *others)] == [1, 2, 1, 2]
        for other in others:
            assert {**other["options"], "description": 0} == {**first["options"], "description": 0}
            assert other["stages"]["matching"]["pairs"] == PAIRS
            assert [(p["name1"], p["name2"]) for p in other["pairs"]] == [
                (p["name1"], p["name2"]) for p in first["pairs"]
            ]

    def test_the_same_map_as_by_sfm_reconstruct(self, compared, street, tmp_path):
        options = ("--descriptor", "sift", "--seed", SEED, "--describe-first", 0)
        succeeds("reconstruct", street.images, "-o", tmp_path / "out", *options)
        ours, theirs = record(compared / "sift"), record(tmp_path / "out")
        assert ours["registered"] == theirs["registered"] == VIEWS
        assert ours["options"] == theirs["options"]
        assert ours["pairs"] == theirs["pairs"]

    def test_each_map_is_a_finished_run(self, copy, street, tmp_path):
        for folder in ("sift", "tfeat-seed-2"):
            succeeds("report", copy / folder, "-o", tmp_path / f"{folder}.html")
            page = (tmp_path / f"{folder}.html").read_text(encoding="utf-8")
            assert "most inliers" in page, "the gallery finds keypoints, matches and photographs"
            assert evaluate(copy / folder, street.ground_truth).registered == VIEWS
        succeeds("export", copy / "tfeat", "--format", "hloc", "-o", tmp_path / "hloc")
        options = ("--descriptor", "sift", "--seed", SEED)
        told = succeeds("reconstruct", street.images, "-o", copy / "sift", *options).stderr
        assert f"Reused: keypoints of {VIEWS} and sift descriptors of {VIEWS}" in told
        assert "Reused: the map." in told


class TestNumbers:
    def test_they_are_those_of_the_maps(self, compared, street):
        arms = record(compared, "compare.json")["arms"]
        for name in ("sift", "tfeat"):
            for run in arms[name]["runs"]:
                own, truth = (
                    record(compared / run["out"]),
                    evaluate(compared / run["out"], street.ground_truth),
                )
                assert (run["registered"], run["points"]) == (own["registered"], own["points"])
                assert run["models"] == len(own["models"])
                assert run["verified_pairs"] == own["stages"]["matching"]["accepted"]
                assert run["ate_rmse"] == pytest.approx(truth.ate_rmse)
                assert run["auc_5_deg"] == pytest.approx(truth.auc_percent[5])
                assert run["match_s"] == own["stages"]["matching"]["seconds"] > 0
        assert [run["seed"] for run in arms["sift"]["runs"]] == [SEED, SEED + 1]

    def test_the_table_as_json_and_csv(self, compared):
        table = {row["metric"]: row for row in record(compared, "compare.json")["table"]}
        assert {"registered", "models", "points", "observations", "track_length", "error_px", "verified_pairs",
                "inliers_per_pair", "problems", "ate_rmse", "rotation_median_deg", "auc_1_deg", "auc_5_deg",
                "describe_s", "match_s", "map_s"} <= table.keys()  # fmt: skip
        assert table["registered"]["sift"]["median"] == VIEWS
        assert table["registered"]["hardnet"]["runs"] == 0
        with (compared / "compare.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert len(lines) == 3 * len(table)
        for line in lines:
            cell = table[line["metric"]][line["descriptor"]]
            assert (float(line["median"]) if line["median"] else None) == cell["median"]
            assert line["runs"] == str(cell["runs"])

    def test_json_on_stdout_is_the_record(self, compared):
        told = json.loads((compared.parent / "stdout.json").read_text())
        assert told == {**record(compared, "compare.json"), "out": str(compared)}

    def test_the_page_shows_the_maps_the_failure_and_the_same_pairs(self, compared):
        page = (compared / "compare.html").read_text(encoding="utf-8")
        assert "There is no weights file nowhere.safetensors." in page
        assert "most inliers" in page
        assert "Pose AUC" in page
        assert "ground truth" in page
        assert "sfm compare" in page


class TestGoingOn:
    def test_a_second_run_does_nothing_and_keeps_the_times(self, copy, arguments):
        before, times = files_of(copy), record(copy, "compare.json")["arms"]
        done = succeeds(*arguments, "-o", copy)
        assert done.stderr.count("Reused: the map.") == 4
        assert "anew" not in done.stderr
        changed = {name for name, file in files_of(copy).items() if before.get(name) != file}
        kept = ("features/", "sift/sparse/", "tfeat/sparse/", "sift/points.ply", "tfeat/points.ply")
        assert not [name for name in changed if name.startswith(kept)]
        assert record(copy, "compare.json")["arms"] == times

    @pytest.mark.slow
    def test_an_interrupted_comparison_goes_on(self, arguments, compared, tmp_path):
        out = tmp_path / "out"
        running = start(*arguments, "-o", out)
        deadline = time.monotonic() + 120
        # The first map is done, the others are not.
        while not (out / "sift-seed-2" / "database.db").exists() and time.monotonic() < deadline:
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 130, told
        assert not (out / "compare.json").exists()
        done = succeeds(*arguments, "-o", out)
        assert f"Reused: keypoints of {VIEWS} of {VIEWS} images." in done.stderr
        assert record(out / "sift")["stages"]["mapping"]["reused"]
        # The time of the work is known although it was done before the stop.
        assert record(out, "compare.json")["arms"]["sift"]["runs"][0]["map_s"] > 0
        for folder in ("sift", "tfeat-seed-2"):
            assert record(out / folder)["pairs"] == record(compared / folder)["pairs"]


class TestBadInput:
    def test_the_terminal_tells_of_an_arm_that_failed(self, copy, arguments):
        done = succeeds(*arguments, "-o", copy)
        assert "hardnet does not take part. There is no weights file nowhere.safetensors." in done.stderr
        assert "hardnet has no map." in done.stdout
        row = next(line for line in done.stdout.splitlines() if "Images in the map" in line)
        assert row.split()[-3:] == [str(VIEWS), str(VIEWS), "-"]

    @pytest.mark.parametrize(
        ("descriptors", "told"),
        [
            ("sift,surf", "--descriptors surf: choose from sift, sosnet"),
            ("sift,sift", "names sift twice"),
            ("sift,tfeat=", "name the file of the weights, tfeat=FILE"),
            (",", "--descriptors names none"),
            ("hardnet=nowhere.pth", "There is no weights file nowhere.pth"),
            ("sift=w.pth", "only networks have weights"),
        ],
    )
    def test_descriptors(self, street, tmp_path, descriptors, told):
        line = refuses("compare", street.images, "-o", tmp_path / "out", "--descriptors", descriptors)
        assert told in line
        assert not (tmp_path / "out").exists()

    def test_ground_truth_of_other_images(self, street, tmp_path):
        truth = shutil.copytree(street.ground_truth, tmp_path / "truth")
        text = (truth / "images.txt").read_text()
        (truth / "images.txt").write_text(text.replace("street_", "elsewhere_"))
        arguments = ("--descriptors", "sift", "--ground-truth", truth)
        line = refuses("compare", street.images, "-o", tmp_path / "out", *arguments)
        assert "share no image name" in line
        assert "'street_000.jpg'" in line
        assert "'elsewhere_000.jpg'" in line
        assert not (tmp_path / "out").exists()

    def test_no_arm_makes_a_map(self, street, tmp_path):
        photos = tmp_path / "photos"
        photos.mkdir()
        for i in (0, 1):
            shutil.copy(street.images / f"street_{i:03d}.jpg", photos)
        options = ("--descriptors", "sift", "--max-keypoints", 5)
        line = refuses("compare", photos, "-o", tmp_path / "out", *options, exit_code=1)
        assert "No descriptor made a map. sift: No map" in line

    def test_names_that_are_markup(self, street, tmp_path):
        photos = tmp_path / "photos"
        photos.mkdir()
        for i in range(5):
            shutil.copy(street.images / f"street_{i:03d}.jpg", photos / f"<script>alert({i})<&script>.jpg")
        succeeds("compare", photos, "-o", tmp_path / "out", "--descriptors", "sift")
        page = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(0)" in page

    def test_out_among_the_images(self, street):
        line = refuses("compare", street.images, "-o", street.images / "out", "--descriptors", "sift")
        assert "lies within the images" in line


def test_help_tells_of_the_defaults():
    told = sfm("compare", "--help").stdout
    assert "--repeat" in told
    assert "--max-keypoints" in told
    assert "--descriptor " not in told
    assert "--weights" not in told

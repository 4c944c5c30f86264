"""What a comparison makes of maps that are known; real ones are compared end to end."""

import errno
import json
import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from sfm.errors import InputError, WorkError
from sfm.evaluation.trajectory import Trajectory
from sfm.features import pretrained
from sfm.features.choice import DescriptionOptions
from sfm.mapping.colmap_io import write_map
from sfm.pipelines import compare as module
from sfm.pipelines import comparison_arms, contenders
from sfm.pipelines.compare import compare
from sfm.pipelines.comparison_numbers import comparison_metrics, no_map_numbers, run_numbers
from sfm.pipelines.contenders import Contender, default_descriptors, parse_contenders
from sfm.pipelines.reconstruct import Reconstruction
from sfm.pipelines.shared_description import SharedDescription
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.viewgraph.orientations import BY_GRADIENT
from sfm.workspace import Workspace
from tests.images.files import save
from tests.report.maps import walk_map

from .progress import Heard

NAMES = [f"{i}.png" for i in range(6)]
TRUTH = Trajectory(walk_map(6).poses | {}, "truth")


def pair(name1, name2, inliers=50, accepted=True):
    return {"name1": name1, "name2": name2, "matches": 90, "inliers": inliers, "kind": "calibrated",
            "log10_nfa": -20.0, "forward": 0.1, "accepted": accepted}  # fmt: skip


def run_record(pairs=(), problems=(), gps=None, **times):
    return {
        "models": [{"images": 6, "points": 600, "focal_error_percent": 3.5}],
        "correct_images": 5,
        "pairs": list(pairs),
        "left_out": {},
        "self_check": {"problems": list(problems), "gps": gps},
        "stages": {name: {"work_seconds": times.get(name)} for name in ("features", "matching", "mapping")},
    }


class TestContenders:
    def test_names_and_weights(self, tmp_path):
        assert parse_contenders(["sift", f" sosnet = {tmp_path}/a=b.pth"]) == [
            Contender("sift"),
            Contender("sosnet", tmp_path / "a=b.pth"),
        ]

    @pytest.mark.parametrize(
        ("texts", "told"),
        [
            (["SIFT"], "choose from sift, sosnet, triplet"),
            (["=w.pth"], "choose from"),
            (["sosnet", "sosnet=w.pth"], "names sosnet twice"),
            (["sosnet="], "sosnet=FILE"),
            (["sift=w.pth"], "only networks have weights"),
            ([], "names none"),
        ],
    )
    def test_what_cannot_take_part(self, texts, told):
        with pytest.raises(InputError, match=told):
            parse_contenders(texts)

    @pytest.mark.parametrize(
        ("packaged", "expected"),
        [
            ((), ("sift",)),
            (("hardnet", "sosnet"), ("sift", "sosnet")),
            (("sosnet", "triplet"), ("sift", "triplet", "sosnet")),
        ],
    )
    def test_by_default_what_ships(self, monkeypatch, packaged, expected):
        monkeypatch.setattr(pretrained, "available", lambda: packaged)
        assert default_descriptors() == expected

    def test_what_is_about_networks_is_not_asked_of_sift(self):
        shared = DescriptionOptions(patch_scale=20.0, pooling=True, device="cpu")
        assert Contender("sift").options(shared) == DescriptionOptions(descriptor="sift")
        assert Contender("sosnet").options(shared) == shared


class TestNumbers:
    def test_of_a_run(self):
        record = run_record(
            [pair("a", "b", 10), pair("a", "c", 30), pair("b", "c", 90, accepted=False)],
            ["it is wrong"],
            {"rms_m": 4.5},
            features=2.5,
            matching=None,
        )
        numbers = run_numbers(record, walk_map(6), None)
        assert numbers["registered"] == 6
        assert (numbers["verified_pairs"], numbers["inliers_per_pair"]) == (2, 20)
        assert (numbers["problems"], numbers["gps_rms_m"], numbers["describe_s"]) == (1, 4.5, 2.5)
        assert math.isnan(numbers["match_s"])
        assert (numbers["correct_images"], numbers["focal_error_percent"]) == (5, 3.5)
        assert "ate_rmse" not in numbers

    def test_against_truth(self):
        poses = walk_map(6).poses
        numbers = run_numbers(run_record(), walk_map(6), Trajectory(poses))
        assert numbers["ate_rmse"] == pytest.approx(0, abs=1e-9)
        assert numbers["auc_1_deg"] == pytest.approx(100)
        assert math.isnan(numbers["inliers_per_pair"])
        # Images of the map without truth take no part, true images that the map lacks do.
        half = {name: poses[name] for name in sorted(poses)[:4]}
        assert run_numbers(run_record(), walk_map(6), Trajectory(half))["auc_1_deg"] == pytest.approx(100)
        lost = walk_map(6, names=[*sorted(poses)[:3], "x", "y", "z"])
        assert run_numbers(run_record(), lost, Trajectory(poses))["auc_5_deg"] == pytest.approx(100 * 3 / 15)

    def test_no_image_of_the_map_has_truth(self):
        numbers = run_numbers(run_record(), walk_map(6, names=list("abcdef")), Trajectory(walk_map(6).poses))
        assert math.isnan(numbers["ate_rmse"])
        assert numbers["auc_10_deg"] == 0

    def test_of_no_map(self):
        assert no_map_numbers(None) == {"registered": 0, "points": 0, "observations": 0}
        assert no_map_numbers(TRUTH)["auc_5_deg"] == 0
        assert no_map_numbers(None, located=True)["correct_images"] == 0

    def test_errors_of_fewer_images_are_no_better(self):
        def better(*registered):
            samples = [{"registered": values, "ate_rmse": [1.0] * len(values)} for values in registered]
            (metric,) = [m for m in comparison_metrics(samples) if m.key == "ate_rmse"]
            return metric.better

        assert better([6, 6], [6, 6]) == "lower"
        assert better([6, 6], [6, 5]) is None
        assert better([6, 6], []) == "lower"

    def test_rows_are_what_any_arm_knows(self):
        nothing = {"registered": [6], "gps_rms_m": [math.nan], "map_s": [math.nan]}
        assert [m.key for m in comparison_metrics([nothing, {}])] == ["registered"]
        assert [m.key for m in comparison_metrics([nothing, {"map_s": [2.0]}])] == ["registered", "map_s"]


class Maps:
    """Stands for all stages after detection: makes the map that was ordered, or fails as ordered."""

    def __init__(self, monkeypatch):
        self.orders, self.asked, self.turned_by, self.orientations = {}, [], [], []
        monkeypatch.setattr(module, "find_orientations", self.find_orientations)
        monkeypatch.setattr(module, "map_photographs", self)
        monkeypatch.setattr(module, "describe_together", self.describe)
        monkeypatch.setattr(
            contenders, "make_descriptor", lambda options, _: SimpleNamespace(name=options.descriptor)
        )

    def find_orientations(self, photos, workspace, detector, descriptor, orientation, images, progress):
        self.turned_by.append((descriptor.name, orientation))
        return BY_GRADIENT

    def describe(self, photos, workspace, detector, descriptors, images, orientations, progress):
        self.orientations.append(orientations)
        names = [descriptor.name for descriptor in descriptors]
        return SharedDescription(0, 0, dict.fromkeys(names, 0), dict.fromkeys(names))

    def __call__(self, photographs, workspace, options, descriptor, record, progress):
        seed = options.mapping.seed
        self.asked.append((descriptor.name, seed, workspace.root.name))
        order = self.orders.get((descriptor.name, seed), self.orders.get(descriptor.name, {}))
        if isinstance(order, Exception):
            raise order
        made = walk_map(6, names=photographs.photo_set.names, points=order.get("points", 600))
        write_map(made, workspace.root / "sparse/0")
        inliers = order.get("inliers", {})
        looked_at = order.get("pairs", list(pairwise(NAMES)))
        pairs = [pair(a, b, inliers.get((a, b), 50)) for a, b in looked_at]
        record.data |= run_record(pairs, order.get("problems", ()), features=1.0)
        (workspace.root / "run.json").write_text(json.dumps(record.data))
        return Reconstruction(workspace.root, (made,), 6, {}, {}, record.data)


@pytest.fixture
def maps(monkeypatch):
    return Maps(monkeypatch)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("street") / "images"
    for i, name in enumerate(NAMES):
        save(folder / name, np.random.default_rng(i).integers(0, 256, (60, 80, 3), np.uint8))
    return folder


class TestCompare:
    def test_arms_and_seeds_have_folders_of_their_own(self, maps, images, tmp_path):
        options = ReconstructOptions.of(seed=7)
        result = compare(images, tmp_path / "out", ["sift", "sosnet"], None, 2, options)
        assert maps.asked == [
            ("sift", 7, "sift"),
            ("sift", 8, "sift-seed-8"),
            ("sosnet", 7, "sosnet"),
            ("sosnet", 8, "sosnet-seed-8"),
        ]
        assert result.failures == {"sift": "", "sosnet": ""}
        assert [run.seed for run in result.runs["sosnet"]] == [7, 8]
        assert (tmp_path / "out" / "sosnet" / "features").readlink().as_posix() == "../features"
        assert {path.suffix for path in (tmp_path / "out").glob("compare.*")} == {
            ".json",
            ".csv",
            ".html",
            ".png",
        }

    def test_keypoints_are_turned_alike_for_all(self, maps, images, tmp_path):
        options = ReconstructOptions.of(orientation="view-graph")
        compare(images, tmp_path / "out", ["sift", "sosnet"], None, 2, options)
        assert maps.turned_by == [("sift", "view-graph")]
        assert maps.orientations == [BY_GRADIENT]
        for arm in ("sift", "sosnet", "sosnet-seed-1"):
            record = json.loads((tmp_path / "out" / arm / "run.json").read_text())
            assert record["options"]["orientation"] == {"orientation": "view-graph"}

    def test_a_difference_stands_out_only_of_the_spread(self, maps, images, tmp_path):
        for seed, points in enumerate((500, 510, 505)):
            maps.orders["sift", seed] = {"points": points}
            maps.orders["sosnet", seed] = {"points": points + 100}
            maps.orders["tfeat", seed] = {"points": points + 3}
        three = compare(images, tmp_path / "a", ["sift", "sosnet", "tfeat"], None, 3)
        cells = {metric.key: cells for metric, cells in three.table}["points"]
        assert [cell.best for cell in cells] == [False, True, False]
        close = compare(images, tmp_path / "b", ["sift", "tfeat"], None, 3)
        cells = {metric.key: cells for metric, cells in close.table}["points"]
        assert [cell.best for cell in cells] == [False, False]
        assert [(cell.median, cell.low, cell.high) for cell in cells] == [(505, 500, 510), (508, 503, 513)]

    def test_an_arm_without_a_map_does_not_stop_the_others(self, maps, images, tmp_path):
        maps.orders["sift"] = WorkError("No map: too dark.")
        heard = Heard()
        result = compare(images, tmp_path / "out", ["sift", "sosnet"], progress=heard)
        assert result.failures == {"sift": "No map: too dark.", "sosnet": ""}
        assert result.runs["sift"][0].numbers["registered"] == 0
        assert "sift, seed 0: No map: too dark." in heard.warned
        assert result.record["arms"]["sift"]["failure"] == "No map: too dark."
        assert "No map: too dark." in (tmp_path / "out" / "compare.html").read_text()

    def test_a_seed_without_a_map_is_counted_and_told(self, maps, images, tmp_path):
        maps.orders["sift", 0] = WorkError("No map: too dark.")
        result = compare(images, tmp_path / "out", ["sift"], None, 2)
        assert result.failures == {"sift": ""}
        cells = {metric.key: cells for metric, cells in result.table}
        assert (cells["registered"][0].low, cells["registered"][0].high) == (0, 6)
        assert cells["track_length"][0].count == 1
        assert "With seed 0: No map: too dark." in (tmp_path / "out" / "compare.html").read_text()

    def test_all_without_a_map(self, maps, images, tmp_path):
        maps.orders["sift"] = maps.orders["tfeat"] = WorkError("No map: too dark.")
        with pytest.raises(WorkError, match=r"No descriptor made a map. sift: No map: too dark.; tfeat: "):
            compare(images, tmp_path / "out", ["sift", "tfeat"])

    def test_a_full_disk_stops_all(self, maps, images, tmp_path):
        full = WorkError("The disk is full: could not write x.")
        full.__cause__ = OSError(errno.ENOSPC, "no space")
        maps.orders["sift"] = full
        with pytest.raises(WorkError, match="disk is full"):
            compare(images, tmp_path / "out", ["sift", "sosnet"])
        assert len(maps.asked) == 1

    def test_where_descriptors_differ_most_is_looked_at(self, maps, images, tmp_path, monkeypatch):
        maps.orders["sift"] = {"inliers": {("3.png", "4.png"): 20}}
        maps.orders["sosnet"] = {"inliers": {("1.png", "2.png"): 300}}
        seen = []
        monkeypatch.setattr(comparison_arms, "gallery_of", lambda run, chosen, _: seen.append(chosen) or [])
        compare(images, tmp_path / "out", ["sift", "sosnet"])
        assert seen[0] == seen[1], "the same pairs under every descriptor"
        told = {(p.name1, p.name2): why for p, why in seen[0]}
        assert told["1.png", "2.png"].endswith("50 with sift, 300 with sosnet")

    def test_pairs_that_one_descriptor_did_not_look_at_are_not_compared(
        self, maps, images, tmp_path, monkeypatch
    ):
        chain = list(pairwise(NAMES))
        maps.orders["sift"] = {"pairs": chain[:-1]}
        maps.orders["sosnet"] = {"inliers": {chain[-1]: 900, chain[1]: 90}}
        seen = []
        monkeypatch.setattr(comparison_arms, "gallery_of", lambda run, chosen, _: seen.append(chosen) or [])
        compare(images, tmp_path / "out", ["sift", "sosnet"])
        told = {(p.name1, p.name2): why for p, why in seen[0]}
        assert told[chain[1]].endswith("50 with sift, 90 with sosnet")

    def test_truth_of_some_photographs(self, maps, images, tmp_path):
        truth = walk_map(6, names=[*NAMES[:4], "other 1.png", "other 2.png"])
        write_map(truth, tmp_path / "truth")
        heard = Heard()
        result = compare(images, tmp_path / "out", ["sift"], tmp_path / "truth", progress=heard)
        assert any("2 poses" in told for told in heard.said)
        assert any("2 photographs have no ground truth" in told for told in heard.warned)
        assert result.runs["sift"][0].numbers["auc_5_deg"] == pytest.approx(100)

    def test_bad_truth_is_told_before_any_work(self, maps, images, tmp_path):
        write_map(walk_map(6), tmp_path / "truth")
        for path, told in ((tmp_path / "truth", "share no image name"), (tmp_path / "no", "does not exist")):
            with pytest.raises(InputError, match=told):
                compare(images, tmp_path / "out", ["sift"], path)
        assert not maps.asked
        assert not (tmp_path / "out").exists()

    def test_repeated_no_times(self, maps, images, tmp_path):
        with pytest.raises(InputError, match="--repeat 0"):
            compare(images, tmp_path / "out", ["sift"], None, 0)

    def test_the_command_makes_it_again(self, maps, images, tmp_path):
        options = ReconstructOptions.of(max_keypoints=500, descriptor="tfeat", seed=3)
        made = compare(images, tmp_path / "out", ["sift", "sosnet=my w.pth"], None, 2, options)
        assert made.record["command"] == (
            f"sfm compare {images} --descriptors 'sift,sosnet=my w.pth' --repeat 2 --max-keypoints 500 --seed 3"
        )
        assert "descriptor" not in made.record["options"]["description"]


def test_unreadable_photographs_are_told_of_once(maps, images, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes((images / name).read_bytes())
    whole = (folder / NAMES[0]).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    heard = Heard()
    result = compare(folder, tmp_path / "out", ["sift", "sosnet"], progress=heard)
    assert len([told for told in heard.warned if told.startswith("cut.png is left out")]) == 1
    assert result.record["stages"]["detection"]["images"] == 6


class TestSharedFeatures:
    def test_the_link_survives_moving_both(self, tmp_path):
        whole = Workspace(tmp_path / "out")
        whole.keypoints("a").parent.mkdir(parents=True)
        whole.keypoints("a").write_text("here")
        Workspace(tmp_path / "out" / "sift").share_features(whole)
        (tmp_path / "out").rename(tmp_path / "moved")
        assert Workspace(tmp_path / "moved" / "sift").keypoints("a").read_text() == "here"

    def test_features_of_its_own_stay(self, tmp_path):
        own = Workspace(tmp_path / "out" / "sift")
        own.keypoints("a").parent.mkdir(parents=True)
        own.share_features(Workspace(tmp_path / "out2"))
        assert not (own.root / "features").is_symlink()

"""From the folder of a finished run to its report."""

import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sfm.cli.main import main
from sfm.errors import InputError
from sfm.files import write_json
from sfm.geometry.two_view import TwoViewGeometry
from sfm.mapping.colmap_io import write_map
from sfm.mapping.database import ImageEntry, MapDatabase, PairResult, VerifiedPair
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.reconstruct import ReconstructOptions
from sfm.pipelines.report import command_of, current_report, gather, pairs_to_show, report
from tests.export.test_hloc import features_of
from tests.mapping.maps import make_camera, make_map, make_map_of

ALL = ("a 1.jpg", "b.jpg", "day/c.jpg", "z lost.jpg")
REGISTERED = ALL[:3]


def verified(a, b, inliers, accepted=True, matches=5):
    return VerifiedPair(a, b, matches, inliers, "calibrated", -20.0 if accepted else 1.0, 0.1, accepted)


@pytest.fixture
def run(tmp_path):
    """A finished run of four photographs, three of them registered, with one pair in the database."""
    photographs, root = tmp_path / "fountain" / "images", tmp_path / "out"
    for name in ALL:
        (photographs / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (640, 480), (200, 30, 30)).save(photographs / name)
    keypoints, _, _ = features_of(ALL)
    write_map(make_map_of(keypoints, REGISTERED), root / "sparse/0")
    for name in ALL:
        keypoints[name].save(root / f"features/keypoints/{name}.safetensors")
    matches = np.array([[0, 1], [1, 0], [2, 2]], np.int32)
    pair = verified(*ALL[:2], 2, matches=3)
    geometry = TwoViewGeometry(
        "uncalibrated",
        np.array([0, 1]),
        None,
        np.array([[0.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
        None,
        None,
        4.0,
    )
    with MapDatabase(root / "database.db") as database:
        # Ids in the opposite order of names, so that the pair is stored the other way round.
        entries = [ImageEntry(name, 1, "d") for name in reversed(ALL)]
        database.prepare(entries, {1: make_camera()}, {name: keypoints[name].xy for name in ALL})
        database.write_pairs([PairResult(pair, matches, geometry, "d")])
    write_json(
        root / "run.json",
        {
            "images": str(photographs),
            "descriptor": "sift",
            "models": [{"images": 3, "points": 20}, {"images": 2, "points": 9}],
            "left_out": {"z lost.jpg": "no verified pair with another image"},
            "skipped": {"cut.jpg": "the file is truncated"},
            "self_check": {"problems": ["the focal length is 0.64 of what EXIF says"], "pairs": 1,
                           "contradicting_pairs": 0, "gps": None, "focal_ratios": {}},
            "pairs": [vars(pair), vars(verified("a 1.jpg", "z lost.jpg", 0, False, matches=0))],
        },
    )  # fmt: skip
    return root


SFM = "import sys; from sfm.cli.main import main; sys.exit(main())"


class Heard:
    def __init__(self):
        self.warnings, self.said = [], []

    def warn(self, message):
        self.warnings.append(message)

    def say(self, message):
        self.said.append(message)


class TestGather:
    def test_what_the_run_recorded(self, run):
        content = gather(FinishedRun.open(run))
        assert content.title == "fountain", "the folder images/ says nothing"
        assert len(content.sparse_map.images) == 3
        assert content.further_models == [2]
        assert content.left_out.keys() == {"z lost.jpg", "cut.jpg"}
        assert content.warnings == ["The focal length is 0.64 of what EXIF says."]
        assert [pair.accepted for pair in content.pairs] == [True, False]
        assert "pairs" not in content.run

    def test_the_gallery_shows_matches_at_their_keypoints(self, run):
        (pair,) = gather(FinishedRun.open(run)).gallery
        keypoints, _, _ = features_of(ALL)
        # Whatever order the database keeps the two images in.
        first, second = ((pair.name1, pair.xy1), (pair.name2, pair.xy2))
        if first[0] == ALL[1]:
            first, second = second, first
        assert (first[0], second[0]) == ALL[:2]
        np.testing.assert_array_equal(first[1], keypoints[ALL[0]].xy[[0, 1, 2]])
        np.testing.assert_array_equal(second[1], keypoints[ALL[1]].xy[[1, 0, 2]])
        assert pair.inliers.tolist() == [True, True, False]
        assert pair.size1 == (640, 480)
        assert pair.image1[0, 0, 0] > 150, "red"

    def test_photographs_that_have_moved(self, run, tmp_path):
        heard = Heard()
        (tmp_path / "fountain").rename(tmp_path / "elsewhere")
        assert gather(FinishedRun.open(run), heard).gallery == []
        assert "photographs" in heard.warnings[0]
        assert len(gather(FinishedRun.open(run, tmp_path / "elsewhere" / "images")).gallery) == 1

    def test_keypoints_that_are_gone(self, run):
        heard = Heard()
        (run / "features/keypoints/b.jpg.safetensors").unlink()
        assert gather(FinishedRun.open(run), heard).gallery == []
        assert "b.jpg" in heard.warnings[0]

    def test_a_model_of_other_origin(self, tmp_path):
        write_map(make_map(REGISTERED), tmp_path / "model")
        content = gather(FinishedRun.open(tmp_path / "model"))
        assert content.title == "model"
        assert not content.pairs
        assert not content.run


class TestCommand:
    def test_only_what_differs_from_the_defaults_is_said(self):
        options = ReconstructOptions.of(descriptor="sift", max_keypoints=4000, seed=3)
        record = {
            "images": "my photos",
            "options": {stage: vars(values) for stage, values in vars(options).items()},
        }
        words = shlex.split(command_of(record))
        assert words[:3] == ["sfm", "reconstruct", "my photos"]
        said = dict(zip(words[3::2], words[4::2], strict=True))
        expected = {"--descriptor": "sift", "--max-keypoints": "4000", "--seed": "3"}
        assert {**expected, **said} == said
        defaults = ReconstructOptions.of()
        assert "--ratio" not in said
        assert defaults.detection.max_size != 4000

    def test_the_command_line_knows_every_word(self):
        options = ReconstructOptions.of(max_keypoints=4000, max_size=1200, verifier="five-point", seed=3)
        record = {"images": "x", "options": {stage: vars(values) for stage, values in vars(options).items()}}
        command = main.get_command(None, "reconstruct")
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in command_of(record).split() if word.startswith("--")} <= flags

    def test_a_record_of_an_earlier_version(self):
        assert command_of({"images": "p", "options": {"matching": {"unheard_of": 1}}}) == "sfm reconstruct p"


class TestChoosePairs:
    PAIRS = (
        *(verified("a", name, inliers) for name, inliers in zip("bcdef", (90, 70, 50, 30, 10), strict=True)),
        verified("b", "x", 6, accepted=False),
        verified("c", "y", 8, accepted=False),
        verified("d", "z", 0, accepted=False, matches=0),
    )

    def test_the_best_the_usual_and_the_doubtful(self):
        chosen = [(pair.name2, why) for pair, why in pairs_to_show(self.PAIRS, {})]
        assert [name for name, _ in chosen] == ["b", "d", "f", "y"]
        assert chosen[0][1] == "most inliers"
        assert "rejected" in chosen[3][1]

    def test_what_was_left_out_is_shown_at_its_best(self):
        chosen = pairs_to_show(self.PAIRS, {"x": "why", "z": "why", "nobody": "why"})
        assert [(p.name1, p.name2) for p, _ in chosen][-1] == ("b", "x")
        assert "x" in chosen[-1][1]

    def test_no_pair_twice_and_none_without_any(self):
        assert len(pairs_to_show(self.PAIRS[:1], {"b": "why"})) == 1
        assert pairs_to_show([], {"b": "why"}) == []


class TestReport:
    def test_beside_the_run_or_where_it_is_told(self, run, tmp_path):
        assert report(run) == run / "report.html"
        assert "fountain" in (run / "report.html").read_text("utf-8")
        assert report(run, tmp_path) == tmp_path / "report.html"

    def test_no_map(self, tmp_path):
        with pytest.raises(InputError, match="holds no map"):
            report(tmp_path)

    def test_a_report_of_this_map_is_kept(self, run):
        heard = Heard()
        path = current_report(run, progress=heard)
        before = path.stat().st_mtime_ns
        later = before / 1e9 + 5
        os.utime(run / "sparse/0/images.bin", (later, later))  # as copying does
        assert current_report(run, progress=heard).stat().st_mtime_ns == before
        assert heard.said == [f"Reused: {path}."]

    def test_a_report_that_is_cut_or_of_another_record_is_written_anew(self, run):
        path = current_report(run)
        whole = path.read_bytes()
        path.write_bytes(whole[:-100])
        assert current_report(run).read_bytes() == whole
        write_json(run / "run.json", json.loads((run / "run.json").read_text()) | {"seconds": 1})
        assert current_report(run).read_bytes() != whole

    def test_the_command(self, run):
        result = CliRunner().invoke(main, ["report", str(run), "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["report"] == str(run / "report.html")

    def test_the_command_without_a_map(self, tmp_path):
        result = CliRunner().invoke(main, ["report", str(tmp_path)])
        assert result.exit_code == 2
        assert "holds no map" in result.output


def test_view_serves_the_report_until_it_is_stopped(run):
    command = [sys.executable, "-c", SFM, "view", str(run), "--no-browser", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        told = ""
        while not told.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            told += line
        with urllib.request.urlopen(json.loads(told)["url"], timeout=10) as answer:
            assert "<title>fountain</title>" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()

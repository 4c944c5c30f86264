"""How the photographs of a set are turned, found out once and reused."""

import json

import numpy as np
import pytest

from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.rootsift import RootSift
from sfm.images.photo_set import read_photo_set
from sfm.pipelines import orientation as module
from sfm.pipelines.keypoints import DecodedImages, detect_keypoints
from sfm.pipelines.orientation import find_orientations
from sfm.workspace import Workspace
from tests.features.pictures import texture
from tests.images.files import exif_bytes, save
from tests.viewgraph.test_roll_votes import turned

from .progress import Heard

SCENE = texture(300, 300, seed=2)
DETECTOR = DogDetector(DetectionOptions(max_keypoints=500))


class Described(RootSift):
    """RootSIFT that counts the pictures it describes."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def describe(self, image, keypoints):
        self.calls += 1
        return super().describe(image, keypoints)


class Set:
    """Pictures of one scene, turned in the file by so many degrees, some with EXIF."""

    def __init__(self, root, **angles_deg):
        self.folder, self.workspace = root / "photos", Workspace(root / "out")
        for name, angle in angles_deg.items():
            self.add(name, turned(SCENE, angle))

    def add(self, name, pixels, orientation=None):
        tags = {} if orientation is None else {"exif": exif_bytes({0x0112: orientation})}
        save(self.folder / f"{name}.png", pixels, **tags)

    def find(self, orientation="auto"):
        self.heard, descriptor, images = Heard(), Described(), DecodedImages(1600)
        photos = detect_keypoints(read_photo_set(self.folder).photos, self.workspace, DETECTOR, images).photos
        found = find_orientations(
            photos, self.workspace, DETECTOR, descriptor, orientation, images, self.heard
        )
        self.described = descriptor.calls
        return found

    def turns(self, found):
        return {name.removesuffix(".png"): turn for name, turn in found.turn_deg.items()}


def assert_turned(turns, expected):
    for name, turn in expected.items():
        assert abs((turns[name] - turn + 180) % 360 - 180) <= 5, turns


def test_turned_photographs_are_found_to_be(tmp_path):
    made = Set(tmp_path, a=0, b=90, c=180, d=-90, e=30, f=0)
    found = made.find()
    assert found.way == "view-graph"
    assert_turned(made.turns(found), {"a": 0, "b": 90, "c": 180, "d": -90, "e": 30, "f": 0})
    assert made.described == 6
    (told,) = made.heard.said
    assert told == f"Orientation: view-graph, for {found.reason}."
    assert made.heard.warned == []
    assert made.heard.stages["Look which way is up"] == (15, 15, "pairs")


def test_photographs_that_share_their_up_are_left_upright(tmp_path):
    made = Set(tmp_path, a=0, b=9, c=-8)
    found = made.find()
    assert (found.way, set(found.turn_deg.values())) == ("upright", {0})
    assert "share their up to within" in made.heard.said[0]


def test_a_portrait_is_upright_by_its_exif_and_turned_without(tmp_path):
    made = Set(tmp_path, a=0, b=2)
    # Stored a quarter turn counter-clockwise, EXIF 6 says how to turn it back.
    made.add("portrait", turned(SCENE, -90), orientation=6)
    found = made.find()
    assert (found.way, made.turns(found)) == ("upright", {"a": 0, "b": 0, "portrait": -90})
    made.add("portrait", turned(SCENE, -90))
    found = made.find()
    assert found.way == "view-graph"
    assert_turned(made.turns(found), {"a": 0, "b": 0, "portrait": -90})


def test_a_stale_tag_is_told_and_not_believed(tmp_path):
    made = Set(tmp_path, a=0, b=2, c=-2)
    made.add("stale", SCENE, orientation=6)
    found = made.find()
    assert_turned(made.turns(found), {"a": 0, "b": 0, "c": 0, "stale": 0})
    assert made.heard.warned == list(found.doubts)
    assert "e.g. stale.png" in made.heard.warned[0]


def test_one_of_which_no_pair_tells_is_named(tmp_path):
    made = Set(tmp_path, a=0, b=90)
    made.add("stranger", texture(300, 300, seed=9))
    found = made.find()
    assert found.unknown == ("stranger.png",)
    assert found.of("stranger.png") == 0
    assert "e.g. stranger.png" in made.heard.warned[0]
    assert made.described > 3, "a larger sample is tried before it is given up"


class TestReuse:
    def test_a_second_run_describes_nothing_and_says_the_same(self, tmp_path):
        made = Set(tmp_path, a=0, b=90, c=0)
        made.add("stranger", texture(300, 300, seed=9))
        first, said, warned = made.find(), made.heard.said, made.heard.warned
        again = made.find()
        assert made.described == 0
        assert again == first
        assert (made.heard.said, made.heard.warned) == (said, warned)

    def test_a_changed_picture_is_looked_at_again(self, tmp_path):
        made = Set(tmp_path, a=0, b=90, c=0)
        assert_turned(made.turns(made.find()), {"b": 90})
        made.add("b", turned(SCENE, 180))
        assert_turned(made.turns(made.find()), {"a": 0, "b": 180, "c": 0})
        assert made.described > 0

    @pytest.mark.parametrize("change", ["another picture", "a tag", "another way"])
    def test_it_is_found_anew_after(self, tmp_path, change):
        made = Set(tmp_path, a=0, b=90)
        made.find()
        if change == "another picture":
            made.add("c", turned(SCENE, 10))
        elif change == "a tag":
            made.add("a", SCENE, orientation=3)
        made.find("view-graph" if change == "another way" else "auto")
        assert made.described > 0

    @pytest.mark.parametrize("record", ["", "{cut", "[]", "{}", '{"digest": 1}'])
    def test_a_damaged_record_is_made_again(self, tmp_path, record):
        made = Set(tmp_path, a=0, b=90)
        first = made.find()
        made.workspace.orientations.write_text(record)
        assert made.find() == first
        assert made.described > 0
        assert json.loads(made.workspace.orientations.read_text())["way"] == "view-graph"


@pytest.mark.parametrize(("asked", "way"), [("gradient", "gradient"), ("upright", "upright")])
def test_nothing_is_looked_at_where_it_was_said(tmp_path, monkeypatch, asked, way):
    made = Set(tmp_path, a=0, b=90)
    made.add("c", SCENE, orientation=8)
    monkeypatch.setattr(module, "_Sampler", None)
    found = made.find(asked)
    assert (found.way, made.described, made.heard.warned) == (way, 0, [])
    assert found.of("c.png") == (None if asked == "gradient" else 90)


def test_a_photograph_that_is_gone_since_does_not_stop_it(tmp_path):
    made = Set(tmp_path, a=0, b=90, c=10)  # no two alike: pixels are kept by content
    images = DecodedImages(1600)
    photos = detect_keypoints(read_photo_set(made.folder).photos, made.workspace, DETECTOR, images).photos
    (made.folder / "c.png").unlink()
    found = find_orientations(
        photos, made.workspace, DETECTOR, RootSift(), "auto", DecodedImages(1600), Heard()
    )
    assert_turned(made.turns(found), {"a": 0, "b": 90} if found.of("a.png") == 0 else {"a": -90, "b": 0})
    assert found.unknown == ("c.png",)


def test_samples_are_the_first_keypoints(tmp_path, monkeypatch):
    made, seen = Set(tmp_path, a=0, b=5), []
    monkeypatch.setattr(module, "_SAMPLE", 60)
    whole = Described.describe
    monkeypatch.setattr(Described, "describe", lambda self, image, k: seen.append(k) or whole(self, image, k))
    made.find()
    assert [len(keypoints) for keypoints in seen] == [60, 60]
    detected = DETECTOR.detect(DecodedImages(1600).of(read_photo_set(made.folder).photos[0]))
    assert any(np.array_equal(keypoints.xy, detected.xy[:60]) for keypoints in seen)

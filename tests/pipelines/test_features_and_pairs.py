"""Which images are described in full, told by what was matched; features and matches are made up."""

from dataclasses import replace
from itertools import pairwise

import pytest

from sfm.features.ratio_tests import RatioTests
from sfm.images.cameras import CameraAssignment
from sfm.images.exif import Exif
from sfm.images.photo_set import Photo, PhotoSet
from sfm.mapping.database import VerifiedPair
from sfm.pipelines import features_and_pairs
from sfm.pipelines.features import DescribedImage, FeatureSet
from sfm.pipelines.features_and_pairs import describe_and_match
from sfm.pipelines.matching import PairSet
from sfm.pipelines.run_record import RunRecord
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.viewgraph.orientations import BY_GRADIENT
from sfm.workspace import Workspace

from .progress import Heard

NAMES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg", "g.jpg")
FEW, MANY = 120, 700


class Sequence:
    """Images in a row, each matched with the next and the next but one; some see little that others see."""

    def __init__(self, monkeypatch, root, little=(), unreadable=()):
        self.little, self.unreadable = set(little), set(unreadable)
        self.asked, self.matched, self.orientations, self.ratios = [], [], [], []
        self.workspace, self.heard = Workspace(root), Heard()
        self.record = RunRecord(root, ReconstructOptions())
        self.pairs = [*pairwise(NAMES), *zip(NAMES, NAMES[2:], strict=False)]
        for name in ("extract_features", "describe_rest", "match_pairs"):
            monkeypatch.setattr(features_and_pairs, name, getattr(self, name))
        monkeypatch.setattr(features_and_pairs, "pairs_to_match", lambda *_: self.pairs)

    def extract_features(self, photos, *others):
        *_, describe_first, orientation = others
        self.orientations.append(orientation)
        images = [DescribedImage(p, "k", "d", not describe_first, True, True) for p in photos]
        return FeatureSet(tuple(images), (), BY_GRADIENT)

    def describe_rest(self, features, names, *_):
        self.asked.append(sorted(names))
        images = [replace(i, in_full=i.in_full or i.photo.name in names) for i in features.images]
        return FeatureSet(tuple(i for i in images if i.photo.name not in self.unreadable), (), BY_GRADIENT)

    def match_pairs(self, pairs, features, *others):
        self.matched.append(len(pairs))
        self.ratios.append((others[4].ratio, others[4].weak_ratio))
        in_full = {image.photo.name for image in features.images if image.in_full}
        found = []
        for pair in pairs:
            few = self.little & set(pair) - in_full
            found.append(VerifiedPair(*pair, MANY, FEW if few else MANY, "calibrated", -99, 0.1, True))
        return PairSet(tuple(found), len(pairs) if len(self.matched) > 1 else 0, "digest")

    def run(self, **options):
        photos = tuple(Photo(name, self.workspace.root / name, 640, 480, Exif()) for name in NAMES)
        return describe_and_match(
            PhotoSet(self.workspace.root, photos, ()),
            CameraAssignment({}, {}, ""),
            ReconstructOptions.of(**options),
            Named(),
            self.workspace,
            self.record,
            self.heard,
        )


class Named:
    name, ratio_tests = "named", RatioTests(0.83, 0.91)


@pytest.fixture
def sequence(monkeypatch, tmp_path):
    return lambda **how: Sequence(monkeypatch, tmp_path / "out", **how)


def in_full(features):
    return [image.photo.name[0] for image in features.images if image.in_full]


def test_where_all_have_many_matches_the_strongest_do(sequence):
    made = sequence()
    features, pair_set = made.run()
    assert in_full(features) == []
    assert (made.asked, made.matched) == ([], [11])
    assert len(pair_set.accepted) == 11
    assert made.record.data["stages"]["features"]["described_in_full"] == 0


def test_images_with_few_matches_and_those_they_were_matched_with_are_described_in_full(sequence):
    made = sequence(little=["b.jpg"])
    features, pair_set = made.run()
    # With b, a is left with one partner, c; both of them concern all that are matched with either.
    assert in_full(features) == ["a", "b", "c", "d"]
    assert min(pair.inliers for pair in pair_set.pairs) == MANY
    assert made.heard.said == ["2 images with few matches: all keypoints of 4 images are described."]
    stages = made.record.data["stages"]
    assert stages["features"]["described_in_full"] == 4
    assert stages["matching"]["pairs"] == 11
    assert stages["matching"]["reused"] == 0


def test_it_ends_where_there_is_no_more_to_describe(sequence):
    made = sequence()
    made.match_pairs = None
    features_and_pairs.match_pairs = lambda pairs, *_: PairSet(
        tuple(VerifiedPair(*pair, FEW, FEW, "calibrated", -99, 0.1, True) for pair in pairs), 0, "digest"
    )
    features, _ = made.run()
    assert len(in_full(features)) == len(NAMES)
    assert made.asked == [sorted(NAMES)]


def test_all_at_once(sequence):
    made = sequence(little=NAMES)
    features, _ = made.run(describe_first=0)
    assert len(in_full(features)) == len(NAMES)
    assert (made.asked, made.matched) == ([], [11])


def test_pairs_of_an_image_that_cannot_be_read_any_more_are_left_out(sequence):
    made = sequence(little=["a.jpg"], unreadable=["c.jpg"])
    features, pair_set = made.run()
    assert "c.jpg" not in features.names
    assert all("c.jpg" not in (pair.name1, pair.name2) for pair in pair_set.pairs)
    assert made.matched[0] == 11
    assert made.matched[-1] == 7


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, (0.83, 0.91)),
        ({"ratio": 0.7}, (0.7, 0.91)),
        ({"weak_ratio": 0.0}, (0.83, 0.0)),
        ({"ratio": 1.0, "weak_ratio": 1.0}, (1.0, 1.0)),
    ],
)
def test_ratio_tests_are_those_given_or_the_descriptors_own(sequence, given, taken):
    made = sequence()
    made.run(**given)
    assert made.ratios == [taken]
    recorded = made.record.data["stages"]["matching"]
    assert (recorded["ratio"], recorded["weak_ratio"]) == taken


def test_what_keypoints_are_turned_to_is_what_was_asked_for(sequence):
    made = sequence()
    features, _ = made.run(orientation="upright")
    made.run()
    assert made.orientations == ["upright", "auto"]
    assert made.record.data["stages"]["features"]["orientation"] == features.orientations.way == "gradient"

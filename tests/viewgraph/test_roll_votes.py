"""How pictures are turned, read from their matches: textures turned in the file."""

import cv2
import numpy as np
import pytest

from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.rootsift import RootSift
from sfm.images.gray import GrayImage
from sfm.viewgraph.orientations import BY_GRADIENT
from sfm.viewgraph.roll_votes import Sample, orientations_of_few, vote_of
from tests.features.pictures import texture

from .test_rolls import off_deg


def turned(pixels, angle_deg):
    """The picture turned clockwise about its middle, at its size."""
    height, width = pixels.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle_deg, 1)
    return cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT)


class Pictures:
    def __init__(self, **pixels):
        self.images = {name: GrayImage.of(one) for name, one in pixels.items()}
        detector = DogDetector(DetectionOptions(max_keypoints=500))
        self.keypoints = {name: detector.detect(image) for name, image in self.images.items()}

    def describe(self, name, keypoints):
        return RootSift().describe(self.images[name], keypoints)

    def vote(self, *names):
        samples = {n: Sample.of(k, self.describe(n, k)) for n, k in self.keypoints.items()}
        return vote_of(*names, samples)

    def orientations(self, orientation="auto", **exif):
        names = list(self.images)
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        by_exif = {name: exif.get(name, 0) for name in names}
        return orientations_of_few(self.keypoints, pairs, self.describe, by_exif, orientation)


SCENE = texture(300, 300, seed=2)


@pytest.mark.parametrize("angle_deg", [0, 30, 90, 137, 180, -90])
def test_a_pair_tells_how_its_second_picture_is_turned(angle_deg):
    pictures = Pictures(a=SCENE, b=turned(SCENE, angle_deg))
    vote, back = pictures.vote("a", "b"), pictures.vote("b", "a")
    assert off_deg(vote.roll_rad, np.radians(angle_deg)) < 3
    assert off_deg(back.roll_rad, -vote.roll_rad) < 1
    assert vote.votes > 80


@pytest.mark.parametrize("other", [texture(300, 300, seed=5), SCENE[:, ::-1], SCENE[::-1]])
def test_another_or_a_mirrored_picture_tells_nothing(other):
    assert Pictures(a=SCENE, b=np.ascontiguousarray(other)).vote("a", "b") is None


def test_pictures_without_keypoints_tell_nothing():
    pictures = Pictures(a=SCENE, b=np.full((300, 300), 90, np.uint8))
    assert pictures.vote("a", "b") is pictures.vote("b", "a") is pictures.vote("b", "b") is None
    assert pictures.orientations().way == "upright"


class TestOrientationsOfFew:
    @pytest.fixture(scope="class")
    def pictures(self):
        return Pictures(a=SCENE, b=SCENE, c=turned(SCENE, 90), d=turned(SCENE, 10))

    def test_each_is_turned_as_it_was_turned(self, pictures):
        found = pictures.orientations()
        assert found.way == "view-graph"
        assert off_deg(np.radians([found.of(n) for n in "abcd"]), np.radians([0, 0, 90, 10])).max() <= 6

    def test_what_exif_tells_of_a_turn_is_no_turn(self, pictures):
        found = pictures.orientations(c=90)
        assert (found.way, dict(found.turn_deg)) == ("upright", {"a": 0, "b": 0, "c": 90, "d": 0})

    def test_nothing_is_looked_at_where_it_was_said(self, pictures):
        def never(*_):
            raise AssertionError

        exif = dict.fromkeys("abcd", 0) | {"d": -90}
        assert orientations_of_few(pictures.keypoints, [], never, exif, "gradient") is BY_GRADIENT
        assert orientations_of_few(pictures.keypoints, [], never, exif, "upright").turn_deg == exif

    def test_small_turns_are_taken_as_they_are_where_that_was_asked_for(self, pictures):
        assert pictures.orientations("view-graph", c=90).of("d") in (5, 10, 15)

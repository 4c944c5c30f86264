"""Keypoints as they are described: by their gradients, or one a place and all turned one way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.features.orientation import OrientationOptions, oriented, turned_to
from sfm.images.gray import GrayImage
from sfm.options import from_mapping

from .detector_contract import places_of
from .pictures import texture


def detected(gradients, seed=0):
    """Keypoints at as many places as there are numbers, each with so many gradients."""
    rng = np.random.default_rng(seed)
    # Places share coordinates and scales, but no two share all three.
    every = np.array(list(np.ndindex(4, 4, 3)), np.float32)[rng.permutation(48)[: len(gradients)]]
    place = np.repeat(np.arange(len(gradients)), gradients)
    angle = rng.uniform(0, 2 * np.pi, len(place)).astype(np.float32)
    response = np.sort(rng.random(len(gradients), np.float32))[::-1][place]
    return Keypoints(every[place, :2] / 3, every[place, 2] + 1, angle, response), place


GRADIENTS = st.lists(st.integers(1, 4), max_size=30)
LIMITS = st.none() | st.integers(0, 40)


@given(gradients=GRADIENTS, turn=st.floats(-360, 360), limit=LIMITS, seed=st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_turned_one_way_there_is_one_a_place_in_their_order(gradients, turn, limit, seed):
    keypoints, place = detected(gradients, seed)
    found = oriented(keypoints, turn, limit)
    _, first = np.unique(place, return_index=True)
    expected = keypoints.take(first[:limit])
    for values in ("xy", "scale", "response"):
        np.testing.assert_array_equal(getattr(found, values), getattr(expected, values))
    assert found.angle.dtype == np.float32
    np.testing.assert_allclose(found.angle, np.radians(turn), atol=1e-5)


@given(gradients=GRADIENTS, limit=LIMITS)
@settings(max_examples=40, deadline=None)
def test_turned_to_gradients_they_stay_as_they_are(gradients, limit):
    keypoints, _ = detected(gradients)
    found = oriented(keypoints, None, limit)
    for values in ("xy", "scale", "angle", "response"):
        np.testing.assert_array_equal(getattr(found, values), getattr(keypoints, values)[:limit])


@given(gradients=GRADIENTS, angle=st.floats(-7, 7))
@settings(max_examples=40, deadline=None)
def test_radians_are_as_good(gradients, angle):
    keypoints, _ = detected(gradients)
    found, expected = turned_to(keypoints, angle), oriented(keypoints, np.degrees(angle))
    np.testing.assert_allclose(found.angle, angle, atol=1e-5)
    np.testing.assert_array_equal(found.xy, expected.xy)


def test_what_was_detected_is_not_changed():
    keypoints, _ = detected([1, 2, 1])
    before = keypoints.angle.copy()
    oriented(keypoints, 45)
    np.testing.assert_array_equal(keypoints.angle, before)


@pytest.mark.parametrize("keep", ["largest", "strongest"])
def test_a_detectors_limit_is_used_up_either_way(keep):
    detector = DogDetector(DetectionOptions(max_keypoints=100, keep=keep))
    found = detector.detect(GrayImage.of(texture()))
    assert len(found) > 100, "some places have several gradients, or this test tells nothing"
    upright, by_gradients = (oriented(found, turn, detector.limit) for turn in (0, None))
    assert len(upright) == len(by_gradients) == places_of(upright) == 100
    assert places_of(by_gradients) < 100


def test_only_ways_that_exist_can_be_asked_for():
    for way in ("auto", "gradient", "upright", "view-graph"):
        assert from_mapping(OrientationOptions, {"orientation": way}).orientation == way
    assert OrientationOptions().orientation == "auto"

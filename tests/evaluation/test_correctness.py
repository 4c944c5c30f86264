import math

import numpy as np
import pytest

from sfm.evaluation.correctness import Judgement, correct_images, judge_map
from sfm.mapping.sparse_map import SparseMap
from tests.mapping.maps import make_map

from .test_self_check import NAMES, gps_of, known, moved


@pytest.fixture
def good():
    return make_map(NAMES, points=60)


def test_a_map_that_agrees_with_exif(good):
    found = judge_map(good, known(good, 1.05), gps_of(good, noise_m=2.0))
    assert found.images == 8
    assert 0 < found.gps_rms_m < 5
    assert found.focal_error_percent == pytest.approx(100 * (1 - 1 / 1.05))
    assert found.is_correct
    assert found.as_json()["correct"] is True


def test_a_focal_length_off_by_more_than_a_tenth(good):
    found = judge_map(good, known(good, 1.2), gps_of(good, noise_m=2.0))
    assert found.gps_rms_m < 5
    assert not found.is_correct


def test_a_bent_path(good):
    bent = moved(good, NAMES[5:], np.array([0.0, 0.0, 4.0]))
    found = judge_map(bent, known(good), gps_of(good))
    assert found.gps_rms_m > 8
    assert not found.is_correct


def test_what_exif_does_not_know(good):
    no_focal = judge_map(good, good.cameras, gps_of(good))
    assert math.isnan(no_focal.focal_error_percent)
    assert no_focal.is_correct
    held = judge_map(good, known(good), gps_of(good))
    assert held.as_json()["focal_error_percent"] is None, "what was held agrees by itself"
    no_gps = judge_map(good, known(good, 1.05), gps_of(good, names=NAMES[:3]))
    assert not no_gps.is_correct
    assert no_gps.as_json() == {
        "gps_rms_m": None,
        "gps_spread_m": None,
        "focal_error_percent": pytest.approx(100 * (1 - 1 / 1.05)),
        "correct": None,
    }
    assert not judge_map(SparseMap({}, {}), {}, {}).is_correct


def test_a_map_too_small_to_be_told_from_a_wrong_one():
    assert Judgement(20, 5.0, 40.0, 3.0).is_correct
    assert not Judgement(20, 5.0, 6.0, 3.0).is_correct


def test_the_largest_correct_model_counts():
    wrong, right, small = (Judgement(n, rms, 40.0, 1.0) for n, rms in ((20, 30.0), (9, 4.0), (5, 3.0)))
    assert correct_images([wrong, right, small]) == 9
    assert correct_images([wrong]) == 0
    assert correct_images([]) == 0

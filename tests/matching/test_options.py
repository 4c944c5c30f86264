import pytest

from sfm.features.choice import DESCRIPTORS
from sfm.matching.options import MatchingOptions, RatioTest, ratio_test


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_every_descriptor_has_one(descriptor):
    test = ratio_test(MatchingOptions(), descriptor)
    assert 0.5 < test.strict <= test.weak < 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"ratio": 0.7}, RatioTest(0.7, 0.7)),
        ({"ratio": 0.7, "weak_ratio": 0.9}, RatioTest(0.7, 0.9)),
        ({"weak_ratio": 0.9}, RatioTest(0.8, 0.9)),
    ],
)
def test_what_is_given_holds(given, expected):
    assert ratio_test(MatchingOptions(**given), "sosnet") == expected


def test_the_loosest():
    assert RatioTest(0.8, 0.85).loosest == 0.85
    assert RatioTest(0.8, 0.7).loosest == 0.8

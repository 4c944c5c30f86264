from dataclasses import dataclass

import pytest

from sfm.viewgraph.connection import poorly_connected


@dataclass
class Pair:
    name1: str
    name2: str
    inliers: int = 300
    accepted: bool = True


def test_two_partners_with_many_matches_are_enough():
    ring = [
        Pair("a", "b"),
        Pair("b", "c"),
        Pair("c", "d"),
        Pair("d", "a"),
        Pair("a", "c", 20),
        Pair("b", "d", 0),
    ]
    assert poorly_connected(ring) == set()


def test_one_is_not():
    assert poorly_connected([Pair("a", "b"), Pair("b", "c"), Pair("a", "c", 199)]) == {"a", "c"}
    assert poorly_connected([Pair("a", "b"), Pair("b", "c"), Pair("a", "c", 200)]) == set()


def test_matches_that_agree_by_chance_do_not_count():
    assert poorly_connected([Pair("a", "b"), Pair("b", "c"), Pair("a", "c", accepted=False)]) == {"a", "c"}


@pytest.mark.parametrize(("inliers", "poor"), [(300, set()), (30, {"a", "b"})])
def test_two_images_have_only_each_other(inliers, poor):
    assert poorly_connected([Pair("a", "b", inliers)]) == poor


def test_no_pairs_no_images():
    assert poorly_connected([]) == set()

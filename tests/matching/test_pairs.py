import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.errors import InputError
from sfm.matching.pairs import PairOptions, exhaustive_pairs, select_pairs, sequential_pairs
from sfm.options import check

NAMES = [f"{i:03d}.jpg" for i in range(300)]


@given(count=st.integers(0, 30))
def test_exhaustive_is_every_pair_once(count):
    pairs = exhaustive_pairs(NAMES[:count])
    assert len(pairs) == len({frozenset(pair) for pair in pairs}) == count * (count - 1) // 2


@given(count=st.integers(0, 30), overlap=st.integers(1, 40))
def test_sequential_is_every_near_pair_once(count, overlap):
    names = NAMES[:count]
    pairs = sequential_pairs(names, overlap)
    expected = {(a, b) for i, a in enumerate(names) for b in names[i + 1 : i + 1 + overlap]}
    assert set(pairs) == expected
    assert len(pairs) == len(expected)


def test_nearest_neighbours_come_first():
    gaps = [NAMES.index(b) - NAMES.index(a) for a, b in sequential_pairs(NAMES[:10], 3)]
    assert gaps == sorted(gaps)
    assert all(gap > 0 for gap in gaps)


def test_the_order_given_is_the_order_that_counts():
    assert sequential_pairs(["b", "c", "a"], 1) == [("b", "c"), ("c", "a")]


def test_auto_is_exhaustive_for_some_images_and_sequential_for_many():
    pairs, told = select_pairs(NAMES[:200], PairOptions())
    assert len(pairs) == 200 * 199 // 2
    assert "every pair of 200 images" in told
    pairs, told = select_pairs(NAMES[:201], PairOptions(overlap=5))
    assert len(pairs) == 201 * 5 - 15
    assert "next 5" in told


def test_what_is_told_to_do_is_done():
    assert len(select_pairs(NAMES[:20], PairOptions(pairs="sequential", overlap=1))[0]) == 19
    assert len(select_pairs(NAMES, PairOptions(pairs="exhaustive"))[0]) == 300 * 299 // 2


def test_no_images_no_pairs():
    for pairs in ("exhaustive", "sequential"):
        assert select_pairs([], PairOptions(pairs=pairs))[0] == []
        assert select_pairs(["a"], PairOptions(pairs=pairs))[0] == []


def test_options_are_bounded():
    with pytest.raises(InputError, match="--overlap 0"):
        check(PairOptions(overlap=0))

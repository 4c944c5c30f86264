from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.errors import InputError
from sfm.matching.pairs import (
    PairOptions,
    exhaustive_pairs,
    listed_pairs,
    select_pairs,
    sequential_pairs,
    similar_pairs,
)
from sfm.options import check

NAMES = [f"{i:03d}.jpg" for i in range(300)]


def ring(count):
    """Global descriptors of images around a thing: neighbours look alike, the last like the first."""
    turn = 2 * np.pi * np.arange(count) / max(count, 1)
    return np.column_stack([np.cos(turn), np.sin(turn)]).astype(np.float32)


def unseen():
    raise AssertionError("nobody needs to look at the images")


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


def test_auto_is_exhaustive_for_some_images_and_closes_loops_of_many():
    pairs, told = select_pairs(NAMES[:200], PairOptions(), unseen)
    assert len(pairs) == 200 * 199 // 2
    assert "every pair of 200 images" in told
    pairs, told = select_pairs(NAMES[:201], PairOptions(overlap=5, similar=4), lambda: ring(201))
    assert pairs[: 201 * 5 - 15] == sequential_pairs(NAMES[:201], 5)
    # Two to either side, of which only those across the end of the sequence are not in it.
    assert set(pairs[201 * 5 - 15 :]) == {(NAMES[i], NAMES[j]) for i, j in ((0, 200), (0, 199), (1, 200))}
    assert "its next 5 and the 4 that look most like it" in told


def test_what_is_told_to_do_is_done():
    assert len(select_pairs(NAMES[:20], PairOptions(pairs="sequential", overlap=1), unseen)[0]) == 19
    assert len(select_pairs(NAMES, PairOptions(pairs="exhaustive"), unseen)[0]) == 300 * 299 // 2
    pairs, told = select_pairs(NAMES[:20], PairOptions(pairs="retrieval", similar=2), lambda: ring(20))
    assert set(pairs) == {*pairwise(NAMES[:20]), (NAMES[0], NAMES[19])}
    assert told == "each of 20 images with the 2 that look most like it"


def test_no_images_no_pairs():
    for pairs in ("exhaustive", "sequential", "retrieval"):
        assert select_pairs([], PairOptions(pairs=pairs), lambda: ring(0))[0] == []
        assert select_pairs(["a"], PairOptions(pairs=pairs), lambda: ring(1))[0] == []


@given(count=st.integers(0, 40), similar=st.integers(1, 50), seed=st.integers(0, 100))
def test_every_image_is_matched_with_those_most_like_it(count, similar, seed):
    views = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    names = NAMES[:count]
    pairs = similar_pairs(names, views, similar)
    assert pairs == sorted(set(pairs))
    assert all(first < second for first, second in pairs)
    for i, name in enumerate(names):
        order = [j for j in np.argsort(-(views @ views[i])) if j != i][:similar]
        assert {frozenset((name, names[j])) for j in order} <= {frozenset(pair) for pair in pairs}


def test_more_images_than_are_compared_at_once():
    names = [f"{i:04d}" for i in range(2100)]
    pairs = similar_pairs(names, ring(2100), 2)
    assert len(pairs) == 2100
    assert ("0000", "2099") in pairs


def test_a_list_of_pairs(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("# by hand\n\n002.jpg 000.jpg\n001.jpg 002.jpg\n000.jpg 002.jpg\n")
    expected = [("000.jpg", "002.jpg"), ("001.jpg", "002.jpg")]
    assert listed_pairs(path, NAMES) == expected
    pairs, told = select_pairs(NAMES, PairOptions(pair_list=path), unseen)
    assert (pairs, told) == (expected, "the pairs of pairs.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("000.jpg 001.jpg\n000.jpg\n", "line 2: not two names of images: 000.jpg"),
        ("000.jpg 000.jpg", "line 1: not two names"),
        ("000.jpg moon.jpg", "line 1: there is no image moon.jpg"),
    ],
)
def test_a_list_that_is_none(tmp_path, text, message):
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        listed_pairs(path, NAMES)
    with pytest.raises(InputError, match="--pair-list"):
        listed_pairs(tmp_path / "absent.txt", NAMES)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is not a text file"):
        listed_pairs(path, NAMES)


@pytest.mark.parametrize("text", ["", "\n", "# only a remark\n"])
def test_a_list_of_no_pairs(tmp_path, text):
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=r"pairs\.txt names no pair"):
        listed_pairs(tmp_path / "pairs.txt", NAMES)


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("a.jpg\tmy photo.jpg", ("a.jpg", "my photo.jpg")),
        (" my photo.jpg \t a.jpg ", ("my photo.jpg", "a.jpg")),
        ('"my photo.jpg" a.jpg', ("my photo.jpg", "a.jpg")),
        ("a.jpg  'my photo.jpg'", ("a.jpg", "my photo.jpg")),
        ("'my photo.jpg'\t\"Tom's photo.jpg\"", ("my photo.jpg", "Tom's photo.jpg")),
        ("Tom's.jpg Ann's.jpg", ("Tom's.jpg", "Ann's.jpg")),
        ("'tis.jpg it's.jpg", ("'tis.jpg", "it's.jpg")),
        ("\"Tom's photo.jpg\" Tom's.jpg", ("Tom's photo.jpg", "Tom's.jpg")),
        ("a.jpg\u2003Ann's.jpg", ("a.jpg", "Ann's.jpg")),
    ],
)
def test_names_with_spaces_and_apostrophes(tmp_path, line, pair):
    (tmp_path / "pairs.txt").write_text(line + "\n", encoding="utf-8")
    assert listed_pairs(tmp_path / "pairs.txt", pair) == [pair]


def test_options_are_bounded():
    with pytest.raises(InputError, match="--overlap 0"):
        check(PairOptions(overlap=0))
    with pytest.raises(InputError, match="--similar 0"):
        check(PairOptions(similar=0))

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm.matching import distinct
from sfm.matching.distinct import Comparison, match_distinct
from sfm.matching.mutual import match_mutual

from .test_mutual import unit_rows


def moved(rows, by, seed=1):
    """Rows as another photograph might show them: moved by a noise of length `by`, unit length again."""
    noisy = rows + by * unit_rows(len(rows), rows.shape[1], seed)
    return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)


def undecided(first, second, ratio):
    """Rows whose ratio is so near the limit that float32 itself may take it either way."""
    matches = match_mutual(first, second)
    return set(matches.index[np.abs(matches.ratio - ratio) < 1e-4, 0])


def assert_same_as_float32(first, second, ratio):
    expected, found = (
        match_mutual(first, second).below(ratio).index,
        match_distinct(first, second, ratio, True),
    )
    assert found.dtype == np.int32
    assert np.all(np.diff(found[:, 0]) > 0)
    differing = set(map(tuple, expected)) ^ set(map(tuple, found))
    assert {i for i, _ in differing} <= undecided(first, second, ratio)
    return expected


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 60),
    m=st.integers(1, 60),
    dimension=st.integers(2, 16),
    by=st.sampled_from([0.0, 1e-3, 0.02, 0.1, 0.3, 1.0]),
    ratio=st.sampled_from([0.3, 0.6, 0.8, 0.85, 0.97]),
    seed=st.integers(0, 10**6),
)
def test_finds_what_float32_finds(n, m, dimension, by, ratio, seed):
    # Few dimensions make near neighbours: distances below what bfloat16 resolves, ratios on both sides of the limit.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_TILE", (7, 11))
        patch.setattr(distinct, "_MOST_AGAIN", 1.0)  # also where it would not pay
        first = unit_rows(n, dimension, seed)
        second = np.concatenate([moved(first, by, seed + 2), unit_rows(m, dimension, seed + 1)])
        assert_same_as_float32(first, second, ratio)


@pytest.mark.parametrize("by", [0.05, 0.6, 1.0])
@pytest.mark.parametrize("ratio", [0.8, 0.85])
def test_finds_what_float32_finds_at_the_real_tiles(by, ratio):
    first = unit_rows(2300)
    second = np.concatenate([moved(first[::2], by), unit_rows(1500, seed=5)])
    assert len(assert_same_as_float32(first, second, ratio)) > 400


@pytest.fixture
def again(monkeypatch):
    """How many rows were compared again in float32, one entry a comparison."""
    counts = []
    match_rows = distinct._match_rows
    monkeypatch.setattr(
        distinct, "_match_rows", lambda *given: counts.append(len(given[2])) or match_rows(*given)
    )
    return counts


def test_few_rows_are_compared_again(again):
    """Else it would not be faster."""
    first = unit_rows(2000)
    match_distinct(first, moved(first, 0.6), 0.85, True)
    assert len(again) == 1
    assert again[0] < 200


def test_rows_on_one_side_are_compared_as_exactly(again):
    """Histograms, as RootSIFT's, have no negative entries, and lie close together: from their middle they are short."""
    rng = np.random.default_rng(0)
    histograms = rng.gamma(0.6, size=(2000, 128))
    first, second = (
        np.sqrt(h / h.sum(axis=1, keepdims=True)).astype(np.float32)
        for h in (histograms, histograms * rng.gamma(0.5, size=histograms.shape))
    )
    assert len(assert_same_as_float32(first, second, 0.85)) > 1000
    assert again[0] < 370  # 295; 441 from the origin


def test_rows_all_alike_are_left_to_float32(monkeypatch):
    rows = np.tile(unit_rows(1), (500, 1))
    assert distinct._InHalf.compared(rows, rows).distinct(0.85) is None
    assert len(match_distinct(rows, rows, 0.85, True)) == 0


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
@pytest.mark.parametrize("half", [False, True])
def test_nothing_to_match(size, half):
    found = match_distinct(unit_rows(size[0]), unit_rows(size[1]), 0.85, half)
    assert found.shape == (0, 2)
    assert found.dtype == np.int32


def test_a_ratio_of_one_keeps_every_mutual_neighbour():
    first, second = unit_rows(300), unit_rows(300, seed=1)
    for half in (False, True):
        found = match_distinct(first, second, 1.0, half)
        np.testing.assert_array_equal(found, match_mutual(first, second).index)


@pytest.mark.parametrize("half", [False, True])
def test_compared_once_for_several_ratios(half):
    first = unit_rows(900)
    second = np.concatenate([moved(first[::2], 0.6), unit_rows(300, seed=5)])
    compared = Comparison(first, second, half)
    for ratio in (0.85, 0.7, 0.95, 1.0):
        np.testing.assert_array_equal(compared.distinct(ratio), match_distinct(first, second, ratio))


def test_pairs_do_not_wait_for_each_other(monkeypatch):
    """In threads, as the pipeline compares them."""
    both = threading.Barrier(2, timeout=20)
    really = distinct.match_mutual

    def together(first, second):
        both.wait()
        return really(first, second)

    monkeypatch.setattr(distinct, "match_mutual", together)
    rows = np.eye(8, dtype=np.float32)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: Comparison(rows, rows).distinct(0.8), range(2)))
    assert [len(index) for index in found] == [8, 8]

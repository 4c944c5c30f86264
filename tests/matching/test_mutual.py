import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sfm.matching import nearest
from sfm.matching.mutual import Matches, distance_ratio, match_mutual, passes_ratio_test


def unit_rows(count, dimension=128, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def brute_force(first, second):
    """Mutual nearest neighbours from the whole matrix of distances, in float64."""
    similarity = first.astype(float) @ second.astype(float).T
    distance = np.sqrt(np.maximum(2 - 2 * similarity, 0))
    forward, backward = distance.argmin(axis=1), distance.argmin(axis=0)
    i = np.flatnonzero(backward[forward] == np.arange(len(first)))
    j = forward[i]
    best = distance[i, j]
    distance[i, j] = 2
    return (
        np.column_stack([i, j]),
        best,
        best / np.minimum(distance[i].min(axis=1), distance[:, j].min(axis=0)),
    )


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(nearest, "_BLOCK", 7)


def assert_equals_brute_force(first, second):
    matches = match_mutual(first, second)
    index, distance, ratio = brute_force(first, second)
    np.testing.assert_array_equal(matches.index, index)
    np.testing.assert_allclose(matches.distance, distance, atol=2e-3)
    far = distance > 0.1  # of smaller distances float32 leaves fewer digits
    np.testing.assert_allclose(matches.ratio[far], ratio[far], atol=2e-3)


def decided(first, second):
    """Whether float32 can tell the nearest neighbours from the second-nearest."""
    similarity = np.pad(first.astype(float) @ second.astype(float).T, ((0, 1), (0, 1)), constant_values=-2)
    two = [np.sort(s, axis=1)[:-1, -2:] for s in (similarity, similarity.T)]
    return all((np.diff(best) > 1e-5).all() for best in two)


@settings(max_examples=150, deadline=None)
@given(n=st.integers(1, 40), m=st.integers(1, 40), dimension=st.integers(2, 6), seed=st.integers(0, 10**6))
def test_equals_brute_force_over_many_small_tiles(n, m, dimension, seed):
    # Few dimensions: many rows share their nearest neighbour, within a tile and across tiles.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "_BLOCK", 7)
        first, second = unit_rows(n, dimension, seed), unit_rows(m, dimension, seed + 1)
        assume(decided(first, second))
        assert_equals_brute_force(first, second)


@pytest.mark.parametrize("size", [(1, 1), (1, 1500), (511, 1025), (512, 1024), (1300, 2100)])
def test_equals_brute_force_at_the_real_tiles(size):
    first, second = unit_rows(size[0]), unit_rows(size[1], seed=1)
    second[: min(size) // 2] = first[: min(size) // 2] + 0.3 * second[: min(size) // 2]
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    assert_equals_brute_force(first, second)


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_nothing_to_match(size):
    matches = match_mutual(unit_rows(size[0]), unit_rows(size[1]))
    assert len(matches) == 0
    assert matches.index.shape == (0, 2)
    assert matches.index.dtype == np.int32
    assert len(matches.below(0.8)) == 0


@given(n=st.integers(1, 300), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_rows_there_twice_are_no_distinction(n, seed):
    rows = np.abs(unit_rows(n, seed=seed))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    twice = rows[np.random.default_rng(seed).permutation(np.r_[np.arange(n), np.arange(n)])]
    matches = match_mutual(rows, twice)
    assert (matches.ratio > 0.99).all()
    assert len(matches.below(0.95)) == 0
    # Whatever row of several equal ones was taken, it is an equal one, and none is taken twice.
    np.testing.assert_allclose(rows[matches.index[:, 0]], twice[matches.index[:, 1]], atol=1e-6)
    assert len(set(matches.index[:, 0])) == len(set(matches.index[:, 1])) == len(matches)


def test_every_row_the_same(small_tiles):
    rows = np.tile(unit_rows(1), (30, 1))
    matches = match_mutual(rows, rows)
    assert len(matches) == 1
    assert matches.ratio[0] == 1


@given(n=st.integers(1, 60), m=st.integers(1, 60), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_order_of_images_does_not_matter(n, m, seed):
    first, second = unit_rows(n, 8, seed), unit_rows(m, 8, seed + 1)
    assume(decided(first, second))
    there, back = match_mutual(first, second), match_mutual(second, first)
    order = np.argsort(back.index[:, 1])
    np.testing.assert_array_equal(there.index, back.index[order][:, ::-1])
    np.testing.assert_allclose(there.ratio, back.ratio[order], atol=1e-3)


def test_the_ratio_is_lowes():
    """Distances 0.6 to the nearest and 0.8 to the second-nearest, in one direction; next to nothing else."""

    def at(distance, axis):
        cosine = 1 - distance**2 / 2
        row = np.zeros(8, np.float32)
        row[0], row[axis] = cosine, np.sqrt(1 - cosine**2)
        return row

    first = np.eye(8, dtype=np.float32)[:1]
    matches = match_mutual(first, np.stack([at(0.8, 1), at(0.6, 2)]))
    assert matches.index.tolist() == [[0, 1]]
    assert matches.distance[0] == pytest.approx(0.6, abs=1e-3)
    assert matches.ratio[0] == pytest.approx(0.75, abs=1e-3)
    assert len(matches.below(0.74)) == 0
    assert len(matches.below(0.76)) == 1


def test_a_ratio_of_one_keeps_all():
    matches = Matches(
        np.array([[0, 0], [1, 1]], np.int32), np.zeros(2, np.float32), np.array([1.0, 0.5], np.float32)
    )
    assert len(matches.below(1.0)) == 2
    assert matches.below(0.9).index.tolist() == [[1, 1]]


def test_no_difference_is_no_distinction():
    np.testing.assert_allclose(distance_ratio([0.3, 0.0, 1e-5], [0.6, 0.0, 1e-4]), [0.5, 1, 1], rtol=1e-6)
    assert passes_ratio_test(1.0, 1.0)
    assert not passes_ratio_test(0.8, 0.8)


def test_never_the_whole_matrix():
    first, second = unit_rows(8192), unit_rows(8192, seed=1)
    tracemalloc.start()
    try:
        matches = match_mutual(first, second)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(matches) > 1000
    assert peak < 16e6  # the whole matrix is 268 MB

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfm.features.detectors import DogDetector
from sfm.features.orientation import oriented
from sfm.features.rootsift import RootSift
from sfm.images.single_photo import read_gray, read_photo
from sfm.matching import cells, nearest
from sfm.matching.cells import DescriptorCells, compared_with_all, match_in_cells
from sfm.matching.mutual import match_mutual

from .test_mutual import unit_rows


def histograms(count, seed=0):
    """Rows as RootSIFT's: no negative entries, some kinds of which are frequent."""
    rng = np.random.default_rng(seed)
    kinds = rng.gamma(0.3, size=(40, 128))
    rows = rng.gamma(0.6 + 2 * kinds[rng.integers(0, 40, count)])
    return np.sqrt(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def seen_again(rows, by, seed=1):
    moved = rows + by * unit_rows(len(rows), rows.shape[1], seed)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def in_cells(first, second, exact=False):
    return match_in_cells(DescriptorCells.of(first, exact), DescriptorCells.of(second, exact))


def pairs(matches):
    return set(map(tuple, matches.index))


def assert_same(found, expected):
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_allclose(found.distance, expected.distance, atol=2e-3)
    np.testing.assert_allclose(found.ratio, expected.ratio, atol=1e-3)


def test_every_row_is_in_one_cell():
    rows = histograms(3000)
    sorted_rows = DescriptorCells.of(rows)
    assert len(sorted_rows.centres) == 23
    assert sorted(sorted_rows.order) == list(range(3000))
    np.testing.assert_array_equal(sorted_rows.rows, rows[sorted_rows.order])
    np.testing.assert_array_equal(sorted_rows.descriptors, rows)
    assert sorted_rows.start[0] == 0
    assert sorted_rows.start[-1] == 3000
    for start, end, centre in zip(
        sorted_rows.start, sorted_rows.start[1:], sorted_rows.centres, strict=False
    ):
        within = sorted_rows.rows[start:end]
        distance = np.linalg.norm(within[:, None] - sorted_rows.centres, axis=2)
        np.testing.assert_allclose(distance.min(axis=1), np.linalg.norm(within - centre, axis=1), atol=1e-3)


def test_the_same_descriptors_are_always_sorted_alike():
    one, other = (DescriptorCells.of(histograms(2500)) for _ in range(2))
    np.testing.assert_array_equal(one.order, other.order)
    np.testing.assert_array_equal(one.centres, other.centres)


@pytest.mark.parametrize("sizes", [(4000, 4000), (5000, 2000), (8192, 1700)])
def test_a_part_of_the_rows_is_compared_and_none_twice(sizes):
    first, second = histograms(sizes[0]), DescriptorCells.of(histograms(sizes[1], seed=3))
    compared = np.zeros((sizes[1], sizes[0]), np.int8)
    for rows, columns in second.blocks(first):
        compared[np.ix_(np.arange(sizes[1])[rows], columns)] += 1
    assert compared.max() == 1
    assert compared.any(axis=0).all()
    # Twelve cells on average; of these rows the fuller ones are the nearer ones.
    assert 0.8 < compared.mean() * len(second.centres) / 12 < 1.6


@pytest.mark.parametrize("ratio", [0.8, 0.85])
def test_finds_nearly_all_that_the_exact_search_finds(ratio):
    first = histograms(8192)
    second = np.concatenate([seen_again(first[::2], 0.4), histograms(4096, seed=7)])
    expected, found = match_mutual(first, second).below(ratio), in_cells(first, second).below(ratio)
    assert len(expected) > 2000
    assert len(pairs(expected) - pairs(found)) < 0.005 * len(expected)
    assert len(pairs(found) - pairs(expected)) < 0.01 * len(expected)


@pytest.mark.parametrize(
    ("sizes", "exact"), [((1500, 1500), False), ((4000, 1000), False), ((2500, 4500), True)]
)
def test_few_rows_and_exact_comparison_leave_nothing_out(sizes, exact):
    first = histograms(sizes[0])
    second = seen_again(histograms(max(sizes)), 0.3)[: sizes[1]]
    assert_same(in_cells(first, second, exact), match_mutual(first, second))


@given(
    n=st.integers(1, 80),
    m=st.integers(1, 80),
    dimension=st.integers(2, 6),
    seed=st.integers(0, 10**6),
    looked_into=st.integers(1, 4),
)
@settings(max_examples=100, deadline=None)
def test_what_is_found_are_mutual_neighbours_among_what_is_compared(n, m, dimension, seed, looked_into):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_ROWS_A_CELL", 9)
        patch.setattr(cells, "_CELLS_LOOKED_INTO", looked_into)
        patch.setattr(nearest, "_BLOCK", 5)
        patch.setattr(cells, "_EVERY", 1)
        first, second = unit_rows(n, dimension, seed), unit_rows(m, dimension, seed + 1)
        left, right = DescriptorCells.of(first), DescriptorCells.of(second)
        similarity = np.full((n, m), -2.0)
        for rows, columns in right.blocks(left.rows):
            i, j = left.order[columns], right.order[rows]
            similarity[np.ix_(i, j)] = first[i].astype(float) @ second[j].astype(float).T
        found = match_in_cells(left, right)
    i, j = found.index.T
    assert (np.diff(i) > 0).all()
    best = similarity[i, j]
    np.testing.assert_allclose(best, similarity[i].max(axis=1), atol=1e-5)
    np.testing.assert_allclose(best, similarity[:, j].max(axis=0), atol=1e-5)
    partner = similarity.argmax(axis=1)
    mutual = (similarity[:, partner].argmax(axis=0) == np.arange(n)) & (similarity.max(axis=1) > -2)
    if all(
        (np.diff(np.sort(s, axis=1)[:, -2:]) > 1e-5).all()
        for s in (similarity, similarity.T)
        if s.shape[1] > 1
    ):
        assert set(np.flatnonzero(mutual)) == set(i)


@pytest.mark.parametrize("sizes", [(0, 0), (0, 5), (5, 0), (0, 3000), (3000, 0), (3000, 1)])
def test_little_to_match(sizes):
    found = in_cells(histograms(sizes[0]), histograms(sizes[1], seed=1))
    assert len(found) == min(*sizes, 1)
    assert found.index.shape == (len(found), 2)
    assert found.index.dtype == np.int32


def test_rows_all_alike():
    rows = np.tile(histograms(1), (3000, 1))
    found = in_cells(rows, rows)
    assert len(found.below(0.95)) == 0
    assert len(set(found.index[:, 0])) == len(set(found.index[:, 1])) == len(found)


def test_real_photographs(sfm_data):
    paths = sorted((sfm_data / "scenes/castle-P19/images").iterdir())[:2]
    images = [read_gray(read_photo(path, ""), 1600) for path in paths]
    detector, descriptor = DogDetector(), RootSift()
    # 8,192 places are found, with 9,760 and 9,596 gradients; as many gradients as places may be described.
    keypoints = [oriented(detector.detect(image), None, detector.limit) for image in images]
    first, second = (descriptor.describe(*one) for one in zip(images, keypoints, strict=True))
    assert len(first) == len(second) == 8192
    expected, found = match_mutual(first, second).below(0.8), in_cells(first, second).below(0.8)
    assert len(expected) > 300
    assert len(pairs(expected) ^ pairs(found)) < 0.01 * len(expected)


def test_matches_compared_with_all_have_exact_ratios():
    first = histograms(4000)
    second = np.concatenate([seen_again(first[::2], 0.5), histograms(2000, seed=7)])
    left, right = DescriptorCells.of(first), DescriptorCells.of(second)
    found = match_in_cells(left, right)
    exact = compared_with_all(found, left, right)
    np.testing.assert_array_equal(exact.index, found.index)
    np.testing.assert_array_equal(exact.distance, found.distance)
    assert (exact.ratio >= found.ratio - 1e-3).all()
    expected = match_mutual(first, second)
    ratio_of = dict(zip(map(tuple, expected.index), expected.ratio, strict=True))
    for pair, ratio in zip(map(tuple, exact.index), exact.ratio, strict=True):
        if pair in ratio_of:
            assert ratio == pytest.approx(ratio_of[pair], abs=1e-3)
        else:
            assert ratio > 1 - 1e-3  # another one is nearer
    assert pairs(exact.below(0.8)) <= pairs(expected.below(0.8001))


def test_no_matches_to_compare():
    nothing = match_in_cells(DescriptorCells.of(histograms(5)), DescriptorCells.of(histograms(0)))
    assert (
        len(compared_with_all(nothing, DescriptorCells.of(histograms(5)), DescriptorCells.of(histograms(0))))
        == 0
    )

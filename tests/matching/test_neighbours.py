from types import SimpleNamespace

import numpy as np
import pytest

from sfm.features.keypoints import Keypoints
from sfm.matching.neighbours import (
    NearestNeighbours,
    PairTruth,
    choose_points,
    nearest_neighbours,
    truth_of_pair,
)

NAN = (np.nan, np.nan)


def keypoints(xy, scale=1.0):
    xy = np.asarray(xy, np.float32).reshape(-1, 2)
    return Keypoints(xy, *(np.full(len(xy), value, np.float32) for value in (scale, 0.0, 1.0)))


def rows(count, seed=0):
    made = np.random.default_rng(seed).normal(size=(count, 16))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_the_two_nearest_are_those_of_the_whole_matrix():
    first, second = rows(1500), rows(70, 1)
    found = nearest_neighbours(first, second)
    distances = np.linalg.norm(first[:, None].astype(float) - second[None], axis=2)
    order = np.argsort(distances, axis=1)[:, :2]
    np.testing.assert_array_equal(found.index, order)
    np.testing.assert_allclose(found.distance, np.take_along_axis(distances, order, 1), atol=1e-3)
    assert (found.ratio <= 1).all()
    assert found.ratio[3] == pytest.approx(found.distance[3, 0] / found.distance[3, 1])


# Rows of the second image are those of the first: x2^T F x1 = y1 - y2.
SIDEWAYS = np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]], float)


def verified(pairs, inliers=None, beyond_chance=True):
    pairs = np.asarray(pairs, np.int32).reshape(-1, 2)
    inliers = np.arange(len(pairs)) if inliers is None else np.asarray(inliers, int)
    geometry = SimpleNamespace(inliers=inliers, threshold_px=2.0)
    return SimpleNamespace(index=pairs, geometry=geometry, beyond_chance=beyond_chance)


class TestTruth:
    first = keypoints([(10, 10), (50, 20), (90, 30), (30, 40)])
    second = keypoints([(20, 10), (60, 20), (100, 30), (70, 41), (22, 11), (10, 90)])

    def test_verified_matches_of_all_descriptors_count(self):
        found = {"a": verified([(0, 0)]), "b": verified([(1, 1), (2, 2)]), "c": verified([(3, 3)], [], False)}
        truth = truth_of_pair(found, dict.fromkeys(found, SIDEWAYS), self.first, self.second)
        assert truth.source == "b"
        np.testing.assert_allclose(truth.xy2, [(20, 10), (60, 20), (100, 30), NAN])

    def test_what_the_better_geometry_contradicts_does_not(self):
        found = {"a": verified([(0, 5)]), "b": verified([(1, 1), (2, 2)])}
        truth = truth_of_pair(found, dict.fromkeys(found, SIDEWAYS), self.first, self.second)
        assert np.isnan(truth.xy2[0]).all()

    def test_what_is_in_dispute_is_not_known(self):
        found = {"a": verified([(1, 1), (0, 0)]), "b": verified([(1, 1), (2, 2), (0, 4)])}
        truth = truth_of_pair(found, dict.fromkeys(found, SIDEWAYS), self.first, self.second)
        np.testing.assert_allclose(truth.xy2[1], (60, 20))
        # Row 4 of the second lies 2 px beside row 0: the same place.
        np.testing.assert_allclose(truth.xy2[0], (22, 11))
        far = {"a": verified([(1, 1), (0, 0)]), "b": verified([(1, 1), (2, 2), (0, 3)])}
        truth = truth_of_pair(far, dict.fromkeys(far), self.first, self.second)
        assert np.isnan(truth.xy2[0]).all()

    def test_without_geometry_nothing_is_known(self):
        found = {"a": verified([(0, 0)], beyond_chance=False)}
        truth = truth_of_pair(found, {"a": SIDEWAYS}, self.first, self.second)
        assert (truth.source, truth.F) == ("", None)
        assert truth.verdict(0, self.first, self.second, 0) == "unknown"
        assert truth.line(self.first.xy[0], (100, 100)) is None

    def test_verdicts(self):
        truth = PairTruth("a", np.array([(20, 10), NAN, NAN, NAN]), SIDEWAYS, 2.0)

        def verdict(i, j):
            return truth.verdict(i, self.first, self.second, j)

        assert verdict(0, 0) == verdict(0, 4) == "right"
        assert verdict(0, 1) == "wrong"
        assert verdict(1, 1) == "possible"
        assert verdict(1, 5) == "off the line"
        # Half of the 10 rows between them falls to each image.
        assert truth.off_line_px(1, self.first, self.second, 2) == pytest.approx(10 / np.sqrt(2))

    def test_the_epipolar_line_spans_the_image(self):
        truth = PairTruth("a", np.full((4, 2), np.nan), SIDEWAYS, 2.0)
        np.testing.assert_allclose(truth.line((30, 40), (200, 100)), [(-0.5, 40), (199.5, 40)])
        np.testing.assert_allclose(
            PairTruth("a", truth.xy2, SIDEWAYS[[1, 0, 2]][:, [1, 0, 2]], 2.0).line((30, 40), (200, 100)),
            [(30, -0.5), (30, 99.5)],
        )
        assert truth.line((30, 400), (200, 100)) is None


def test_points_are_chosen_for_what_they_tell():
    places = [(100.0 * i, 10.0) for i in range(5)]
    first, second = keypoints(places), keypoints(places)
    truth = PairTruth("b", np.array([*places[:4], NAN]), SIDEWAYS, 2.0)

    def nearest(which, ratio):
        other = (np.array(which) + 1) % 5
        return NearestNeighbours(np.column_stack([which, other]), np.column_stack([ratio, np.ones(5)]))

    found = {
        # 0: both right; 1: only b; 2: a is wrong and sure; 3: both right, both doubtful; 4: nobody knows.
        "a": nearest([0, 4, 0, 3, 1], [0.3, 0.95, 0.5, 0.9, 0.95]),
        "b": nearest([0, 1, 2, 3, 2], [0.4, 0.6, 0.7, 0.95, 0.97]),
    }
    chosen = choose_points(found, {"a": 0.8, "b": 0.85}, truth, first, second, 8)
    assert [(point.index, point.why) for point in chosen] == [
        (0, "found by every descriptor"),
        (1, "found by b alone"),
        (2, "a mistake of a that the ratio test lets pass"),
        (3, "right, but a ratio test does not trust it"),
        (4, "found by nobody"),
    ]
    assert len(choose_points(found, {"a": 0.8, "b": 0.85}, truth, first, second, 2)) == 2
    unknown = PairTruth("", np.full((5, 2), np.nan), None, 2.0)
    chosen = choose_points(found, {"a": 0.8, "b": 0.85}, unknown, first, second, 3)
    assert {point.why for point in chosen} == {"most distinct; no geometry to judge it by"}
    assert chosen[0].index == 0

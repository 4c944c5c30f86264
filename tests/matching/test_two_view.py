"""The looser ratio test of weak pairs, on descriptors whose ratios are made to measure."""

from dataclasses import replace

import numpy as np
import pytest

from sfm.features.keypoints import Keypoints
from sfm.geometry.five_point import FivePointVerifier
from sfm.geometry.two_view import VerificationOptions
from sfm.matching import cells, two_view
from sfm.matching.cells import DescriptorCells
from sfm.matching.mutual import match_mutual
from sfm.matching.options import WEAK_INLIERS, MatchingOptions
from sfm.matching.two_view import DescribedView, match_views
from tests.mapping.synthetic import CAMERA, along_a_wall

OPTIONS = MatchingOptions(ratio=0.8, weak_ratio=0.85)
SURE, UNSURE = 0.7, 0.83


def views(sure, unsure, *, unsure_are_right=True):
    """Two views of a wall whose points have a ratio of `SURE` or `UNSURE`; beside each, what it may be taken for."""
    rng = np.random.default_rng(0)
    pair = along_a_wall(["a", "b"], points=2 * (sure + unsure))
    seen = [dict(zip(image.point_ids, image.xy, strict=True)) for image in pair.images.values()]
    both = sorted(seen[0].keys() & seen[1].keys())[: sure + unsure]
    assert len(both) == sure + unsure
    xy1, xy2 = (np.array([points[i] for i in both]) for points in seen)
    if not unsure_are_right:
        xy2[sure:] = rng.uniform(0, [640, 480], (unsure, 2))
    codes = unit(rng.normal(size=(len(both), 128)))
    ratio = np.repeat([SURE, UNSURE], [sure, unsure])
    near, alike = (at_distance(codes, distance, rng) for distance in (0.3, 0.3 / ratio))
    elsewhere = rng.uniform(0, [640, 480], (len(both), 2))
    return view(xy1, codes), view(np.concatenate([xy2, elsewhere]), np.concatenate([near, alike]))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def at_distance(rows, distance, rng):
    """Unit rows that far from others, each in some direction."""
    away = rng.normal(size=rows.shape)
    away = unit(away - (away * rows).sum(axis=1, keepdims=True) * rows)
    angle = np.broadcast_to(2 * np.arcsin(distance / np.float64(2)), len(rows))[:, None]
    return (np.cos(angle) * rows + np.sin(angle) * away).astype(np.float32)


def view(xy, rows):
    ones = np.ones(len(xy), np.float32)
    keypoints = Keypoints(xy.astype(np.float32), ones, ones, ones)
    return DescribedView(keypoints, DescriptorCells.of(rows), CAMERA)


class Counting(FivePointVerifier):
    """Remembers how many matches it was given."""

    def __init__(self):
        super().__init__(VerificationOptions())
        self.given = []

    def verify(self, xy1, xy2, camera1, camera2):
        self.given.append(len(xy1))
        return super().verify(xy1, xy2, camera1, camera2)


def test_the_ratios_are_as_made():
    first, second = views(40, 60)
    ratio = match_mutual(first.cells.descriptors, second.cells.descriptors).ratio
    np.testing.assert_allclose(ratio, np.repeat([SURE, UNSURE], [40, 60]), atol=0.01)


def test_a_weak_pair_gets_the_looser_test():
    verifier = Counting()
    found = match_views(*views(40, 50), verifier, OPTIONS)
    assert verifier.given == [40, 90]
    assert found.ratio == 0.85
    assert len(found.geometry.inliers) > 80


def test_a_strong_pair_does_not():
    verifier = Counting()
    found = match_views(*views(WEAK_INLIERS + 20, 50), verifier, OPTIONS)
    assert verifier.given == [WEAK_INLIERS + 20]
    assert found.ratio == 0.8


def test_few_matches_are_compared_with_all(monkeypatch):
    """What cells hide would come first where it is taken for more distinct than it is."""
    monkeypatch.setattr(cells, "_ROWS_A_CELL", 15)
    first, second = views(40, 60)
    assert len(second.cells.centres) == 13
    really = two_view.match_in_cells

    def short_sighted(cells1, cells2):
        matches = really(cells1, cells2)
        return replace(matches, ratio=np.where(matches.ratio > 0.8, 0.3, matches.ratio))

    monkeypatch.setattr(two_view, "match_in_cells", short_sighted)
    verifier = Counting()
    match_views(first, second, verifier, replace(OPTIONS, weak_ratio=0.8))
    assert verifier.given == [40]
    monkeypatch.setattr(two_view, "_FEW_MATCHES", 10)
    match_views(first, second, verifier, replace(OPTIONS, weak_ratio=0.8))
    assert verifier.given == [40, 100]


def test_looser_matches_that_are_wrong_are_left_out():
    verifier = Counting()
    found = match_views(*views(40, 50, unsure_are_right=False), verifier, OPTIONS)
    assert verifier.given == [40, 90]
    assert found.ratio == 0.8
    assert len(found.index) == 40


def test_the_most_distinct_matches_come_first():
    first, second = views(40, 60)
    mixed = np.random.default_rng(1).permutation(len(first.cells.rows))
    first = view(first.keypoints.xy[mixed], first.cells.descriptors[mixed])
    found = match_views(first, second, Counting(), OPTIONS)
    assert found.ratio == 0.85
    assert (mixed[found.index[:40, 0]] < 40).all()
    assert (mixed[found.index[40:, 0]] >= 40).all()


@pytest.mark.parametrize("weak", [0.7, 0.8])
def test_a_test_that_is_no_looser_is_not_tried(weak):
    verifier = Counting()
    match_views(*views(40, 50), verifier, MatchingOptions(ratio=0.8, weak_ratio=weak))
    assert verifier.given == [40]


def test_guided_matching_goes_on_from_the_test_that_was_passed():
    plain, guided = (
        match_views(*views(40, 50), Counting(), replace(OPTIONS, guided=guided)) for guided in (False, True)
    )
    assert guided.ratio == plain.ratio == 0.85
    assert len(guided.geometry.inliers) >= len(plain.geometry.inliers)

"""The fundamental matrix among wrong matches."""

import numpy as np
import pytest

from sfm.geometry.epipolar import sampson_error_sq
from sfm.geometry.ransac import PoselibSearch
from sfm.geometry.seven_point import find_fundamental
from sfm.geometry.two_view import IdealView

from .synthetic import CAMERA, make_scene, random_points


def views(xy1, xy2):
    return IdealView.of(xy1, CAMERA), IdealView.of(xy2, CAMERA)


def find(xy1, xy2, seed=0):
    return find_fundamental(*views(xy1, xy2), PoselibSearch(2.0, seed))


@pytest.mark.parametrize("outliers", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("kind", ["general", "forward"])
def test_finds_what_is_right(kind, outliers):
    scene = make_scene(kind, outliers=outliers)
    F, inliers = find(scene.xy1, scene.xy2)
    assert np.linalg.norm(F) == pytest.approx(1)
    assert abs(np.linalg.det(F)) < 1e-9
    found = np.zeros(len(scene.xy1), bool)
    found[inliers] = True
    assert (found & scene.is_inlier).sum() > 0.9 * scene.is_inlier.sum()
    assert (found & ~scene.is_inlier).sum() < 0.06 * len(found)
    errors = sampson_error_sq(F, *(view.xy for view in views(scene.xy1, scene.xy2)))
    assert np.median(np.sqrt(errors[scene.is_inlier])) < 0.6


def test_few_samples_suffice_where_the_surest_matches_come_first():
    scene = make_scene(num_matches=100, outliers=0.8)
    order = np.argsort(~scene.is_inlier, kind="stable")
    first = views(scene.xy1[order], scene.xy2[order])
    _, inliers = find_fundamental(*first, PoselibSearch(2.0, 0, progressive_samples=100))
    right = scene.is_inlier[order][inliers]
    assert right.sum() > 0.9 * scene.is_inlier.sum()
    assert right.mean() > 0.7


def test_the_same_seed_gives_the_same_matrix():
    scene = make_scene(outliers=0.6)
    (first, agree1), (second, agree2) = (find(scene.xy1, scene.xy2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(agree1, agree2)


@pytest.mark.parametrize("points", [np.zeros((20, 2)), np.linspace([0, 0], [900, 600], 20)])
def test_points_that_determine_nothing(points):
    F, inliers = find(points, points)
    assert np.isfinite(F).all()
    assert inliers.dtype == np.int64


def test_unrelated_matches_find_few_friends():
    rng = np.random.default_rng(0)
    _, inliers = find(random_points(rng, 100), random_points(rng, 100))
    assert len(inliers) < 25

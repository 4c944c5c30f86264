"""The number of false alarms: exact where it can be, silent on chance, loud on geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from sfm.geometry.chance import (
    chance_inlier_ratio,
    epipolar_probability,
    largest_chance_inliers,
    log10_nfa,
    log10_nfa_of,
    transfer_probability,
)
from sfm.geometry.epipolar import essential_from_pose, fundamental_from_essential, sampson_error_sq
from sfm.geometry.two_view import TwoViewGeometry, VerificationOptions
from sfm.mapping.colmap_verifier import make_verifier

from .synthetic import CAMERA, HEIGHT, WIDTH, make_scene, random_points, random_pose

VERIFIERS = ("colmap", "five-point", "eight-point")


def log10_tail(num_matches, num_inliers, probability, sample_size=5):
    """log10 P[at least that many inliers], the sample's own left out, from the definition."""
    return binom.logsf(num_inliers - sample_size - 1, num_matches - sample_size, probability) / np.log(10)


@given(
    num_matches=st.integers(10, 3000),
    share=st.floats(0.02, 0.9),
    probability=st.floats(1e-4, 0.1),
)
def test_bounds_the_binomial_tail_closely_from_above(num_matches, share, probability):
    num_inliers = 5 + round(share * (num_matches - 5))
    tail = float(log10_nfa(num_matches, num_inliers, probability) - log10_nfa(num_matches, 0, probability))
    exact = log10_tail(num_matches, num_inliers, probability)
    if np.isfinite(exact) and exact > -250:
        assert tail >= exact - 1e-6
        assert tail <= exact + 1.0


def test_ten_models_for_each_sample_of_five():
    assert log10_nfa(10, 0, 0.01) == pytest.approx(np.log10(10 * 252))


def test_stable_for_many_matches():
    values = log10_nfa([100_000, 1_000_000], [50_000, 900_000], 1e-3)
    assert np.isfinite(values).all()
    assert (values < -10_000).all()


@pytest.mark.parametrize("num_matches", [0, 4, 5])
def test_matches_that_only_make_a_sample_prove_nothing(num_matches):
    assert log10_nfa(num_matches, num_matches, 0.01) >= 0


@given(num_matches=st.integers(20, 2000), probability=st.floats(1e-4, 0.2))
def test_more_inliers_are_never_more_likely_by_chance(num_matches, probability):
    values = log10_nfa(num_matches, np.arange(num_matches + 1), probability)
    assert (np.diff(values) <= 1e-9).all()


def test_vectorised_over_everything():
    values = log10_nfa(np.array([[50], [500]]), np.array([20, 30, 40]), 0.01)
    assert values.shape == (2, 3)
    assert values[1, 2] == log10_nfa(500, 40, 0.01)


def test_the_probability_bounds_what_random_points_show():
    rng = np.random.default_rng(0)
    xy1, xy2 = random_points(rng, 20_000), random_points(rng, 20_000)
    for _ in range(60):
        E = essential_from_pose(random_pose(rng))
        F = fundamental_from_essential(E, CAMERA.matrix, CAMERA.matrix)
        share = (sampson_error_sq(F, xy1, xy2) <= 16).mean()
        assert share < 1.05 * epipolar_probability(4.0, WIDTH, HEIGHT)


def test_probabilities():
    assert epipolar_probability(1.0, 300, 400) == pytest.approx(2 * np.sqrt(2) * 500 / 120_000)
    assert epipolar_probability(1e6, 300, 400) == 1
    assert transfer_probability(2.0, 300, 400) == pytest.approx(4 * np.pi / 120_000)


def test_what_chance_explains():
    largest = largest_chance_inliers(1000, 0.013)
    assert log10_nfa(1000, largest, 0.013) >= 0
    assert log10_nfa(1000, largest + 1, 0.013) < 0
    assert chance_inlier_ratio(1000, 0.013) == largest / 1000
    assert chance_inlier_ratio(0, 0.013) == 0
    ratios = [chance_inlier_ratio(count, 0.013) for count in (20, 100, 500, 5000)]
    assert ratios == sorted(ratios, reverse=True)
    assert 0.013 < ratios[-1] < 0.05


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("num_matches", [40, 300])
def test_unrelated_matches_are_chance_even_after_ransac_has_chosen_the_best(verifier, num_matches):
    passed = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        xy1, xy2 = random_points(rng, num_matches), random_points(rng, num_matches)
        geometry = make_verifier(VerificationOptions(verifier=verifier, min_inliers=8), seed).verify(
            xy1, xy2, CAMERA, CAMERA
        )
        passed += log10_nfa_of(geometry, num_matches, CAMERA, CAMERA) < 0
    assert passed == 0


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize(("outliers", "at_most"), [(0.0, -500), (0.5, -150), (0.7, -50)])
def test_true_geometry_is_not_chance(verifier, outliers, at_most):
    scene = make_scene(num_matches=400, outliers=outliers)
    geometry = make_verifier(VerificationOptions(verifier=verifier)).verify(
        scene.xy1, scene.xy2, CAMERA, CAMERA
    )
    assert log10_nfa_of(geometry, 400, CAMERA, CAMERA) < at_most


def test_nothing_found_is_chance():
    assert log10_nfa_of(TwoViewGeometry.degenerate(4.0), 100, CAMERA, CAMERA) > 0

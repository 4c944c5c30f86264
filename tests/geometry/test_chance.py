"""The number of false alarms: exact where it can be, silent on chance, loud on geometry."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from sfm.geometry.camera import Camera
from sfm.geometry.chance import (
    empirical_probability,
    epipolar_probability,
    log10_nfa,
    log10_nfa_of,
    log10_nfa_of_pose,
    transfer_probability,
)
from sfm.geometry.epipolar import essential_from_pose, fundamental_from_essential, sampson_error_sq
from sfm.geometry.pose import Pose
from sfm.geometry.two_view import TwoViewGeometry, VerificationOptions
from sfm.localization.absolute_pose import estimate_absolute_pose
from sfm.localization.pose_parameters import Prior
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


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("num_matches", [40, 300])
def test_unrelated_matches_are_chance_even_after_ransac_has_chosen_the_best(verifier, num_matches):
    passed = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        xy1, xy2 = random_points(rng, num_matches), random_points(rng, num_matches)
        geometry = make_verifier(
            VerificationOptions(verifier=verifier, max_error_px=4.0, min_inliers=8), seed
        ).verify(xy1, xy2, CAMERA, CAMERA)
        passed += log10_nfa_of(geometry, xy1, xy2, CAMERA, CAMERA) < 0
    assert passed == 0


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize(("outliers", "at_most"), [(0.0, -500), (0.5, -150), (0.7, -50)])
def test_true_geometry_is_not_chance(verifier, outliers, at_most):
    scene = make_scene(num_matches=400, outliers=outliers)
    geometry = make_verifier(VerificationOptions(verifier=verifier, max_error_px=4.0)).verify(
        scene.xy1, scene.xy2, CAMERA, CAMERA
    )
    assert log10_nfa_of(geometry, scene.xy1, scene.xy2, CAMERA, CAMERA) < at_most


def test_nothing_found_is_chance():
    xy = random_points(np.random.default_rng(0), 100)
    assert log10_nfa_of(TwoViewGeometry.degenerate(4.0), xy, xy, CAMERA, CAMERA) > 0


def sideways_fundamental():
    """Of a camera that moved to its right: epipolar lines are the rows."""
    E = essential_from_pose(Pose(np.eye(3), np.array([-1.0, 0, 0])))
    return fundamental_from_essential(E, CAMERA.matrix, CAMERA.matrix)


def strip(rng, count, height):
    """Random points of a horizontal strip, as along the horizon of a street."""
    return np.array([0, 500]) + rng.uniform(0, [WIDTH, height], (count, 2))


def test_wrong_pairings_of_uniform_points_are_as_rare_as_their_area():
    rng = np.random.default_rng(1)
    xy1, xy2 = random_points(rng, 1000), random_points(rng, 1000)
    measured = empirical_probability(sideways_fundamental(), xy1, xy2, 4.0)
    # |dy| / sqrt(2) <= 4 of a height of 1024.
    assert measured == pytest.approx(2 * np.sqrt(2) * 4 / HEIGHT, rel=0.1)
    assert measured < epipolar_probability(4.0, WIDTH, HEIGHT)


def test_wrong_pairings_of_crowded_points_are_frequent():
    rng = np.random.default_rng(2)
    measured = empirical_probability(sideways_fundamental(), strip(rng, 300, 20), strip(rng, 300, 20), 4.0)
    assert 0.4 < measured < 0.6


def test_true_matches_do_not_count_among_the_wrong_pairings():
    scene = make_scene(num_matches=500, outliers=0)
    E = essential_from_pose(scene.truth)
    F = fundamental_from_essential(E, CAMERA.matrix, CAMERA.matrix)
    assert (sampson_error_sq(F, scene.xy1, scene.xy2) <= 16).mean() > 0.95
    assert empirical_probability(F, scene.xy1, scene.xy2, 4.0) < 0.05


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_points_to_pair_wrongly_prove_nothing(count):
    assert empirical_probability(np.eye(3), np.zeros((count, 2)), np.zeros((count, 2)), 4.0) == 1


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_unrelated_matches_along_the_horizon_are_chance(verifier):
    """For uniform points so many inliers would be out of question; for points of a strip they are not."""
    loud = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        xy1, xy2 = strip(rng, 200, 16), strip(rng, 200, 16)
        geometry = make_verifier(VerificationOptions(verifier=verifier, max_error_px=4.0), seed).verify(
            xy1, xy2, CAMERA, CAMERA
        )
        assert log10_nfa_of(geometry, xy1, xy2, CAMERA, CAMERA) > -1
        uniform = epipolar_probability(geometry.threshold_px, WIDTH, HEIGHT)
        loud += log10_nfa(200, len(geometry.inliers), uniform) < -10
    # Eight points of a strip hardly determine a geometry: whether that verifier finds one is up to rounding.
    assert loud > 0 or verifier == "eight-point"


def test_a_match_with_several_orientations_counts_once():
    scene = make_scene(num_matches=60, outliers=0.6, noise_px=0.3)
    verifier = make_verifier(VerificationOptions(verifier="five-point", max_error_px=4.0))
    once = verifier.verify(scene.xy1, scene.xy2, CAMERA, CAMERA)
    xy1, xy2 = np.repeat(scene.xy1, 3, axis=0), np.repeat(scene.xy2, 3, axis=0)
    inliers = (3 * once.inliers[:, None] + np.arange(3)).ravel()
    thrice = replace(once, inliers=inliers)
    nfa = log10_nfa_of(once, scene.xy1, scene.xy2, CAMERA, CAMERA)
    assert log10_nfa_of(thrice, xy1, xy2, CAMERA, CAMERA) == pytest.approx(nfa)


def test_the_smaller_image_counts():
    """In a small image a threshold of 4 px is a larger share of the area."""
    scene = make_scene(num_matches=100, outliers=0.5)
    geometry = make_verifier(VerificationOptions(max_error_px=4.0)).verify(
        scene.xy1, scene.xy2, CAMERA, CAMERA
    )
    small = replace(CAMERA, width=WIDTH // 4, height=HEIGHT // 4)
    both = [
        log10_nfa_of(geometry, scene.xy1, scene.xy2, *pair) for pair in ((CAMERA, small), (small, CAMERA))
    ]
    assert min(both) > log10_nfa_of(geometry, scene.xy1, scene.xy2, CAMERA, CAMERA) + 5


class TestPose:
    def test_random_matches_are_explained_by_chance(self):
        """The best of the poses that samples of random matches define is hardly ever beyond chance."""
        camera = Camera("SIMPLE_PINHOLE", 1000, 800, (900.0, 499.5, 399.5))
        values = []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            xy = rng.uniform(0, [1000, 800], (150, 2))
            xyz = rng.uniform([-5, -4, 4], [5, 4, 12], (150, 3))
            found = estimate_absolute_pose(xy, xyz, Prior(camera), 6.0, seed=seed)
            projected = camera.project(found.cam_from_world.apply(xyz))
            values.append(log10_nfa_of_pose(xy, projected, 6.0, 1000, 800))
        assert min(values) > -1

    def test_agreement_is_far_from_chance_and_more_so_with_more(self):
        rng = np.random.default_rng(0)
        xy = rng.uniform(0, [1000, 800], (100, 2))
        nfa = []
        for wrong in (80, 50, 0):
            projected = xy + rng.normal(0, 1, xy.shape)
            projected[:wrong] = rng.uniform(0, [1000, 800], (wrong, 2))
            nfa.append(log10_nfa_of_pose(xy, projected, 6.0, 1000, 800))
        assert nfa[0] < -20
        assert nfa[0] > nfa[1] > nfa[2]
        assert log10_nfa_of_pose(xy, projected, 6.0, 1000, 800, focal_estimated=True) > nfa[2]

    def test_crowded_points_say_little(self):
        """Points on a spot agree however they are paired."""
        rng = np.random.default_rng(1)
        spot = rng.normal([500, 400], 2, (100, 2))
        assert log10_nfa_of_pose(spot, spot + rng.normal(0, 1, spot.shape), 6.0, 1000, 800) > 0

    def test_nothing_is_not_related(self):
        assert log10_nfa_of_pose(np.empty((0, 2)), np.empty((0, 2)), 6.0, 1000, 800) == 99
        nowhere = np.full((20, 2), np.nan)
        assert log10_nfa_of_pose(np.zeros((20, 2)), nowhere, 6.0, 1000, 800) > 0

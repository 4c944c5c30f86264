"""RANSAC: uniform samples, determinism, bounded memory, robustness to degenerate samples."""

import numpy as np
import pytest

from sfm.geometry import ransac as module
from sfm.geometry.eight_point import FundamentalEstimator
from sfm.geometry.homography import HomographyEstimator
from sfm.geometry.ransac import draw_samples, ransac

from .synthetic import make_scene


def run(scene, seed=0, **kwargs):
    return ransac(FundamentalEstimator(), scene.xy1, scene.xy2, 3.0, np.random.default_rng(seed), **kwargs)


class TestDrawSamples:
    @pytest.mark.parametrize("population", [8, 9, 1000])
    def test_indices_are_distinct_and_in_range(self, population):
        samples = draw_samples(np.random.default_rng(0), population, 8, 500)
        assert samples.shape == (500, 8)
        assert samples.min() >= 0
        assert samples.max() < population
        assert all(len(set(sample)) == 8 for sample in samples.tolist())

    def test_every_index_is_as_likely(self):
        samples = draw_samples(np.random.default_rng(0), 10, 4, 50_000)
        counts = np.bincount(samples.ravel(), minlength=10)
        np.testing.assert_allclose(counts / 50_000, 0.4, atol=0.012)


def test_finds_the_inliers():
    scene = make_scene(num_matches=500, outliers=0.5)
    found = run(scene)
    assert np.isin(np.flatnonzero(scene.is_inlier), found.inliers).mean() > 0.98
    assert found.iterations < module.MAX_ITERATIONS
    assert (np.diff(found.inliers) > 0).all()


def test_the_same_generator_state_gives_the_same_result():
    scene = make_scene(outliers=0.6)
    first, second = run(scene, seed=4), run(scene, seed=4)
    np.testing.assert_array_equal(first.model, second.model)
    assert first.iterations == second.iterations


def test_the_size_of_chunks_does_not_matter(monkeypatch):
    scene = make_scene(outliers=0.5)
    whole = run(scene)
    monkeypatch.setattr(module, "_SCORES_AT_ONCE", 1000)
    np.testing.assert_allclose(run(scene).model, whole.model, atol=1e-12)


def test_clean_data_stops_early():
    assert run(make_scene(outliers=0)).iterations <= 64


def test_the_limit_of_iterations_is_kept():
    assert run(make_scene(outliers=0.9), max_iterations=100).iterations == 100


def test_too_few_points():
    scene = make_scene(num_matches=7)
    assert run(scene) is None


def test_only_degenerate_samples():
    same = np.ones((50, 2))
    assert ransac(HomographyEstimator(), same, same, 1.0, np.random.default_rng(0), max_iterations=50) is None


def test_local_optimisation_lowers_the_score(monkeypatch):
    scene = make_scene(num_matches=500, outliers=0.5)
    optimised = run(scene, max_iterations=500)
    monkeypatch.setattr(module, "_OPTIMISATION_STEPS", 0)
    assert optimised.score < run(scene, max_iterations=500).score

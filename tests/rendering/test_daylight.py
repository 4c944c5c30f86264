import numpy as np

from sfm.rendering.daylight import daylight, shadow


def test_daylight_stays_within_black_and_white():
    for seed in range(10):
        light = np.random.default_rng(100 + seed).random((60, 80, 3), np.float32)
        lit = daylight(light, np.random.default_rng(seed))
        assert lit.min() >= 0
        assert lit.max() <= 1


def test_a_shadow_covers_a_part():
    masks = [shadow((80, 100), np.random.default_rng(seed)) for seed in range(10)]
    assert all(m.min() >= 0 and m.max() <= 1 + 1e-6 for m in masks)
    assert 0.02 < np.mean([m.mean() for m in masks]) < 0.9

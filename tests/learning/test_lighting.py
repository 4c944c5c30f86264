import numpy as np
import pytest

from sfm.learning.lighting import daylight, night, relight, shadow


@pytest.fixture(scope="module")
def photo():
    y, x = np.mgrid[0:90, 0:120]
    grey = (127 + 60 * np.sin(x / 7) + 60 * np.cos(y / 9)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def test_relighting_keeps_shape_and_type_and_can_be_repeated(photo):
    for seed in range(20):
        lit = relight(photo, np.random.default_rng(seed))
        assert lit.shape == photo.shape
        assert lit.dtype == np.uint8
        assert np.array_equal(lit, relight(photo, np.random.default_rng(seed)))


def test_the_night_is_coloured_and_noisy(photo):
    light = photo.astype(np.float32) / 255
    pictures = [night(light, np.random.default_rng(seed)) for seed in range(8)]
    assert all(p.min() >= 0 and p.max() <= 1 for p in pictures)
    # Lamps are warm: less blue than red.
    assert np.mean([p[..., 0].mean() for p in pictures]) < 0.95 * np.mean(
        [p[..., 2].mean() for p in pictures]
    )
    flat = night(np.full((60, 60, 3), 0.5, np.float32), np.random.default_rng(0))
    assert np.abs(np.diff(flat[..., 2], axis=1)).mean() > 0.005  # photons


def test_daylight_stays_within_black_and_white(photo):
    for seed in range(10):
        lit = daylight(photo.astype(np.float32) / 255, np.random.default_rng(seed))
        assert lit.min() >= 0
        assert lit.max() <= 1


def test_a_shadow_covers_a_part(photo):
    masks = [shadow((80, 100), np.random.default_rng(seed)) for seed in range(10)]
    assert all(m.min() >= 0 and m.max() <= 1 + 1e-6 for m in masks)
    assert 0.02 < np.mean([m.mean() for m in masks]) < 0.9

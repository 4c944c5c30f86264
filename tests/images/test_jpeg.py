import numpy as np
import pytest

from sfm.images.jpeg import compress


def noisy(shape):
    return np.random.default_rng(0).integers(60, 200, shape).astype(np.uint8)


@pytest.mark.parametrize("shape", [(90, 120), (90, 121, 3)])
def test_lower_quality_loses_more(shape):
    image = noisy(shape)
    low, high = (compress(image, quality) for quality in (20, 95))
    assert low.shape == high.shape == shape
    assert low.dtype == np.uint8
    lost = [np.abs(image.astype(int) - out).mean() for out in (low, high)]
    assert lost[0] > 1.15 * lost[1]


def test_colours_keep_their_order():
    image = np.full((32, 32, 3), (200, 100, 30), np.uint8)
    np.testing.assert_allclose(compress(image, 95).reshape(-1, 3).mean(axis=0), (200, 100, 30), atol=3)

import numpy as np

from sfm.learning.lighting import relight


def test_relighting_keeps_shape_and_type_and_can_be_repeated():
    y, x = np.mgrid[0:90, 0:120]
    grey = (127 + 60 * np.sin(x / 7) + 60 * np.cos(y / 9)).astype(np.uint8)
    photo = np.repeat(grey[..., None], 3, axis=2)
    for seed in range(20):
        lit = relight(photo, np.random.default_rng(seed))
        assert lit.shape == photo.shape
        assert lit.dtype == np.uint8
        assert np.array_equal(lit, relight(photo, np.random.default_rng(seed)))

"""Halvings of an image, and which of them is read."""

import cv2
import numpy as np
import pytest

from sfm.images.pyramid import level_of, pyramid


def blob(x, y, size=128, sigma=8.0):
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    return np.rint(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))).astype(np.uint8)


@pytest.mark.parametrize(
    ("largest_step", "levels"), [(0.5, 1), (1.4, 1), (1.5, 2), (2.8, 2), (3, 3), (1000, 5)]
)
def test_levels_end_where_pixels_are_as_large_as_steps_or_nothing_is_left(largest_step, levels):
    made = pyramid(blob(60, 60), largest_step)
    assert [len(level) for level in made] == [128 // 2**i for i in range(levels)]


def test_positions_halve_with_every_level():
    for i, level in enumerate(pyramid(blob(60, 44), 4)):
        moments = cv2.moments(level.astype(np.float64))
        x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
        assert (x * 2**i, y * 2**i) == pytest.approx((60, 44), abs=0.1)


def test_the_level_nearest_in_size_is_read_and_none_beyond_the_last():
    steps = np.array([0.0, 0.3, 1.0, 1.4, 1.5, 2.9, 100.0])
    assert level_of(steps, 3).tolist() == [0, 0, 0, 0, 1, 2, 2]

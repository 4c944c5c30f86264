import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfm.images.gray import GrayImage

sizes = st.tuples(st.integers(1, 400), st.integers(1, 400))


@given(size=sizes, max_size=st.integers(1, 500))
def test_never_enlarged_never_empty(size, max_size):
    width, height = size
    image = GrayImage.of(np.zeros((height, width), np.uint8)).resized_to(max_size)
    assert image.original_size == size
    assert max(image.pixels.shape) == min(max_size, max(size))
    assert min(image.pixels.shape) >= 1
    assert (image.scale >= 1).all()


@given(size=sizes, small=sizes, xy=st.tuples(st.floats(-10, 500), st.floats(-10, 500)))
def test_there_and_back(size, small, xy):
    image = GrayImage(np.zeros(small[::-1], np.uint8), size)
    points = np.array([xy])
    np.testing.assert_allclose(image.from_original(image.to_original(points)), points, atol=1e-9)


def test_pixel_centres_are_integers_in_both():
    image = GrayImage(np.zeros((50, 100), np.uint8), (400, 200))
    # The first pixel of the small picture covers the original's pixels 0 to 3, whose middle is 1.5.
    np.testing.assert_allclose(image.to_original(np.array([[0, 0], [99, 49]])), [[1.5, 1.5], [397.5, 197.5]])
    np.testing.assert_allclose(image.to_original(np.array([[-0.5, -0.5]])), [[-0.5, -0.5]])


@pytest.mark.parametrize("size", [(301, 200), (640, 480)])
def test_pixels_move_as_positions_do(size):
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    for ramp, axis in ((x, 0), (y, 1)):
        image = GrayImage.of((ramp * 0.35).astype(np.uint8)).resized_to(100)
        inner = np.stack(np.meshgrid(np.arange(5, 60), np.arange(5, 40)), axis=-1).reshape(-1, 2)
        expected = 0.35 * image.to_original(inner)[:, axis]
        shown = image.pixels[inner[:, 1], inner[:, 0]]
        # The ramp is rounded down: by half a grey value on average.
        assert abs(np.mean(shown - expected) + 0.5) < 0.1


def test_shrinking_averages_instead_of_sampling():
    fine = np.zeros((400, 400), np.uint8)
    fine[::2] = 255
    small = GrayImage.of(fine).resized_to(100)
    assert np.ptp(small.pixels) <= 1
    assert small.pixels.mean() == pytest.approx(127.5, abs=1)


def test_small_enough_is_left_alone():
    image = GrayImage.of(cv2.resize(np.eye(4, dtype=np.uint8), (64, 32)))
    assert image.resized_to(64) is image

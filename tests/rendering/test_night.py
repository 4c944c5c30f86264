from itertools import pairwise

import cv2
import numpy as np
import pytest

from sfm.rendering.night import Darkness, draw_night, render_night

LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.fixture(scope="module")
def day():
    """A wall of painted tiles under a bright sky."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(30, 230, (24, 32, 3)).astype(np.uint8)
    wall = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_NEAREST).astype(np.float32)
    wall += cv2.GaussianBlur(rng.normal(0, 60, wall.shape).astype(np.float32), (0, 0), 1.5)
    wall[:60] = 235
    return np.clip(wall, 0, 255).astype(np.uint8)


def nights(day, seed=0):
    return [render_night(day, level, np.random.default_rng(seed)) for level in LEVELS]


def test_day_is_left_as_it_is(day):
    np.testing.assert_array_equal(render_night(day, 0, np.random.default_rng(0)), day)


def test_a_little_darkness_changes_little(day):
    dusk = render_night(day, 0.02, np.random.default_rng(0)).astype(float)
    assert np.abs(dusk - day).mean() < 8


def test_it_gets_darker(day):
    means = [image.mean() for image in nights(day)]
    assert all(a > b for a, b in pairwise(means))
    assert means[-1] < 0.5 * means[0]


@pytest.mark.parametrize("seed", range(3))
def test_less_and_less_can_be_recognised(day, seed):
    """Keypoints found again where they were, by day's descriptors."""
    sift = cv2.SIFT.create()
    keypoints, rows = sift.detectAndCompute(cv2.cvtColor(day, cv2.COLOR_RGB2GRAY), None)
    found = []
    for image in nights(day, seed):
        others, other_rows = sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
        pairs = cv2.BFMatcher(crossCheck=True).match(rows, other_rows)
        shifts = [np.subtract(keypoints[m.queryIdx].pt, others[m.trainIdx].pt) for m in pairs]
        found.append(int((np.linalg.norm(shifts, axis=1) < 3).sum()))
    assert all(b < a for a, b in pairwise(found)), found
    assert found[-1] < 0.2 * found[0]


def test_the_same_state_gives_the_same_night_and_another_one_another(day):
    first, second, other = (render_night(day, 0.7, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).mean() > 0.5


def test_the_lamps_stay_where_they_are(day):
    brightest = []
    for level in (0.6, 0.8, 1.0):
        image = render_night(np.full_like(day, 60), level, np.random.default_rng(4))
        blurred = cv2.GaussianBlur(image.mean(axis=2), (0, 0), 8)
        brightest.append(np.unravel_index(blurred.argmax(), blurred.shape))
    assert np.ptp(np.array(brightest), axis=0).max() < 30


def test_lamps_are_warm(day):
    grey = np.full_like(day, 128)
    red, _, blue = render_night(grey, 1.0, np.random.default_rng(0)).reshape(-1, 3).mean(axis=0)
    assert red > 1.1 * blue


def test_noise_is_that_of_few_photons():
    flat = np.full((200, 200, 3), 120, np.uint8)
    spread = [
        (lambda image: np.std(image - cv2.GaussianBlur(image, (0, 0), 2)))(
            render_night(flat, level, np.random.default_rng(0)).astype(np.float32)
        )
        / Darkness(level).brightness
        for level in LEVELS[1:]
    ]
    assert all(b > a for a, b in pairwise(spread[1:])), spread


@pytest.mark.parametrize(
    ("image", "darkness"),
    [
        (np.zeros((4, 4), np.uint8), 0.5),
        (np.zeros((4, 4, 3), np.float32), 0.5),
        (np.zeros((4, 4, 3), np.uint8), 1.5),
        (np.zeros((4, 4, 3), np.uint8), -0.1),
    ],
)
def test_what_is_no_picture_or_no_darkness_is_refused(image, darkness):
    with pytest.raises(ValueError, match=r"an image is|darkness is"):
        render_night(image, darkness, np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 40, 3), (37, 5, 3)])
def test_any_size(shape):
    assert render_night(np.full(shape, 200, np.uint8), 1.0, np.random.default_rng(0)).shape == shape


def test_drawn_nights_are_coloured_and_noisy():
    y, x = np.mgrid[0:90, 0:120].astype(np.float32)
    light = np.repeat((0.5 + 0.25 * np.sin(x / 7) + 0.25 * np.cos(y / 9))[..., None], 3, axis=2)
    pictures = [draw_night(light, np.random.default_rng(seed)) for seed in range(8)]
    assert all(p.min() >= 0 and p.max() <= 1 for p in pictures)
    # Lamps are warm: less blue than red.
    assert np.mean([p[..., 0].mean() for p in pictures]) < 0.95 * np.mean(
        [p[..., 2].mean() for p in pictures]
    )
    flat = draw_night(np.full((60, 60, 3), 0.5, np.float32), np.random.default_rng(0))
    assert np.abs(np.diff(flat[..., 2], axis=1)).mean() > 0.005  # photons

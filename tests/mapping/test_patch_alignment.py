"""Patches find back to where they were cut, through shifts, turns, sizes and light."""

import cv2
import numpy as np
import pytest

from sfm.images.gray import GrayImage
from sfm.mapping.patch_alignment import SAMPLES, STEPS, Pictures, align, templates_of

SIZE = 400


def texture():
    rng = np.random.default_rng(0)
    noise = sum(cv2.GaussianBlur(rng.normal(0, s, (SIZE, SIZE)), (0, 0), s) for s in (1.5, 3, 6))
    return np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8)


TEXTURE = texture()
PLACES = np.random.default_rng(1).uniform(60, SIZE - 60, (80, 2))


def in_pixels(steps_px, bend=((1, 0), (0, 1))):
    return np.tile(steps_px * np.array(bend, float), (len(PLACES), 1, 1))


def moved_back(image, start, affine, step_px=1.0):
    """Align patches of `image` with those of the texture at `PLACES`: errors in pixels, and which are good."""
    templates = templates_of(Pictures(GrayImage.of(TEXTURE)), PLACES, in_pixels(step_px))
    found, good = align(Pictures(GrayImage.of(image)), start, affine, templates)
    return np.linalg.norm(found - PLACES, axis=1), good


@pytest.mark.parametrize("shift", [(0.3, -0.2), (-1.0, 0.8), (0, 2.0)])
def test_a_shift_is_taken_back(shift):
    errors, good = moved_back(TEXTURE, PLACES + shift, in_pixels(1.0))
    assert good.mean() > 0.95
    assert np.median(errors[good]) < 0.01
    assert np.quantile(errors[good], 0.95) < 0.05


@pytest.mark.parametrize(
    "bend", [((1.1, 0), (0, 1.1)), ((1, 0.15), (0, 1)), ((0.98, 0.17), (-0.17, 0.98)), ((0.85, 0), (0, 1.1))]
)
def test_a_patch_that_was_thought_to_lie_otherwise_is_bent(bend):
    errors, good = moved_back(TEXTURE, PLACES + np.array([0.4, 0.3]), in_pixels(1.0, bend))
    assert good.mean() > 0.9
    assert np.median(errors[good]) < 0.05


@pytest.mark.parametrize("step_px", [0.7, 1.5, 3.0])
def test_patches_of_any_size(step_px):
    errors, good = moved_back(TEXTURE, PLACES + 0.5 * step_px, in_pixels(step_px), step_px)
    assert good.mean() > 0.9
    assert np.median(errors[good]) < 0.03 * step_px


@pytest.mark.parametrize(("contrast", "brightness"), [(0.3, 10), (1.0, 60), (0.5, 120)])
def test_whatever_the_light(contrast, brightness):
    image = cv2.convertScaleAbs(TEXTURE, None, contrast, brightness)
    errors, good = moved_back(image, PLACES + np.array([0.6, -0.6]), in_pixels(1.0))
    assert good.mean() > 0.9
    assert np.median(errors[good]) < 0.03


def test_what_shows_something_else_is_not_good():
    elsewhere = np.random.default_rng(2).permutation(len(PLACES))
    _, good = moved_back(TEXTURE, PLACES[elsewhere], in_pixels(1.0))
    assert good.mean() < 0.1


def test_what_lies_farther_than_half_a_patch_is_not_good():
    errors, good = moved_back(TEXTURE, PLACES + np.array([0.7 * STEPS, 0]), in_pixels(1.0))
    assert not good[errors < 0.5].any()


def test_no_template_of_what_is_flat_or_reaches_over_the_border():
    image = TEXTURE.copy()
    image[:200] = 90
    places = np.array([[100.0, 100.0], [3.0, 300.0], [300.0, SIZE - 5.0], [300.0, 300.0]])
    templates = templates_of(Pictures(GrayImage.of(image)), places, np.tile(np.eye(2), (4, 1, 1)))
    assert templates.shape == (4, SAMPLES)
    assert templates.any(axis=1).tolist() == [False, False, False, True]


def test_pixels_are_those_of_the_original():
    """A picture of half the size, patches of twice the step: the same places."""
    half = GrayImage(cv2.resize(TEXTURE, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA), (SIZE, SIZE))
    templates = templates_of(Pictures(GrayImage.of(TEXTURE)), PLACES, in_pixels(2.0))
    found, good = align(Pictures(half), PLACES + np.array([0.8, 0.4]), in_pixels(2.0), templates)
    assert good.mean() > 0.9
    assert np.median(np.abs((found - PLACES)[good].mean(axis=0))) < 0.05

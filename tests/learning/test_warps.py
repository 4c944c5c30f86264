from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import polar

from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import extract_patches
from sfm.images.gray import GrayImage
from sfm.learning import leftover_turns, synthetic
from sfm.learning.synthetic import synthetic_points
from sfm.learning.warps import Warp, match_keypoints, random_warp


def photo(width=480, height=360, seed=0):
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for sigma in (1.5, 4, 10):
        noise = rng.normal(0, 1, image.shape).astype(np.float32)
        blurred = cv2.GaussianBlur(noise, (0, 0), sigma)
        image += blurred / blurred.std()
    return np.clip(127 + 40 * image, 0, 255).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_jacobians_are_the_derivatives_of_the_warp(seed):
    rng = np.random.default_rng(seed)
    warp = random_warp(rng, 640, 480)
    xy = rng.uniform(0, [640, 480], (5, 2))
    step = 1e-4
    numeric = np.stack(
        [(warp.apply(xy + d) - warp.apply(xy - d)) / (2 * step) for d in (np.eye(2) * step)], axis=2
    )
    assert np.allclose(warp.jacobians(xy), numeric, rtol=1e-4, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_random_warps_keep_orientation_and_a_sensible_size(seed):
    warp = random_warp(np.random.default_rng(seed), 640, 480)
    corners = np.array([[0, 0], [639, 0], [639, 479], [0, 479], [320, 240]], float)
    determinants = np.linalg.det(warp.jacobians(corners))
    assert (determinants > 0.01).all()
    assert (determinants < 12).all()
    assert min(warp.size) >= 64
    assert max(warp.size) <= 640
    centre = warp.apply(np.array([[320.0, 240.0]]))[0]
    assert (np.abs(centre - np.array(warp.size) / 2) < 0.35 * np.array(warp.size)).all()


def test_rendering_puts_pixels_where_the_warp_says():
    image = photo()
    warp = random_warp(np.random.default_rng(3), 480, 360)
    view = warp.render(image).astype(float)
    xy = np.random.default_rng(1).uniform([80, 60], [400, 300], (400, 2)).round()
    there = warp.apply(xy)
    inside = ((there > 5) & (there < np.array(warp.size) - 6)).all(axis=1)
    assert inside.sum() > 100
    smooth = cv2.GaussianBlur(image, (0, 0), 2).astype(float)
    sampled = cv2.remap(
        cv2.GaussianBlur(view, (0, 0), 1),
        there[inside, :1].astype(np.float32),
        there[inside, 1:].astype(np.float32),
        cv2.INTER_LINEAR,
    )[:, 0]
    expected = smooth[xy[inside, 1].astype(int), xy[inside, 0].astype(int)]
    assert np.corrcoef(sampled.ravel(), expected.ravel())[0, 1] > 0.95


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_turn_of_a_warp_is_what_does_not_stretch(seed):
    rng = np.random.default_rng(seed)
    warp = random_warp(rng, 640, 480)
    xy = rng.uniform(0, [640, 480])
    rotation, _ = polar(warp.jacobians(xy[None])[0])
    assert np.linalg.det(rotation) == pytest.approx(1)
    along_x = rotation @ [1, 0]
    assert along_x == pytest.approx([np.cos(warp.turn_at(xy)), np.sin(warp.turn_at(xy))])


def test_a_turn_to_the_right_is_positive_and_zoom_does_not_count():
    quarter = Warp(np.array([[0, -2, 100], [2, 0, 10], [0, 0, 1.0]]), (400, 400))
    assert quarter.turn_at((10, 20)) == pytest.approx(np.pi / 2)


def keypoints(xy, scale, angle):
    return Keypoints(
        np.asarray(xy, np.float32),
        np.asarray(scale, np.float32),
        np.asarray(angle, np.float32),
        np.ones(len(xy), np.float32),
    )


def test_keypoints_agree_by_position_scale_and_angle():
    turn = np.pi / 2
    matrix = np.array([[0, -2, 100], [2, 0, 10], [0, 0, 1.0]])  # a quarter turn and twice the size
    warp = Warp(matrix, (400, 400))
    base = keypoints([[10, 20]] * 1, [3.0], [0.3])
    x, y = warp.apply(np.array([[10.0, 20.0]]))[0]
    good = ([x + 1, y], 6.3, 0.3 + turn)
    too_far = ([x + 6, y], 6.0, 0.3 + turn)
    too_small = ([x, y], 3.0, 0.3 + turn)
    turned_off = ([x, y], 6.0, 0.3 + turn + 0.6)
    view = keypoints(*zip(too_far, too_small, good, turned_off, strict=True))
    rows, columns = match_keypoints(warp, base, view)
    assert (rows.tolist(), columns.tolist()) == ([0], [2])


def test_keypoints_whose_gradients_flip_agree_where_angles_do_not_count():
    warp = Warp(np.eye(3), (100, 100))
    base, view = keypoints([[50, 50]], [2], [0]), keypoints([[50.3, 50], [50, 50]], [2, 8], [np.pi, 0])
    assert len(match_keypoints(warp, base, view)[0]) == 0
    rows, columns = match_keypoints(warp, base, view, by_angle=False)
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def test_every_keypoint_is_matched_at_most_once():
    warp = Warp(np.eye(3), (100, 100))
    base = keypoints([[50, 50], [50.4, 50]], [2, 2], [0, 0])
    view = keypoints([[50.3, 50]], [2], [0])
    rows, columns = match_keypoints(warp, base, view)
    assert (rows.tolist(), columns.tolist()) == ([1], [0])


def test_no_keypoints_no_matches():
    warp = Warp(np.eye(3), (100, 100))
    one = keypoints([[50, 50]], [2], [0])
    assert len(match_keypoints(warp, one, Keypoints.empty())[0]) == 0
    assert len(match_keypoints(warp, Keypoints.empty(), one)[0]) == 0


def test_redetected_patches_show_the_same_surface():
    """Patches of matched keypoints resemble each other far more than patches of different points do."""
    image = photo(640, 480)
    detector = DogDetector(DetectionOptions(max_keypoints=600, keep="strongest"))
    base = GrayImage.of(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    warp = random_warp(np.random.default_rng(5), 640, 480)
    view = GrayImage.of(cv2.cvtColor(warp.render(image), cv2.COLOR_BGR2GRAY))
    a, b = detector.detect(base), detector.detect(view)
    rows, columns = match_keypoints(warp, a, b)
    assert len(rows) > 60
    left = normalised(extract_patches(base, a.take(rows)))
    right = normalised(extract_patches(view, b.take(columns)))
    assert np.median((left * right).sum(axis=1)) > 0.5
    assert np.median((left * np.roll(right, 1, axis=0)).sum(axis=1)) < 0.3


def normalised(patches):
    rows = patches.reshape(len(patches), -1).astype(float)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("orientation", ["image", "gradient"])
def test_synthetic_points_have_two_views_or_more_and_can_be_repeated(orientation):
    detector = DogDetector(DetectionOptions(max_keypoints=300, keep="strongest"))
    first, second = (
        synthetic_points(
            photo(),
            detector,
            np.random.default_rng(7),
            num_views=2,
            window=PatchWindow(24.0),
            orientation=orientation,
        )
        for _ in range(2)
    )
    assert len(first.counts) > 30
    assert first.counts.min() >= 2
    assert first.counts.max() <= 3
    assert first.counts.sum() == len(first.patches)
    assert np.array_equal(first.patches, second.patches)


@pytest.mark.parametrize("shape", [(120, 90), (33, 200)])
def test_small_photographs_do_not_fail(shape):
    detector = DogDetector(DetectionOptions(max_keypoints=50, keep="strongest"))
    points = synthetic_points(
        photo(*shape),
        detector,
        np.random.default_rng(0),
        num_views=2,
        window=PatchWindow(24.0),
        orientation="image",
    )
    assert points.counts.sum() == len(points.patches)


def with_angles(orientation, angle_of_gradient):
    """Return synthetic points of a photograph in whose views gradients point wherever the detector wants."""

    class Detector(DogDetector):
        def detect(self, image):
            found = super().detect(image)
            return replace(found, angle=angle_of_gradient(len(found)).astype(np.float32))

    detector = Detector(DetectionOptions(max_keypoints=400, keep="strongest"))
    return synthetic_points(
        photo(),
        detector,
        np.random.default_rng(4),
        num_views=4,
        window=PatchWindow(24.0),
        orientation=orientation,
    )


def test_the_angles_of_the_detector_do_not_matter_where_an_image_has_one():
    rng = np.random.default_rng(0)
    steady = with_angles("image", np.zeros)
    flipping = with_angles("image", lambda count: rng.uniform(0, 2 * np.pi, count))
    assert np.array_equal(steady.patches, flipping.patches)
    by_gradient = with_angles("gradient", lambda count: rng.uniform(0, 2 * np.pi, count))
    assert len(by_gradient.counts) < 0.7 * len(steady.counts)


def test_patches_of_an_image_are_turned_with_their_view(monkeypatch):
    """Patches that stayed upright, or turned the other way, would not resemble each other."""
    cosine, sine = np.cos(np.radians(120)), np.sin(np.radians(120))
    about_middle = np.array([[cosine, -sine, 240], [sine, cosine, 180], [0, 0, 1]]) @ [
        [1, 0, -240],
        [0, 1, -180],
        [0, 0, 1],
    ]
    monkeypatch.setattr(
        synthetic, "random_warp", lambda rng, width, height: Warp(about_middle, (width, height))
    )
    monkeypatch.setattr(synthetic, "relight", lambda view, rng: view)
    monkeypatch.setattr(leftover_turns, "leftover_turn", lambda rng: 0.0)
    points = with_angles("image", np.zeros)
    rows = normalised(points.patches)
    first = np.concatenate([[0], np.cumsum(points.counts)[:-1]])
    alike = [(rows[f] @ rows[f + 1 : f + n].T).mean() for f, n in zip(first, points.counts, strict=True)]
    assert len(alike) > 100
    assert np.median(alike) > 0.8

import re
from dataclasses import replace

import numpy as np
import pytest

from sfm.features.keypoints import Keypoints
from sfm.features.patch_window import PatchWindow
from sfm.features.patches import extract_patches
from sfm.features.rootsift import RootSift
from sfm.images.gray import GrayImage
from sfm.report.explanation import histogram_svg, render_explanation
from sfm.report.explanation_content import (
    ExplainedPoint,
    ExplanationContent,
    Finding,
    Neighbour,
    histogram_of,
)

from .contents import HOSTILE

# Brightness rises to the right, downwards, to the left, upwards.
RAMPS = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}


def ramp(direction):
    y, x = np.mgrid[-64:64, -64:64]
    return GrayImage((128 + 1.2 * (direction[0] * x + direction[1] * y)).astype(np.uint8), (128, 128))


def keypoint(angle_deg=0.0):
    angle = np.array([np.radians(angle_deg)], np.float32)
    return Keypoints(
        np.array([[64, 64]], np.float32), np.array([4], np.float32), angle, np.ones(1, np.float32)
    )


def direction_of(histogram):
    """The mean direction of the gradients as drawn: x right, y down."""
    turn = 2 * np.pi * np.arange(8) / 8
    weights = histogram.sum(axis=(0, 1))
    drawn = np.array([weights @ np.cos(turn), -weights @ np.sin(turn)])
    return drawn / np.linalg.norm(drawn)


@pytest.mark.parametrize("direction", RAMPS.values())
def test_the_histogram_points_where_it_gets_brighter(direction):
    histogram = histogram_of(RootSift().describe(ramp(direction), keypoint())[0])
    assert histogram.shape == (4, 4, 8)
    assert histogram.sum() == pytest.approx(1)
    np.testing.assert_allclose(direction_of(histogram), direction, atol=0.05)


@pytest.mark.parametrize("angle", RAMPS)
def test_histogram_and_patch_are_turned_alike(angle):
    image = ramp((1, 0))
    histogram = histogram_of(RootSift().describe(image, keypoint(angle))[0])
    patch = extract_patches(image, keypoint(angle))[0, 0].astype(float)
    slope = np.array([np.diff(patch, axis=1).mean(), np.diff(patch, axis=0).mean()])
    np.testing.assert_allclose(direction_of(histogram), slope / np.linalg.norm(slope), atol=0.05)


def test_cells_are_where_the_patch_has_them():
    pixels = np.full((128, 128), 100, np.uint8)
    pixels[40:52, 70:90:2] = 160  # stripes above and to the right of the middle
    histogram = histogram_of(RootSift().describe(GrayImage(pixels, (128, 128)), keypoint())[0])
    weights = histogram.sum(axis=2)
    assert weights[:2, 2:].sum() > 0.8


def test_rays_are_as_many_as_bins_that_are_not_empty():
    histogram = np.zeros((4, 4, 8))
    histogram[0, 0, 0], histogram[3, 3, 2] = 0.5, 0.5
    rays = re.search(r'class="rays" d="([^"]*)"', histogram_svg(histogram)).group(1)
    assert rays == "M8 8l8.0 -0.0M56 56l0.0 -8.0"
    assert 'd=""' in histogram_svg(np.zeros((4, 4, 8)))


def content(**changes):
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 255, (2, 90, 120, 3)).astype(np.uint8))
    patch, histogram = rng.integers(0, 255, (32, 32)).astype(np.uint8), rng.random((4, 4, 8))

    def neighbour(distance, verdict, off=0.4):
        return Neighbour(np.array([30.0, 40.0]), patch, histogram, distance, verdict, off)

    point = ExplainedPoint(
        "found by sosnet alone",
        np.array([60.0, 45.0]),
        2.0,
        0.5,
        patch,
        histogram,
        np.array([31.0, 40.0]),
        np.array([[-0.5, 40], [119.5, 40]]),
        [
            Finding("sift", neighbour(0.5, "wrong", 312.2), neighbour(0.52, "right"), 0.8),
            Finding("sosnet", neighbour(0.4, "right"), neighbour(1.0, "wrong"), 0.85),
        ],
    )
    rows = [("sift", 120, 90, True), ("sosnet", 150, 0, False)]
    return replace(
        ExplanationContent((HOSTILE, "b.jpg"), images, (1, 1), PatchWindow(24.0), rows, "sift", [point]),
        **changes,
    )


def test_the_page_says_what_is_right_and_what_is_a_match():
    html = render_explanation(content())
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "Found by sosnet alone" in text
    assert "312 px from its epipolar line" in text
    assert "0.96 not below 0.8: no match" in text
    assert "0.40 below 0.85: a match" in text
    assert "75 %" in text
    assert "no more than chance explains" in text
    assert html.count('class="verdict bad">wrong') == 2, (
        "the legend, and sift's nearest; not a second-nearest"
    )
    assert "<script>window.stolen" not in html
    assert "http" not in html.replace("http-equiv", "")


def test_without_geometry_nothing_is_judged():
    plain = content(judged_by="")
    points = [replace(plain.points[0], true_xy2=None, line=None)]
    html = render_explanation(replace(plain, points=points))
    assert "nothing can be called right or wrong" in html
    assert 'class="line"' not in html
    assert 'class="truth"' not in html


def test_photographs_stand_upright():
    turned = render_explanation(content(orientations=(6, 1)))
    assert 'class="photo" viewBox="0 0 560 747"' in turned
    assert 'class="photo" viewBox="0 0 560 420"' in turned
    # The point in the middle of 120 x 90 stays near the middle of 90 x 120.
    x, y = map(float, re.search(r'class="mark" cx="([\d.]+)" cy="([\d.]+)"', turned).groups())
    assert (x, y) == pytest.approx((280, 373), abs=5)

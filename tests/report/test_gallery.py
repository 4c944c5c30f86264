import base64
import re

import cv2
import numpy as np
import pytest

from sfm.images.decode import upright
from sfm.report.content import GalleryPair
from sfm.report.gallery import MAX_DOTS, MAX_LINES, match_figure

from .contents import gallery_pair


def numbers(path):
    return np.array([float(n) for n in re.findall(r"-?\d+\.?\d*", path)])


def test_lines_join_the_keypoints_wherever_the_images_are_drawn():
    image = np.zeros((60, 80), np.uint8)
    pair = GalleryPair(
        "a",
        "b",
        image,
        image,
        (800, 600),
        (400, 800),
        np.array([[799.5, 599.5]]),
        np.array([[-0.5, 799.5]]),
        np.array([True]),
    )
    figure = match_figure(pair)
    (_, x1, w1, h1), (_, x2, w2, h2) = figure.images
    # The corner of the last pixel of the first image, and the lower left corner of the second one.
    np.testing.assert_allclose(numbers(figure.verified[0]), [x1 + w1, h1, x2, h2], atol=0.05)
    assert (h1, h2) == (420, 1120)
    assert (figure.width, figure.height) == (x2 + w2, 1120)


def test_counts_are_of_all_matches_also_where_only_some_are_drawn():
    figure = match_figure(gallery_pair(matches=9000))
    assert (figure.num_verified, figure.num_rejected) == (6000, 3000)
    assert figure.verified[0].count("L") == MAX_LINES
    assert figure.rejected[1].count("h0") == 2 * MAX_DOTS
    assert figure.is_sample
    assert not match_figure(gallery_pair(matches=50)).is_sample


def test_photographs_are_shrunk_jpegs_in_their_own_colours():
    red = np.zeros((900, 1600, 3), np.uint8)
    red[..., 0] = 200
    pair = gallery_pair()
    pair = GalleryPair("a", "b", red, pair.image2, (1600, 900), (640, 480), pair.xy1, pair.xy2, pair.inliers)
    uri = match_figure(pair).images[0][0]
    prefix, data = uri.split(",")
    assert prefix == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (315, 560, 3)
    assert decoded[100, 100, 2] > 190, "OpenCV's order is BGR"
    assert decoded[100, 100, 0] < 10


def test_no_matches():
    figure = match_figure(gallery_pair(matches=0))
    assert figure.verified == figure.rejected == ("", "")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_keypoints_turn_with_their_photograph(orientation):
    image = np.zeros((30, 40), np.uint8)
    image[5, 32] = 255
    pair = GalleryPair("a", "b", image, image, (40, 30), (40, 30), np.array([[32, 5]]), np.array([[32, 5]]),
                       np.array([True]), "", orientation, 1)  # fmt: skip
    figure = match_figure(pair)
    _, _, width, height = figure.images[0]
    x, y = numbers(figure.verified[0])[:2]
    shown = upright(image, orientation)
    row, column = np.argwhere(shown == 255)[0]
    assert height / width == pytest.approx(shown.shape[0] / shown.shape[1])
    assert (x * shown.shape[1] / width - 0.5, y * shown.shape[0] / height - 0.5) == pytest.approx(
        (column, row), abs=0.01
    )

import numpy as np
import pytest

from sfm.geometry.pose import Pose
from sfm.mapping.sparse_map import SparseMap
from sfm.report.pictures import PerspectiveCanvas, draw_map, draw_matches

from .maps import walk_map


def red(picture):
    r, g, b = picture.astype(int).transpose(2, 0, 1)
    return (r > 150) & (g < 110) & (b < 110)


def green(picture):
    r, g, b = picture.astype(int).transpose(2, 0, 1)
    return (g > r + 60) & (g > b + 40)


def with_points(sparse_map, xyz, rgb):
    xyz, count = np.asarray(xyz, float), len(xyz)
    return SparseMap(
        sparse_map.cameras,
        sparse_map.images,
        np.arange(count),
        xyz,
        np.asarray(rgb, np.uint8),
        np.zeros(count),
        np.full(count, 2),
    )


@pytest.mark.parametrize("dark", [True, False])
def test_a_map_shows_its_points_in_their_colours_and_the_path_in_red(dark):
    sparse_map = walk_map()
    green_map = with_points(sparse_map, sparse_map.xyz, np.tile([0, 200, 0], (len(sparse_map.xyz), 1)))
    picture = draw_map(green_map, (800, 450), dark=dark)
    assert picture.shape == (450, 800, 3)
    assert picture.dtype == np.uint8
    assert 0.01 < green(picture).mean() < 0.5
    assert 0.002 < red(picture).mean() < 0.1
    corner = picture[0, 0].astype(int)
    assert (corner < 40).all() if dark else (corner > 240).all()


def test_the_path_spans_the_picture():
    columns = np.flatnonzero(red(draw_map(walk_map(), (800, 450))).any(axis=0))
    assert np.ptp(columns) > 400


def test_the_true_path_is_drawn_in_blue():
    sparse_map = walk_map(points=0)
    truth = [image.cam_from_world.center - np.array([0, 0.5, 0]) for image in sparse_map.images_by_name]
    without, with_truth = draw_map(sparse_map, (400, 300)), draw_map(sparse_map, (400, 300), truth)
    r, b = (with_truth[..., channel].astype(int) for channel in (0, 2))
    assert ((b - r) > 80).sum() > 100
    assert ((without[..., 2].astype(int) - without[..., 0]) > 80).sum() == 0


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_near_points_hide_far_ones(order):
    xyz, rgb = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 3.0]]), np.array([[0, 0, 255], [255, 255, 0]], np.uint8)
    canvas = PerspectiveCanvas(np.zeros((90, 160, 3), np.uint8), Pose.identity(), 100.0)
    canvas.points(xyz[order], rgb[order])
    assert canvas.pixels[44, 80].tolist() == [0, 0, 255]
    assert not canvas.pixels[..., 0].any(), "the far point is smaller too"


def test_a_pixel_shows_the_nearest_point_whose_disc_covers_it():
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-1, -1, 2], [1, 1, 20], (80, 3))
    canvas = PerspectiveCanvas(np.zeros((400, 400, 3), np.uint8), Pose.identity(), 300.0)
    canvas.points(xyz, np.repeat(np.arange(1, 81, dtype=np.uint8)[:, None], 3, axis=1))
    xy = 300 * xyz[:, :2] / xyz[:, 2:] + 199.5
    radius = np.clip(0.22 * np.sqrt(400 * 400 / 80), 1.4, 2.0) * np.median(xyz[:, 2]) / xyz[:, 2]
    y, x = np.mgrid[:400, :400]
    expected = np.zeros((400, 400), np.uint8)
    for i in np.argsort(-xyz[:, 2]):
        expected[np.hypot(x - xy[i, 0], y - xy[i, 1]) <= np.clip(radius[i], 1.0, 4.0)] = i + 1
    np.testing.assert_array_equal(canvas.pixels[..., 0], expected)


def test_what_lies_behind_the_observer_is_not_drawn():
    canvas = PerspectiveCanvas(np.zeros((90, 160, 3), np.uint8), Pose.identity(), 100.0)
    canvas.points(np.array([[0.0, 0.0, -2.0]]), np.array([[255, 255, 255]], np.uint8))
    canvas.lines([np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])], (255, 255, 255), 2)
    assert not canvas.pixels.any()


def test_points_beside_the_picture_are_not_drawn():
    canvas = PerspectiveCanvas(np.zeros((90, 160, 3), np.uint8), Pose.identity(), 100.0)
    canvas.points(np.array([[50.0, 0, 5]]), np.full((1, 3), 255, np.uint8))
    assert not canvas.pixels.any()


@pytest.mark.parametrize(("images", "points"), [(0, 0), (1, 0), (0, 30), (2, 1)])
def test_hardly_any_map_is_still_a_picture(images, points):
    picture = draw_map(walk_map(images, points, names=[f"{i}.jpg" for i in range(images)]), (160, 90))
    assert picture.shape == (90, 160, 3)


def test_the_same_map_gives_the_same_picture():
    np.testing.assert_array_equal(draw_map(walk_map(), (320, 180)), draw_map(walk_map(), (320, 180)))


def grey(height, width):
    return np.full((height, width), 128, np.uint8)


def test_verified_matches_are_green_and_rejected_ones_red():
    xy1, xy2 = np.array([[50.0, 20.0], [50.0, 80.0]]), np.array([[60.0, 20.0], [60.0, 80.0]])
    picture = draw_matches(grey(100, 200), grey(100, 150), xy1, xy2, np.array([True, False]))
    assert picture.shape == (100, 200 + 4 + 150, 3)
    rows_green = np.flatnonzero(green(picture).any(axis=1))
    assert abs(rows_green - 20).max() <= 3
    r, g = picture[..., 0].astype(int), picture[..., 1].astype(int)
    assert abs(np.flatnonzero((r - g > 40).any(axis=1)) - 80).max() <= 3


def test_dots_sit_on_the_keypoints_of_both_images_also_when_shrunk():
    xy1, xy2 = np.array([[800.0, 200.0]]), np.array([[100.0, 500.0]])
    image1, image2 = grey(1600, 1600), grey(600, 600)
    picture = draw_matches(image1, image2, xy1, xy2, np.array([True]), max_height=400)
    assert picture.shape == (400, 400 + 4 + 400, 3)
    for x, y in ((200, 50), (404 + 67, 333)):
        assert green(picture[y : y + 1, x : x + 1]).all()


def test_no_matches_and_many_matches():
    rng = np.random.default_rng(0)
    colour = np.full((300, 400, 3), 128, np.uint8)
    nothing = draw_matches(colour, colour, np.empty((0, 2)), np.empty((0, 2)), np.empty(0, bool))
    assert not green(nothing).any()
    xy = rng.uniform(0, 299, (5000, 2))
    picture = draw_matches(colour, colour, xy, xy, rng.random(5000) < 0.7)
    between = picture[:, 380:420].astype(int)
    assert np.ptp(between, axis=(0, 1)).max() > 20, "lines can still be told apart"

import numpy as np

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.colors import point_colors
from sfm.mapping.sparse_map import MapImage, SparseMap

CAMERA = Camera("SIMPLE_PINHOLE", 40, 20, (30.0, 19.5, 9.5))


def a_map(*observations):
    """A map of three points, 4, 7 and 9; each observation is (image name, point id, x, y)."""
    names = sorted({name for name, *_ in observations})
    images = {}
    for i, name in enumerate(names, 1):
        seen = [o[1:] for o in observations if o[0] == name]
        xy = np.array([o[1:] for o in seen], float)
        images[i] = MapImage(
            name,
            1,
            Pose.identity(),
            xy,
            np.array([o[0] for o in seen]),
        )
    ids = np.array([4, 7, 9])
    return SparseMap(
        {1: CAMERA}, images, ids, np.zeros((3, 3)), np.zeros((3, 3), np.uint8), np.zeros(3), np.ones(3, int)
    )


def gradient(width=40, height=20):
    """Red is the column and green the row, in pixels of the original."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y, np.full_like(x, 7)], axis=-1).astype(np.uint8)


def test_the_pixel_under_the_point():
    colors = point_colors(a_map(("a", 4, 12.4, 3.6), ("a", 9, 0.0, 19.0)), lambda name: gradient())
    assert colors.dtype == np.uint8
    assert colors.tolist() == [[12, 4, 7], [0, 0, 0], [0, 19, 7]]


def test_averaged_over_the_images_that_observe_it():
    pictures = {"a": np.full((20, 40, 3), 10, np.uint8), "b": np.full((20, 40, 3), 31, np.uint8)}
    colors = point_colors(a_map(("a", 4, 5, 5), ("b", 4, 9, 9), ("b", 7, 1, 1)), pictures.get)
    assert colors[:, 0].tolist() == [20, 31, 0]


def test_images_that_cannot_be_read_and_keypoints_without_a_point():
    pictures = {"a": gradient()}
    colors = point_colors(a_map(("a", 4, 5, 5), ("a", -1, 6, 6), ("lost", 4, 9, 9)), pictures.get)
    assert colors[0].tolist() == [5, 5, 7]


def test_a_shrunk_picture_gives_the_same_place():
    # Pixel (x, y) of a picture of half the size covers 2x and 2x + 1.
    half = gradient(20, 10)
    colors = point_colors(
        a_map(("a", 4, 0.0, 0.0), ("a", 7, 30.0, 15.0), ("a", 9, 39.4, 19.4)), lambda name: half
    )
    assert colors[:, :2].tolist() == [[0, 0], [15, 7], [19, 9]]


def test_places_at_the_very_border():
    colors = point_colors(a_map(("a", 4, -0.4, -0.4), ("a", 7, 39.49, 19.49)), lambda name: gradient())
    assert colors[:2, :2].tolist() == [[0, 0], [39, 19]]

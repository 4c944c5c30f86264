import numpy as np

from sfm.mapping.camera_shapes import camera_paths, frustum_corners, names_by_folder

from .maps import make_map


def test_names_by_folder():
    names = ["b/2.jpg", "top.jpg", "a/c/9.jpg", "b/1.jpg"]
    assert list(names_by_folder(names).items()) == [
        ("a/c", ["a/c/9.jpg"]),
        ("b", ["b/1.jpg", "b/2.jpg"]),
        ("", ["top.jpg"]),
    ]


def test_each_folder_is_a_path_in_the_order_of_names():
    sparse_map = make_map(("b/2.jpg", "a/9.jpg", "b/1.jpg", "top.jpg"))
    assert camera_paths(sparse_map) == [[5], [8, 2], [11]]


def test_a_frustum_ends_at_the_corners_of_the_image():
    sparse_map = make_map()
    image, camera = sparse_map.images[8], sparse_map.cameras[3]
    corners = frustum_corners(image.cam_from_world, camera, 2.0)
    in_camera = image.cam_from_world.apply(corners)
    np.testing.assert_allclose(in_camera[:, 2], 2.0)
    corners_px = [[-0.5, -0.5], [639.5, -0.5], [639.5, 479.5], [-0.5, 479.5]]
    np.testing.assert_allclose(camera.project(in_camera), corners_px, atol=1e-9)

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.geometry.similarity import Sim3
from sfm.mapping.sparse_map import SparseMap
from tests.mapping.maps import make_map


def test_counts_and_means():
    sparse_map = make_map(points=20)
    assert sparse_map.num_observations == 80
    assert sparse_map.mean_track_length == 4
    assert sparse_map.mean_error_px == pytest.approx(sparse_map.error_px.mean())


def test_mean_error_counts_observations_not_points():
    sparse_map = make_map(points=2)
    sparse_map.error_px[:] = [1.0, 2.0]
    sparse_map.track_length[:] = [3, 1]
    assert sparse_map.mean_error_px == pytest.approx(1.25)


def test_an_empty_map():
    empty = SparseMap({}, {})
    assert (empty.num_observations, empty.mean_track_length, empty.mean_error_px) == (0, 0, 0)
    assert empty.poses == {}
    assert empty.transformed(Sim3.identity()).xyz.shape == (0, 3)


def test_images_come_in_the_order_of_names():
    names = ["b.jpg", "a/2.jpg", "a/1.jpg"]
    assert list(make_map(names).poses) == ["a/1.jpg", "a/2.jpg", "b.jpg"]


def test_a_transformed_map_projects_to_the_same_pixels():
    sparse_map = make_map()
    b_from_map = Sim3(3.5, Rotation.random(random_state=0).as_matrix(), np.array([10.0, -20, 30]))
    moved = sparse_map.transformed(b_from_map)
    np.testing.assert_allclose(moved.xyz, b_from_map.apply(sparse_map.xyz))
    for image_id, image in moved.images.items():
        seen = image.point_ids >= 0
        points = moved.xyz[np.searchsorted(moved.point_ids, image.point_ids[seen])]
        xy = moved.cameras[image.camera_id].project(image.cam_from_world.apply(points))
        np.testing.assert_allclose(xy, sparse_map.images[image_id].xy[seen], atol=1e-8)

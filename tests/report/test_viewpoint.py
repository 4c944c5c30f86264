from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.geometry.pose import Pose
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.report.viewpoint import choose_viewpoint, framed_points, up_direction

from .maps import look_at, walk_map


def seen_in(view, points, fov_deg, aspect):
    camera = view.cam_from_world.apply(points)
    tangent = np.tan(np.radians(fov_deg) / 2)
    return np.abs(camera[:, :2]) / camera[:, 2:] / [tangent * aspect, tangent], camera[:, 2]


@pytest.mark.parametrize("aspect", [16 / 9, 0.46])
@pytest.mark.parametrize("fov_deg", [30, 60])
def test_all_that_is_framed_is_in_the_picture_and_fills_it(fov_deg, aspect):
    sparse_map = walk_map()
    view = choose_viewpoint(sparse_map, fov_deg, aspect)
    places, depth = seen_in(view, framed_points(sparse_map), fov_deg, aspect)
    assert (depth > 0).all()
    assert places.max() == pytest.approx(0.94, abs=0.01)


def test_the_observer_stands_above_and_behind_the_cameras():
    view = choose_viewpoint(walk_map())
    assert view.eye[1] < -2, "y is down"
    assert view.eye[2] < -1, "the cameras look along z"
    np.testing.assert_allclose(view.up, [0, -1, 0], atol=0.1)


def test_stray_points_do_not_shrink_the_map():
    sparse_map = walk_map(points=600)
    xyz = sparse_map.xyz.copy()
    xyz[:3] = 1e6
    stray = SparseMap(sparse_map.cameras, sparse_map.images, sparse_map.point_ids, xyz)
    distance = [np.linalg.norm(choose_viewpoint(m).eye - [6, 0, 3]) for m in (sparse_map, stray)]
    assert distance[1] < 1.1 * distance[0]


def test_a_drone_that_turns_about_and_looks_down_has_its_up_above():
    down = np.array([0.0, 0.0, 1.0])
    images = {}
    for i in range(8):
        north = np.array([0.0, (-1.0) ** i, 0.0])
        images[i] = MapImage(f"{i}.jpg", 1, look_at(np.array([i, 0.0, 0.0]), [i, 0.0, 9.0], down=-north))
    sparse_map = SparseMap(walk_map().cameras, images)
    np.testing.assert_allclose(up_direction(sparse_map), -down, atol=1e-9)


def test_photographs_taken_upright_but_stored_sideways():
    sparse_map = walk_map()
    # Orientation 6: the camera was turned so that the stored image's left side is the upper one.
    stored_from_upright = Rotation.from_euler("z", -90, degrees=True).as_matrix()
    images = {
        i: replace(image, cam_from_world=Pose(stored_from_upright, np.zeros(3)) @ image.cam_from_world)
        for i, image in sparse_map.images.items()
    }
    turned = replace(sparse_map, images=images)
    orientations = {image.name: 6 for image in images.values()}
    np.testing.assert_allclose(up_direction(turned, orientations), up_direction(sparse_map), atol=1e-9)
    assert abs(up_direction(turned) @ up_direction(sparse_map)) < 0.2, "without it the map lies on its side"


@pytest.mark.parametrize("images", [0, 1, 2])
@pytest.mark.parametrize("points", [0, 1, 50])
def test_any_map_has_a_finite_viewpoint(images, points):
    view = choose_viewpoint(walk_map(images, points, names=[f"{i}.jpg" for i in range(images)]))
    for vector in (view.eye, view.target, view.up):
        assert np.isfinite(vector).all()
    assert np.linalg.norm(view.target - view.eye) > 0
    assert np.isfinite(view.cam_from_world.rotation).all()

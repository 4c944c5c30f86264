from dataclasses import replace

import numpy as np
import pytest

from sfm.geometry.camera import Camera
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.report.statistics import image_statistics, observed_points, triangulation_angles_deg

from .maps import look_at, walk_map


def seen_from(centers, point, seen):
    camera = Camera.from_focal("PINHOLE", 640, 480, 600.0, focal_is_known=True)
    images = {
        i: MapImage(
            f"{i}.jpg",
            1,
            look_at(np.array(center, float), point),
            np.zeros((1, 2)),
            np.array([7 if i in seen else -1]),
        )
        for i, center in enumerate(centers)
    }
    return SparseMap(
        {1: camera},
        images,
        np.array([7]),
        np.array([point], float),
        np.zeros((1, 3), np.uint8),
        np.array([0.5]),
        np.array([len(seen)]),
    )


def test_the_triangulation_angle_is_the_widest_of_all_pairs():
    # Rays from (-1, 0), (0, 0) and (1, 0) to a point at depth 1: 45 degrees between neighbours, 90 in all.
    centers = [[-1, 0, 0], [0, 0, 0], [1, 0, 0]]
    point = [0.0, 0.0, 1.0]
    assert triangulation_angles_deg(seen_from(centers, point, {0, 1, 2})) == pytest.approx([90])
    assert triangulation_angles_deg(seen_from(centers, point, {0, 1})) == pytest.approx([45])


def test_a_point_seen_once_has_no_angle():
    assert len(triangulation_angles_deg(seen_from([[0, 0, 0], [1, 0, 0]], [0.0, 0.0, 1.0], {0}))) == 0


def test_angles_agree_with_every_pair_looked_at_one_by_one():
    sparse_map = walk_map(images=7, points=40, observed=20)
    centers = {i: image.cam_from_world.center for i, image in sparse_map.images.items()}
    expected = []
    for point_id, xyz in zip(sparse_map.point_ids, sparse_map.xyz, strict=True):
        rays = [xyz - centers[i] for i, image in sparse_map.images.items() if point_id in image.point_ids]
        cosines = [
            a @ b / np.linalg.norm(a) / np.linalg.norm(b) for k, a in enumerate(rays) for b in rays[k + 1 :]
        ]
        if cosines:
            expected.append(np.degrees(np.arccos(min(cosines))))
    np.testing.assert_allclose(np.sort(triangulation_angles_deg(sparse_map)), np.sort(expected), atol=1e-6)


def test_an_image_counts_each_point_once_and_no_point_the_map_lacks():
    sparse_map = walk_map(images=2, points=10, observed=4)
    image = replace(sparse_map.images[1], xy=np.zeros((6, 2)), point_ids=np.array([3, 3, 9, -1, 999, 10]))
    sparse_map.images[1] = image
    assert observed_points(sparse_map, 1).tolist() == [2, 8, 9]
    numbers = image_statistics(sparse_map, 1)
    assert (numbers.observations, numbers.keypoints) == (3, 6)
    assert numbers.mean_error_px == pytest.approx(sparse_map.error_px[[2, 8, 9]].mean())
    assert numbers.mean_track_length == pytest.approx(sparse_map.track_length[[2, 8, 9]].mean())


def test_an_image_without_points_has_no_mean():
    sparse_map = walk_map(images=2, points=0)
    assert np.isnan(image_statistics(sparse_map, 1).mean_error_px)
    assert len(triangulation_angles_deg(sparse_map)) == 0

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings

from sfm.geometry.similarity import Sim3
from sfm.report.scene import pack_scene
from sfm.report.statistics import observed_points
from tests.mapping.maps import maps

from .contents import chain_of_pairs
from .maps import walk_map


def unpack(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def in_order_of_x(xyz, *others):
    order = np.argsort(xyz[:, 0])
    return xyz[order], *(other[order] for other in others)


def test_points_come_back_in_float32_relative_to_the_origin():
    sparse_map = walk_map()
    scene = pack_scene(sparse_map)
    points = scene["points"]
    xyz = unpack(points["xyz"], "<f4").reshape(-1, 3).astype(float) + scene["origin"]
    error = unpack(points["error"], "u1") / points["error_steps_per_px"]
    track, rgb = unpack(points["track"], "u1"), unpack(points["rgb"], "u1").reshape(-1, 3)
    found = in_order_of_x(xyz, rgb, track, error)
    expected = in_order_of_x(sparse_map.xyz, sparse_map.rgb, sparse_map.track_length, sparse_map.error_px)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[2], expected[2])
    np.testing.assert_allclose(found[3], np.minimum(expected[3], 5.1), atol=0.02)


def test_a_map_far_from_its_origin_keeps_its_accuracy():
    far = walk_map().transformed(Sim3(1.0, np.eye(3), np.array([4e6, 5e6, 1e5])))
    scene = pack_scene(far)
    xyz = unpack(scene["points"]["xyz"], "<f4").reshape(-1, 3).astype(float) + scene["origin"]
    # Single precision alone would be off by a quarter of the unit here.
    np.testing.assert_allclose(in_order_of_x(xyz)[0], in_order_of_x(far.xyz)[0], rtol=0, atol=1e-5)


def test_the_first_points_are_an_even_choice():
    xyz = unpack(pack_scene(walk_map(points=4000))["points"]["xyz"], "<f4").reshape(-1, 3)
    first, all_of_them = xyz[:400, 0], xyz[:, 0]
    np.testing.assert_allclose(
        np.percentile(first, [10, 50, 90]), np.percentile(all_of_them, [10, 50, 90]), atol=1
    )


def test_a_large_cloud_is_thinned_and_says_so():
    sparse_map = walk_map(points=5000, observed=300)
    scene = pack_scene(sparse_map, max_points=1000)
    assert (scene["points"]["shown"], scene["points"]["total"]) == (1000, 5000)
    assert len(unpack(scene["points"]["xyz"], "<f4")) == 3000


@pytest.mark.parametrize("max_points", [10_000, 200])
def test_each_camera_names_the_points_it_sees(max_points):
    sparse_map = walk_map(points=600, observed=50)
    scene = pack_scene(sparse_map, max_points=max_points)
    rows = unpack(scene["seen"]["rows"], "<u4")
    xyz = unpack(scene["points"]["xyz"], "<f4").reshape(-1, 3) + np.array(scene["origin"])
    start = 0
    for image_id, count in zip(sorted(sparse_map.images), scene["seen"]["counts"], strict=True):
        mine = sparse_map.xyz[observed_points(sparse_map, image_id)]
        shown = xyz[rows[start : start + count]]
        assert all(np.abs(mine - place).max(axis=1).min() < 1e-4 for place in shown)
        assert count == 50 if max_points > 600 else 0 < count < 50
        start += count
    assert start == len(rows)


def test_cameras_stand_in_the_order_of_their_paths_with_their_numbers():
    names = ["b/2.jpg", "a/1.jpg", "b/1.jpg"]
    sparse_map = walk_map(3, names=names)
    scene = pack_scene(sparse_map, chain_of_pairs(sorted(names), reach=1))
    assert [camera["name"] for camera in scene["cameras"]] == ["a/1.jpg", "b/1.jpg", "b/2.jpg"]
    assert scene["paths"] == [1, 2]
    assert [camera["pairs"] for camera in scene["cameras"]] == [1, 2, 1]
    first = scene["cameras"][0]
    np.testing.assert_allclose(
        np.add(first["center"], scene["origin"]), sparse_map.images[2].cam_from_world.center, atol=1e-5
    )
    assert first["size"] == [640, 480]


@settings(max_examples=25, deadline=None)
@given(maps)
def test_any_map_packs_to_json_without_nan(sparse_map):
    json.dumps(pack_scene(sparse_map), allow_nan=False)

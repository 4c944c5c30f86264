"""Small maps for tests of formats."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.sparse_map import MapImage, SparseMap

NAMES = ("plain.jpg", "day 1/two words.png", "día/straße 日本.jpeg", "a#b.jpg")

CAMERAS = {
    "SIMPLE_PINHOLE": (500.0, 320.0, 240.0),
    "PINHOLE": (500.0, 510.0, 319.5, 239.5),
    "SIMPLE_RADIAL": (500.0, 320.25, 240.5, -0.1),
    "RADIAL": (500.0, 320.0, 240.0, -0.1, 0.02),
    "OPENCV": (500.0, 510.0, 320.0, 240.0, -0.1, 0.02, 0.001, -0.002),
    "FULL_OPENCV": (500.0, 510.0, 320.0, 240.0, -0.1, 0.02, 0.001, -0.002, 0.003, 0.01, 0.02, 0.001),
    "SIMPLE_RADIAL_FISHEYE": (300.0, 320.0, 240.0, 0.01),
    "RADIAL_FISHEYE": (300.0, 320.0, 240.0, 0.01, -0.002),
    "OPENCV_FISHEYE": (300.0, 310.0, 320.0, 240.0, 0.01, -0.002, 0.001, 0.0005),
}


def make_camera(model="PINHOLE"):
    return Camera(model, 640, 480, CAMERAS[model])


def make_map(names=NAMES, points=20, seed=0, models=("PINHOLE",)):
    """A path along x in front of a cloud of points, all of them seen by all images, with gaps in the ids."""
    rng = np.random.default_rng(seed)
    cameras = {3 + 2 * i: make_camera(model) for i, model in enumerate(models)}
    ids = np.sort(rng.choice(np.arange(1, 10 * points + 1), points, replace=False)).astype(np.int64)
    xyz = rng.uniform([-3, -2, 6], [5, 2, 12], size=(points, 3))
    images = {}
    for i, name in enumerate(names):
        camera_id = list(cameras)[i % len(cameras)]
        R = Rotation.from_rotvec(rng.normal(scale=0.05, size=3)).as_matrix()
        center = np.array([0.7 * i, 0.1 * i**2, 0.05 * i])
        pose = Pose(R, -R @ center)
        xy = cameras[camera_id].project(pose.apply(xyz))
        order = rng.permutation(points + 2)
        # Two keypoints of each image see no point of the map.
        all_xy = np.vstack([xy, rng.uniform(0, 480, size=(2, 2))])[order]
        all_ids = np.concatenate([ids, [-1, -1]])[order].astype(np.int64)
        images[2 + 3 * i] = MapImage(name, camera_id, pose, all_xy, all_ids)
    return SparseMap(
        cameras=cameras,
        images=images,
        point_ids=ids,
        xyz=xyz,
        rgb=rng.integers(0, 256, size=(points, 3)).astype(np.uint8),
        error_px=rng.uniform(0.1, 1, points),
        track_length=np.full(points, len(names), np.int64),
    )


def make_map_of(keypoints, names):
    """The map of `make_map` whose images have the given `Keypoints` by name; the first of them see its points."""
    sparse_map = make_map(names)
    images = {}
    for i, image in sparse_map.images.items():
        xy = keypoints[image.name].xy.astype(np.float64)
        ids = np.full(len(xy), -1)
        ids[: len(image.point_ids)] = image.point_ids
        images[i] = replace(image, xy=xy, point_ids=ids)
    return replace(sparse_map, images=images)


# Names that files can have: no control characters, no empty, `.` or `..` parts, no surrogates.
_parts = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp"), blacklist_characters="/\\"),
    min_size=1,
    max_size=12,
).filter(lambda part: part.strip() == part and part not in (".", ".."))
image_names = st.lists(_parts, min_size=1, max_size=3).map("/".join)
maps = st.builds(
    make_map,
    names=st.lists(image_names, min_size=1, max_size=4, unique=True),
    points=st.integers(0, 8),
    seed=st.integers(0, 1000),
    models=st.lists(st.sampled_from(sorted(CAMERAS)), min_size=1, max_size=2),
)


def assert_same_map(a, b, tolerance=1e-9):
    assert set(a.images) == set(b.images)
    for image_id, first in a.images.items():
        second = b.images[image_id]
        assert first.name == second.name
        assert first.camera_id == second.camera_id
        np.testing.assert_allclose(
            second.cam_from_world.rotation, first.cam_from_world.rotation, atol=tolerance
        )
        np.testing.assert_allclose(
            second.cam_from_world.translation, first.cam_from_world.translation, atol=tolerance
        )
        np.testing.assert_allclose(second.xy, first.xy, atol=tolerance)
        np.testing.assert_array_equal(second.point_ids, first.point_ids)
    for camera_id in {image.camera_id for image in a.images.values()}:
        first, second = a.cameras[camera_id], b.cameras[camera_id]
        assert (first.model, first.width, first.height) == (second.model, second.width, second.height)
        np.testing.assert_allclose(second.params, first.params, atol=tolerance)
    np.testing.assert_array_equal(b.point_ids, a.point_ids)
    np.testing.assert_allclose(b.xyz, a.xyz, atol=tolerance)
    np.testing.assert_array_equal(b.rgb, a.rgb)
    np.testing.assert_allclose(b.error_px, a.error_px, atol=tolerance)
    np.testing.assert_array_equal(b.track_length, a.track_length)

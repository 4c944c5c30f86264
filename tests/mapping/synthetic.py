"""Databases of verified pairs whose true map is known."""

from dataclasses import replace
from itertools import combinations

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.true_pairs import true_pair
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.database import ImageEntry, MapDatabase
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.workspace import digest_of

CAMERA = Camera("SIMPLE_RADIAL", 640, 480, (500.0, 319.5, 239.5, -0.05), focal_is_known=True)
NOISE_PX = 0.3


def along_a_wall(names, points=250, seed=0, camera_id=1, camera=CAMERA):
    """Images taken side by side, looking at points before them."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-4, -2, 5], [4 + 0.8 * len(names), 2, 9], (points, 3))
    poses = [
        _looking(0.8 * i, 0.1 * np.sin(i), 0.2 * np.cos(2 * i), 0.05 * np.sin(3 * i))
        for i in range(len(names))
    ]
    return observe(names, poses, xyz, rng, camera_id, camera=camera)


def along_a_street(names, points=1500, seed=0, camera_id=1):
    """Images taken one ahead of the other, looking ahead at the houses on both sides."""
    rng = np.random.default_rng(seed)
    sides = rng.choice([-4.0, 4.0], points) + rng.normal(0, 0.3, points)
    length = 1.5 * len(names) + 14
    xyz = np.column_stack([sides, rng.uniform(-3, 2, points), rng.uniform(2, length, points)])
    poses = [
        _looking(0.15 * np.sin(i), 0.05 * np.cos(i), 1.5 * i, 0.04 * np.sin(2 * i)) for i in range(len(names))
    ]
    return observe(names, poses, xyz, rng, camera_id, farthest=12.0)


def _looking(x, y, z, yaw):
    R = Rotation.from_euler("y", yaw).as_matrix()
    return Pose(R, -R @ np.array([x, y, z]))


def observe(names, poses, xyz, rng, camera_id, farthest=np.inf, camera=CAMERA):
    """A map whose images see the points before them within their borders, with a little noise."""
    images = {}
    ids = np.arange(1, len(xyz) + 1)
    for i, (name, pose) in enumerate(zip(names, poses, strict=True), 1):
        xy = camera.project(pose.apply(xyz)) + rng.normal(0, NOISE_PX, (len(xyz), 2))
        depth = pose.apply(xyz)[:, 2]
        seen = (xy > 0).all(axis=1) & (xy < [640, 480]).all(axis=1) & (depth > 0.5) & (depth < farthest)
        images[i] = MapImage(name, camera_id, pose, xy[seen], ids[seen])
    return SparseMap(
        {camera_id: camera},
        images,
        ids,
        xyz,
        np.zeros((len(xyz), 3), np.uint8),
        np.zeros(len(xyz)),
        np.full(len(xyz), len(names)),
    )


def verify_pair(image1, image2, digest="d", minimum=15):
    """The pair of two images with all points that both see as verified matches."""
    return true_pair(image1, image2, digest, minimum)


def of_points_seen_twice(sparse_map):
    """The map without the points that one image alone sees."""
    ids, counts = np.unique(
        np.concatenate([image.point_ids for image in sparse_map.images.values()]), return_counts=True
    )
    twice = ids[counts > 1]
    images = {}
    for i, image in sparse_map.images.items():
        seen = np.isin(image.point_ids, twice)
        images[i] = replace(image, xy=image.xy[seen], point_ids=image.point_ids[seen])
    kept = np.isin(sparse_map.point_ids, twice)
    return replace(
        sparse_map,
        images=images,
        **{
            name: getattr(sparse_map, name)[kept]
            for name in ("point_ids", "xyz", "rgb", "error_px", "track_length")
        },
    )


def write_database(path, *maps, cameras=None):
    """Write the images of `maps` and the pairs within each of them; returns the pairs."""
    cameras = cameras or {i: camera for m in maps for i, camera in m.cameras.items()}
    images = [image for sparse_map in maps for image in sparse_map.images.values()]
    results = [verify_pair(a, b) for m in maps for a, b in combinations(m.images.values(), 2)]
    with MapDatabase(path) as database:
        entries = [ImageEntry(image.name, image.camera_id, digest_of(image.xy.tolist())) for image in images]
        database.prepare(entries, cameras, {image.name: image.xy.astype(np.float32) for image in images})
        database.write_pairs(results)
    return [result.pair for result in results]

"""A made-up map with descriptors, and photographs of it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from sfm.features.keypoints import Keypoints
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.localization.index import build_index
from sfm.localization.query_camera import given_camera
from sfm.localization.search import Query
from sfm.mapping.sparse_map import MapImage, SparseMap

CAMERA = Camera("SIMPLE_RADIAL", 1000, 800, (900.0, 499.5, 399.5, -0.05), focal_is_known=True)
RECIPE = {"camera_keys": {"1": None}}


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    sparse_map: SparseMap
    descriptors: dict
    true_descriptors: np.ndarray

    @property
    def index(self):
        return build_index(self.sparse_map, self.descriptors, RECIPE)

    def photograph(self, pose, seed=0, noise_px=0.5, change=0.03, clutter=200, camera=CAMERA, guesses=None):
        """A described photograph: the map's points with noise, and keypoints of something else."""
        rng = np.random.default_rng(seed)
        xy = camera.project(pose.apply(self.sparse_map.xyz))
        inside = (
            np.isfinite(xy).all(axis=1)
            & (xy >= 0).all(axis=1)
            & (xy < [camera.width, camera.height]).all(axis=1)
        )
        seen = np.flatnonzero(inside)
        rows = unit(self.true_descriptors[seen] + rng.normal(0, change, (len(seen), 128)))
        xy = xy[seen] + rng.normal(0, noise_px, (len(seen), 2))
        other = rng.uniform(0, [camera.width, camera.height], (clutter, 2))
        xy = np.concatenate([xy, other])
        rows = np.concatenate([rows, unit(rng.normal(size=(clutter, 128)))])
        return Query(keypoints_at(xy), rows, guesses or [given_camera(camera)])


def keypoints_at(xy):
    ones = np.ones(len(xy), np.float32)
    return Keypoints(np.asarray(xy, np.float32), ones, ones, ones)


def look(center, turn=(0.0, 0.0, 0.0)):
    R = Rotation.from_euler("yxz", turn).as_matrix()
    return Pose(R, -R @ np.asarray(center, np.float64))


def make_scene(views=6, points=400, seed=0, change=0.03, twins=0):
    """Of `twins` pairs of points both look the same."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-6, -3, 6], [6 + views, 3, 14], (points, 3))
    truth = unit(rng.normal(size=(points, 128)))
    truth[1 : 2 * twins : 2] = truth[0 : 2 * twins : 2]
    ids = np.sort(rng.choice(10 * points, points, replace=False)).astype(np.int64)
    images, descriptors = {}, {}
    observations = np.zeros(points, np.int64)
    for view in range(views):
        pose = look([0.8 * view, 0.1 * (view % 2), 0], (0.02 * view, 0.01, 0))
        xy = CAMERA.project(pose.apply(xyz))
        with np.errstate(invalid="ignore"):
            seen = np.flatnonzero(((xy >= 0) & (xy < [CAMERA.width, CAMERA.height])).all(axis=1))
        observations[seen] += 1
        name = f"{view:02d}.jpg"
        # Some keypoints of every view belong to no point.
        loose = 50
        rows = np.concatenate(
            [truth[seen] + rng.normal(0, change, (len(seen), 128)), rng.normal(size=(loose, 128))]
        )
        order = rng.permutation(len(rows))
        all_xy = np.concatenate([xy[seen], rng.uniform(0, 800, (loose, 2))])[order]
        point_ids = np.concatenate([ids[seen], np.full(loose, -1)])[order]
        images[view + 1] = MapImage(name, 1, pose, all_xy, point_ids)
        descriptors[name] = unit(rows)[order]
    sparse_map = SparseMap(
        {1: CAMERA},
        images,
        ids,
        xyz,
        rng.integers(0, 256, (points, 3)).astype(np.uint8),
        np.full(points, 0.5),
        observations,
    )
    return Scene(sparse_map, descriptors, truth)

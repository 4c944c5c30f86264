"""A map that looks like one: a camera walks past a wall and a floor of coloured points."""

import numpy as np

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.mapping.sparse_map import MapImage, SparseMap


def look_at(center, target, down=(0.0, 1.0, 0.0)):
    z = np.asarray(target, float) - center
    z = z / np.linalg.norm(z)
    x = np.cross(down, z)
    x = x / np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z])
    return Pose(rotation, -rotation @ np.asarray(center, float))


def walk_map(images=12, points=600, seed=0, names=None, observed=8):
    """Cameras along x, y down, looking at a wall in z = 6; every image observes `observed` points."""
    rng = np.random.default_rng(seed)
    wall = points * 2 // 3
    xyz = np.empty((points, 3))
    xyz[:, 0] = rng.uniform(-2, images + 2, points)
    xyz[:wall, 1:] = np.column_stack([rng.uniform(-3, 1, wall), rng.normal(6, 0.02, wall)])
    xyz[wall:, 1:] = np.column_stack([rng.normal(1, 0.02, points - wall), rng.uniform(1, 6, points - wall)])
    names = names or [f"frame {i:04d}.jpg" for i in range(images)]
    camera = Camera.from_focal("PINHOLE", 640, 480, 600.0, focal_is_known=True)
    ids = np.arange(1, points + 1)
    made = {}
    for i, name in enumerate(names):
        pose = look_at(np.array([i, 0.1 * np.sin(i), 0.0]), np.array([i + 0.5, -0.5, 6.0]))
        seen = rng.choice(ids, min(observed, points), replace=False) if points else np.empty(0, np.int64)
        xy = rng.uniform(0, 480, (len(seen), 2))
        made[i + 1] = MapImage(name, 1, pose, xy, seen.astype(np.int64))
    return SparseMap(
        cameras={1: camera},
        images=made,
        point_ids=ids,
        xyz=xyz,
        # Red is kept for the camera path.
        rgb=rng.integers([40, 60, 60], [130, 256, 256], (points, 3)).astype(np.uint8),
        error_px=rng.gamma(2.0, 0.3, points),
        track_length=rng.geometric(0.35, points) + 1,
    )

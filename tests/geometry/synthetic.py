"""Scenes with a known relative pose, seen by a camera with a little distortion."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose

WIDTH, HEIGHT = 1536, 1024
CAMERA = Camera("SIMPLE_RADIAL", WIDTH, HEIGHT, (1380.0, 767.5, 511.5, -0.05), focal_is_known=True)
KINDS = ("general", "planar", "rotation", "forward")


@dataclass
class Scene:
    xy1: np.ndarray
    xy2: np.ndarray
    truth: Pose
    is_inlier: np.ndarray


def make_scene(kind="general", num_matches=400, outliers=0.5, noise_px=0.5, seed=0):
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-3, -2, 4], [3, 2, 9], (num_matches, 3))
    turn_deg, translation = [2, 8, 1], np.array([-1, 0.1, 0.2])
    if kind == "planar":
        xyz[:, 2] = 6 + 0.3 * xyz[:, 0] - 0.2 * xyz[:, 1]
    elif kind == "rotation":
        translation = np.zeros(3)
    elif kind == "forward":
        turn_deg, translation = [0.5, 1, 0.3], np.array([0.02, 0.01, -1])
    truth = Pose(Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix(), translation)
    xy1 = CAMERA.project(xyz) + rng.normal(0, noise_px, (num_matches, 2))
    xy2 = CAMERA.project(truth.apply(xyz)) + rng.normal(0, noise_px, (num_matches, 2))
    is_inlier = np.arange(num_matches) >= round(outliers * num_matches)
    xy2[~is_inlier] = random_points(rng, int((~is_inlier).sum()))
    order = rng.permutation(num_matches)
    return Scene(xy1[order], xy2[order], truth, is_inlier[order])


def random_points(rng, count):
    return rng.uniform(0, [WIDTH, HEIGHT], (count, 2))


def random_pose(rng):
    translation = rng.normal(size=3)
    rotation = Rotation.from_rotvec(rng.normal(0, 0.2, 3)).as_matrix()
    return Pose(rotation, translation / np.linalg.norm(translation))

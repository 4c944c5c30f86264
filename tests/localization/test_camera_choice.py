"""Which camera's pose counts: the residuals of all matches decide, not those that suit one pose."""

import numpy as np
import pytest

from sfm.localization.absolute_pose import AbsolutePose
from sfm.localization.camera_choice import Attempt, most_likely
from sfm.localization.correspondences import Correspondences
from sfm.localization.query_camera import given_camera
from sfm.localization.search import _best_of
from tests.localization.scene import CAMERA, look, make_scene

POSE = look([2.0, 0.0, 0.0])
THRESHOLD_PX = 6.0


@pytest.fixture(scope="module")
def seen():
    """The points of a scene that a photograph shows, and where: pixels with noise."""
    scene = make_scene()
    xy = CAMERA.project(POSE.apply(scene.sparse_map.xyz))
    with np.errstate(invalid="ignore"):
        inside = ((xy >= 0) & (xy < [CAMERA.width, CAMERA.height])).all(axis=1)
    noise = np.random.default_rng(0).normal(0, 0.5, (int(inside.sum()), 2))
    points = np.flatnonzero(inside)
    return scene.sparse_map, xy[inside] + noise, points


def attempt(aside_m, count):
    """A pose that is so far off, with as many inliers."""
    guess = given_camera(CAMERA)
    pose = look([2.0 + aside_m, 0.0, 0.0])
    return Attempt(guess, AbsolutePose(pose, CAMERA, np.arange(count), guess.prior))


def test_the_likeliest_come_first_and_the_hopeless_are_left_out(seen):
    sparse_map, xy, points = seen
    right, near, wrong = (attempt(aside, len(xy)) for aside in (0.0, 0.003, 1.0))
    found = most_likely([wrong, near, right], xy, sparse_map.xyz[points], THRESHOLD_PX, 3)
    assert [id(one) for one in found] == [id(right), id(near)]
    assert most_likely([wrong, right], xy, sparse_map.xyz[points], THRESHOLD_PX) == [right]


def test_of_no_attempts_none_is_likely():
    assert most_likely([], np.empty((0, 2)), np.empty((0, 3)), THRESHOLD_PX) == []


def test_a_pose_has_to_explain_the_matches_of_other_poses_too(seen):
    """Looking again by a wrong pose finds wrong matches that suit it well, if fewer."""
    sparse_map, xy, points = seen
    astray = np.arange(0, len(xy), 3)
    wrong = attempt(2.0, len(astray))
    suiting = CAMERA.project(wrong.pose.cam_from_world.apply(sparse_map.xyz[points[astray]]))
    ids, ones = sparse_map.point_ids[points], np.ones(len(points), np.int64)
    looks = [
        (wrong, Correspondences(len(xy) + np.arange(len(astray)), ids[astray], ones[: len(astray)])),
        (attempt(0.0, len(xy)), Correspondences(np.arange(len(xy)), ids, ones)),
    ]
    best = _best_of(looks, np.concatenate([xy, suiting]), sparse_map, THRESHOLD_PX)
    assert best is looks[1]

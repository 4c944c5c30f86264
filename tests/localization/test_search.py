from dataclasses import replace

import numpy as np
import pytest

from sfm.geometry.camera import Camera
from sfm.geometry.pose import rotation_angle_deg
from sfm.images.exif import Exif
from sfm.localization import search as search_module
from sfm.localization.options import LocalizationOptions
from sfm.localization.pose_parameters import Freedom
from sfm.localization.query_camera import CameraGuess, given_camera, guess_cameras, guesses_of_given
from sfm.localization.search import MAX_LOG10_NFA, candidate_views, search
from sfm.matching.retrieval import rank_views
from sfm.stopwatch import Stopwatch
from tests.localization.scene import CAMERA, look, make_scene

POSE = look([1.7, 0.3, 0.4], (0.05, -0.02, 0.03))


@pytest.fixture(scope="module")
def scene():
    return make_scene()


def run(scene, query, watch=None, **options):
    return search(query, scene.sparse_map, scene.index, 0.85, LocalizationOptions(**options), watch)


def test_a_photograph_of_the_place_is_found(scene):
    watch = Stopwatch()
    found = run(scene, scene.photograph(POSE), watch)
    assert found.refusal == ""
    pose = found.pose.cam_from_world
    assert np.linalg.norm(pose.center - POSE.center) < 4 * found.uncertainty.position
    assert found.uncertainty.position < 0.02
    assert rotation_angle_deg(pose.rotation @ POSE.rotation.T) < 0.1
    assert found.log10_nfa < -100
    assert len(found.pose.inliers) > 100
    assert set(watch.seconds) == {"retrieve", "match", "pose", "refine"}
    np.testing.assert_array_equal(
        found.xyz, scene.sparse_map.xyz[np.searchsorted(scene.sparse_map.point_ids, found.point_ids)]
    )


def test_every_keypoint_and_every_point_is_used_once(scene):
    found = run(scene, scene.photograph(POSE))
    assert len(np.unique(found.point_ids)) == len(found.point_ids)


def test_what_is_not_in_the_map_is_refused(scene):
    other = make_scene(seed=99)
    for seed in range(5):
        found = run(scene, other.photograph(POSE, seed=seed, clutter=800))
        assert found.refusal
        assert found.log10_nfa > MAX_LOG10_NFA


def test_a_place_described_alike_but_built_otherwise_is_refused(scene):
    """The very descriptors of the map, at places that no camera sees together."""
    query = scene.photograph(POSE)
    rng = np.random.default_rng(0)
    query.keypoints.xy[:] = rng.uniform(0, [1000, 800], query.keypoints.xy.shape)
    found = run(scene, query)
    assert found.refusal
    assert found.matches > 100


@pytest.mark.parametrize("keypoints", [0, 1, 3])
def test_hardly_any_keypoint(scene, keypoints):
    query = scene.photograph(POSE, clutter=0)
    few = type(query)(query.keypoints.take(slice(0, keypoints)), query.descriptors[:keypoints], query.guesses)
    assert run(scene, few).refusal


def test_the_second_look_finds_what_looks_alike_elsewhere():
    """Windows: the ratio test drops both of a pair at first, and tells them apart once the pose is known."""
    windows = make_scene(twins=150)
    found = run(windows, windows.photograph(POSE))
    assert found.refusal == ""
    assert len(found.pose.inliers) > 1.5 * found.matches


def test_fewer_candidates_are_the_likely_ones(scene):
    found = run(scene, scene.photograph(look([0.1, 0, 0.1])), candidates=2)
    assert len(found.views) == 2
    assert found.refusal == ""
    near = candidate_views(scene.photograph(look([4.0, 0, 0])), scene.index, 6)
    assert len(near) == 6


def test_global_descriptors_are_converted_once_for_all_queries(scene, monkeypatch):
    index, ranked = scene.index, []

    def remembering(query, views, count):
        ranked.append(views)
        return rank_views(query, views, count)

    monkeypatch.setattr(search_module, "rank_views", remembering)
    for seed in range(2):
        candidate_views(scene.photograph(POSE, seed), index, 2)
    assert ranked[0] is ranked[1]
    assert ranked[0].dtype == np.float32
    np.testing.assert_array_equal(ranked[0], index.view_descriptors)


UNKNOWN = CameraGuess(
    Camera.from_focal("SIMPLE_RADIAL", 1000, 800, 1200.0, focal_is_known=False),
    Freedom(focal=1.0, principal=0.01, distortion=0.05),
    "estimated",
)


def test_known_intrinsics_are_trusted_before_estimated_ones(scene):
    known = given_camera(CAMERA)
    assert run(scene, scene.photograph(POSE, guesses=[known, UNKNOWN])).guess is known


def test_wrong_intrinsics_give_way_to_estimated_ones(scene):
    wrong = given_camera(Camera.from_focal("SIMPLE_RADIAL", 1000, 800, 2000.0, focal_is_known=True))
    found = run(scene, scene.photograph(POSE, guesses=[wrong, UNKNOWN]))
    assert found.guess is UNKNOWN
    assert found.pose.camera.focal_px == pytest.approx(900, rel=0.02)
    assert np.linalg.norm(found.pose.cam_from_world.center - POSE.center) < 0.15


@pytest.mark.parametrize(
    "true",
    [
        (900.0, 900.0, 499.5, 399.5),  # whole
        (900.0, 900.0, 150.0, 120.0),  # a corner cut out
        (1500.0, 1500.0, 900.0, 100.0),  # a corner enlarged to the old size
        (700.0, 1000.0, 499.5, 399.5),  # squeezed
        (900.0, 1300.0, 800.0, 200.0),  # both
    ],
)
def test_cut_and_squeezed_photographs_are_where_they_were_taken(scene, true):
    """Each has the size of the map's photographs and no EXIF, as if it were one of them."""
    camera = Camera("PINHOLE", 1000, 800, true)
    guesses = guess_cameras(Exif(), 1000, 800, scene.sparse_map.cameras, {"1": None})
    photograph = scene.photograph(POSE, camera=camera, guesses=guesses)
    found = run(scene, photograph)
    assert found.refusal == ""
    error = np.linalg.norm(found.pose.cam_from_world.center - POSE.center)
    assert error < 0.2
    assert error < 3 * found.uncertainty.position


def test_intrinsics_that_were_given_wrongly_are_told(scene):
    wrong = replace(CAMERA, params=(1300.0, *CAMERA.params[1:]))
    found = run(scene, scene.photograph(POSE, guesses=guesses_of_given(wrong)))
    assert found.guess.source.endswith("as those given do not fit")
    assert np.linalg.norm(found.pose.cam_from_world.center - POSE.center) < 0.15
    right = run(scene, scene.photograph(POSE, guesses=guesses_of_given(CAMERA)))
    assert right.guess.source == "given"
    assert right.pose.camera == CAMERA

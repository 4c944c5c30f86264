import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sfm.errors import InputError
from sfm.evaluation.poses import evaluate_map, evaluate_poses, pose_auc, relative_pose_errors_deg
from sfm.evaluation.trajectory import Trajectory
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose, angle_between_deg, rotation_angle_deg
from sfm.geometry.similarity import Sim3
from sfm.mapping.sparse_map import MapImage, SparseMap

CAMERA = Camera("PINHOLE", 640, 480, (500.0, 500.0, 319.5, 239.5))


def random_path(n, seed=0, size=10.0):
    rng = np.random.default_rng(seed)
    turns = Rotation.from_rotvec(rng.normal(scale=0.4, size=(n, 3))).as_matrix()
    centers = np.cumsum(rng.normal(size=(n, 3)), axis=0) * size / math.sqrt(n)
    return {f"{i:03d}.jpg": Pose(R, -R @ c) for i, (R, c) in enumerate(zip(turns, centers, strict=True))}


def disturbed(poses, seed=1, position=0.1, angle_deg=1.0):
    rng = np.random.default_rng(seed)
    moved = {}
    for name, pose in poses.items():
        R = Rotation.from_rotvec(np.radians(angle_deg) * rng.normal(size=3)).as_matrix() @ pose.rotation
        moved[name] = Pose(R, -R @ (pose.center + position * rng.normal(size=3)))
    return moved


def in_another_frame(poses, seed=2):
    b_from_a = Sim3(0.31, Rotation.random(random_state=seed).as_matrix(), np.array([3.0, -4, 5]))
    return {name: b_from_a.transform_pose(pose) for name, pose in poses.items()}


def map_of(poses):
    return SparseMap({1: CAMERA}, {i: MapImage(n, 1, p) for i, (n, p) in enumerate(poses.items(), 1)})


def test_a_perfect_map_in_its_own_frame_has_no_error():
    truth = random_path(12)
    result = evaluate_map(map_of(in_another_frame(truth)), Trajectory(truth))
    assert (result.registered, result.total, result.degeneracy) == (12, 12, "none")
    assert result.ate_max < 1e-9
    assert result.rotation_max_deg < 1e-6
    assert result.truth_from_map.scale == pytest.approx(1 / 0.31)
    assert all(area > 99.999 for area in result.auc_percent.values())


def test_agrees_with_evo():
    """ATE, alignment and rotation error equal those of the evo package."""
    metrics = pytest.importorskip("evo.core.metrics")
    from evo.core.trajectory import PosePath3D

    truth = random_path(40)
    estimate = in_another_frame(disturbed(truth))

    def evo_path(poses):
        matrices = []
        for pose in poses.values():
            matrix = np.eye(4)
            matrix[:3, :3], matrix[:3, 3] = pose.rotation.T, pose.center
            matrices.append(matrix)
        return PosePath3D(poses_se3=matrices)

    reference, moved = evo_path(truth), evo_path(estimate)
    R, t, s = moved.align(reference, correct_scale=True)
    ours = evaluate_poses(estimate, Trajectory(truth))
    np.testing.assert_allclose(ours.truth_from_map.rotation, R, atol=1e-9)
    np.testing.assert_allclose(ours.truth_from_map.translation, t, atol=1e-8)
    assert ours.truth_from_map.scale == pytest.approx(s, rel=1e-10)

    position = metrics.APE(metrics.PoseRelation.translation_part)
    position.process_data((reference, moved))
    assert ours.ate_rmse == pytest.approx(position.get_statistic(metrics.StatisticsType.rmse), rel=1e-9)
    assert ours.ate_median == pytest.approx(position.get_statistic(metrics.StatisticsType.median), rel=1e-9)
    assert ours.ate_max == pytest.approx(position.get_statistic(metrics.StatisticsType.max), rel=1e-9)
    assert 0.1 < ours.ate_rmse < 0.2  # sqrt(3) * 0.1 less what the alignment takes up

    rotation = metrics.APE(metrics.PoseRelation.rotation_angle_deg)
    rotation.process_data((reference, moved))
    assert ours.rotation_max_deg == pytest.approx(
        rotation.get_statistic(metrics.StatisticsType.max), rel=1e-6
    )
    assert ours.rotation_median_deg == pytest.approx(
        rotation.get_statistic(metrics.StatisticsType.median), rel=1e-6
    )


def test_unregistered_images_cost_their_pairs():
    truth = random_path(10)
    estimate = in_another_frame(truth)
    for name in ("002.jpg", "007.jpg"):
        del estimate[name]
    result = evaluate_poses(estimate, Trajectory(truth))
    assert (result.registered, result.total) == (8, 10)
    assert result.unregistered == ("002.jpg", "007.jpg")
    # 28 of 45 pairs are without error; the curve rises to there at 0.
    assert result.auc_percent[10] == pytest.approx(100 * 28 / 45, abs=1e-6)
    assert result.ate_max < 1e-9


def test_images_without_truth_are_told_and_ignored():
    truth = random_path(6)
    result = evaluate_poses({**truth, "selfie.jpg": Pose.identity()}, Trajectory(truth))
    assert result.without_truth == ("selfie.jpg",)
    assert result.ate_max < 1e-9


def test_names_that_do_not_meet_are_named_on_both_sides():
    truth = Trajectory({f"images/{n}": p for n, p in random_path(4).items()}, "gt/sparse")
    with pytest.raises(InputError, match=r"gt/sparse share no image name.*'000\.jpg'.*'images/000\.jpg'"):
        evaluate_poses(random_path(4), truth)
    with pytest.raises(InputError, match="no pose"):
        evaluate_poses(random_path(4), Trajectory({}))


@pytest.mark.parametrize("registered", [0, 1, 2])
def test_hardly_any_registered_image(registered):
    truth = random_path(5)
    estimate = dict(list(in_another_frame(truth).items())[:registered])
    result = evaluate_poses(estimate, Trajectory(truth))
    assert result.registered == registered
    assert result.degeneracy == ("line" if registered == 2 else "point")
    # An alignment takes any one or two positions onto any others: that is no accuracy.
    assert math.isnan(result.ate_rmse)
    assert math.isnan(result.ate_max)
    assert all(math.isnan(image.position) for image in result.images)
    assert result.rotation_max_deg < 1e-5 if registered == 2 else math.isnan(result.rotation_max_deg)
    assert result.as_json()["ate_rmse"] is None
    assert result.auc_percent[5] == pytest.approx(10 if registered == 2 else 0, abs=1e-6)
    json.loads(json.dumps(result.as_json(), allow_nan=False))


def test_true_centres_in_one_place_give_no_error_of_positions():
    turns = Rotation.random(6, random_state=0).as_matrix()
    here = np.array([400.0, -20, 7])
    truth = {f"{i}": Pose(R, -R @ here) for i, R in enumerate(turns)}
    result = evaluate_poses(disturbed(truth, angle_deg=2), Trajectory(truth))
    assert math.isnan(result.ate_rmse)
    assert 0.5 < result.rotation_max_deg < 10
    collapsed = evaluate_poses(truth, Trajectory(random_path_of(truth)))
    assert collapsed.ate_rmse > 1, "a map that fell onto one point is far from the truth"


def random_path_of(poses):
    return dict(zip(poses, random_path(len(poses)).values(), strict=True))


def test_a_straight_path_is_said_to_be_one():
    turns = Rotation.random(7, random_state=0).as_matrix()
    truth = {f"{i}": Pose(R, -R @ np.array([i, 2.0 * i, 0])) for i, R in enumerate(turns)}
    result = evaluate_poses(in_another_frame(truth), Trajectory(truth))
    assert result.degeneracy == "line"
    assert result.ate_max < 1e-9
    assert result.rotation_max_deg < 1e-5


def test_pair_errors_equal_their_definition():
    truth, estimate = random_path(7), disturbed(random_path(7), position=0.5, angle_deg=10)
    errors = relative_pose_errors_deg(list(estimate.values()), list(truth.values()))
    expected = []
    a, b = list(estimate.values()), list(truth.values())
    for i in range(7):
        for j in range(i + 1, 7):
            ours, true = a[j] @ a[i].inverse(), b[j] @ b[i].inverse()
            expected.append(
                max(
                    rotation_angle_deg(ours.rotation @ true.rotation.T),
                    angle_between_deg(ours.translation, true.translation),
                )
            )
    np.testing.assert_allclose(errors, expected, atol=1e-9)
    assert max(expected) > 10


def test_a_translation_of_the_wrong_sign_is_wrong():
    truth = [Pose.identity(), Pose(np.eye(3), np.array([1.0, 0, 0]))]
    estimate = [Pose.identity(), Pose(np.eye(3), np.array([-1.0, 0, 0]))]
    assert relative_pose_errors_deg(estimate, truth)[0] == pytest.approx(180)


def test_cameras_in_one_place_are_judged_by_rotation():
    R = Rotation.from_rotvec([0, np.radians(4), 0]).as_matrix()
    truth = [Pose.identity(), Pose.identity(), Pose(np.eye(3), np.array([5.0, 0, 0]))]
    estimate = [Pose.identity(), Pose(R, np.array([0.01, 0, 0])), truth[2]]
    errors = relative_pose_errors_deg(estimate, truth)
    assert errors[0] == pytest.approx(4)
    assert errors[1] == 0


class TestAuc:
    def test_by_hand(self):
        # Curve: (0, 0) (1, 1/4) (2, 2/4) (4, 3/4), flat to 5: (0.125 + 0.375 + 1.25 + 0.75) / 5.
        errors = np.array([4.0, 1.0, 180.0, 2.0])
        assert pose_auc(errors, [5])[0] == pytest.approx(2.5 / 5)
        assert pose_auc(errors, [1])[0] == pytest.approx(0.0)

    def test_an_error_at_the_threshold_is_outside(self):
        assert pose_auc(np.array([5.0]), [5])[0] == 0

    def test_nothing_to_judge(self):
        assert math.isnan(pose_auc(np.empty(0), [5])[0])

    @given(st.lists(st.floats(0, 180), min_size=1, max_size=50))
    def test_between_none_and_all_and_growing(self, errors):
        areas = pose_auc(np.array(errors), [1, 3, 5, 10])
        assert 0 <= areas[0] <= 1
        assert all(a <= b + 1e-12 for a, b in itertools.pairwise(areas))
        better = pose_auc(np.array(errors) / 2, [1, 3, 5, 10])
        assert all(a <= b + 1e-12 for a, b in zip(areas, better, strict=True))
        # The straight pieces run above the steps of the empirical distribution, by less than one step.
        step = np.mean(np.clip(1 - np.array(errors) / 10, 0, None))
        assert step - 1e-9 <= areas[3] <= step + 1 / len(errors) + 1e-9

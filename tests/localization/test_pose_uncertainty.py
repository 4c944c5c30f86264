import numpy as np
import pytest

from sfm.localization.absolute_pose import AbsolutePose, refine_absolute_pose
from sfm.localization.pose_parameters import HELD, Freedom, Prior
from sfm.localization.pose_uncertainty import pose_uncertainty
from tests.localization.scene import CAMERA
from tests.localization.test_absolute_pose import POSE, errors, matches


@pytest.mark.parametrize("freedom", [HELD, Freedom(focal=1.0), Freedom(1.0, 0.0, 0.5)])
def test_uncertainty_is_what_the_noise_does(freedom):
    """The spread of poses over many draws of the noise, against what one draw predicts."""
    clean, xyz = matches(80, 6)
    found, predicted = [], []
    for seed in range(60):
        xy = clean + np.random.default_rng(seed).normal(0, 1.0, clean.shape)
        start = AbsolutePose(POSE, CAMERA, np.arange(80), Prior(CAMERA, freedom))
        pose = refine_absolute_pose(start, xy, xyz, 50.0)
        found.append([*pose.cam_from_world.center, 0.0])
        found[-1][3] = np.radians(errors(pose)[1])
        predicted.append(pose_uncertainty(pose, xy, xyz))
    spread = np.std(np.array(found)[:, :3], axis=0)
    expected = np.mean([np.sqrt(np.diag(u.position_covariance)) for u in predicted], axis=0)
    # What the map may be wrong by is on top of the noise; Cauchy's loss takes a tenth off again.
    assert (expected > 0.8 * spread).all()
    assert (expected < 2.2 * spread).all()
    turned = np.sqrt(np.mean(np.array(found)[:, 3] ** 2))
    total = np.mean([np.sqrt(np.trace(u.rotation_covariance)) for u in predicted])
    assert 0.8 * turned < total < 2.2 * turned
    assert np.mean([u.sigma_px for u in predicted]) == pytest.approx(1.0, rel=0.15)


def test_points_that_fix_no_pose_have_no_uncertainty():
    xy, xyz = matches(2, 7)
    assert pose_uncertainty(AbsolutePose(POSE, CAMERA, np.arange(2), Prior(CAMERA)), xy, xyz) is None


def test_points_all_in_one_spot_have_no_uncertainty():
    """Five centimetres of the map ten metres away: turning and moving look the same."""
    points = np.random.default_rng(0).uniform([-0.025, -0.025, 9.975], [0.025, 0.025, 10.025], (10, 3))
    xyz = POSE.inverse().apply(points)
    pose = AbsolutePose(POSE, CAMERA, np.arange(10), Prior(CAMERA, Freedom(1.0, 0.5, 0.5)))
    assert pose_uncertainty(pose, CAMERA.project(points), xyz) is None

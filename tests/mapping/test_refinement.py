"""The last, robust adjustment: wrong observations that least squares would follow do not move the map."""

from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from scipy.spatial.transform import Rotation

from sfm.evaluation.poses import evaluate_poses
from sfm.evaluation.trajectory import Trajectory
from sfm.geometry.pose import Pose
from sfm.mapping.adjustment import Adjustment, reprojection_errors
from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction
from sfm.mapping.refinement import refine_robustly

from .synthetic import CAMERA, NOISE_PX, along_a_wall, observe, of_points_seen_twice

NAMES = [f"{i}.jpg" for i in range(8)]
OFF_PX = 4.0


def spoiled(share, seed=0):
    """A map of a wall, a share of whose observations is off to the same side in every second image, and the truth."""
    truth = of_points_seen_twice(along_a_wall(NAMES))
    rng = np.random.default_rng(seed)
    images = {}
    for i, image in truth.images.items():
        xy = image.xy.copy()
        if i % 2:
            xy[rng.random(len(xy)) < share] += [OFF_PX, 0]
        images[i] = replace(image, xy=xy)
    return to_reconstruction(replace(truth, images=images)), truth


def error(model, truth):
    found = evaluate_poses(from_reconstruction(model).poses, Trajectory(truth.poses))
    return found.ate_rmse


def by_least_squares(model):
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()


def test_wrong_observations_do_not_bend_the_map():
    model, truth = spoiled(0.2)
    by_least_squares(model)
    bent = error(model, truth)
    model = refine_robustly(model, (), 10.0, 1.5)
    assert error(model, truth) < 0.5 * bent


def test_of_right_observations_it_makes_the_same_as_least_squares():
    (squares, truth), (robust, _) = spoiled(0), spoiled(0)
    by_least_squares(squares)
    robust = refine_robustly(robust, (), 2.0, 1.5)
    assert error(robust, truth) < 1.2 * error(squares, truth)
    assert robust.num_points3D() > 0.98 * squares.num_points3D()


def test_what_is_too_far_off_is_dropped():
    model, _ = spoiled(0.2)
    before = model.compute_num_observations()
    wrong = sum(0.2 * len(image.points2D) for i, image in model.images.items() if i % 2)
    model = refine_robustly(model, (), 2.0, 1.5)
    assert 0.8 * wrong < before - model.compute_num_observations() < 1.3 * wrong
    assert reprojection_errors(model, model.reg_image_ids()).max() <= 2.0


def test_intrinsics_are_held_or_refined():
    # A part of the photographs may lack a camera that is held.
    for held, same in (([1, 99], True), ([], False)):
        model, _ = spoiled(0)
        model = refine_robustly(model, held, 2.0, 1.5)
        (camera,) = from_reconstruction(model).cameras.values()
        assert (camera.params == pytest.approx(CAMERA.params, abs=1e-9)) == same
        assert camera.params[0] == pytest.approx(CAMERA.params[0], rel=0.02)


def seen_off_centre(by_px, images=8):
    """A map whose camera's principal point is off the centre, as a mapper makes it that takes it for the centre."""
    truth = of_points_seen_twice(around_a_heap(NAMES[:images]))
    moved = {i: replace(image, xy=image.xy + by_px) for i, image in truth.images.items()}
    model = to_reconstruction(replace(truth, images=moved))
    by_least_squares(model)
    return model, truth


def around_a_heap(names):
    """Images from many sides, the camera turned about its axis: what tells a principal point from a rotation."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-1.4, 1.4, (1500, 3))
    poses = []
    for i in range(len(names)):
        turn = Rotation.from_euler("zyx", [90 * (i % 4), 25 * i, 10 * (i % 3)], degrees=True).as_matrix()
        poses.append(Pose(turn, np.array([0.0, 0.0, 3.2])))
    return observe(names, poses, xyz, rng, 1)


def principal_point(model):
    (camera,) = model.cameras.values()
    return camera.principal_point_x - camera.width / 2, camera.principal_point_y - camera.height / 2


class TestPrincipalPoint:
    def test_it_is_found_where_one_camera_took_many_images(self):
        centred, truth = seen_off_centre((6.0, -8.0))
        model = refine_robustly(pycolmap.Reconstruction(centred), (), 4.0, 1.5)
        assert principal_point(model) == pytest.approx((6, -8), abs=2)
        without = refine_robustly(centred, (), 4.0, 1.5, principal_point=False)
        assert principal_point(without) == (0, 0)
        assert rotation_error_deg(model, truth) < 0.3 * rotation_error_deg(without, truth)

    def test_wrong_observations_that_the_first_round_saw_do_not_stay_in_it(self):
        right, _ = seen_off_centre((6.0, -8.0))
        spoilt = pycolmap.Reconstruction(right)
        rng = np.random.default_rng(0)
        for image in spoilt.images.values():
            for point in image.points2D:
                if rng.random() < 0.3:
                    point.xy = point.xy + OFF_PX
        once = refine_robustly(pycolmap.Reconstruction(spoilt), (), 10.0, 1.5, rounds=1)
        thrice = refine_robustly(spoilt, (), 10.0, 1.5)
        right = refine_robustly(right, (), 10.0, 1.5)

        def away(model):
            return np.hypot(*np.subtract(principal_point(model), principal_point(right)))

        assert away(thrice) < 0.6 * away(once)

    def test_once_it_is_known_it_is_refined_with_the_rest_at_once(self, monkeypatch):
        model, _ = seen_off_centre((6.0, -8.0))
        asked = adjustments(monkeypatch)
        model = refine_robustly(model, (), 4.0, 1.5)
        assert asked == [False, True, True, True]
        assert principal_point(model) == pytest.approx((6, -8), abs=2)

    def test_what_is_known_and_then_too_far_to_be_believed_stays(self, monkeypatch):
        model, _ = seen_off_centre((60.0, 0.0))
        (camera,) = model.cameras.values()
        camera.principal_point_x += 1
        asked = adjustments(monkeypatch)
        model = refine_robustly(model, (), 70.0, 1.5, rounds=1)
        assert asked == [True, False, True]
        assert principal_point(model) == (1, 0)

    @pytest.mark.parametrize(
        ("by_px", "images", "held"),
        [
            pytest.param((0.0, 0.0), 8, (), id="it is the centre"),
            pytest.param((6.0, -8.0), 7, (), id="too few images"),
            pytest.param((6.0, -8.0), 8, (1,), id="intrinsics are held"),
            pytest.param((60.0, 0.0), 8, (), id="too far to be believed"),
        ],
    )
    def test_it_stays(self, by_px, images, held):
        model, _ = seen_off_centre(by_px, images)
        assert principal_point(refine_robustly(model, held, 4.0, 1.5)) == (0, 0)


def adjustments(monkeypatch):
    """Note of each adjustment whether principal points are refined in it."""
    really, asked = Adjustment.of, []

    def noted(self, model, *, principal_point=False):
        asked.append(principal_point)
        return really(self, model, principal_point=principal_point)

    monkeypatch.setattr(Adjustment, "of", noted)
    return asked


def rotation_error_deg(model, truth):
    poses = from_reconstruction(model).poses
    return evaluate_poses(poses, Trajectory(truth.poses)).rotation_median_deg


def test_errors_are_those_that_were_made():
    model, _ = spoiled(0)
    errors = reprojection_errors(model, model.reg_image_ids())
    assert len(errors) == model.compute_num_observations()
    assert np.median(errors) == pytest.approx(1.1774 * NOISE_PX, rel=0.05)
    assert len(reprojection_errors(model, [])) == 0


def test_an_empty_model_stays_empty():
    model = pycolmap.Reconstruction()
    assert refine_robustly(model, (), 2.0, 1.5).num_points3D() == 0


def of_many_cameras(*distortions, model="SIMPLE_RADIAL"):
    """A map of a wall, each image by a camera of its own, as a mapper makes it that knows nothing of distortion."""
    cameras = {
        i: replace(CAMERA, model=model, params=params_of(model, k)) for i, k in enumerate(distortions, 1)
    }
    by_camera = {
        k: along_a_wall(NAMES[: len(distortions)], points=800, camera=camera)
        for k, camera in zip(distortions, cameras.values(), strict=True)
    }
    images = {i: replace(by_camera[k].images[i], camera_id=i) for i, k in enumerate(distortions, 1)}
    truth = of_points_seen_twice(replace(by_camera[distortions[0]], cameras=cameras, images=images))
    unknown = {i: replace(camera, params=params_of(model, 0.0)) for i, camera in cameras.items()}
    made = to_reconstruction(replace(truth, cameras=unknown))
    by_least_squares(made)
    return made, truth


def params_of(model, k):
    f, cx, cy, _ = CAMERA.params
    return {"SIMPLE_RADIAL": (f, cx, cy, k), "OPENCV": (f, f, cx, cy, k, 0.0, 0.0, 0.0)}[model]


def distortion(model):
    return {i: camera.params[camera.extra_params_idxs()[0]] for i, camera in sorted(model.cameras.items())}


class TestDistortionOfCamerasOfFewImages:
    @pytest.mark.parametrize("kind", ["SIMPLE_RADIAL", "OPENCV"])
    def test_it_is_zero_where_nothing_shows_it(self, kind):
        made, truth = of_many_cameras(*[0.0] * 6, model=kind)
        assert all(k != 0 for k in distortion(made).values())
        straight = refine_robustly(pycolmap.Reconstruction(made), (), 4.0, 1.5)
        assert set(distortion(straight).values()) == {0.0}
        assert {camera.model.name for camera in straight.cameras.values()} == {kind}
        assert error(straight, truth) < 1.3 * error(made, truth)

    def test_it_is_kept_where_the_images_show_it(self):
        made, _ = of_many_cameras(0.0, 0.0, -0.08, 0.0, 0.0, 0.0)
        refined = refine_robustly(made, (), 4.0, 1.5)
        found = distortion(refined)
        assert found.pop(3) == pytest.approx(-0.08, abs=0.02)
        assert set(found.values()) == {0.0}

    def test_it_is_kept_where_intrinsics_are_held(self):
        made, _ = of_many_cameras(*[0.0] * 6)
        before = distortion(made)
        after = distortion(refine_robustly(made, (2, 99), 4.0, 1.5))
        assert after.pop(2) == before[2]
        assert set(after.values()) == {0.0}

    def test_a_camera_of_many_images_keeps_its_own(self):
        model, _ = spoiled(0)
        assert distortion(refine_robustly(model, (), 2.0, 1.5))[1] == pytest.approx(-0.05, abs=0.02)

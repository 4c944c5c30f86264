"""What every verifier promises. Test classes inherit `VerifierContract` and name theirs."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from sfm.geometry.camera import Camera
from sfm.geometry.epipolar import (
    essential_from_pose,
    fundamental_from_essential,
    homogeneous,
    sampson_error_sq,
)
from sfm.geometry.homography import transfer_error_sq
from sfm.geometry.pose import angle_between_deg, rotation_angle_deg
from sfm.geometry.two_view import VerificationOptions
from sfm.mapping.colmap_io import read_cameras_txt, read_map
from sfm.mapping.colmap_verifier import make_verifier

from .photographs import ratio_matches
from .synthetic import CAMERA, HEIGHT, WIDTH, make_scene, random_points


def undistorted(xy, camera=CAMERA):
    return (homogeneous(camera.normalize(xy)) @ camera.matrix.T)[:, :2]


def pose_error_deg(pose, truth):
    turn = rotation_angle_deg(pose.rotation.T @ truth.rotation)
    return turn, angle_between_deg(pose.translation, truth.translation)


def assert_nothing_found(geometry):
    assert geometry.kind == "degenerate"
    assert geometry.inliers.shape == (0,)
    assert geometry.inliers.dtype == np.int64
    assert geometry.E is None
    assert geometry.F is None
    assert geometry.H is None
    assert geometry.cam2_from_cam1 is None


class VerifierContract:
    verifier: str

    def make(self, seed=0, **options):
        return make_verifier(
            VerificationOptions(verifier=self.verifier, **{"max_error_px": 4.0, **options}), seed
        )

    def verify(self, scene, seed=0, **options):
        return self.make(seed, **options).verify(scene.xy1, scene.xy2, CAMERA, CAMERA)

    def test_identity_is_json_and_tells_options_and_seed(self):
        identity = self.make(seed=3, max_error_px=2.5).identity
        assert json.loads(json.dumps(identity)) == identity
        assert identity["verifier"] == self.verifier
        assert identity["seed"] == 3
        assert identity["max_error_px"] == 2.5

    def test_shapes_and_types(self):
        scene = make_scene()
        geometry = self.verify(scene)
        assert geometry.kind == "calibrated"
        assert geometry.inliers.dtype == np.int64
        assert (np.diff(geometry.inliers) > 0).all()
        assert geometry.E.shape == geometry.F.shape == (3, 3)
        assert geometry.E.dtype == geometry.F.dtype == np.float64
        assert np.linalg.norm(geometry.cam2_from_cam1.translation) == pytest.approx(1)
        np.testing.assert_allclose(
            geometry.cam2_from_cam1.rotation @ geometry.cam2_from_cam1.rotation.T, np.eye(3), atol=1e-9
        )
        assert geometry.threshold_px == 4.0

    def test_float32_input_is_as_good(self):
        scene = make_scene()
        scene.xy1, scene.xy2 = scene.xy1.astype(np.float32), scene.xy2.astype(np.float32)
        assert max(pose_error_deg(self.verify(scene).cam2_from_cam1, scene.truth)) < 1

    @pytest.mark.parametrize("kind", ["general", "forward"])
    @pytest.mark.parametrize("outliers", [0.0, 0.3, 0.6])
    def test_finds_pose_and_inliers(self, kind, outliers):
        scene = make_scene(kind, num_matches=600, outliers=outliers)
        geometry = self.verify(scene)
        turn_deg, direction_deg = pose_error_deg(geometry.cam2_from_cam1, scene.truth)
        assert turn_deg < 0.25
        assert direction_deg < 1.5
        true = np.flatnonzero(scene.is_inlier)
        assert np.isin(true, geometry.inliers).mean() > 0.99
        assert len(geometry.inliers) < len(true) + 0.03 * (600 - len(true)) + 2

    def test_a_plane_is_explained(self):
        scene = make_scene("planar", outliers=0.4)
        geometry = self.verify(scene)
        assert geometry.kind in ("calibrated", "planar")
        assert np.isin(np.flatnonzero(scene.is_inlier), geometry.inliers).mean() > 0.98
        assert pose_error_deg(geometry.cam2_from_cam1, scene.truth)[0] < 1
        assert pose_error_deg(geometry.cam2_from_cam1, scene.truth)[1] < 5

    def test_a_camera_that_only_turned_is_panoramic(self):
        scene = make_scene("rotation", outliers=0.4)
        geometry = self.verify(scene)
        assert geometry.kind == "panoramic"
        assert rotation_angle_deg(geometry.cam2_from_cam1.rotation.T @ scene.truth.rotation) < 0.05
        np.testing.assert_array_equal(geometry.cam2_from_cam1.translation, 0)
        assert np.isin(np.flatnonzero(scene.is_inlier), geometry.inliers).mean() > 0.98
        true1, true2 = undistorted(scene.xy1[scene.is_inlier]), undistorted(scene.xy2[scene.is_inlier])
        assert np.sqrt(np.median(transfer_error_sq(geometry.H, true1, true2))) < 1.5

    def test_matrices_are_in_this_projects_pixels(self):
        scene = make_scene(noise_px=0.05, outliers=0.2)
        geometry = self.verify(scene)
        true1, true2 = undistorted(scene.xy1[scene.is_inlier]), undistorted(scene.xy2[scene.is_inlier])
        assert np.sqrt(np.median(sampson_error_sq(geometry.F, true1, true2))) < 0.15
        of_pose = fundamental_from_essential(
            essential_from_pose(geometry.cam2_from_cam1), CAMERA.matrix, CAMERA.matrix
        )
        assert np.sqrt(np.median(sampson_error_sq(of_pose, true1, true2))) < 0.15
        rays1, rays2 = (
            CAMERA.normalize(scene.xy1[scene.is_inlier]),
            CAMERA.normalize(scene.xy2[scene.is_inlier]),
        )
        assert np.sqrt(np.median(sampson_error_sq(geometry.E, rays1, rays2))) < 0.15 / CAMERA.focal_px

    @pytest.mark.parametrize("count", [0, 1, 4, 7, 14])
    def test_too_few_matches(self, count):
        scene = make_scene(num_matches=20, outliers=0)
        geometry = self.make().verify(scene.xy1[:count], scene.xy2[:count], CAMERA, CAMERA)
        assert_nothing_found(geometry)

    def test_seven_matches_even_if_seven_would_do(self):
        scene = make_scene(num_matches=7, outliers=0)
        geometry = self.verify(scene, min_inliers=7)
        assert geometry.kind == "degenerate" or len(geometry.inliers) == 7

    def test_unequal_counts_are_a_mistake(self):
        with pytest.raises(ValueError, match="3 and 2 points"):
            self.make().verify(np.zeros((3, 2)), np.zeros((2, 2)), CAMERA, CAMERA)

    def test_matches_without_a_place_are_outliers(self):
        scene = make_scene(outliers=0.2)
        lost = np.arange(0, 400, 10)
        scene.xy1[lost[::2]] = np.nan
        scene.xy2[lost[1::2], 0] = np.inf
        geometry = self.verify(scene)
        assert not np.isin(lost, geometry.inliers).any()
        assert pose_error_deg(geometry.cam2_from_cam1, scene.truth)[1] < 1.5

    def test_only_nan(self):
        nowhere = np.full((100, 2), np.nan)
        assert_nothing_found(self.make().verify(nowhere, nowhere, CAMERA, CAMERA))

    def test_identical_points(self):
        same = np.full((100, 2), 300.0)
        assert_nothing_found(self.make().verify(same, same + 5, CAMERA, CAMERA))

    def test_points_on_a_line(self):
        along = np.column_stack([np.linspace(0, WIDTH, 100), np.full(100, HEIGHT / 3)])
        geometry = self.make().verify(along, along + np.array([7.0, 0]), CAMERA, CAMERA)
        assert (geometry.inliers < 100).all()

    def test_the_same_seed_gives_the_same_geometry(self):
        scene = make_scene(outliers=0.6)
        first, other = self.verify(scene, seed=5), self.verify(make_scene(seed=9), seed=5)
        second = self.verify(scene, seed=5)
        assert len(other.inliers)
        np.testing.assert_array_equal(first.inliers, second.inliers)
        np.testing.assert_array_equal(first.cam2_from_cam1.rotation, second.cam2_from_cam1.rotation)
        np.testing.assert_array_equal(first.cam2_from_cam1.translation, second.cam2_from_cam1.translation)

    def test_threads_do_not_change_the_geometry(self):
        scenes = [make_scene(outliers=0.4, seed=seed) for seed in range(6)]
        alone = [self.verify(scene) for scene in scenes]
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(self.verify, scenes))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a.inliers, b.inliers)
            np.testing.assert_array_equal(a.cam2_from_cam1.translation, b.cam2_from_cam1.translation)

    @pytest.mark.parametrize("count", [30, 300])
    def test_unrelated_matches_find_few_friends(self, count):
        rng = np.random.default_rng(count)
        geometry = self.make().verify(random_points(rng, count), random_points(rng, count), CAMERA, CAMERA)
        assert len(geometry.inliers) < 0.12 * count

    def test_two_different_cameras(self):
        scene = make_scene("general", outliers=0.3)
        wide = Camera("OPENCV_FISHEYE", WIDTH, HEIGHT, (600.0, 605.0, 760.0, 500.0, 0.01, -0.002, 0, 0), True)
        rays = CAMERA.normalize(scene.xy2)
        xy2 = wide.project(homogeneous(rays))
        geometry = self.make().verify(scene.xy1, xy2, CAMERA, wide)
        turn_deg, direction_deg = pose_error_deg(geometry.cam2_from_cam1, scene.truth)
        assert turn_deg < 0.3
        assert direction_deg < 2

    def test_a_guessed_focal_length(self):
        scene = make_scene(outliers=0.3)
        guess = replace(CAMERA, focal_is_known=False)
        geometry = self.make().verify(scene.xy1, scene.xy2, guess, guess)
        assert geometry.kind in ("calibrated", "uncalibrated")
        assert np.isin(np.flatnonzero(scene.is_inlier), geometry.inliers).mean() > 0.95

    @pytest.mark.scenes
    @pytest.mark.parametrize("first", range(10))
    def test_neighbours_in_fountain(self, sfm_data, first):
        fountain = sfm_data / "scenes/fountain-P11"
        camera = read_cameras_txt(fountain / "ground_truth/cameras.txt")[1]
        poses = read_map(fountain / "ground_truth").poses
        name1, name2 = f"{first:04d}.jpg", f"{first + 1:04d}.jpg"
        truth = poses[name2] @ poses[name1].inverse()
        xy1, xy2 = ratio_matches(fountain / "images" / name1, fountain / "images" / name2)
        geometry = self.make().verify(xy1, xy2, camera, camera)
        turn_deg, direction_deg = pose_error_deg(geometry.cam2_from_cam1, truth)
        assert turn_deg < 1
        assert direction_deg < 1

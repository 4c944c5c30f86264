"""COLMAP's verifier keeps the contract, and geometries survive the way into COLMAP's types."""

from dataclasses import replace

import numpy as np
import pycolmap
import pytest

from sfm.errors import InputError
from sfm.geometry.epipolar import homogeneous
from sfm.geometry.two_view import TwoViewGeometry, VerificationOptions
from sfm.mapping.colmap_io import xy_to_colmap
from sfm.mapping.colmap_verifier import make_verifier, to_colmap_two_view

from ..geometry.synthetic import CAMERA, make_scene, random_points
from ..geometry.verifier_contract import VerifierContract, undistorted


class TestColmapVerifier(VerifierContract):
    verifier = "colmap"

    def test_a_guessed_focal_length_is_uncalibrated(self):
        scene = make_scene(outliers=0.2)
        guess = replace(CAMERA, focal_is_known=False)
        geometry = self.make().verify(scene.xy1, scene.xy2, guess, guess)
        assert geometry.kind == "uncalibrated"
        assert geometry.F is not None

    def test_a_watermark_relates_nothing(self):
        rng = np.random.default_rng(0)
        corner = rng.uniform(0, 60, (100, 2))
        geometry = self.make().verify(corner, corner + rng.normal(0, 0.1, (100, 2)), CAMERA, CAMERA)
        assert geometry.kind == "degenerate"
        assert len(geometry.inliers) == 0

    @pytest.mark.parametrize("outliers", [0.3, 0.7])
    @pytest.mark.parametrize("focal_is_known", [True, False])
    def test_colmap_is_asked_about_what_is_not_hopeless(self, colmap_calls, focal_is_known, outliers):
        scene = make_scene(num_matches=150, outliers=outliers)
        distance = np.random.default_rng(0).normal(~scene.is_inlier, 0.7)
        surest_first = np.argsort(distance)
        camera = replace(CAMERA, focal_is_known=focal_is_known)
        geometry = self.make().verify(scene.xy1[surest_first], scene.xy2[surest_first], camera, camera)
        assert len(colmap_calls) == 1
        assert geometry.kind == ("calibrated" if focal_is_known else "uncalibrated")
        right = scene.is_inlier[surest_first[geometry.inliers]]
        assert right.sum() > 0.9 * scene.is_inlier.sum()
        assert right.mean() > 0.7

    @pytest.mark.parametrize("focal_is_known", [True, False])
    def test_colmap_is_not_asked_about_the_hopeless(self, colmap_calls, focal_is_known):
        rng = np.random.default_rng(1)
        camera = replace(CAMERA, focal_is_known=focal_is_known)
        geometry = self.make().verify(random_points(rng, 30), random_points(rng, 30), camera, camera)
        assert geometry.kind == "degenerate"
        assert colmap_calls == []


@pytest.fixture
def colmap_calls(monkeypatch):
    """COLMAP's two-view estimations, as many as there are entries."""
    calls = []
    whole = pycolmap.estimate_two_view_geometry
    monkeypatch.setattr(
        pycolmap, "estimate_two_view_geometry", lambda *values: calls.append(1) or whole(*values)
    )
    return calls


def test_unknown_verifier():
    with pytest.raises(InputError, match="choose one of colmap, five-point, eight-point"):
        make_verifier(VerificationOptions(verifier="six-point"))


@pytest.mark.parametrize("verifier", ["colmap", "five-point", "eight-point"])
@pytest.mark.parametrize("kind", ["general", "planar", "rotation"])
def test_into_colmaps_database(tmp_path, verifier, kind):
    scene = make_scene(kind, outliers=0.3, noise_px=0.1)
    matches = np.column_stack([np.arange(400) + 10, np.arange(400)[::-1]])
    geometry = make_verifier(VerificationOptions(verifier=verifier)).verify(
        scene.xy1, scene.xy2, CAMERA, CAMERA
    )
    theirs = to_colmap_two_view(geometry, matches)
    assert pycolmap.TwoViewGeometryConfiguration(theirs.config).name.lower() == geometry.kind
    np.testing.assert_array_equal(theirs.inlier_matches, matches[geometry.inliers])
    np.testing.assert_allclose(theirs.cam2_from_cam1.translation, geometry.cam2_from_cam1.translation)

    with pycolmap.Database.open(tmp_path / "database.db") as database:
        camera_id = database.write_camera(
            pycolmap.Camera.create_from_model_name(0, "PINHOLE", 1000, 800, 600)
        )
        first, second = (
            database.write_image(pycolmap.Image(name=name, camera_id=camera_id))
            for name in ("a.jpg", "b.jpg")
        )
        database.write_two_view_geometry(first, second, theirs)
        read = database.read_two_view_geometry(first, second)
    assert read.config == theirs.config
    np.testing.assert_array_equal(read.inlier_matches, theirs.inlier_matches)
    np.testing.assert_allclose(read.cam2_from_cam1.matrix(), theirs.cam2_from_cam1.matrix(), atol=1e-12)


def test_the_half_pixel_is_added_to_f_and_h():
    scene = make_scene(outliers=0, noise_px=0.0)
    geometry = make_verifier(VerificationOptions(verifier="five-point")).verify(
        scene.xy1, scene.xy2, CAMERA, CAMERA
    )
    x1, x2 = (homogeneous(xy_to_colmap(undistorted(xy))) for xy in (scene.xy1, scene.xy2))
    F = to_colmap_two_view(geometry, np.zeros((400, 2), int)).F
    lines = x1 @ F.T
    distance = np.abs((x2 * lines).sum(axis=1)) / np.linalg.norm(lines[:, :2], axis=1)
    assert distance.max() < 1e-3

    turned = replace(geometry, H=np.diag([2.0, 2.0, 1.0]))  # pixel edges, at -0.5, do not stay where they are
    H = to_colmap_two_view(turned, np.zeros((400, 2), int)).H
    np.testing.assert_allclose(H @ [0.5, 0.5, 1], [0.5, 0.5, 1])


def test_nothing_found_becomes_degenerate():
    theirs = to_colmap_two_view(TwoViewGeometry.degenerate(4.0), np.empty((0, 2), int))
    assert theirs.config == pycolmap.TwoViewGeometryConfiguration.DEGENERATE
    assert theirs.inlier_matches.shape == (0, 2)
    assert theirs.cam2_from_cam1 is None

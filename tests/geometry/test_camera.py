"""Cameras agree with COLMAP's own, and pixels and rays are each other's inverse."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfm.errors import InputError
from sfm.geometry.camera import CAMERA_MODELS, Camera
from sfm.mapping.colmap_io import camera_from_colmap, camera_to_colmap, xy_from_colmap, xy_to_colmap

DISTORTION = {
    "SIMPLE_PINHOLE": (),
    "PINHOLE": (),
    "SIMPLE_RADIAL": (-0.15,),
    "RADIAL": (-0.2, 0.05),
    "OPENCV": (-0.2, 0.05, 0.003, -0.002),
    "FULL_OPENCV": (0.1, -0.05, 0.002, -0.001, 0.01, 0.3, -0.02, 0.005),
    "SIMPLE_RADIAL_FISHEYE": (-0.03,),
    "RADIAL_FISHEYE": (-0.03, 0.01),
    "OPENCV_FISHEYE": (-0.03, 0.01, -0.004, 0.001),
}
TWO_FOCALS = ("PINHOLE", "OPENCV", "FULL_OPENCV", "OPENCV_FISHEYE")


def camera_of(model, distortion=None):
    focals = (800.0, 810.0) if model in TWO_FOCALS else (800.0,)
    distortion = DISTORTION[model] if distortion is None else distortion
    return Camera(model, 1200, 900, (*focals, 590.0, 455.5, *distortion), focal_is_known=True)


def grid(camera):
    x, y = np.meshgrid(np.linspace(0, camera.width - 1, 25), np.linspace(0, camera.height - 1, 19))
    return np.stack([x.ravel(), y.ravel()], axis=1)


@pytest.mark.parametrize("model", CAMERA_MODELS)
class TestEveryModel:
    def test_pixels_survive_the_way_to_rays_and_back(self, model):
        camera = camera_of(model)
        rays = camera.normalize(grid(camera))
        xy = camera.project(np.column_stack([3 * rays, np.full(len(rays), 3.0)]))
        np.testing.assert_allclose(xy, grid(camera), atol=1e-6)

    def test_agrees_with_colmap(self, model):
        camera = camera_of(model)
        theirs = camera_to_colmap(camera)
        rays = camera.normalize(grid(camera))
        np.testing.assert_allclose(rays, theirs.cam_from_img(xy_to_colmap(grid(camera))), atol=1e-6)
        points = np.column_stack([rays, np.ones(len(rays))])
        np.testing.assert_allclose(
            camera.project(points), xy_from_colmap(theirs.img_from_cam(points)), atol=1e-6
        )

    def test_survives_the_colmap_border(self, model):
        assert camera_from_colmap(camera_to_colmap(camera_of(model))) == camera_of(model)

    def test_the_principal_point_looks_along_the_axis(self, model):
        camera = camera_of(model)
        np.testing.assert_allclose(camera.normalize(np.array([camera.principal_point])), 0, atol=1e-15)
        np.testing.assert_allclose(camera.project(np.array([[0, 0, 2.0]])), [camera.principal_point])

    def test_without_distortion(self, model):
        camera = camera_of(model, (0.0,) * len(DISTORTION[model]))
        theirs = camera_to_colmap(camera).cam_from_img(xy_to_colmap(grid(camera)))
        np.testing.assert_allclose(camera.normalize(grid(camera)), theirs, atol=1e-9)

    def test_empty_input(self, model):
        camera = camera_of(model)
        assert camera.normalize(np.empty((0, 2))).shape == (0, 2)
        assert camera.project(np.empty((0, 3))).shape == (0, 2)

    def test_points_behind_the_camera_are_nan(self, model):
        xy = camera_of(model).project(np.array([[0.1, 0.1, -1.0], [0.1, 0.1, 0.0], [0.1, 0.1, 1.0]]))
        assert np.isnan(xy[:2]).all()
        assert np.isfinite(xy[2]).all()

    def test_from_focal_puts_the_principal_point_in_the_middle(self, model):
        camera = Camera.from_focal(model, 640, 480, 500.0, focal_is_known=False)
        assert camera.focal_px == 500.0
        assert camera.principal_point == (319.5, 239.5)
        assert camera.matrix[1, 1] == 500.0
        assert not camera.focal_is_known


@settings(max_examples=60, deadline=None)
@given(
    k1=st.floats(-0.25, 0.25),
    k2=st.floats(-0.02, 0.05),
    tangential=arrays(np.float64, 2, elements=st.floats(-0.005, 0.005)),
    rays=arrays(np.float64, (20, 2), elements=st.floats(-0.7, 0.7)),
)
def test_rays_survive_distortion_and_back(k1, k2, tangential, rays):
    camera = camera_of("OPENCV", (k1, k2, *tangential))
    xy = camera.project(np.column_stack([rays, np.ones(len(rays))]))
    np.testing.assert_allclose(camera.normalize(xy), rays, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    k=arrays(np.float64, 4, elements=st.floats(-0.01, 0.01)),
    off_axis_deg=arrays(np.float64, 20, elements=st.floats(0, 85)),
    around=arrays(np.float64, 20, elements=st.floats(0, 6.3)),
)
def test_wide_rays_survive_fisheye_and_back(
    k,
    off_axis_deg,
    around,
):
    camera = camera_of("OPENCV_FISHEYE", tuple(k / [1, 2, 8, 32]))  # grows up to 90 degrees
    radius = np.tan(np.radians(off_axis_deg))
    rays = np.stack([radius * np.cos(around), radius * np.sin(around)], axis=1)
    xy = camera.project(np.column_stack([rays, np.ones(len(rays))]))
    np.testing.assert_allclose(camera.normalize(xy), rays, rtol=1e-6, atol=1e-9)


def test_pixels_that_see_nothing_in_front_are_nan():
    fisheye = camera_of("OPENCV_FISHEYE", (0.0,) * 4)
    beyond_90_deg = 590.0 + 800.0 * np.radians(100)
    assert np.isnan(fisheye.normalize(np.array([[beyond_90_deg, 455.5]]))).all()
    barrel = camera_of("SIMPLE_RADIAL", (-0.4,))  # reaches no further than a distorted radius of 0.61
    assert np.isnan(barrel.normalize(np.array([[590.0 + 800.0 * 0.7, 455.5]]))).all()


def test_nan_in_nan_out():
    for model in CAMERA_MODELS:
        rays = camera_of(model).normalize(np.array([[np.nan, 3.0], [100.0, 100.0]]))
        assert not np.isfinite(rays[0]).all()
        assert np.isfinite(rays[1]).all()


def test_unknown_model_and_wrong_parameter_count():
    with pytest.raises(InputError, match="choose one of"):
        Camera("FOV", 10, 10, (1.0,))
    with pytest.raises(InputError, match="takes 4 parameters, not 3"):
        Camera("PINHOLE", 10, 10, (1.0, 2.0, 3.0))
    with pytest.raises(InputError, match="choose one of"):
        Camera.from_focal("FOV", 10, 10, 1.0, focal_is_known=True)


@pytest.mark.parametrize(
    ("size", "params"),
    [
        ((0, 10), (5.0, 5.0, 1.0, 1.0)),
        ((10, -1), (5.0, 5.0, 1.0, 1.0)),
        ((10, 10), (0.0, 5.0, 1.0, 1.0)),
        ((10, 10), (5.0, -5.0, 1.0, 1.0)),
        ((10, 10), (math.nan, 5.0, 1.0, 1.0)),
        ((10, 10), (5.0, 5.0, 1.0, math.inf)),
    ],
)
def test_what_no_camera_has_is_refused(size, params):
    with pytest.raises(InputError, match=r"give (finite ones, focal lengths above 0|the size of its images)"):
        Camera("PINHOLE", *size, params)


def test_shifted_moves_only_the_principal_point():
    camera = camera_of("OPENCV")
    moved = camera.shifted(0.5)
    assert moved.principal_point == (590.5, 456.0)
    assert moved.shifted(-0.5) == camera

"""Lenses that one distortion coefficient does not explain are told by a map's errors, and others are left alone."""

from dataclasses import replace

import numpy as np
import pytest

from sfm.geometry.camera import Camera
from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction
from sfm.mapping.lens_model import fit_lens_model
from sfm.mapping.refinement import refine_robustly

from .synthetic import CAMERA, along_a_wall, observe, of_points_seen_twice

NAMES = [f"{i:02d}.jpg" for i in range(9)]
PLAIN = replace(CAMERA, focal_is_known=False)


def mapped_plainly(lens, names=NAMES):
    """The map of a wall through a lens, adjusted with one distortion coefficient."""
    truth = along_a_wall(names, points=900)
    poses = [truth.poses[name] for name in names]
    seen = observe(names, poses, truth.xyz, np.random.default_rng(0), 1, camera=lens)
    model = to_reconstruction(replace(of_points_seen_twice(seen), cameras={1: PLAIN}))
    return refine_robustly(model, (), 50.0, 0.5)


def lens(model, *distortion):
    focals = (500.0, 500.0) if model.startswith("OPENCV") else (500.0,)
    return Camera(model, 640, 480, (*focals, 319.5, 239.5, *distortion))


@pytest.mark.parametrize(
    ("seen_by", "expected"),
    [
        (lens("RADIAL", -0.5, 0.5), {"RADIAL"}),
        (lens("OPENCV", -0.5, 0.5, 0.0, 0.0), {"RADIAL"}),
        (
            Camera("OPENCV_FISHEYE", 640, 480, (240.0, 240.0, 319.5, 239.5, 0.0, 0.0, 0.0, 0.0)),
            {"SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"},
        ),
    ],
)
def test_a_lens_that_needs_more_is_found(seen_by, expected):
    plain = mapped_plainly(seen_by)
    fitted = refine_robustly(fit_lens_model(plain, ()), (), 4.0, 0.5)
    (camera,) = from_reconstruction(fitted).cameras.values()
    assert camera.model in expected
    # Without it, the focal length is wrong with nobody saying so.
    assert camera.focal_px == pytest.approx(seen_by.focal_px, rel=0.01)


@pytest.mark.parametrize("k", [0.0, -0.05, -0.3])
def test_a_lens_of_one_coefficient_keeps_it(k):
    assert fit_lens_model(mapped_plainly(lens("SIMPLE_RADIAL", k)), ()) is None


def test_held_cameras_and_those_of_few_images_are_not_asked():
    plain = mapped_plainly(lens("RADIAL", -0.5, 0.5))
    assert fit_lens_model(plain, {1}) is None
    assert fit_lens_model(mapped_plainly(lens("RADIAL", -0.5, 0.5), NAMES[:7]), ()) is None

"""Images of another zoom are told by their errors, and images of one zoom are not."""

from dataclasses import replace

import numpy as np
import pytest

from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction
from sfm.mapping.refinement import refine_robustly
from sfm.mapping.zooms import images_of_another_zoom

from .synthetic import CAMERA, along_a_wall, observe, of_points_seen_twice

NAMES = [f"{i}.jpg" for i in range(9)]


def mapped_by_one_camera(factor_of):
    """A map as an adjustment makes it that takes all images for those of one camera, after a zoom of some of them."""
    truth = along_a_wall(NAMES, points=600)
    rng = np.random.default_rng(1)
    images = {}
    for i, name in enumerate(NAMES):
        focal = CAMERA.params[0] * factor_of.get(name, 1.0)
        camera = replace(CAMERA, params=(focal, *CAMERA.params[1:]))
        pose = truth.poses[name]
        seen = observe([name], [pose], truth.xyz, rng, 1, camera=camera).images[1]
        images[i + 1] = seen
    model = to_reconstruction(of_points_seen_twice(replace(truth, images=images)))
    return from_reconstruction(refine_robustly(model, (), 50.0, 0.5))


@pytest.mark.parametrize("zoomed", [{"4.jpg": 1.4}, {"2.jpg": 0.6, "3.jpg": 0.6, "7.jpg": 1.7}])
def test_zoomed_images_are_told(zoomed):
    found = images_of_another_zoom(mapped_by_one_camera(zoomed), {1})
    assert set(zoomed) & set(found)


def test_images_of_one_zoom_are_left_alone():
    assert images_of_another_zoom(mapped_by_one_camera({}), {1}) == []


def test_only_cameras_in_question_are_looked_at():
    assert images_of_another_zoom(mapped_by_one_camera({"4.jpg": 1.4}), {7}) == []

"""Images that too few points hold leave a map."""

from dataclasses import replace

import numpy as np
import pytest

from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction
from sfm.mapping.loose_images import drop_loose_images

from .synthetic import along_a_wall, of_points_seen_twice

NAMES = [f"{i}.jpg" for i in range(5)]
LOOSE = NAMES[2]


def wall_that_sees(name, points):
    """A map of a wall; image `name` keeps its first points that two others see, and all that only one other sees."""
    truth = along_a_wall(NAMES)
    seen = np.concatenate([image.point_ids for image in truth.images.values()])
    ids, times = np.unique(seen, return_counts=True)
    images = dict(truth.images)
    number, image = next((i, image) for i, image in images.items() if image.name == name)
    keep = np.ones(len(image.xy), bool)
    keep[np.flatnonzero(np.isin(image.point_ids, ids[times > 2]))[points:]] = False
    images[number] = replace(image, xy=image.xy[keep], point_ids=image.point_ids[keep])
    return to_reconstruction(of_points_seen_twice(replace(truth, images=images)))


@pytest.mark.parametrize(("points", "dropped"), [(0, [LOOSE]), (4, [LOOSE]), (5, []), (50, [])])
def test_an_image_is_held_by_five_points_that_two_others_see(points, dropped):
    model = wall_that_sees(LOOSE, points)
    assert drop_loose_images(model) == dropped
    left = from_reconstruction(model)
    assert sorted(left.poses) == sorted(set(NAMES) - set(dropped))


def test_its_observations_leave_with_it_and_those_of_others_stay():
    model = wall_that_sees(LOOSE, 4)
    before = from_reconstruction(model)
    drop_loose_images(model)
    after = from_reconstruction(model)
    assert after.num_observations == before.num_observations - 4
    assert after.track_length.min() >= 2


def test_two_images_stay():
    model = to_reconstruction(along_a_wall(NAMES[:2]))
    assert drop_loose_images(model) == []
    assert model.num_reg_images() == 2


def test_three_images_without_a_point_that_all_see_become_two():
    model = wall_that_sees(LOOSE, 10**6)
    for image_id in sorted(model.reg_image_ids())[3:]:
        model.deregister_frame(model.image(image_id).frame_id)
    for point_id in list(model.point3D_ids()):
        if model.exists_point3D(point_id) and model.point3D(point_id).track.length() > 2:
            model.delete_point3D(point_id)
    assert len(drop_loose_images(model)) == 1
    assert model.num_reg_images() == 2

"""Images that too few points hold leave a map."""

from dataclasses import replace

import numpy as np
import pytest

from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction
from sfm.mapping.loose_images import drop_loose_images

from .synthetic import along_a_wall

NAMES = [f"{i}.jpg" for i in range(5)]
LOOSE = NAMES[2]


def wall_that_sees(name, points):
    """A map of a wall; image `name` keeps its first points that two others see, and all that only one other sees."""
    truth = along_a_wall(NAMES)
    by_id = dict.fromkeys(truth.point_ids, 0)
    for image in truth.images.values():
        for point in image.point_ids:
            by_id[point] += 1
    images = {}
    for i, image in truth.images.items():
        times = np.array([by_id[point] for point in image.point_ids])
        keep = times > 1
        if image.name == name:
            seen_by_more = np.flatnonzero(times > 2)
            keep[seen_by_more[points:]] = False
        images[i] = replace(image, xy=image.xy[keep], point_ids=image.point_ids[keep])
    seen = np.unique(np.concatenate([image.point_ids for image in images.values()]), return_counts=True)
    kept = np.isin(truth.point_ids, seen[0][seen[1] > 1])
    columns = {
        name: getattr(truth, name)[kept] for name in ("point_ids", "xyz", "rgb", "error_px", "track_length")
    }
    return to_reconstruction(replace(truth, images=images, **columns))


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

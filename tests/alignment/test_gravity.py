import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.alignment.gravity import estimate_gravity
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose, angle_between_deg
from sfm.mapping.sparse_map import MapImage, SparseMap

UP = np.array([0.0, 0.0, 1.0])
LEVEL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # world_from_cam, looking along x
# What a camera held in another way has stored: the stored axes in those of the upright picture.
TURNED = {
    1: np.eye(3),
    3: np.diag([-1.0, -1, 1]),
    6: np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    8: np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
}

# A mirrored picture shows a mirrored scene, with the same side up.
TURNED |= {2: TURNED[1], 4: TURNED[3], 5: TURNED[6], 7: TURNED[8]}


def held(yaws, pitches, rolls, orientation=1, world=None):
    """Cameras by heading, tilt and roll in degrees; z is up, unless the whole is turned by `world`."""
    world = np.eye(3) if world is None else world
    images = {}
    for i, (yaw, pitch, roll) in enumerate(zip(yaws, pitches, rolls, strict=True), 1):
        turn = Rotation.from_euler("ZYX", [yaw, -pitch, roll], degrees=True).as_matrix()
        world_from_cam = world @ turn @ LEVEL @ TURNED[orientation]
        images[i] = MapImage(f"{i}.jpg", 1, Pose(world_from_cam.T, np.zeros(3)))
    return SparseMap({1: Camera("SIMPLE_PINHOLE", 100, 80, (80.0, 49.5, 39.5))}, images)


def off_deg(gravity, up=UP):
    return angle_between_deg(gravity.up, up)


def test_cameras_that_look_around():
    rng = np.random.default_rng(0)
    found = estimate_gravity(held(rng.uniform(0, 360, 30), rng.uniform(-20, 30, 30), rng.normal(0, 1, 30)))
    assert off_deg(found) < 1
    assert found.reliable
    assert found.roll_deg < 2


def test_tilt_does_not_matter_where_headings_differ():
    """The mean of the cameras' tops would be 25 degrees off."""
    found = estimate_gravity(held([-60, -30, 0, 30, 60, 90], [25] * 6, [0] * 6))
    assert off_deg(found) < 2


def test_cameras_that_all_look_ahead_take_the_mean_of_their_tops():
    found = estimate_gravity(held([0] * 5, [-4, 2, 0, 3, -1], [0] * 5))
    assert off_deg(found) < 1


def test_some_held_askew_do_no_harm():
    rolls = [0, 1, -1, 0.5, 40, -1, 0, -35, 1, 0]
    assert off_deg(estimate_gravity(held(np.linspace(0, 300, 10), [5] * 10, rolls))) < 1.5


@pytest.mark.parametrize("orientation", sorted(TURNED))
def test_the_exif_orientation_says_which_side_is_up(orientation):
    sparse_map = held([0, 40, 80, 120], [5] * 4, [0] * 4, orientation)
    orientations = (
        {} if orientation == 1 else {image.name: orientation for image in sparse_map.images.values()}
    )
    assert off_deg(estimate_gravity(sparse_map, orientations)) < 1


def test_a_turned_map_has_a_turned_vertical():
    world = Rotation.random(random_state=3).as_matrix()
    found = estimate_gravity(held([0, 40, 80, 200], [5, -5, 0, 3], [0.5, -0.5, 0, 0], world=world))
    assert off_deg(found, world @ UP) < 1


def test_what_hangs_from_the_sky_or_tumbles_is_not_relied_on():
    rng = np.random.default_rng(1)
    assert not estimate_gravity(held(rng.uniform(0, 360, 20), [-88] * 20, [0] * 20)).reliable
    tumbling = held(rng.uniform(0, 360, 30), rng.uniform(-80, 80, 30), rng.uniform(-180, 180, 30))
    assert not estimate_gravity(tumbling).reliable
    assert not estimate_gravity(SparseMap({}, {})).reliable

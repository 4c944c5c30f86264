"""Keypoints move onto the same place of a painted plane whose pictures are known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.images.gray import GrayImage
from sfm.mapping.colmap_io import from_reconstruction, to_reconstruction
from sfm.mapping.keypoint_adjustment import View, adjust_keypoints, take_back_unobserving
from sfm.mapping.sparse_map import MapImage, SparseMap

CAMERA = Camera("SIMPLE_RADIAL", 400, 300, (350.0, 199.5, 149.5, 0.0))
# Tilt about x and y and turn about the line of sight, in degrees, and distance. Image 1 looks squarely.
VIEWS = {1: (0, 0, 0, 350), 2: (25, 0, 10, 350), 3: (0, -30, -15, 420), 4: (-15, 20, 5, 300)}
NOISE_PX = 0.4
SIGMA_PX = 1.6
POINTS = 60


def plane():
    """A painting, one pixel a unit, its middle at the origin: blobs of several sizes."""
    rng = np.random.default_rng(0)
    noise = sum(cv2.GaussianBlur(rng.normal(0, s, (700, 900)), (0, 0), s) for s in (1.5, 3, 6))
    return np.clip(128 + 70 * noise / noise.std(), 0, 255).astype(np.uint8)


PAINTING = plane()


def pose_of(tilt_x, tilt_y, turn, distance):
    R = Rotation.from_euler("zxy", [turn, tilt_x, tilt_y], degrees=True).as_matrix()
    return Pose(R, np.array([0.0, 0.0, distance]))


def picture(pose):
    """What a camera sees of the painting."""
    middle = (np.array(PAINTING.shape[::-1]) - 1) / 2
    onto_plane = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1.0]])
    H = CAMERA.matrix @ np.column_stack([pose.rotation[:, :2], pose.translation]) @ onto_plane
    return cv2.warpPerspective(PAINTING, H, (CAMERA.width, CAMERA.height), flags=cv2.INTER_CUBIC)


def on_plane(pose, xy):
    """Where on the plane pixels look, (N, 2)."""
    rays = np.column_stack([CAMERA.normalize(xy), np.ones(len(xy))]) @ pose.rotation
    return (pose.center - rays * (pose.center[2] / rays[:, 2])[:, None])[:, :2]


@pytest.fixture
def truth():
    """A map of points in the middle of the plane, its keypoints off by noise; each image has one that sees no point."""
    rng = np.random.default_rng(1)
    xyz = np.column_stack([rng.uniform(-75, 75, (POINTS, 2)), np.zeros(POINTS)])
    ids = np.arange(1, POINTS + 1)
    images = {}
    for i, view in VIEWS.items():
        pose = pose_of(*view)
        xy = CAMERA.project(pose.apply(xyz)) + rng.normal(0, NOISE_PX, (POINTS, 2))
        images[i] = MapImage(f"{i}.png", 1, pose, np.vstack([[10.0, 10.0], xy]), np.append(-1, ids))
    return SparseMap(
        {1: CAMERA},
        images,
        ids,
        xyz,
        np.zeros((POINTS, 3), np.uint8),
        np.zeros(POINTS),
        np.full(POINTS, len(VIEWS)),
    )


def pictures_of(sparse_map, change=lambda name, pixels: pixels, sigma_px=SIGMA_PX):
    """Load the pictures of a map, changed."""

    def load(name):
        image = next(image for image in sparse_map.images.values() if image.name == name)
        pixels = change(name, picture(image.cam_from_world))
        if pixels is None:
            return None
        return View(
            GrayImage(pixels, (CAMERA.width, CAMERA.height)), np.full(POINTS + 1, sigma_px, np.float32)
        )

    return load


def adjusted(sparse_map, change=lambda name, pixels: pixels, sigma_px=SIGMA_PX):
    """The map with its keypoints adjusted, and how many were moved."""
    model = to_reconstruction(sparse_map)
    before = adjust_keypoints(model, pictures_of(sparse_map, change, sigma_px))
    return from_reconstruction(model), sum(len(rows) for rows, _ in before.values())


def apart(sparse_map, images=tuple(VIEWS)):
    """How far keypoints of a track are from the middle of those of `images` on the plane: the root mean square."""
    at = np.array(
        [on_plane(im.cam_from_world, im.xy[1:]) for i, im in sparse_map.images.items() if i in images]
    )
    return np.sqrt(((at - at.mean(axis=0)) ** 2).sum(axis=2).mean())


def test_keypoints_of_a_track_move_onto_the_same_place(truth):
    after, moved = adjusted(truth)
    assert apart(truth) > 0.4
    assert apart(after) < 0.05
    assert moved == (len(VIEWS) - 1) * POINTS


def test_what_sees_most_squarely_and_what_sees_no_point_stays(truth):
    after, _ = adjusted(truth)
    assert np.allclose(after.images[1].xy, truth.images[1].xy, atol=1e-9)
    for i, image in after.images.items():
        assert np.allclose(image.xy[0], truth.images[i].xy[0])
        assert np.array_equal(image.point_ids, truth.images[i].point_ids)
    assert np.array_equal(after.xyz, truth.xyz)


def test_light_and_contrast_do_not_matter(truth):
    light = {"2.png": (0.3, 20), "3.png": (0.5, 120), "4.png": (0.7, 0)}
    after, moved = adjusted(
        truth, lambda name, p: cv2.convertScaleAbs(p, None, *light[name]) if name in light else p
    )
    assert apart(after) < 0.06
    assert moved == (len(VIEWS) - 1) * POINTS


def test_large_keypoints_become_as_exact_as_small_ones(truth):
    """A patch of 5 sigmas to each side, 30 pixels, would be read at steps of four, and leave them 0.26 px apart."""
    after, moved = adjusted(truth, sigma_px=6.0)
    assert apart(after) < 0.05
    assert moved == (len(VIEWS) - 1) * POINTS


def test_smaller_pictures_do(truth):
    after, moved = adjusted(truth, lambda name, p: cv2.resize(p, (200, 150), interpolation=cv2.INTER_AREA))
    assert apart(after) < 0.15
    assert moved > 0.9 * (len(VIEWS) - 1) * POINTS


def test_an_image_that_cannot_be_read_stays_as_it_is(truth):
    after, moved = adjusted(truth, lambda name, p: None if name == "3.png" else p)
    assert np.allclose(after.images[3].xy, truth.images[3].xy, atol=1e-9)
    assert apart(after, (1, 2, 4)) < 0.05
    assert moved == (len(VIEWS) - 2) * POINTS


def test_without_the_image_that_sees_most_squarely_nothing_moves(truth):
    after, moved = adjusted(truth, lambda name, p: None if name == "1.png" else p)
    assert moved == 0
    assert apart(after) == pytest.approx(apart(truth))


def test_a_wrong_match_stays(truth):
    wrong = truth.images[2].xy.copy()
    wrong[5] += [25.0, -15.0]
    images = {**truth.images, 2: replace(truth.images[2], xy=wrong)}
    after, moved = adjusted(replace(truth, images=images))
    assert np.allclose(after.images[2].xy[5], wrong[5], atol=1e-9)
    assert moved == (len(VIEWS) - 1) * POINTS - 1


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_where_there_is_nothing_to_see_nothing_moves(truth, grey):
    after, moved = adjusted(truth, lambda name, p: np.full_like(p, grey))
    assert moved == 0
    assert np.allclose(after.images[2].xy, truth.images[2].xy, atol=1e-9)


def test_what_reaches_over_the_border_stays(truth):
    """The right half of image 4 was cut off; what it showed near the cut is not guessed."""

    def cut(name, pixels):
        return np.where(np.arange(400) < 200, pixels, 128).astype(np.uint8) if name == "4.png" else pixels

    after, _ = adjusted(truth, cut)
    gone = truth.images[4].xy[:, 0] > 210
    assert gone.sum() > 10
    assert np.allclose(after.images[4].xy[gone], truth.images[4].xy[gone], atol=1e-9)


def test_many_threads_give_the_same(truth):
    first, _ = adjusted(truth)
    second, _ = adjusted(truth)
    assert all(np.array_equal(first.images[i].xy, second.images[i].xy) for i in VIEWS)


def test_what_looks_many_times_as_large_stays(truth):
    """Image 2 was taken from five times as near as the others: its patches would show a few pixels of theirs."""
    near = pose_of(25, 0, 10, 70)
    images = {**truth.images, 2: replace(truth.images[2], cam_from_world=near)}
    after, moved = adjusted(replace(truth, images=images))
    assert np.allclose(after.images[2].xy, truth.images[2].xy, atol=1e-9)
    assert moved > 0


def test_a_map_without_points_is_left_alone(truth):
    images = {
        i: replace(image, point_ids=np.full_like(image.point_ids, -1)) for i, image in truth.images.items()
    }
    none = slice(0, 0)
    empty = replace(
        truth,
        images=images,
        **{k: getattr(truth, k)[none] for k in ("point_ids", "xyz", "rgb", "error_px", "track_length")},
    )
    assert adjusted(empty)[1] == 0


def test_what_observes_no_point_any_more_goes_back_to_where_it_was_detected(truth):
    model = to_reconstruction(truth)
    before = adjust_keypoints(model, pictures_of(truth))
    for point_id in range(1, 21):
        model.delete_point3D(point_id)
    model.delete_observation(3, 40)
    take_back_unobserving(model, before)
    after = from_reconstruction(model)
    for i, image in after.images.items():
        free = image.point_ids < 0
        assert free.sum() == (22 if i == 3 else 21)
        np.testing.assert_allclose(image.xy[free], truth.images[i].xy[free], atol=1e-9)
    assert apart(after) < apart(truth)
    assert not np.allclose(after.images[2].xy, truth.images[2].xy, atol=0.01)

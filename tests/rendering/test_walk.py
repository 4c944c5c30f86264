from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from sfm.errors import InputError
from sfm.geometry.pose import angle_between_deg, rotation_angle_deg
from sfm.mapping.colmap_io import read_map
from sfm.rendering.walk import StreetOptions, camera_of, render_street, walk


def test_the_walk_is_smooth_upright_and_gives_parallax():
    poses = walk(20)
    for before, after in pairwise(poses):
        assert 0.5 < np.linalg.norm(after.center - before.center) < 0.9
        assert rotation_angle_deg((after @ before.inverse()).rotation) < 8
    for pose in poses:
        assert np.linalg.det(pose.rotation) == pytest.approx(1)
        assert angle_between_deg(-pose.rotation[1], np.array([0.0, 0.0, 1.0])) < 12
    # Not along a line: otherwise the path has no scale-free shape to compare.
    centers = np.array([pose.center for pose in poses])
    spread = np.linalg.svd(centers - centers.mean(axis=0), compute_uv=False)
    assert spread[1] / spread[0] > 0.05


def test_scene_on_disk_is_whole(tmp_path):
    options = StreetOptions(views=3, width=160, height=120)
    scene = render_street(tmp_path, options)
    truth = read_map(scene.ground_truth)
    assert [image.name for image in truth.images_by_name] == sorted(p.name for p in scene.images.iterdir())
    (camera,) = truth.cameras.values()
    assert camera.params == pytest.approx(scene.camera.params)
    assert camera.principal_point == (79.5, 59.5)
    for name, pose in scene.poses.items():
        assert truth.poses[name].rotation == pytest.approx(pose.rotation)
        assert truth.poses[name].translation == pytest.approx(pose.translation)
    with Image.open(scene.images / "street_001.jpg") as photo:
        assert photo.size == (160, 120)
        exif = photo.getexif()
        details = exif.get_ifd(0x8769)
    assert exif[0x010F] == "sosnet-sfm"
    assert details[0x9003] == "2024:06:01 12:00:02"
    assert details[0xA405] / np.hypot(36, 24) * np.hypot(160, 120) == pytest.approx(scene.camera.focal_px)
    # FocalPlaneXResolution is in pixels per centimetre.
    assert float(details[0x920A]) * float(details[0xA20E]) / 10 == pytest.approx(
        scene.camera.focal_px, rel=1e-3
    )


def test_no_distortion_makes_a_pinhole():
    assert camera_of(StreetOptions(radial=0.0)).model == "SIMPLE_PINHOLE"
    assert camera_of(StreetOptions()).model == "SIMPLE_RADIAL"


def test_darkness_falls_on_every_second_photograph(tmp_path):
    day, night = (
        render_street(tmp_path / str(level), StreetOptions(views=4, width=160, height=120, darkness=level))
        for level in (0.0, 1.0)
    )
    for i, path in enumerate(sorted(day.images.iterdir())):
        by_day, other = (np.asarray(Image.open(p)).astype(float) for p in (path, night.images / path.name))
        if i % 2:
            assert other.mean() < 0.6 * by_day.mean()
        else:
            np.testing.assert_array_equal(other, by_day)


def test_bad_options_are_refused(tmp_path):
    with pytest.raises(InputError, match="--views"):
        render_street(tmp_path, StreetOptions(views=1))


@pytest.mark.slow
def test_full_size_views_give_thousands_of_exact_matches(tmp_path):
    """SIFT between neighbours obeys the true epipolar geometry to a fraction of a pixel."""
    cv2 = pytest.importorskip("cv2")
    scene = render_street(tmp_path, StreetOptions(views=20))
    sift = cv2.SIFT_create()
    names = ["street_008.jpg", "street_009.jpg"]
    rays, descriptors = [], []
    for name in names:
        keypoints, found = sift.detectAndCompute(
            cv2.imread(str(scene.images / name), cv2.IMREAD_GRAYSCALE), None
        )
        assert len(keypoints) > 4000
        xy = np.array([keypoint.pt for keypoint in keypoints])
        counts, _, _ = np.histogram2d(xy[:, 0], xy[:, 1], [4, 3], [[0, 1024], [0, 768]])
        assert (counts > 30).all()
        rays.append(np.column_stack([scene.camera.normalize(xy), np.ones(len(xy))]))
        descriptors.append(np.sqrt(found / found.sum(axis=1, keepdims=True)))
    similarity = descriptors[0] @ descriptors[1].T
    best = similarity.argmax(axis=1)
    mutual = np.flatnonzero(similarity.argmax(axis=0)[best] == np.arange(len(best)))
    relative = scene.poses[names[1]] @ scene.poses[names[0]].inverse()
    essential = np.cross(relative.translation, relative.rotation, axisb=0, axisc=0)
    x, y = rays[0][mutual], rays[1][best[mutual]]
    one, other = x @ essential.T, y @ essential
    sampson = (y * one).sum(axis=1) / np.sqrt((one[:, :2] ** 2).sum(axis=1) + (other[:, :2] ** 2).sum(axis=1))
    error_px = np.abs(sampson) * scene.camera.focal_px
    assert (error_px < 3).sum() > 2000
    assert np.median(error_px) < 0.25

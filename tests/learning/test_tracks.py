import cv2
import numpy as np
import pytest

from sfm.features.detectors import DetectionOptions, DogDetector
from sfm.features.patch_window import PatchWindow
from sfm.features.rootsift import RootSift
from sfm.images.gray import GrayImage
from sfm.learning import leftover_turns
from sfm.learning.tracks import chain, real_points, rolls_of, training_pairs, verified_matches


@pytest.fixture
def nothing_left_over(monkeypatch):
    monkeypatch.setattr(leftover_turns, "leftover_turn", lambda rng: 0.0)


def test_few_photographs_are_matched_exhaustively():
    pairs = training_pairs(5, 100, np.random.default_rng(0))
    assert len(pairs) == 10
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_many_photographs_are_matched_near_and_far():
    pairs = training_pairs(80, 200, np.random.default_rng(0))
    assert len(np.unique(pairs, axis=0)) == len(pairs) == 200
    gap = pairs[:, 1] - pairs[:, 0]
    assert (gap == 1).sum() == 79
    assert (gap > 20).sum() > 50


def test_matches_are_chained_through_images():
    pairs = np.array([[0, 1], [1, 2]])
    tracks = chain([3, 3, 3], pairs, [np.array([[0, 1], [2, 2]]), np.array([[1, 0]])])
    assert tracks[0][0] == tracks[1][1] == tracks[2][0] >= 0
    assert tracks[0][2] == tracks[1][2] >= 0
    assert tracks[0][0] != tracks[0][2]
    assert tracks[0][1] == tracks[1][0] == tracks[2][1] == -1


def test_a_track_with_two_keypoints_in_one_image_is_dropped():
    pairs = np.array([[0, 1], [1, 2], [0, 2]])
    matches = [np.array([[0, 0]]), np.array([[0, 0]]), np.array([[1, 0]])]
    tracks = chain([2, 1, 1], pairs, matches)
    assert all((track == -1).all() for track in tracks)


def test_no_matches_no_tracks():
    tracks = chain([2, 3], np.array([[0, 1]]), [np.empty((0, 2), np.int64)])
    assert all((track == -1).all() for track in tracks)


def views_of_a_relief(count):
    """Return pictures of two textured layers, the near one moving twice as fast: a scene with depth."""
    rng = np.random.default_rng(0)
    layers = []
    for _ in range(2):
        noise = cv2.GaussianBlur(rng.normal(0, 1, (400, 600)).astype(np.float32), (0, 0), 2.5)
        layers.append(np.clip(127 + 60 * noise / noise.std(), 0, 255).astype(np.uint8))
    mask = np.zeros((400, 600), np.uint8)
    for x in range(60, 600, 120):
        cv2.rectangle(mask, (x, 40), (x + 50, 360), 255, -1)
    pictures = []
    for i in range(count):
        far, near, cut = (
            cv2.warpAffine(layer, np.array([[1, 0, -shift], [0, 1, -shift / 3]], float), (600, 400))
            for layer, shift in ((layers[0], 5 * i), (layers[1], 10 * i), (mask, 10 * i))
        )
        pictures.append(GrayImage.of(np.where(cut > 0, near, far)))
    return pictures


@pytest.mark.parametrize("orientation", ["image", "gradient"])
@pytest.mark.usefixtures("nothing_left_over")
def test_overlapping_photographs_give_points_with_several_views(orientation):
    images = views_of_a_relief(3)
    detector = DogDetector(DetectionOptions(max_keypoints=500, keep="strongest"))
    points = real_points(
        images,
        [detector.detect(image) for image in images],
        RootSift(),
        np.random.default_rng(0),
        max_pairs=10,
        window=PatchWindow(24.0),
        orientation=orientation,
    )
    assert len(points.counts) > 100
    assert set(np.unique(points.counts)) == {2, 3}
    alike, unlike = resemblance(points)
    assert np.median(alike) > 0.8
    assert np.median(unlike) < 0.3


def resemblance(points):
    """Return how much the second patch of each point is like its first, and how much that is like another point's."""
    rows = points.patches.reshape(len(points.patches), -1).astype(float)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    first = np.concatenate([[0], np.cumsum(points.counts)[:-1]])
    return (rows[first] * rows[first + 1]).sum(axis=1), (rows[first] * np.roll(rows[first], 1, axis=0)).sum(
        axis=1
    )


def rolled(image, quarters):
    return GrayImage.of(np.ascontiguousarray(np.rot90(image.pixels, quarters)))


def test_rolls_are_told_by_verified_pairs_and_are_0_without_any():
    images = views_of_a_relief(4)
    images = [images[0], rolled(images[1], 1), images[2], rolled(images[3], 2)]
    noise = np.random.default_rng(2).normal(0, 300, (300, 400)).astype(np.float32)
    images.append(GrayImage.of(np.clip(127 + cv2.GaussianBlur(noise, (0, 0), 2.5), 0, 255).astype(np.uint8)))
    found = detected(images)
    described = [
        RootSift().describe(image, keypoints) for image, keypoints in zip(images, found, strict=True)
    ]
    pairs = training_pairs(5, 10, np.random.default_rng(0))
    matches = [verified_matches(found[i], found[j], (described[i], described[j])) for i, j in pairs]
    # Counter-clockwise, as numpy turns; the first and the third are most.
    assert np.degrees(rolls_of(found, pairs, matches))[[0, 1, 2, 4]] == pytest.approx([0, -90, 0, 0], abs=6)
    assert abs(np.degrees(rolls_of(found, pairs, matches))[3]) == pytest.approx(180, abs=6)


def upside_down():
    """Return points of three photographs, the second of them upside down."""
    images = views_of_a_relief(3)
    images = [images[0], rolled(images[1], 2), images[2]]
    return real_points(
        images,
        detected(images),
        RootSift(),
        np.random.default_rng(0),
        max_pairs=10,
        window=PatchWindow(24.0),
        orientation="image",
    )


@pytest.mark.usefixtures("nothing_left_over")
def test_patches_are_alike_though_a_photograph_is_upside_down():
    points = upside_down()
    assert len(points.counts) > 100
    alike, unlike = resemblance(points)
    assert np.median(alike) > 0.6  # the roll itself is off by some degrees
    assert np.median(unlike) < 0.2


def test_what_is_left_over_of_a_turn_shows_in_the_patches(monkeypatch):
    by_chance = upside_down()
    monkeypatch.setattr(leftover_turns, "leftover_turn", lambda rng: 0.0)
    exact = upside_down()
    assert by_chance.counts.tolist() == exact.counts.tolist(), "the same points"
    assert np.median(resemblance(by_chance)[0]) < np.median(resemblance(exact)[0]) - 0.1


def detected(images):
    detector = DogDetector(DetectionOptions(max_keypoints=500, keep="strongest"))
    return [detector.detect(image) for image in images]


@pytest.mark.parametrize("orientation", ["image", "gradient"])
def test_unrelated_photographs_give_nothing(orientation):
    rng = np.random.default_rng(1)
    noise = [rng.normal(0, 1, (300, 400)).astype(np.float32) for _ in range(2)]
    images = [
        GrayImage.of(np.clip(127 + 300 * cv2.GaussianBlur(n, (0, 0), 2.5), 0, 255).astype(np.uint8))
        for n in noise
    ]
    detector = DogDetector(DetectionOptions(max_keypoints=400, keep="strongest"))
    points = real_points(
        images,
        [detector.detect(image) for image in images],
        RootSift(),
        rng,
        max_pairs=10,
        window=PatchWindow(24.0),
        orientation=orientation,
    )
    assert len(points.counts) == 0

import numpy as np
import pytest

from sfm.errors import InputError
from sfm.features.rootsift import RootSift
from sfm.geometry.camera import Camera
from sfm.geometry.pose import Pose
from sfm.learning.image_benchmark import (
    DescribedImages,
    Matched,
    correct_below,
    hand_made_figures,
    plane_figures,
    pose_figures,
    precision_at,
    ratio_of_precision,
)
from sfm.learning.image_pairs import (
    HandMadeTruth,
    Pair,
    PlaneTruth,
    PoseTruth,
    homography_pairs,
    posed_pairs,
)
from sfm.matching.mutual import Matches

from .image_sequences import write_sequence


def matched(truth, xy1, xy2, ratio, num_keypoints=100):
    n = len(xy1)
    matches = Matches(
        np.column_stack([np.arange(n)] * 2).astype(np.int32),
        np.full(n, 0.5, np.float32),
        np.broadcast_to(np.asarray(ratio, np.float32), n),
    )
    return Matched(
        Pair(None, None, truth),
        matches,
        np.asarray(xy1, float),
        np.asarray(xy2, float),
        num_keypoints,
        (640, 480),
    )


@pytest.fixture
def sequence(tmp_path):
    return write_sequence(tmp_path)


def test_a_known_homography_makes_most_matches_right(sequence):
    (pair,) = homography_pairs(sequence)
    found = DescribedImages([pair], 500).match(pair, RootSift())
    figures = plane_figures([found])
    assert figures.matches == len(found.matches)
    assert figures.correct > 60
    assert figures.precision > 0.8
    assert figures.accuracy[0] <= figures.accuracy[1] <= figures.accuracy[2]
    # The right matches are right: their median error is a fraction of a pixel.
    assert np.median(found.errors_px[found.errors_px < 3]) < 0.7


def test_figures_of_planes_are_counted_as_defined():
    xy = np.zeros((4, 2))
    moved = np.array([[0.5, 0], [2, 0], [4, 0], [9, 0]])
    pairs = [
        matched(PlaneTruth(np.eye(3)), xy, moved, 0.5),
        matched(PlaneTruth(np.eye(3)), xy[:1], moved[:1], 0.5),
    ]
    figures = plane_figures(pairs)
    assert (figures.matches, figures.correct) == (5, 3)
    assert figures.precision == pytest.approx(3 / 5)
    assert figures.accuracy == pytest.approx(((0.25 + 1) / 2, (0.5 + 1) / 2, (0.75 + 1) / 2))
    assert figures.matching_score == pytest.approx((0.02 + 0.01) / 2)


@pytest.mark.parametrize(("shift", "solved"), [(1.0, 1.0), (4.0, 0.0)])
def test_a_homography_is_solved_if_its_corners_are_within_3_px(shift, solved):
    """Matches that all agree, with one another but by `shift` not with the truth; the sure ones are found first."""
    rng = np.random.default_rng(0)
    xy1 = rng.uniform(0, [640, 480], (400, 2))
    xy2 = xy1 + np.array([shift, 0.0])
    ratio = np.full(400, 0.6)
    xy2[100:], ratio[100:] = rng.uniform(0, [640, 480], (300, 2)), 0.95
    assert plane_figures([matched(PlaneTruth(np.eye(3)), xy1, xy2, ratio)]).solved == solved


def test_too_few_matches_solve_nothing():
    xy = np.array([[0.0, 0], [100, 0], [0, 100]])
    assert plane_figures([matched(PlaneTruth(np.eye(3)), xy, xy, 0.5)]).solved == 0.0


CAMERA = Camera("PINHOLE", 640, 480, (500.0, 500.0, 319.5, 239.5))


def posed(noise=0.0, wrong=0, seed=0):
    """Project random points into two cameras; the last `wrong` matches are shuffled."""
    rng = np.random.default_rng(seed)
    angle = 0.2
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    pose = Pose(rotation, np.array([-1.0, 0.1, 0.05]))
    points = rng.uniform([-2, -1.5, 5], [2, 1.5, 9], (200, 3))
    xy1 = CAMERA.project(points)
    xy2 = CAMERA.project(pose.apply(points)) + rng.normal(0, noise, (200, 2))
    ratio = np.full(200, 0.7)
    if wrong:
        xy2[-wrong:] = rng.uniform(0, [640, 480], (wrong, 2))
        ratio[-wrong:] = rng.uniform(0.75, 1, wrong)
    return matched(PoseTruth(CAMERA, CAMERA, pose), xy1, xy2, ratio)


def test_matches_of_a_known_pose_have_small_errors():
    assert posed().errors_px.max() < 1e-6
    assert 0.1 < np.median(posed(noise=0.5).errors_px) < 0.6


def test_figures_of_poses():
    clean, dirty = posed(noise=0.3), posed(noise=0.3, wrong=80)
    assert precision_at([clean], 1.0) == 1.0
    assert precision_at([dirty], 1.0) == pytest.approx(0.62, abs=0.05)
    assert precision_at([dirty], 0.71) == 1.0
    assert correct_below([dirty], 0.71) == 120
    assert correct_below([dirty], 0.69) == 0
    figures = pose_figures([clean, dirty], 0.8)
    assert figures.correct == pytest.approx(160, abs=6)
    assert figures.auc[1] > 0.9


def test_the_ratio_of_a_precision_is_the_largest_that_reaches_it():
    dirty = posed(noise=0.3, wrong=80)
    ratio = ratio_of_precision([dirty], 0.9)
    assert 0.75 < ratio < 0.9
    assert precision_at([dirty], ratio) >= 0.9 > precision_at([dirty], ratio + 0.04)


def test_a_pose_that_cannot_be_found_counts_as_the_worst():
    nothing = matched(posed().pair.truth, np.zeros((3, 2)), np.zeros((3, 2)), 0.5)
    assert pose_figures([nothing], 1.0).auc == (0.0, 0.0, 0.0)


def test_hand_made_marks_are_judged_by_the_estimated_geometry():
    good = posed(noise=0.2)
    truth = HandMadeTruth(good.xy1[:10], good.xy2[:10])
    few = matched(truth, good.xy1[:5], good.xy2[:5], 0.5)
    figures = hand_made_figures([matched(truth, good.xy1, good.xy2, 0.5), few])
    assert figures.solved == 0.5
    assert figures.accuracy[2] == pytest.approx(0.5)


def test_unreadable_images_are_named(sequence):
    (pair,) = homography_pairs(sequence)
    pair.second.write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"img2\.png is not a readable image"):
        DescribedImages([pair], 100).match(pair, RootSift())


@pytest.mark.scenes
def test_posed_pairs_look_the_same_way(sfm_data):
    pairs = posed_pairs(sfm_data / "scenes" / "fountain-P11")
    assert 30 <= len(pairs) <= 55
    images = DescribedImages(pairs[:1], 1000)
    found = images.match(pairs[0], RootSift())
    assert precision_at([found], 0.8) > 0.85
    assert found.pair.truth.pose_error_deg(found.xy1, found.xy2) < 2

import numpy as np
import pytest

from sfm.matching.codebook import train_codebook
from sfm.matching.retrieval import WORDS, aggregate, describe_views, rank_views
from tests.localization.scene import unit


def described(rng, centres, count=300):
    return unit(centres[rng.integers(len(centres), size=count)] + rng.normal(0, 0.02, (count, 128)))


def test_views_of_one_place_rank_before_others():
    rng = np.random.default_rng(0)
    places = [unit(rng.normal(size=(60, 128))) for _ in range(10)]
    first, second = ([described(rng, place) for place in places] for _ in range(2))
    codebook = train_codebook(np.concatenate(first), WORDS)
    views = np.array([aggregate(rows, codebook) for rows in first])
    for i, rows in enumerate(second):
        assert rank_views(aggregate(rows, codebook), views, 3)[0] == i


def test_images_of_one_place_are_most_alike():
    rng = np.random.default_rng(5)
    places = [unit(rng.normal(size=(60, 128))) for _ in range(8)]
    images = [described(rng, place) for place in places for _ in range(2)]
    views = describe_views([lambda rows=rows: rows for rows in images])
    likeness = views @ views.T - 2 * np.eye(len(views))
    assert likeness.argmax(axis=1).tolist() == [i ^ 1 for i in range(16)]
    assert describe_views([]).shape == (0, 0)
    assert not describe_views([lambda: np.empty((0, 128), np.float32)] * 2).any()


@pytest.mark.parametrize("count", [0, 1, 500])
def test_global_descriptors_have_length_one_or_are_nothing(count):
    rng = np.random.default_rng(2)
    codebook = train_codebook(unit(rng.normal(size=(2000, 128))), words=8)
    found = aggregate(
        unit(rng.normal(size=(count, 128))) if count else np.empty((0, 128), np.float32), codebook
    )
    assert found.shape == (8 * 128,)
    assert np.linalg.norm(found) == pytest.approx(1.0 if count else 0.0, abs=1e-5)


def test_the_order_of_keypoints_does_not_matter():
    rng = np.random.default_rng(3)
    rows = unit(rng.normal(size=(400, 128)))
    codebook = train_codebook(unit(rng.normal(size=(400, 128))), words=16)
    np.testing.assert_allclose(aggregate(rows, codebook), aggregate(rows[::-1], codebook), atol=1e-5)

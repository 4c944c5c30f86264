import numpy as np
import pytest

from sfm.features.patch_window import EVEN_WINDOW
from sfm.features.patches import extract_patches
from sfm.features.rootsift import RootSift
from sfm.learning.patch_benchmark import describe_patches, patch_figures, space_use
from tests.learning.patch_sets import small_patch_set


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Pixels:
    """The plainest descriptor: the patch itself, without its mean."""

    name = "pixels"
    dimension = 1024
    patch_windows = (EVEN_WINDOW,)
    patches_a_part = 1024

    def __init__(self, noise=0.0):
        self.noise = noise

    def cut_patches(self, image, keypoints):
        return extract_patches(image, keypoints)

    def describe_patches(self, patches):
        rows = patches.reshape(len(patches), -1).astype(float)
        rows = unit(rows - rows.mean(axis=1, keepdims=True))
        return unit(rows + self.noise * np.random.default_rng(0).normal(0, 1, rows.shape))


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return small_patch_set(tmp_path_factory.mktemp("set"))


def test_a_good_descriptor_is_near_perfect_and_noise_makes_it_worse(patches):
    points = np.arange(patches.num_points)
    good = patch_figures(Pixels(), patches, points, max_points=100)
    bad = patch_figures(Pixels(noise=0.15), patches, points, max_points=100)
    assert good.fpr95 == 0
    assert min(good.verification_ap, good.matching_map, good.retrieval_map) > 0.98
    assert bad.fpr95 > 0.05
    assert bad.matching_map < 0.8
    assert bad.retrieval_map < good.retrieval_map
    assert bad.space.intra_concentration < good.space.intra_concentration


def test_figures_can_be_repeated(patches):
    points = np.arange(patches.num_points)
    assert patch_figures(Pixels(), patches, points, seed=3) == patch_figures(
        Pixels(), patches, points, seed=3
    )


def test_sift_describes_patches_through_a_sheet(patches):
    index = np.arange(0, 90)
    rows = describe_patches(RootSift(), patches.patches(index), patches.window)
    assert rows.shape == (90, 128)
    # Three patches a point: the second of a point is nearest to its first.
    similarity = rows[::3] @ rows[1::3].T
    assert (similarity.argmax(axis=1) == np.arange(30)).mean() > 0.9


def test_space_use_tells_spread_from_crowded_descriptors():
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(0, 1, (300, 64)))
    crowded = unit(centres + 2 * np.eye(64)[0])
    owner = np.repeat(np.arange(300), 2)

    def measured(means, noise):
        return space_use(unit(means[owner] + noise * rng.normal(0, 1, (600, 64))), owner)

    spread = measured(centres, 0.05)
    assert measured(crowded, 0.05).inter_concentration > 5 * spread.inter_concentration
    assert measured(centres, 0.01).intra_concentration > 5 * spread.intra_concentration
    assert spread.dimensions > 45
    flat = centres.copy()
    flat[:, 8:] = 0
    assert measured(unit(flat), 1e-3).dimensions < 9

import numpy as np
import pytest
import torch

from sfm.learning.patch_surroundings import with_other_surroundings
from tests.learning.patch_sets import textures


@pytest.fixture(scope="module")
def patches():
    return torch.from_numpy(textures(400, 1, np.random.default_rng(0), noise=0).patches)


def changed(patches, share, seed=0):
    return with_other_surroundings(patches, share, torch.Generator().manual_seed(seed))


def difference(patches, share=1.0):
    return (changed(patches, share) - patches.float()).abs()


def test_a_share_of_the_patches_is_changed(patches):
    anew = (difference(patches, 0.5) > 5).flatten(1).any(dim=1)
    assert anew.float().mean() == pytest.approx(0.5, abs=0.08)
    assert torch.equal(changed(patches, 0.0), patches.float())


def test_surroundings_are_repeated_by_their_generator_alone(patches):
    assert torch.equal(changed(patches, 0.7, seed=3), changed(patches, 0.7, seed=3))
    assert not torch.equal(changed(patches, 0.7, seed=3), changed(patches, 0.7, seed=4))


def test_the_keypoint_stays_what_it_is_and_its_surroundings_do_not(patches):
    where = difference(patches)
    middle, border = where[..., 14:18, 14:18], torch.cat([where[..., :2, :], where[..., -2:, :]], dim=2)
    # A soft border on the side of the keypoint reaches it now and then.
    assert (middle.mean(dim=(1, 2, 3)) < 10).float().mean() > 0.75
    assert border.mean() > 5 * middle.mean()
    assert border.mean() > 15


def test_lamps_are_white(patches):
    dark = (patches.float() / 255 * 60).to(torch.uint8)  # nothing but a lamp brings it to 200
    lit = (changed(dark, 1.0) > 200).flatten(1).any(dim=1)
    assert 0.1 < lit.float().mean() < 0.35
    assert changed(patches, 1.0).max() <= 255
    assert changed(patches, 1.0).min() >= 0


def test_flat_patches_stay_finite():
    assert torch.isfinite(changed(torch.full((20, 1, 32, 32), 7, dtype=torch.uint8), 1.0)).all()

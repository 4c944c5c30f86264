import numpy as np
import pytest
import torch

from sfm.learning.patch_light import relit
from tests.learning.patch_sets import textures


@pytest.fixture(scope="module")
def patches():
    return torch.from_numpy(textures(400, 1, np.random.default_rng(0), noise=0).patches)


def lit(patches, share, seed=0):
    return relit(patches, share, torch.Generator().manual_seed(seed))


def correlation(a, b):
    a, b = (rows.flatten(1) - rows.flatten(1).mean(1, keepdim=True) for rows in (a.float(), b.float()))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


def test_a_share_of_the_patches_is_lit_anew(patches):
    changed = (lit(patches, 0.5) != patches).flatten(1).any(dim=1)
    assert changed.float().mean() == pytest.approx(0.5, abs=0.08)
    assert torch.equal(lit(patches, 0.0), patches.float())


def test_light_is_repeated_by_its_generator_alone(patches):
    assert torch.equal(lit(patches, 0.7, seed=3), lit(patches, 0.7, seed=3))
    assert not torch.equal(lit(patches, 0.7, seed=3), lit(patches, 0.7, seed=4))


def test_patches_stay_finite_and_recognisable(patches):
    light = lit(patches, 1.0)
    assert torch.isfinite(light).all()
    assert light.min() > -255
    similar = correlation(light, patches)
    assert similar.median() > 0.6  # what is shown stays
    assert (similar < 0.95).float().mean() > 0.5  # but hardly ever looks the same
    assert correlation(light, patches.roll(1, 0)).abs().median() < 0.3


def test_a_flat_patch_does_not_divide_by_zero():
    assert torch.isfinite(lit(torch.full((20, 1, 32, 32), 7, dtype=torch.uint8), 1.0)).all()

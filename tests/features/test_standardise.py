"""Zero mean and unit variance of patches."""

import pytest
import torch

from sfm.features.standardise import standardised


@pytest.fixture
def patches() -> torch.Tensor:
    return 255 * torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def test_each_patch_gets_zero_mean_and_unit_variance(patches):
    std, mean = torch.std_mean(standardised(patches), dim=(1, 2, 3))
    assert mean.abs().max() < 1e-5
    assert (std - 1).abs().max() < 1e-5


def test_brightness_and_contrast_do_not_matter(patches):
    assert torch.allclose(standardised(patches), standardised(0.3 * patches + 40), atol=1e-4)


def test_each_patch_is_for_itself(patches):
    assert torch.allclose(standardised(patches)[2:3], standardised(patches[2:3]), atol=1e-6)


def test_a_flat_patch_becomes_zero():
    assert not standardised(torch.full((2, 1, 32, 32), 200.0)).any()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16])
def test_the_answer_is_float32_whatever_comes(patches, dtype):
    given = patches.round().to(dtype)
    assert torch.equal(standardised(given), standardised(given.float()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert standardised(given).dtype == torch.float32

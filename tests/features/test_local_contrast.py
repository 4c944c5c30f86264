import pytest
import torch

from sfm.features.local_contrast import local_contrast
from sfm.features.networks import NETWORKS, SosNet

SIZE = 32


@pytest.fixture(scope="module")
def patches():
    """Smooth random surfaces, in the middle of the range of grey levels."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(16, 1, SIZE, SIZE, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)
    return 90 + 80 * smooth / smooth.abs().amax(dim=(2, 3), keepdim=True)


def likeness(one, other):
    """Correlation of patches that are brought to zero mean each."""
    one, other = (p.flatten(1) - p.flatten(1).mean(dim=1, keepdim=True) for p in (one, other))
    return torch.nn.functional.cosine_similarity(one, other)


def lamp(patches):
    """Light that falls off across the patch to a tenth."""
    return patches * torch.logspace(0, -1, SIZE)


def test_light_from_one_side_changes_little(patches):
    seen = likeness(local_contrast(patches), local_contrast(lamp(patches)))
    as_it_is = likeness(patches, lamp(patches))
    assert (1 - seen).mean() < 0.75 * (1 - as_it_is).mean()


def test_a_darker_picture_of_bright_things_is_the_same(patches):
    bright = 100 + patches / 2
    assert likeness(local_contrast(bright), local_contrast(0.7 * bright)).min() > 0.995


def test_all_parts_of_a_patch_get_their_share(patches):
    dim = patches.clone()
    dim[..., SIZE // 2 :] = 90 + 0.1 * (dim[..., SIZE // 2 :] - 90)

    def share(p):
        left, right = p[..., : SIZE // 2 - 4].std(), p[..., SIZE // 2 + 4 :].std()
        return float(right / left)

    assert share(dim) < 0.15
    assert share(local_contrast(dim)) > 1.5 * share(dim)


def test_a_flat_patch_is_zero_and_black_is_finite():
    assert local_contrast(torch.full((2, 1, SIZE, SIZE), 77.0)).abs().max() < 1e-3
    edge = torch.zeros(1, 1, SIZE, SIZE)
    edge[..., SIZE // 2 :] = 255
    assert torch.isfinite(local_contrast(edge)).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16])
def test_grey_levels_may_come_in_any_type(patches, dtype):
    whole = patches.round()
    seen = local_contrast(whole.to(dtype))
    assert seen.dtype == torch.float32
    assert torch.equal(seen, local_contrast(whole))


def test_autocast_takes_nothing_away(patches):
    with torch.autocast("cpu", torch.bfloat16):
        inside = local_contrast(patches)
    assert torch.equal(inside, local_contrast(patches))


def test_a_turned_patch_is_turned(patches):
    turned = local_contrast(patches.rot90(1, dims=(2, 3)))
    assert torch.allclose(turned, local_contrast(patches).rot90(1, dims=(2, 3)), atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_that_evens_light_is_the_same_network_behind_it(name, patches):
    torch.manual_seed(0)
    evening = NETWORKS[name](evens_light=True)
    evening.initialise()
    plain = NETWORKS[name]()
    plain.load_state_dict(evening.state_dict(), strict=True)
    evening.eval()
    plain.eval()
    with torch.no_grad():
        assert torch.allclose(evening(patches), plain(local_contrast(patches)), atol=1e-5)
        assert not torch.allclose(evening(patches), plain(patches), atol=1e-2)


def test_networks_of_published_weights_see_grey_levels():
    assert not SosNet().evens_light

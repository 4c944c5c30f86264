import kornia.feature
import pytest
import torch

from sfm.features.networks import DIMENSION, NETWORKS, L2Net, SosNet, folded

KORNIA = {
    "sosnet": kornia.feature.SOSNet,
    "hardnet": kornia.feature.HardNet,
    "tfeat": kornia.feature.TFeat,
}


@pytest.fixture(scope="module")
def patches():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (16, 1, 32, 32), generator=generator).float()


def with_statistics(network):
    """Give batch normalisation statistics other than the neutral ones it starts with."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.3, 3, generator=generator)
    return network.eval()


@pytest.mark.parametrize("name", KORNIA)
def test_equals_the_reference_under_the_same_weights(name, patches):
    torch.manual_seed(0)
    reference = with_statistics(KORNIA[name](pretrained=False))
    network = NETWORKS[name]()
    network.load_state_dict(reference.state_dict(), strict=True)
    network.eval()
    with torch.no_grad():
        assert torch.allclose(network(patches), reference(patches), atol=2e-6)


def test_l2net_is_hardnets_layers_with_biases_and_an_affine_normalisation():
    state = L2Net().state_dict()
    assert state["features.0.weight"].shape == (32, 1, 3, 3)
    assert state["features.18.weight"].shape == (128, 128, 8, 8)
    assert state["features.19.bias"].shape == (128,)
    trainable = {name for name, parameter in L2Net().named_parameters() if parameter.requires_grad}
    assert trainable == {f"features.{i}.{kind}" for i in range(0, 19, 3) for kind in ("weight", "bias")}


def test_triplet_is_sosnets_network():
    assert NETWORKS["triplet"] is SosNet


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_changes_nothing(name, patches):
    torch.manual_seed(0)
    network = NETWORKS[name]()
    network.initialise()
    with_statistics(network)
    with torch.no_grad():
        rows = network(patches)
        assert rows.shape == (16, DIMENSION)
        assert torch.allclose(folded(network)(patches), rows, atol=1e-5)
    assert not any(isinstance(m, torch.nn.BatchNorm2d | torch.nn.Dropout) for m in folded(network).modules())


@pytest.mark.parametrize("name", ["sosnet", "hardnet", "l2net"])
def test_rows_have_unit_length_and_do_not_depend_on_gain_and_offset(name, patches):
    torch.manual_seed(0)
    network = with_statistics(NETWORKS[name]())
    with torch.no_grad():
        rows = network(patches)
        darker = network(0.4 * patches + 30)
    assert torch.allclose(rows.norm(dim=1), torch.ones(16), atol=1e-5)
    assert torch.allclose(darker, rows, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_flat_patch_gives_finite_numbers(name):
    network = NETWORKS[name]().eval()
    with torch.no_grad():
        assert torch.isfinite(network(torch.full((2, 1, 32, 32), 77.0))).all()


def test_patches_are_normalised_in_float32_under_autocast(patches):
    network = with_statistics(SosNet())
    with torch.no_grad():
        exact = network(patches)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(patches)
    assert rounded.dtype == torch.float32
    assert (exact * rounded).sum(dim=1).min() > 0.999

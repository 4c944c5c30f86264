from types import SimpleNamespace

import pytest
import torch

from sfm.features import int8
from sfm.features.int8 import can_be_int8, in_int8
from sfm.features.networks import NETWORKS, folded
from sfm.features.precision import multiplies_int8

from .trained import some_patches, trained_a_little

pytestmark = pytest.mark.skipif(not multiplies_int8(), reason="no units here multiply int8")


@pytest.mark.parametrize("name", ["sosnet", "hardnet", "l2net"])
def test_int8_describes_as_float32_does(name):
    network, patches = trained_a_little(name, evens_light=name == "sosnet"), some_patches(40)
    with torch.inference_mode():
        exact, rounded = folded(network)(patches), in_int8(network)(patches)
    assert rounded.dtype == torch.float32
    agreement = (exact * rounded).sum(dim=1)
    assert agreement.min() > 0.99
    others = exact @ exact.T - 2 * torch.eye(len(exact))
    assert (agreement > others.amax(dim=1)).all()


def test_the_range_grows_with_an_affine_normalisation():
    """Weights published for L2-Net may have one."""
    network, patches = trained_a_little("l2net", scale=3.0, shift=0.5), some_patches(40)
    with torch.inference_mode():
        exact, rounded = folded(network)(patches), in_int8(network)(patches)
    assert (exact * rounded).sum(dim=1).min() > 0.99


def test_a_network_without_normalisation_is_refused():
    assert not can_be_int8(NETWORKS["tfeat"]())
    with pytest.raises(ValueError, match="TFeat"):
        in_int8(NETWORKS["tfeat"]())


@pytest.mark.parametrize("operations", [object(), SimpleNamespace(qconv_prepack=lambda weight: weight)])
def test_versions_of_torch_that_lack_the_operations_or_call_them_otherwise(monkeypatch, operations):
    int8._torch_can.cache_clear()
    monkeypatch.setattr(torch.ops, "onednn", operations)
    assert not can_be_int8(NETWORKS["sosnet"]())
    int8._torch_can.cache_clear()


def test_the_network_given_stays_as_it_is():
    network = trained_a_little("sosnet")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    in_int8(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())

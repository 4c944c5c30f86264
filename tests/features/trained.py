"""Networks whose batch normalisation has seen patches, as that of trained ones has."""

from functools import cache

import torch

from sfm.features.networks import NETWORKS, PatchNetwork


def some_patches(count: int) -> torch.Tensor:
    """Return smooth patches, (count, 1, 32, 32) float32: photographs are alike from pixel to pixel too."""
    coarse = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return 255 * torch.nn.functional.interpolate(coarse, size=32, mode="bilinear")


@cache
def trained_a_little(
    name: str, *, evens_light: bool = False, scale: float = 1.0, shift: float = 0.0
) -> PatchNetwork:
    """Return a network of random weights that has seen patches; an affine normalisation has `scale` and `shift`."""
    torch.manual_seed(0)
    network = NETWORKS[name](evens_light=evens_light)
    network.initialise()
    for module in network.trunk:
        if isinstance(module, torch.nn.BatchNorm2d) and module.affine:
            module.weight.data.fill_(scale)
            module.bias.data.fill_(shift)
    with torch.no_grad():
        for _ in range(30):
            network.train()(some_patches(64))
    return network.eval()

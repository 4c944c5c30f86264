"""The networks that describe a patch, layer for layer as they were published, so that published weights load.

All of them take (N, 1, 32, 32) patches in grey levels 0 to 255, bring every patch to zero mean and unit
variance themselves, and answer with 128 numbers a patch. Before that they even out its light, if they were trained so.
No weights come with this module: see `sfm.features.pretrained`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sfm.features.local_contrast import local_contrast
from sfm.features.standardise import standardised

PATCH_SIZE = 32
DIMENSION = 128
# Gain of the orthogonal initialisation in the HardNet and SOSNet papers' training.
ORTHOGONAL_GAIN = 0.6


class PatchNetwork(nn.Module):
    """The contract of every network.

    Parameters
    ----------
    evens_light
        Whether it sees the local contrast of patches (`sfm.features.local_contrast`) instead of grey levels, as its
        weights were trained; published weights were not.

    Attributes
    ----------
    trunk_name
        Name of the sequence of layers that ends in the descriptor, as published state dicts spell it.
    """

    trunk_name = "features"

    def __init__(self, *, evens_light: bool = False) -> None:
        super().__init__()
        self.evens_light = evens_light

    @property
    def trunk(self) -> nn.Sequential:
        """The layers between the normalised patch and the descriptor before its own normalisation."""
        layers = getattr(self, self.trunk_name)
        assert isinstance(layers, nn.Sequential)
        return layers

    def normalise_patches(self, patches: Tensor) -> Tensor:
        """Bring (N, 1, 32, 32) float32 patches to zero mean and unit variance."""
        return standardised(patches)

    def normalise_rows(self, rows: Tensor) -> Tensor:
        """Bring (N, 128) rows to unit length, in float32."""
        with torch.autocast(rows.device.type, enabled=False):
            return nn.functional.normalize(rows.float(), dim=1, eps=1e-10)

    def forward(self, patches: Tensor) -> Tensor:
        """Describe patches.

        Parameters
        ----------
        patches : (N, 1, 32, 32), in the precision of the weights
            Grey levels, 0 to 255.

        Returns
        -------
        (N, 128) float32, rows of unit length (TFeat's are not, as published).
        """
        seen = local_contrast(patches) if self.evens_light else patches
        normalised = self.normalise_patches(seen).to(patches.dtype)
        return self.normalise_rows(self.describe(normalised))

    def describe(self, normalised: Tensor) -> Tensor:
        """Run the layers over (N, 1, 32, 32) normalised patches: (N, 128) rows of any length."""
        return self.trunk(normalised).flatten(1)

    def initialise(self) -> None:
        """Draw orthogonal weights (Mishchuk et al. 2017) from torch's generator."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.orthogonal_(module.weight, gain=ORTHOGONAL_GAIN)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


class _InstanceNorm(nn.InstanceNorm2d):
    """Zero mean and unit variance of every patch, computed in float32: grey levels are large against their spread."""

    def __init__(self) -> None:
        super().__init__(1, affine=False)

    def forward(self, patches: Tensor) -> Tensor:
        normalised: Tensor = super().forward(patches.float())
        return normalised.to(patches.dtype)


class HardNet(PatchNetwork):
    """HardNet: L2-Net's layers without the affine part of batch normalisation, and with dropout.

    Mishchuk, Mishkin, Radenovic and Matas, "Working hard to know your neighbor's margins", NeurIPS 2017.
    """

    def __init__(self, *, evens_light: bool = False) -> None:
        super().__init__(evens_light=evens_light)
        self.features = nn.Sequential(*_seven_convolutions(dropout=0.3))


class SosNet(PatchNetwork):
    """SOSNet: HardNet's layers behind an instance normalisation, with less dropout.

    Tian, Yu, Fan, Wu, Heijnen and Balntas, "SOSNet: Second Order Similarity Regularization for Local
    Descriptor Learning", CVPR 2019.
    """

    trunk_name = "layers"

    def __init__(self, *, evens_light: bool = False) -> None:
        super().__init__(evens_light=evens_light)
        self.layers = nn.Sequential(_InstanceNorm(), *_seven_convolutions(dropout=0.1))

    def normalise_patches(self, patches: Tensor) -> Tensor:
        """Leave the patches to the network's first layer, in float32."""
        return patches.float()


class L2Net(PatchNetwork):
    """L2-Net: the seven convolutions that the later networks share.

    Tian, Fan and Wu, "L2-Net: Deep Learning of Discriminative Patch Descriptor in Euclidean Space", CVPR
    2017. The layers have biases and an affine batch normalisation so that published weights load; training
    leaves the affine part alone, as the paper does.
    """

    def __init__(self, *, evens_light: bool = False) -> None:
        super().__init__(evens_light=evens_light)
        self.features = nn.Sequential(*_seven_convolutions(dropout=None, affine=True))
        for module in self.features:
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)


class TFeat(PatchNetwork):
    """TFeat: two convolutions and one linear layer, shallow and fast.

    Balntas, Riba, Ponsa and Mikolajczyk, "Learning local feature descriptors with triplets and shallow
    convolutional neural networks", BMVC 2016.
    """

    def __init__(self, *, evens_light: bool = False) -> None:
        super().__init__(evens_light=evens_light)
        self.features = nn.Sequential(
            _InstanceNorm(),
            nn.Conv2d(1, 32, kernel_size=7),
            nn.Tanh(),
            nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Conv2d(32, 64, kernel_size=6),
            nn.Tanh(),
        )
        self.descr = nn.Sequential(nn.Linear(64 * 8 * 8, DIMENSION), nn.Tanh())

    def normalise_patches(self, patches: Tensor) -> Tensor:
        """Leave the patches to the network's first layer, in float32."""
        return patches.float()

    def describe(self, normalised: Tensor) -> Tensor:
        """Run both convolutions and the linear layer."""
        rows: Tensor = self.descr(self.features(normalised).flatten(1))
        return rows

    def normalise_rows(self, rows: Tensor) -> Tensor:
        """Leave the rows as long as they are, in float32."""
        return rows.float()

    def initialise(self) -> None:
        """Keep torch's own uniform weights, which TFeat was trained from."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()


# Which network a descriptor's name stands for. `triplet` is SOSNet trained without the second-order term.
NETWORKS: dict[str, type[PatchNetwork]] = {
    "sosnet": SosNet,
    "triplet": SosNet,
    "hardnet": HardNet,
    "l2net": L2Net,
    "tfeat": TFeat,
}


def folded(network: PatchNetwork) -> PatchNetwork:
    """Return a copy for inference: batch normalisation folded into the convolutions, dropout taken out."""
    network = copy.deepcopy(network).eval()
    setattr(network, network.trunk_name, nn.Sequential(*_fold(network.trunk)))
    return network.requires_grad_(False)


def channels_last(network: PatchNetwork) -> PatchNetwork:
    """Lay the weights out with channels last, which convolutions on a CPU are faster with."""
    # torch's stubs leave this keyword out of `Module.to`.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fold(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Merge each batch normalisation into the convolution before it."""
    result: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            convolution = result.pop()
            assert isinstance(convolution, nn.Conv2d)
            result.append(fuse_conv_bn_eval(convolution, layer))
        elif isinstance(layer, nn.ReLU):
            result.append(nn.ReLU(inplace=True))
        elif not isinstance(layer, nn.Dropout):
            result.append(layer)
    return result


def _seven_convolutions(dropout: float | None, affine: bool = False) -> list[nn.Module]:
    """Return L2-Net's layers: (output channels, stride) of six 3x3 convolutions, then one of 8x8."""
    layers: list[nn.Module] = []
    channels = 1
    # The port that published L2-Net weights come in has this epsilon; the later networks use torch's own.
    epsilon = 1e-10 if affine else 1e-5
    for width, stride in ((32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        layers += [
            nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=affine),
            nn.BatchNorm2d(width, affine=affine, eps=epsilon),
            nn.ReLU(),
        ]
        channels = width
    if dropout is not None:
        layers.append(nn.Dropout(dropout))
    layers += [
        nn.Conv2d(channels, DIMENSION, kernel_size=8, bias=affine),
        nn.BatchNorm2d(DIMENSION, affine=affine, eps=epsilon),
    ]
    return layers

"""Convolutions in whole numbers of eight bits, on processors that multiply those twice as fast as bfloat16.

Batch normalisation left the output of every layer with zero mean and unit variance a channel, so the range of whole
numbers follows from the weights alone and no photographs are needed to find it (M. Nagel et al., "Data-Free
Quantization Through Weight Equalization and Bias Correction", ICCV 2019). Sums are exact; rounding is at the seams of
layers only.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from sfm.features.networks import PatchNetwork, folded

# Standard deviations that the range of whole numbers reaches to: of a normalised patch, in which local contrast seldom
# leaves three, and of a layer's output before its ReLU.
_REACH_OF_PATCH = 4.0
_REACH_OF_LAYER = 8.0
_LARGEST_WEIGHT = 127
_LARGEST_OUTPUT = 255
_ZERO_OF_PATCH = 128


def can_be_int8(network: PatchNetwork) -> bool:
    """Tell whether a network can run in int8, with this version of torch.

    Batch normalisation must follow every convolution: the range of whole numbers comes from it.
    """
    kinds = [type(layer) for layer in network.trunk]
    normalised = list(pairwise(kinds)).count((nn.Conv2d, nn.BatchNorm2d))
    return 0 < normalised == kinds.count(nn.Conv2d) and _torch_can()


@cache
def _torch_can() -> bool:
    """Tell whether torch has the operations, which differ between its versions, by trying them once."""
    try:
        layer = _Int8Convolution(nn.Conv2d(1, 16, kernel_size=1), 1.0, 0, 1.0)
        layer(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))
    except (AttributeError, RuntimeError, TypeError):
        return False
    return True


def in_int8(network: PatchNetwork) -> PatchNetwork:
    """Return a copy for inference on a CPU whose convolutions run in int8; it takes float32 patches as before.

    Raises `ValueError` for a network without batch normalisation behind every convolution (`can_be_int8`).
    """
    if not can_be_int8(network):
        raise ValueError(f"{type(network).__name__} cannot run in int8: not all its layers are normalised")
    norms = [layer for layer in network.trunk if isinstance(layer, nn.BatchNorm2d)]
    result = folded(network)
    convolutions = [layer for layer in result.trunk if isinstance(layer, nn.Conv2d)]
    before = [layer for layer in result.trunk if not isinstance(layer, nn.Conv2d | nn.ReLU)]
    setattr(result, result.trunk_name, nn.Sequential(*before, _Int8Convolutions(convolutions, norms)))
    return result


class _Int8Convolutions(nn.Module):
    """Folded convolutions, each with the normalisation it was folded from; a ReLU behind all but the last."""

    def __init__(self, convolutions: list[nn.Conv2d], norms: list[nn.BatchNorm2d]) -> None:
        super().__init__()
        self._patch_step = _REACH_OF_PATCH / (_LARGEST_OUTPUT - _ZERO_OF_PATCH)
        steps = [_range_behind(norm) / _LARGEST_OUTPUT for norm in norms[:-1]]
        inputs = [(self._patch_step, _ZERO_OF_PATCH), *((step, 0) for step in steps)]
        self._layers = [
            _Int8Convolution(convolution, *given, output_step)
            for convolution, given, output_step in zip(convolutions, inputs, [*steps, None], strict=True)
        ]

    def forward(self, normalised: Tensor) -> Tensor:
        """Run (N, 1, 32, 32) normalised patches through the layers: (N, 128, 1, 1) float32."""
        levels = (normalised / self._patch_step).round_().add_(_ZERO_OF_PATCH).clamp_(0, _LARGEST_OUTPUT)
        seen = levels.to(torch.uint8).contiguous(memory_format=torch.channels_last)
        for layer in self._layers:
            seen = layer(seen)
        return seen


class _Int8Convolution:
    """One convolution with weights in whole numbers of a step for each output channel.

    Parameters
    ----------
    convolution
        What it computes.
    input_step, input_zero
        What one stands for in its uint8 input, and the level that stands for zero.
    output_step
        What one stands for in its uint8 output behind a ReLU; None for a float32 output without one.
    """

    def __init__(
        self, convolution: nn.Conv2d, input_step: float, input_zero: int, output_step: float | None
    ) -> None:
        weight = convolution.weight.detach().float()
        steps = weight.abs().amax(dim=(1, 2, 3)).clamp(min=torch.finfo(torch.float32).tiny) / _LARGEST_WEIGHT
        self._input_step, self._input_zero, self._output_step = input_step, input_zero, output_step
        self._steps, self._zeros = steps, torch.zeros(len(steps), dtype=torch.int8)
        self._bias = None if convolution.bias is None else convolution.bias.detach().float()
        self._stride, self._padding = list(convolution.stride), [int(p) for p in convolution.padding]
        self._weight = torch.ops.onednn.qconv_prepack(
            (weight / steps[:, None, None, None]).round().to(torch.int8),
            steps,
            input_step,
            input_zero,
            self._stride,
            self._padding,
            [1, 1],
            1,
        )

    def __call__(self, seen: Tensor) -> Tensor:
        """Return (N, C, H, W) uint8 behind a ReLU, or float32."""
        step = self._output_step
        output: Tensor = torch.ops.onednn.qconv2d_pointwise(
            seen,
            self._input_step,
            self._input_zero,
            self._weight,
            self._steps,
            self._zeros,
            self._bias,
            self._stride,
            self._padding,
            [1, 1],
            1,
            1.0 if step is None else step,
            0,
            torch.float32 if step is None else torch.uint8,
            "none" if step is None else "relu",
            [],
            "",
        )
        return output


def _range_behind(norm: nn.BatchNorm2d) -> float:
    """Return what a batch normalisation's output seldom exceeds in any channel."""
    spread = 1.0 if norm.weight is None else norm.weight.detach().abs()
    mean = 0.0 if norm.bias is None else norm.bias.detach()
    return float(torch.as_tensor(mean + _REACH_OF_LAYER * spread).max())

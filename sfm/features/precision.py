"""Which precision networks run in: half of it where the hardware multiplies that faster, which is tried out."""

from __future__ import annotations

import time
from functools import cache

import torch

# What a layer in half precision has to gain before it is worth its rounding.
_WORTH = 1.2
_ROUNDS = 8
_TRIAL_S = 0.2


def precision_of(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype for "float32", "bfloat16", "float16" or "auto": what a network runs in on `device`.

    On CUDA "auto" is float16, the more exact half precision, which every GPU with tensor cores multiplies fast.
    """
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    return half if is_faster(half, device) else torch.float32


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether convolutions are faster in bfloat16 than in float32 there."""
    return is_faster(torch.bfloat16, device)


@cache
def is_faster(half: torch.dtype, device: torch.device) -> bool:
    """Tell whether convolutions are clearly faster in `half` than in float32 on `device`.

    It is timed once a process, in well under a second. What a processor says of itself does not settle it: AVX-512
    without a unit for bfloat16 emulates it, and with one (AVX512-BF16, AMX) it is two and more times as fast. The
    gap is so wide on either side that other work on the machine does not change the answer.
    """
    layers, inputs = {}, {}
    for dtype in (torch.float32, half):
        layer = torch.nn.Conv2d(64, 64, kernel_size=3, padding=1, device=device, dtype=dtype)
        # torch's stubs leave this keyword out of `Module.to`.
        layers[dtype] = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        pixels = torch.ones(8, 64, 16, 16, device=device, dtype=dtype)
        inputs[dtype] = pixels.contiguous(memory_format=torch.channels_last)
    seconds = {torch.float32: float("inf"), half: float("inf")}
    end = time.perf_counter() + _TRIAL_S
    # In turn, and the best of each: what disturbs one round disturbs both.
    for round_ in range(_ROUNDS + 1):
        for dtype in layers:
            try:
                took = _seconds(layers[dtype], inputs[dtype])
            except RuntimeError:  # not implemented there
                return False
            # The first round makes the kernels.
            if round_:
                seconds[dtype] = min(seconds[dtype], took)
        if round_ and time.perf_counter() > end:
            break
    return seconds[torch.float32] > _WORTH * seconds[half]


def _seconds(layer: torch.nn.Conv2d, pixels: torch.Tensor) -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        # Reading one value back waits for a GPU to finish.
        layer(pixels)[0, 0, 0, 0].item()
    return time.perf_counter() - start

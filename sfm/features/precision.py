"""Which precision networks run in: the fastest that the hardware has units for."""

from __future__ import annotations

import torch

# The first GPUs with tensor cores.
_TENSOR_CORES = (7, 0)


def precision_of(name: str, device: torch.device, *, can_be_int8: bool = False) -> torch.dtype:
    """Return the dtype for "float32", "bfloat16", "float16", "int8" or "auto": what a network runs in on `device`.

    On CUDA "auto" is float16, the more exact half precision, which every GPU with tensor cores multiplies fast; on a
    CPU it is int8 for networks that can be int8, else bfloat16, where there are units for them.
    It depends on the hardware alone, not on how busy it is: precision is part of what descriptors depend on.
    """
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device.type == "cuda":
        has_units = torch.cuda.get_device_capability(device) >= _TENSOR_CORES
        return torch.float16 if has_units else torch.float32
    if can_be_int8 and multiplies_int8():
        return torch.int8
    return torch.bfloat16 if multiplies_bfloat16(device) else torch.float32


def multiplies_int8() -> bool:
    """Tell whether the CPU has units that multiply int8 (AVX512-VNNI): convolutions are then twice as fast again.

    Without them pairs of products are added in 16 bits, which may overflow.
    """
    # Versions of torch that do not tell get another precision, which is right everywhere.
    return bool(getattr(torch.cpu, "_is_vnni_supported", lambda: False)())


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether the device has units that multiply bfloat16: convolutions are then about twice as fast.

    On a CPU these are AVX512-BF16 or AMX. With AVX-512 alone bfloat16 is emulated, at a loss.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # Versions of torch that do not tell get float32, which is right everywhere.
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)

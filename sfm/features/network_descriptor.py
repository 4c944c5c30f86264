"""Descriptors that a network computes from patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.descriptor import Descriptor
from sfm.features.keypoints import Keypoints
from sfm.features.networks import DIMENSION, PatchNetwork, channels_last, folded
from sfm.features.patches import PATCH_SCALE, extract_patches
from sfm.images.gray import GrayImage

# Large enough to keep the cores busy, small enough that a layer's output stays near the cache.
_BATCH_ON_CPU = 256
_BATCH_ON_CUDA = 4096


class NetworkDescriptor(Descriptor):
    """A patch network behind the contract of every descriptor.

    Parameters
    ----------
    name
        What the descriptor is called.
    network
        The network with its weights.
    weights_sha256
        Checksum of the weights, part of the descriptor's identity.
    device
        "cpu", "cuda", or "auto": CUDA where there is any.
    patch_scale
        Side of a patch in sigmas.
    batch_size
        Patches at once; None for what suits the device.
    precision
        "float32", "bfloat16", or "auto": bfloat16 where the hardware multiplies matrices in it.
    """

    dimension = DIMENSION

    def __init__(
        self,
        name: str,
        network: PatchNetwork,
        weights_sha256: str,
        *,
        device: str = "auto",
        patch_scale: float = PATCH_SCALE,
        batch_size: int | None = None,
        precision: str = "auto",
    ) -> None:
        self.name = name
        self.patch_scale = patch_scale
        self._sha256 = weights_sha256
        self._device = choose_device(device)
        self._batch_size = batch_size or (_BATCH_ON_CUDA if self._device.type == "cuda" else _BATCH_ON_CPU)
        self._half = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(self._device))
        self._network = channels_last(folded(network).to(self._device))

    @property
    def identity(self) -> dict[str, object]:
        """Name, version, weights and the patches' size."""
        return {
            "descriptor": self.name,
            "version": 1,
            "weights_sha256": self._sha256,
            "patch_scale": self.patch_scale,
        }

    def describe(self, image: GrayImage, keypoints: Keypoints) -> NDArray[np.float32]:
        """Describe `keypoints`; see `Descriptor.describe`."""
        return self.describe_patches(extract_patches(image, keypoints, self.patch_scale))

    def describe_patches(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Describe (N, 1, 32, 32) uint8 patches: (N, 128) float32 rows of unit length."""
        rows = np.empty((len(patches), self.dimension), np.float32)
        for start in range(0, len(patches), self._batch_size):
            batch = torch.from_numpy(patches[start : start + self._batch_size]).to(self._device)
            with (
                torch.inference_mode(),
                torch.autocast(self._device.type, torch.bfloat16, enabled=self._half),
            ):
                described = self._network(batch.float().contiguous(memory_format=torch.channels_last))
            unit = torch.nn.functional.normalize(described, dim=1)
            rows[start : start + len(batch)] = unit.cpu().numpy()
        return rows


def make_network_descriptor(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    patch_scale: float = PATCH_SCALE,
    batch_size: int | None = None,
) -> Descriptor:
    """Make the descriptor `name` from its packaged weights, or from the file `weights`.

    Raises `InputError` if the weights cannot be used (see `sfm.features.pretrained.load`) or there is no
    such device.
    """
    loaded = pretrained.load(name, weights)
    return NetworkDescriptor(
        name, loaded.network, loaded.sha256, device=device, patch_scale=patch_scale, batch_size=batch_size
    )


def choose_device(name: str) -> torch.device:
    """Return the torch device for "auto", "cpu" or "cuda". `InputError` for CUDA where there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name}: choose one of auto, cpu, cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: this machine offers no CUDA device to torch. Use --device cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Tell whether bfloat16 is faster than float32 there: tensor cores on a GPU, AMX on a CPU.

    AVX512-BF16 alone is not: oneDNN's convolutions of these sizes are slower with it than in float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # Older versions of torch do not say; float32 is right everywhere.
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())

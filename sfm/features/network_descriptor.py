"""Descriptors that a network computes from patches."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfm.errors import InputError
from sfm.features import pretrained
from sfm.features.batch_size import BatchSize
from sfm.features.descriptor import Descriptor
from sfm.features.device_patches import extract_patches_on
from sfm.features.int8 import can_be_int8, in_int8
from sfm.features.keypoints import Keypoints
from sfm.features.networks import DIMENSION, PatchNetwork, channels_last, folded
from sfm.features.patch_window import EVEN_WINDOW, PatchWindow
from sfm.features.patches import extract_patches
from sfm.features.precision import precision_of
from sfm.features.ratio_tests import LOWES, RatioTests
from sfm.images.gray import GrayImage

POOLED_SIZE = 2.0
"""How much wider the second patch is that pooling looks at."""

# Large enough to keep the cores busy; on a CPU small enough that a layer's output stays near the cache.
_BATCHES = {"cpu": (32, 64, 128), "cuda": (1024, 4096, 16384)}
# So few that several threads share an image's patches evenly, so many that the last batch is seldom a small one.
_BATCHES_A_PART = 8
# Smaller batches go other ways in oneDNN, which round differently: they are filled up, so that a patch's row does
# not depend on which batch it came in.
_SMALLEST_BATCH = 16


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
    patch_windows
        What a keypoint's patches show. Of several the descriptors are averaged: domain-size pooling (Dong
        and Soatto, CVPR 2015).
    batch_size
        Patches at once; None to learn what suits the device.
    precision
        "float32", "bfloat16", "float16", "int8" (on a CPU), or "auto": the one the hardware is fastest in.
    ratio_tests, trained_on
        See `Descriptor`.
    """

    dimension = DIMENSION

    def __init__(
        self,
        name: str,
        network: PatchNetwork,
        weights_sha256: str,
        *,
        device: str = "auto",
        patch_windows: tuple[PatchWindow, ...] = (EVEN_WINDOW,),
        batch_size: int | None = None,
        precision: str = "auto",
        ratio_tests: RatioTests = LOWES,
        trained_on: str | None = None,
    ) -> None:
        self.name, self.ratio_tests, self.trained_on = name, ratio_tests, trained_on
        self.patch_windows = patch_windows
        self._sha256 = weights_sha256
        self._device = choose_device(device)
        self._batch_size = BatchSize((batch_size,) if batch_size else _BATCHES[self._device.type])
        self.patches_a_part = _BATCHES_A_PART * max(_BATCHES[self._device.type])
        self._precision = precision_of(precision, self._device, can_be_int8=can_be_int8(network))
        if self._precision == torch.int8:
            self._network, self._dtype = in_int8(network), torch.float32
        else:
            self._network = channels_last(folded(network).to(self._device, self._precision))
            self._dtype = self._precision

    @property
    def identity(self) -> dict[str, object]:
        """Name, version, weights, precision and what the patches show."""
        first, *others = self.patch_windows
        return {
            "descriptor": self.name,
            "version": 2,
            "precision": str(self._precision).removeprefix("torch."),
            "weights_sha256": self._sha256,
            "patch_scale": first.scale,
            **({"foveation": first.foveation} if first.foveation else {}),
            **({"pooled_with": [window.scale for window in others]} if others else {}),
        }

    def describe(self, image: GrayImage, keypoints: Keypoints) -> NDArray[np.float32]:
        """Describe `keypoints`; see `Descriptor.describe`."""
        return self.describe_patches(self.cut_patches(image, keypoints))

    def cut_patches(self, image: GrayImage, keypoints: Keypoints) -> Tensor:
        """Cut the patches of `keypoints`, (N, S, 32, 32) uint8 of S sizes, on the device that describes them."""
        if self._device.type == "cpu":
            sizes = [
                torch.from_numpy(extract_patches(image, keypoints, window)) for window in self.patch_windows
            ]
        else:
            sizes = [
                extract_patches_on(self._device, image, keypoints, window) for window in self.patch_windows
            ]
        return torch.cat(sizes, dim=1)

    def describe_patches(self, patches: Tensor | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Describe (N, S, 32, 32) uint8 patches of S sizes: (N, 128) float32 rows of unit length."""
        count, sizes = patches.shape[:2]
        rows = self._describe_all(torch.as_tensor(patches).reshape(count * sizes, 1, *patches.shape[2:]))
        if sizes == 1:
            return rows
        pooled = rows.reshape(count, sizes, self.dimension).sum(axis=1)
        # Unit rows that cancel out do not happen, but must not divide by zero.
        length = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return (pooled / length).astype(np.float32)

    def _describe_all(self, patches: Tensor) -> NDArray[np.float32]:
        rows = np.empty((len(patches), self.dimension), np.float32)
        start = 0
        while start < len(patches):
            size = self._batch_size.next()
            batch = patches[start : start + size]
            began = time.perf_counter()
            try:
                rows[start : start + len(batch)] = self._describe_batch(batch)
            except torch.OutOfMemoryError:
                self._batch_size.too_large(size)
                continue
            if len(batch) == size:
                self._batch_size.took(size, time.perf_counter() - began)
            start += len(batch)
        return rows

    def _describe_batch(self, patches: Tensor) -> NDArray[np.float32]:
        count = len(patches)
        if count < _SMALLEST_BATCH:
            patches = patches[torch.arange(_SMALLEST_BATCH, device=patches.device) % count]
        with torch.inference_mode():
            # Grey levels up to 256 are exact in half precision too.
            pixels = patches.to(self._device).to(self._dtype)
            described = self._network(pixels.contiguous(memory_format=torch.channels_last))
            return torch.nn.functional.normalize(described, dim=1)[:count].cpu().numpy()


def make_network_descriptor(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    patch_scale: float | None = None,
    pooling: bool = False,
    batch_size: int | None = None,
) -> NetworkDescriptor:
    """Make the descriptor `name` from its packaged weights, or from the file `weights`.

    Patches show what those of the weights' training did, but are as wide as `patch_scale` says in sigmas.
    With `pooling`, a second one of each keypoint is `POOLED_SIZE` times as wide.

    Raises `InputError` if the weights cannot be used (see `sfm.features.pretrained.load`) or there is no
    such device.
    """
    loaded = pretrained.load(name, weights)
    window = loaded.window or EVEN_WINDOW
    if patch_scale is not None:
        window = replace(window, scale=patch_scale)
    wider = replace(window, scale=POOLED_SIZE * window.scale)
    return NetworkDescriptor(
        name,
        loaded.network,
        loaded.sha256,
        device=device,
        patch_windows=(window, wider) if pooling else (window,),
        batch_size=batch_size,
        ratio_tests=loaded.ratio_tests,
        trained_on=loaded.orientation,
    )


def choose_device(name: str) -> torch.device:
    """Return the torch device for "auto", "cpu" or "cuda". `InputError` for CUDA where there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name}: choose one of auto, cpu, cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: this machine offers no CUDA device to torch. Use --device cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")

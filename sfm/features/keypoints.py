"""Keypoints: where an image is worth describing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.files import read_tensors, write_tensors

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Keypoints:
    """Scale-space keypoints of one image, those first that matter most to its detector.

    Attributes
    ----------
    xy : (N, 2) float32
        Position in pixels of the original image, first pixel's centre at (0, 0).
    scale : (N,) float32
        Sigma of the blob in pixels of the original image (OpenCV's `size` is twice this).
    angle : (N,) float32
        Orientation in radians, clockwise as seen on the screen (x right, y down).
    response : (N,) float32
        Strength of the detector's answer.
    """

    xy: Floats
    scale: Floats
    angle: Floats
    response: Floats

    def __post_init__(self) -> None:
        n = len(self.xy)
        if self.xy.shape != (n, 2) or any(a.shape != (n,) for a in (self.scale, self.angle, self.response)):
            raise ValueError("keypoint arrays must be (N, 2), (N,), (N,), (N,)")

    def __len__(self) -> int:
        return len(self.xy)

    @staticmethod
    def empty() -> Keypoints:
        """Return no keypoints."""
        none = np.empty(0, np.float32)
        return Keypoints(np.empty((0, 2), np.float32), none, none, none)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Keypoints:
        """Return the keypoints at `index` (integers, a mask or a slice)."""
        return Keypoints(self.xy[index], self.scale[index], self.angle[index], self.response[index])

    def save(self, path: Path, metadata: dict[str, str] | None = None) -> None:
        """Write tensors xy, scale, angle and response as safetensors."""
        tensors = {"xy": self.xy, "scale": self.scale, "angle": self.angle, "response": self.response}
        write_tensors(path, tensors, metadata)

    @staticmethod
    def load(path: Path) -> Keypoints:
        """Read what `save` wrote. Raises `InputError` if the file is missing or damaged."""
        tensors, _ = read_tensors(path)
        try:
            return Keypoints(*(_floats(tensors[name]) for name in ("xy", "scale", "angle", "response")))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} holds no keypoints ({error}): detect them again.") from error


def _floats(tensor: NDArray[Any]) -> Floats:
    if tensor.dtype != np.float32 or not tensor.ndim:
        raise ValueError(f"a tensor is {tensor.dtype} of shape {tensor.shape}")
    return tensor

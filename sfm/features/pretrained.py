"""Weights of the patch networks: those that ship with the package, by name, and anyone's, by file."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfm.errors import InputError
from sfm.features.networks import NETWORKS, PatchNetwork
from sfm.features.patch_window import PatchWindow
from sfm.features.ratio_tests import OF_NETWORKS, RatioTests
from sfm.files import read_tensors, write_json, write_tensors

FOLDER = Path(__file__).with_name("weights")
MANIFEST = "manifest.json"
# What a state dict is wrapped in, in the checkpoints that the papers' authors published.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
# Entry of a weights file whose network sees local contrast.
_EVENED, _YES = "local_contrast", "yes"
# Entry that says how keypoints were turned, and what it is in files that do not have it.
_ORIENTATION, _GRADIENT = "orientation", "gradient"
# Entry that says how distinct matches of its descriptors have to be.
_RATIOS = "ratio_tests"


@dataclass(frozen=True)
class Pretrained:
    """A network with trained weights.

    Attributes
    ----------
    name
        The descriptor it is for.
    network
        The network in evaluation mode, float32, batch normalisation not folded.
    sha256
        Checksum of the file that the weights come from.
    window
        What the patches it was trained on show; None where the file does not say.
    orientation
        How their keypoints were turned: all of an "image" to one angle, or each to its "gradient" (also where the file
        does not say).
    ratio_tests
        How distinct matches of its descriptors have to be; a network's usual ones where the file does not say.
    """

    name: str
    network: PatchNetwork
    sha256: str
    window: PatchWindow | None
    orientation: str = _GRADIENT
    ratio_tests: RatioTests = OF_NETWORKS


def available() -> tuple[str, ...]:
    """Return the names of the descriptors whose weights ship with the package."""
    return tuple(_manifest())


def load(name: str, path: Path | None = None) -> Pretrained:
    """Load the weights of descriptor `name`.

    Parameters
    ----------
    name
        A key of `sfm.features.networks.NETWORKS`.
    path
        A safetensors file or a PyTorch state dict (.pth, .pt, .params); None for the packaged weights.

    Raises
    ------
    InputError
        If the name is unknown, no weights ship for it, or the file is missing, damaged, holds pickled code
        or belongs to another network.
    """
    if name not in NETWORKS:
        raise InputError(f"There is no network called {name}: choose one of {', '.join(NETWORKS)}.")
    if path is None:
        path = _packaged(name)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}.")
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state, metadata = _read_state_dict(path), {}
    trained_as = metadata.get("descriptor", name)
    if NETWORKS.get(trained_as) is not NETWORKS[name]:
        raise InputError(f"{path} holds weights of {trained_as}, not of {name}.")
    network = NETWORKS[name](evens_light=metadata.get(_EVENED) == _YES)
    _fill(network, state, name, path)
    return Pretrained(
        name,
        network.eval(),
        sha256(path),
        _window(metadata),
        metadata.get(_ORIENTATION, _GRADIENT),
        _ratio_tests(metadata),
    )


def save(
    network: PatchNetwork,
    name: str,
    path: Path,
    *,
    window: PatchWindow | None,
    orientation: str = _GRADIENT,
    ratio_tests: RatioTests = OF_NETWORKS,
) -> None:
    """Write the weights of `network` as fp16 safetensors that `load` reads back as descriptor `name`."""
    tensors = {
        key: value.detach().cpu().numpy().astype(np.float16)
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError(f"the weights of {name} do not fit into half precision")
    seen = {} if window is None else {"patch_scale": str(window.scale), "foveation": str(window.foveation)}
    evened = {_EVENED: _YES} if network.evens_light else {}
    facts = {"descriptor": name, _ORIENTATION: orientation, _RATIOS: json.dumps(asdict(ratio_tests))}
    write_tensors(path, tensors, {**facts, **seen, **evened})


def save_again(pretrained: Pretrained, path: Path) -> None:
    """Write loaded weights, and all that is known of them, to another file."""
    save(
        pretrained.network,
        pretrained.name,
        path,
        window=pretrained.window,
        orientation=pretrained.orientation,
        ratio_tests=pretrained.ratio_tests,
    )


def publish(name: str, path: Path, facts: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Copy a file that `save` wrote into the package and enter it, with `facts`, into the manifest."""
    target = folder / f"{name}.safetensors"
    save_again(load(name, path), target)
    target.chmod(0o644)  # safetensors writes for the owner alone; an installed package is read by everyone
    entry = {"file": target.name, "sha256": sha256(target), **facts}
    manifest = _read_manifest(folder) | {name: entry}
    write_json(folder / MANIFEST, {key: manifest[key] for key in sorted(manifest)})
    _manifest.cache_clear()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _window(metadata: Mapping[str, str]) -> PatchWindow | None:
    # Files of before this was None where it was not known have a width of 0.
    scale = float(metadata.get("patch_scale", 0))
    return PatchWindow(scale, float(metadata.get("foveation", 0))) if scale > 0 else None


def _ratio_tests(metadata: Mapping[str, str]) -> RatioTests:
    try:
        return RatioTests(**json.loads(metadata[_RATIOS]))
    except (KeyError, ValueError, TypeError):
        return OF_NETWORKS


@cache
def _manifest() -> dict[str, Any]:
    return _read_manifest(FOLDER)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return manifest


def _packaged(name: str) -> Path:
    """Return the packaged file of `name`, its checksum verified."""
    entry = _manifest().get(name)
    if entry is None:
        raise InputError(
            f"No weights for {name} ship with this version (there are: {', '.join(available()) or 'none'}). "
            "Give a file with --weights."
        )
    path = FOLDER / str(entry["file"])
    if not path.is_file() or sha256(path) != entry["sha256"]:
        raise InputError(f"{path} is damaged or missing (its checksum is wrong): install the package again.")
    return path


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    arrays, metadata = read_tensors(path)
    return {key: torch.from_numpy(array.astype(np.float32)) for key, array in arrays.items()}, metadata


def _read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a PyTorch file without running any code in it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is damaged or holds more than tensors (pickled code is never run). "
            "Save its state dict alone, or as safetensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not a whole PyTorch weights file.") from error
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} holds no state dict: its top level must map names to tensors.")
    return content


def _fill(network: PatchNetwork, state: Mapping[str, Tensor], name: str, path: Path) -> None:
    """Copy `state` into `network`; every tensor must be there, in its shape, finite, and nothing else."""
    expected = {
        key: value.shape for key, value in network.state_dict().items() if "num_batches_tracked" not in key
    }
    # Networks trained on several GPUs have this prefix before every name.
    state = {key.removeprefix("module."): value for key, value in state.items()}
    found = {key: value.shape for key, value in state.items() if "num_batches_tracked" not in key}
    if found != expected:
        raise InputError(f"{path} does not fit {name}: {_first_difference(expected, found)}.")
    if not all(torch.isfinite(state[key].float()).all() for key in expected):
        raise InputError(
            f"{path} holds weights that are not finite: it is damaged, or its training diverged."
        )
    network.load_state_dict({key: state[key].float() for key in expected}, strict=False)


def _first_difference(expected: Mapping[str, torch.Size], found: Mapping[str, torch.Size]) -> str:
    for key, shape in expected.items():
        if key not in found:
            return f"{key} is missing"
        if found[key] != shape:
            return f"{key} is {tuple(found[key])}, not {tuple(shape)}"
    return f"{next(key for key in found if key not in expected)} is not part of that network"

"""Choosing a descriptor by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sfm.errors import InputError
from sfm.options import check, flag_of, option

if TYPE_CHECKING:
    from sfm.features.descriptor import Descriptor

DESCRIPTORS = ("sift", "sosnet", "triplet", "hardnet", "l2net", "tfeat")
_OF_NETWORKS = ("weights", "patch_scale", "pooling")


@dataclass(frozen=True)
class DescriptionOptions:
    """How keypoints are described."""

    descriptor: str = option(
        "sosnet",
        "Who describes keypoints: RootSIFT (sift), or a patch network.",
        choices=DESCRIPTORS,
    )
    weights: Path | None = option(
        None, "Weights of the network: a .safetensors or .pth file. Default: those that ship."
    )
    patch_scale: float | None = option(
        None,
        "Side of a network's patch, in sigmas of its keypoint. Default: what its weights were trained on.",
        minimum=1.0,
    )
    pooling: bool = option(
        False,
        "Networks: describe each keypoint by patches of two sizes and average what they say (domain-size pooling). "
        "More matches under changes of view, fewer at night; describing takes twice the time.",
    )
    device: str = option("auto", "Where networks run.", choices=("auto", "cpu", "cuda"), affects_result=False)


def description_named(text: str) -> DescriptionOptions:
    """Return the options that `NAME` or `NAME+pooling` stands for where descriptors take part side by side.

    Raises `InputError` for a descriptor that is unknown.
    """
    name, plus, way = text.partition("+")
    if name not in DESCRIPTORS:
        raise InputError(f"{text}: choose a descriptor from {', '.join(DESCRIPTORS)}.")
    if plus and (way != "pooling" or name == "sift"):
        raise InputError(f"{text}: after the + of a network's name, only pooling is known.")
    return DescriptionOptions(descriptor=name, pooling=bool(plus))


def make_descriptor(options: DescriptionOptions, max_size: int) -> Descriptor:
    """Make the descriptor that `options` name, for images of at most `max_size` pixels.

    Raises `InputError` for weights or a device that cannot be used, and for options that contradict each
    other.
    """
    check(options)
    if options.descriptor == "sift":
        for name in _OF_NETWORKS:
            if getattr(options, name) not in (None, False):
                flag = flag_of(name)
                raise InputError(f"{flag} needs a network: choose another --descriptor, or leave {flag} out.")
        if options.device == "cuda":
            raise InputError("--device cuda: RootSIFT runs on the CPU. Leave --device out.")
        from sfm.features.rootsift import RootSift

        return RootSift(max_size)
    from sfm.features.network_descriptor import make_network_descriptor

    return make_network_descriptor(
        options.descriptor,
        weights=options.weights,
        device=options.device,
        patch_scale=options.patch_scale,
        pooling=options.pooling,
    )

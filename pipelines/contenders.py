"""The descriptors that take part where several do the same work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sfm.errors import InputError
from sfm.features.choice import DESCRIPTORS, DescriptionOptions, make_descriptor
from sfm.features.descriptor import Descriptor


@dataclass(frozen=True)
class Contender:
    """A descriptor that takes part, with its own weights or those that ship."""

    descriptor: str
    weights: Path | None = None

    def options(self, shared: DescriptionOptions) -> DescriptionOptions:
        """Return `shared` with this descriptor and its weights."""
        options = replace(shared, descriptor=self.descriptor, weights=self.weights)
        if self.descriptor != "sift":
            return options
        # These choices are about networks.
        return replace(options, device="auto", pooling=False, patch_scale=None)

    def make(self, shared: DescriptionOptions, max_size: int) -> Descriptor:
        """Make the descriptor; see `sfm.features.choice.make_descriptor`."""
        try:
            return make_descriptor(self.options(shared), max_size)
        except InputError as error:
            # Where several take part, weights are given otherwise than for one alone.
            told = str(error).replace("with --weights", f"with --descriptors {self.descriptor}=FILE")
            raise InputError(told) from error


def parse_contenders(texts: Sequence[str]) -> list[Contender]:
    """Read `NAME` and `NAME=FILE`.

    Raises `InputError` for a descriptor that is unknown or named twice, and where there is none.
    """
    contenders: list[Contender] = []
    for text in texts:
        name, given, file = (part.strip() for part in text.partition("="))
        if name not in DESCRIPTORS:
            raise InputError(f"--descriptors {name or text}: choose from {', '.join(DESCRIPTORS)}.")
        if given and not file:
            raise InputError(f"--descriptors {text}: name the file of the weights, {name}=FILE.")
        if given and name == "sift":
            raise InputError(f"--descriptors {text}: only networks have weights. Write sift alone.")
        if any(name == other.descriptor for other in contenders):
            raise InputError(f"--descriptors names {name} twice: each descriptor takes part once.")
        contenders.append(Contender(name, Path(file) if file else None))
    if not contenders:
        raise InputError(f"--descriptors names none: choose from {', '.join(DESCRIPTORS)}.")
    return contenders


def default_descriptors() -> tuple[str, ...]:
    """Return SIFT and those of triplet and SOSNet whose weights ship."""
    from sfm.features.pretrained import available

    return ("sift", *(name for name in ("triplet", "sosnet") if name in available()))

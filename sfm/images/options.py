"""Which photographs of a set to take, apart from reading them so that `--help` need not import it."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.options import option


@dataclass(frozen=True)
class PhotoOptions:
    """Which photographs are taken."""

    every: int = option(
        1, "Take only every N-th photograph, in the order of capture, beginning with the first.", minimum=1
    )

"""Options of `sfm benchmark`, apart from the work because torch and others are slow to import."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.features.orientation import ORIENTATIONS
from sfm.options import option


@dataclass(frozen=True)
class BenchmarkOptions:
    """How descriptors are measured."""

    keypoints: int = option(3000, "Use this many of the strongest keypoints of an image.", minimum=10)
    orientation: str = option(
        "auto",
        "What keypoints are turned to, as in `sfm reconstruct`; read from matches by sift, for all descriptors alike.",
        choices=ORIENTATIONS,
    )
    device: str = option("auto", "Where networks compute.", choices=("auto", "cpu", "cuda"))
    points: int = option(2000, "Use this many points of a patch set.", minimum=10)
    seed: int = option(0, "Seed of the draw of points and wrong pairs.", minimum=0)

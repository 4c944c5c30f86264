"""Everything that can be chosen for a reconstruction. Light to import: the command line is made from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfm.features.choice import DescriptionOptions
from sfm.features.detectors import DetectionOptions
from sfm.features.orientation import OrientationOptions
from sfm.geometry.two_view import VerificationOptions
from sfm.images.cameras import CameraOptions
from sfm.images.options import PhotoOptions
from sfm.mapping.options import MappingOptions
from sfm.matching.options import MatchingOptions
from sfm.matching.pairs import PairOptions
from sfm.options import check, flag_of, from_mapping
from sfm.pipelines.quality import with_preset
from sfm.viewgraph.connection import ConnectionOptions


@dataclass(frozen=True)
class ReconstructOptions:
    """Everything that can be chosen, stage by stage."""

    photos: PhotoOptions = field(default_factory=PhotoOptions)
    cameras: CameraOptions = field(default_factory=CameraOptions)
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    orientation: OrientationOptions = field(default_factory=OrientationOptions)
    description: DescriptionOptions = field(default_factory=DescriptionOptions)
    pairs: PairOptions = field(default_factory=PairOptions)
    matching: MatchingOptions = field(default_factory=MatchingOptions)
    verification: VerificationOptions = field(default_factory=VerificationOptions)
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    mapping: MappingOptions = field(default_factory=MappingOptions)

    @staticmethod
    def of(**values: Any) -> ReconstructOptions:
        """Build from flat names, e.g. `ReconstructOptions.of(descriptor="sift", max_keypoints=4000)`.

        `quality` may be among them: a preset from `sfm.pipelines.quality`, which gives way to all others. What it
        stands for is kept, not its name.

        Raises `TypeError` for a name no stage knows and `InputError` for a value out of range.
        """
        values = with_preset(values)
        known = {f.name for kind in STAGE_OPTIONS for f in dataclasses.fields(kind)}
        if unknown := sorted(values.keys() - known):
            raise TypeError(f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        stages = zip(dataclasses.fields(ReconstructOptions), STAGE_OPTIONS, strict=True)
        return ReconstructOptions(**{stage.name: from_mapping(kind, values) for stage, kind in stages})

    def check(self) -> None:
        """Raise `InputError` for a value out of range."""
        for stage in dataclasses.fields(self):
            check(getattr(self, stage.name))

    @property
    def given_files(self) -> tuple[Path | None, ...]:
        """Files that are read besides photographs; None for each that was not given."""
        return self.cameras.intrinsics, self.description.weights, self.pairs.pair_list

    def hindrances(self) -> list[str]:
        """Return, as on the command line, options so far off their defaults that pairs may be missed for them."""
        found = [] if self.pairs.pair_list is None else [f"--pair-list {self.pairs.pair_list}"]
        defaults = ReconstructOptions()
        for stage, name, more_is_kinder in _DECIDE_ON_PAIRS:
            value, default = (getattr(getattr(options, stage), name) for options in (self, defaults))
            if (value < default / 2) if more_is_kinder else (value > default * 2):
                found.append(f"{flag_of(name)} {value}")
        return found


_DECIDE_ON_PAIRS = (
    ("detection", "max_keypoints", True),
    ("detection", "max_size", True),
    ("detection", "contrast_threshold", False),
    ("verification", "max_error_px", True),
    ("verification", "min_inliers", False),
)

STAGE_OPTIONS = tuple(
    type(getattr(ReconstructOptions(), f.name)) for f in dataclasses.fields(ReconstructOptions)
)

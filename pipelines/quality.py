"""Presets between speed and accuracy: what each sets stands here and nowhere else. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sfm.options import check, flag_of, option

# Options off their defaults, by flat names. docs/speed.md has the figures.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fast": {"max_keypoints": 4096, "describe_first": 2048},
        "balanced": {},
        "best": {"max_keypoints": 12_300, "describe_first": 0},
    }
)


def _told(name: str) -> str:
    return f"{name} stands for " + " ".join(f"{flag_of(key)} {value}" for key, value in PRESETS[name].items())


@dataclass(frozen=True)
class QualityOptions:
    """How much time a map is worth."""

    quality: str = option(
        "balanced",
        f"Defaults of other options, which win where they are given: {_told('fast')}; {_told('best')}.",
        choices=tuple(PRESETS),
    )


def with_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace `quality` among flat options by what it stands for, where that is not given itself.

    Raises `InputError` if there is no such preset.
    """
    own = dict(values)
    chosen = QualityOptions(own.pop("quality", QualityOptions.quality))
    check(chosen)
    return {**PRESETS[chosen.quality], **own}

"""Decide which way is up in each photograph, from rolls between photographs and EXIF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sfm.viewgraph.rolls import TurnedTogether, aligned_with, wrapped
from sfm.words import count

# Photographs that are turned by less share their up: descriptors stand that much, and rolls that are read from a
# facade seen from the side are off by ten degrees.
_SHARED_UP_DEG = 30.0
# Where more of the votes contradict the rolls, one angle an image is not enough (looking straight up, for one).
_CONTRADICTING = 0.2
# Rolls are rounded so that another photograph in the set does not have all of them described anew.
_STEP_DEG = 5
_QUARTER_DEG = 45.0
_USUAL = 4


@dataclass(frozen=True)
class ImageOrientations:
    """What the keypoints of each image are turned to.

    Attributes
    ----------
    way
        "gradient", "upright" or "view-graph".
    turn_deg
        By name, whole degrees clockwise in the stored picture, where its upright x axis points; empty for "gradient".
    reason
        Why, as a clause.
    doubts
        Sentences about photographs that may stand otherwise.
    unknown
        Names of images whose turn no pair tells: it is assumed.
    """

    way: str
    turn_deg: Mapping[str, int] = field(default_factory=dict)
    reason: str = "as asked for"
    doubts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def with_turns(self, turn_deg: Mapping[str, int]) -> ImageOrientations:
        """Return the same with other turns of some images, which are known now."""
        return replace(self, turn_deg={**self.turn_deg, **turn_deg}, unknown=_without(self.unknown, turn_deg))

    @property
    def usual_turns_deg(self) -> list[int]:
        """Return the quarter turns and, where images are turned otherwise, the eighths that they have."""
        eighths = Counter(int(45 * round(turn / 45)) % 360 for turn in self.turn_deg.values())
        common = [turn for turn, _ in eighths.most_common(_USUAL)]
        return list(dict.fromkeys([*common, 0, 180, 90, 270]))[: _USUAL + 1]

    def of(self, name: str) -> int | None:
        """Return what the keypoints of an image are turned to; None for the gradients around them."""
        return None if self.way == "gradient" else self.turn_deg[name]


BY_GRADIENT = ImageOrientations("gradient")


def upright_by_exif(exif_turn_deg: Mapping[str, int], reason: str = "as asked for") -> ImageOrientations:
    """Take each image to stand as its EXIF orientation says."""
    return ImageOrientations("upright", dict(exif_turn_deg), reason)


def decide_orientations(
    parts: Sequence[TurnedTogether],
    pairs: int,
    exif_turn_deg: Mapping[str, int],
    may_share_up: bool = True,
) -> ImageOrientations:
    """Decide what the keypoints of each image are turned to.

    Parameters
    ----------
    parts
        Rolls of the images that pairs tell of.
    pairs
        How many pairs told.
    exif_turn_deg
        By the name of every image: where its upright x axis points by its EXIF orientation, degrees clockwise.
    may_share_up
        Whether rolls may be taken for none where they are small.
    """
    exif_rad = {name: float(np.radians(turn)) for name, turn in exif_turn_deg.items()}
    from_pairs = f"from {count(pairs, 'pairs')}"
    if sum(part.against for part in parts) > _CONTRADICTING * sum(part.votes for part in parts):
        reason = f"the pairs contradict each other about how photographs are turned ({from_pairs})"
        return ImageOrientations("gradient", reason=reason)
    rolls = {
        name: float(np.degrees(roll))
        for part in parts
        for name, roll in aligned_with(part.rolls_rad, exif_rad).items()
    }
    off_deg = {name: float(_wrapped_deg(roll - exif_turn_deg[name])) for name, roll in rolls.items()}
    most = max(map(abs, off_deg.values()), default=0.0)
    if may_share_up and most <= _SHARED_UP_DEG:
        reason = (
            f"the photographs share their up to within {most:.0f} degrees, {from_pairs}"
            if rolls
            else "no pair tells how the photographs are turned, so they are taken to stand upright"
        )
        return replace(upright_by_exif(exif_turn_deg, reason), unknown=_without(exif_turn_deg, rolls))
    turns = {name: _rounded(rolls.get(name, exif_turn_deg[name])) for name in exif_turn_deg}
    unknown = _without(exif_turn_deg, rolls)
    span = sorted(turns[name] for name in rolls) or [0]
    return ImageOrientations(
        "view-graph",
        turns,
        f"photographs are turned by {span[0]} to {span[-1]} degrees, {from_pairs}",
        (*_exif_doubts(off_deg, exif_turn_deg), *_unknown_doubts(unknown)),
        unknown,
    )


def _without(names: Iterable[str], told: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in told)


def _exif_doubts(off_deg: Mapping[str, float], exif_turn_deg: Mapping[str, int]) -> list[str]:
    stale = [name for name, off in off_deg.items() if exif_turn_deg[name] and abs(off) > _QUARTER_DEG]
    if not stale:
        return []
    return [
        f"The EXIF orientation of {count(len(stale), 'images')}, e.g. {stale[0]}, does not fit their pixels: "
        "their matches are believed."
    ]


def _unknown_doubts(unknown: Sequence[str]) -> list[str]:
    if not unknown:
        return []
    return [
        f"No pair tells how {count(len(unknown), 'images')} of these are turned, e.g. {unknown[0]}: "
        "they are taken to stand as their EXIF says."
    ]


def _rounded(angle_deg: float) -> int:
    """Return the nearest step, above -180 and up to 180 degrees: one number for one angle."""
    return 180 - (180 - _STEP_DEG * round(angle_deg / _STEP_DEG)) % 360


def _wrapped_deg(angle_deg: float) -> float:
    return float(np.degrees(wrapped(np.radians(angle_deg)))) if abs(angle_deg) > 180 else angle_deg

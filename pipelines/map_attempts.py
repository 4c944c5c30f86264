"""Ways to map the same verified pairs: tried in turn, checked, and told, until one is good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sfm.evaluation.self_check import FOCAL_TOLERANCE, SelfCheck
from sfm.geometry.camera import Camera
from sfm.mapping.colmap_io import from_reconstruction
from sfm.mapping.database import MapDatabase
from sfm.mapping.held_focals import free_focals
from sfm.mapping.incremental import Model
from sfm.mapping.mapper import Mapper, are_enough
from sfm.mapping.sparse_map import SparseMap
from sfm.mapping.strategy import Strategy
from sfm.progress import Progress
from sfm.words import count

# A share of matches in pairs that contradict a map from which they can bend it, even by a robust loss.
_BENDS = 0.03
# Errors so much larger than without what was held speak against that: 1.6 to 20 times where EXIF was of other pictures,
# at most 1.3 times where it was right and the focal length ill determined (lund, 11 of 15 images by 165 points).
_CLEARLY = 1.45
# A map is no evidence against one that places more images than this many times its own.
_AS_MANY = 1.1
# A share of misplaced images that is not worth the time of another map: one of fifty.
_FEW = 0.02


@dataclass(frozen=True)
class Outcome:
    """What one way to map came to.

    Attributes
    ----------
    strategy
        The way.
    models
        Largest first.
    largest
        The first of them, as plain arrays.
    check
        Its self-check.
    asks_for_other_focals
        Whether its errors fall clearly once focal lengths that it held are let go.
    """

    strategy: Strategy
    models: list[Model]
    largest: SparseMap
    check: SelfCheck
    asks_for_other_focals: bool = False

    @property
    def errors_px(self) -> float:
        """Mean reprojection error."""
        return self.largest.mean_error_px

    @property
    def placed(self) -> int:
        """Number of images in the map whose places their matches do not speak against."""
        return len(self.largest.images) - len(self.check.misplaced)

    @property
    def misplaced_share(self) -> float:
        """Share of the map's images whose places their matches speak against."""
        return len(self.check.misplaced) / max(1, len(self.largest.images))

    @property
    def rank(self) -> tuple[int, int]:
        """Order of preference: least against it, most images. Looser settings make more points, not better maps."""
        return -len(self.check.problems), self.placed

    @property
    def soundness(self) -> tuple[int, int, float]:
        """Of maps nothing else tells apart: more images placed, fewer misplaced, less that contradicts."""
        return self.placed, -len(self.check.misplaced), -self.check.contradicting_share

    def beats(self, other: Outcome) -> bool:
        """Whether this map is the better one. Of what was held and what was found instead, errors decide."""
        if self.disproves(other) or other.disproves(self):
            return self.disproves(other)
        return self.rank > other.rank

    def disproves(self, other: Outcome) -> bool:
        """Whether this map found other focal lengths than those of EXIF which the other one held, and fits clearly."""
        held = self.check.off_exif.keys() & other.strategy.settings.held_cameras
        if not held or other.placed > _AS_MANY * self.placed:
            return False
        return other.asks_for_other_focals or other.errors_px > _CLEARLY * self.errors_px

    def stands_for(self, first: Outcome) -> bool:
        """Whether this map is no worse than the first one by what can be checked."""
        no_problem_more = len(self.check.problems) <= len(first.check.problems)
        none_misplaced_more = len(self.check.misplaced) <= len(first.check.misplaced)
        return no_problem_more and none_misplaced_more and self.placed >= first.placed

    def is_good(self, connected: int) -> bool:
        """Whether no other strategy needs to be tried, where `connected` images hang together."""
        return not self.check.problems and are_enough(self.placed, connected)

    def as_json(self) -> dict[str, Any]:
        """Return what is recorded of an attempt."""
        return {
            "chosen": self.strategy.words,
            "registered": len(self.largest.images),
            "points": len(self.largest.xyz),
            "problems": list(self.check.problems),
            "mean_reprojection_error_px": self.errors_px,
        }


@dataclass
class Attempts:
    """Tries ways to map; each is checked and told.

    Attributes
    ----------
    mapper
        Who maps.
    database
        The verified pairs.
    check
        Gives the self-check of a map.
    prior
        Cameras before mapping, by id.
    seed
        Of the first start.
    progress
        Hears of it.
    told
        What is recorded of each attempt so far, JSON-ready.
    exif_disproved
        Whether a map by other focal lengths than those of EXIF was clearly better than one by these.
    """

    mapper: Mapper
    database: MapDatabase
    check: Callable[[SparseMap], SelfCheck]
    prior: Mapping[int, Camera]
    seed: int
    progress: Progress
    told: list[dict[str, Any]] = field(default_factory=list)
    exif_disproved: bool = False

    def in_turn(self, strategies: Sequence[Strategy]) -> Outcome | None:
        """Try strategies until one is good; return the best, if any.

        Of equals it is the first, which suits the photographs best. Where none makes a map because no three images
        share enough points, two of them do.
        """
        best: Outcome | None = None
        for i, strategy in enumerate(strategies):
            outcome = self._try(strategy, self.database.path, str(i), self.seed)
            if outcome is None:
                continue
            best = outcome if best is None else self._better(best, outcome)
            if best.is_good(self.mapper.connected):
                break
        if best is None and (of_two := strategies[0].of_two()) is not None:
            self.progress.say("No three images share enough points: mapping two.")
            best = self._try(of_two, self.database.path, "two", self.seed)
        return best

    def _better(self, first: Outcome, second: Outcome) -> Outcome:
        """Return the better one of two maps, with EXIF in doubt instead of it where it disproves the other."""
        better, other = (second, first) if second.beats(first) else (first, second)
        if not better.disproves(other):
            return better
        self.exif_disproved = True
        errors = f"errors are {other.errors_px:.2f} px, and {better.errors_px:.2f} without"
        self.progress.say(f"Focal lengths of EXIF are given up: with them, {errors}.")
        return replace(better, check=better.check.doubting_exif())

    def without_contradictions(self, first: Outcome) -> Outcome:
        """Map again without the pairs that contradict a map, if they can bend it; return the map that stands.

        They can if they are many, or if they decide where an image is, or fold the map. If the new map is smaller, the
        first one may have been put together wrongly, and the pairs left out be the right ones. Then all pairs are
        mapped again from another start, and the sounder map stands.
        """
        few = first.check.contradicting_share <= _BENDS and first.misplaced_share <= _FEW
        if few and not first.check.is_folded:
            return first
        best = self._without_pairs(first, first.check.contradicting) or first
        if best is not first and best.placed >= len(first.largest.images):
            return best
        self.progress.say("Mapping all pairs again from another start.")
        from_another_start = first.strategy.told("from another start")
        other = self._try(from_another_start, self.database.path, "other", self.seed + 1)
        if other is None or not other.stands_for(best):
            return best
        return max(best, other, key=lambda outcome: outcome.soundness)

    def _without_pairs(self, first: Outcome, pairs: Sequence[tuple[str, str]]) -> Outcome | None:
        """Return the map without some pairs, if it can stand for the one with them."""
        if not pairs:
            return None
        self.progress.say(f"Mapping again without {count(len(pairs), 'pairs')} contradicting the map.")
        reduced = self.mapper.scratch / "reduced.db"
        self.database.copy_without(pairs, reduced)
        again = self._try(first.strategy.told("without contradicting pairs"), reduced, "again", self.seed)
        return again if again is not None and again.stands_for(first) else None

    def _try(self, strategy: Strategy, database: Path, name: str, seed: int) -> Outcome | None:
        models = self.mapper.models(database, name, strategy.settings, seed)
        if not models:
            self.progress.say(f"Mapping {strategy.words}: no pair of images to start from.")
            return None
        largest = from_reconstruction(models[0])
        check = self.check(largest)
        if self.exif_disproved:
            check = check.doubting_exif()
        outcome = self._tested(Outcome(strategy, models, largest, check))
        self.told.append(outcome.as_json())
        self.progress.say(
            f"Mapped {strategy.words}: {len(largest.images)} of {count(self.mapper.images, 'images')}, "
            f"{count(len(largest.xyz), 'points')}."
        )
        for problem in outcome.check.problems:
            self.progress.say(f"Self-check: {problem}.")
        return outcome

    def _tested(self, outcome: Outcome) -> Outcome:
        """Let go of the focal lengths that a map took from EXIF; return it doubted where its errors ask for others."""
        settings = outcome.strategy.settings
        held = {i for i in settings.held_cameras if not self.prior[i].fixed}
        freed = free_focals(outcome.models[0], held, settings.threads)
        if freed is None or freed.fall < _CLEARLY:
            return outcome
        asked = [
            f"camera {i} was held at a focal length of {self.prior[i].focal_px:.0f} px where its errors, "
            f"{freed.fall:.1f} times as large as they could be, ask for {focal_px:.0f}"
            for i, focal_px in freed.focals_px.items()
            if abs(focal_px / self.prior[i].focal_px - 1) > FOCAL_TOLERANCE
        ]
        return replace(outcome, check=outcome.check.doubting(*asked), asks_for_other_focals=bool(asked))

"""From verified pairs to sparse models: choose how to map, map, check the map against what is known besides."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError, WorkError
from sfm.evaluation.self_check import SelfCheck, check_map
from sfm.geometry.camera import Camera
from sfm.images.decode import load_rgb
from sfm.images.photo_set import Photo, capture_order, gps_positions
from sfm.json_values import json_text
from sfm.mapping.colmap_io import from_reconstruction, read_map
from sfm.mapping.colors import point_colors
from sfm.mapping.database import MapDatabase, VerifiedPair
from sfm.mapping.incremental import (
    MapperSettings,
    Model,
    Watch,
    complete,
    largest_first,
    run_mapper,
    set_colors,
    write_models,
)
from sfm.mapping.options import MappingOptions
from sfm.mapping.refinement import ROUNDS, refine_robustly
from sfm.mapping.sparse_map import SparseMap
from sfm.mapping.strategy import Strategy, plan
from sfm.mapping.thinning import thin_out
from sfm.options import as_recorded
from sfm.pipelines.matching import PairSet
from sfm.progress import SILENT, Progress, Step
from sfm.viewgraph.graph import Reading, build_view_graph, components, read_view_graph
from sfm.workspace import Recipe, Workspace, changes

MAPPING_VERSION = 7
_RECORD = "mapping.json"
# A map with a smaller share of what its view graph connects is worth another attempt.
_ENOUGH = 0.8
# A part of the matches that is worth mapping by first, and completing afterwards: no more than this share.
_FEW = 0.4
# A share of matches in pairs that contradict a map from which they can bend it, even by a robust loss.
_BENDS = 0.03
# Longer side of the pictures that give a map its colours while it grows.
_COARSE_PX = 256


@dataclass(frozen=True)
class MappingResult:
    """The models and what is to be said of them.

    Attributes
    ----------
    models
        Largest first.
    check
        The self-check of the largest.
    chosen
        How it was mapped, in words.
    left_out
        Reason by name of each image that is not in the largest model.
    digest
        Of the recipe it was made by.
    reused
        Whether an earlier run had made it.
    """

    models: tuple[SparseMap, ...]
    check: dict[str, Any]
    chosen: str
    left_out: dict[str, str]
    digest: str
    reused: bool


@dataclass(frozen=True)
class _Outcome:
    strategy: Strategy
    models: list[Model]
    largest: SparseMap
    check: SelfCheck

    @property
    def rank(self) -> tuple[bool, int]:
        """Order of preference: nothing against it, most images. Looser settings make more points, not better maps."""
        return not self.check.problems, len(self.largest.images)

    def stands_for(self, first: _Outcome) -> bool:
        """Whether this map is no worse than the first one by what can be checked."""
        no_problem_more = len(self.check.problems) <= len(first.check.problems)
        return no_problem_more and len(self.largest.images) >= len(first.largest.images)

    def is_good(self, connected: int) -> bool:
        """Whether no other strategy needs to be tried, where `connected` images hang together."""
        return not self.check.problems and _are_enough(len(self.largest.images), connected)


@dataclass
class _Attempts:
    """Ways to map the same pairs: each is tried, checked and told; every outcome is kept.

    Of the photographs, `connected` hang together.
    """

    photos: Sequence[Photo]
    connected: int
    cameras: Mapping[int, Camera]
    pairs: Sequence[tuple[str, str]]
    database: MapDatabase
    scratch: Path
    threshold_px: float
    options: MappingOptions
    progress: Progress
    watch: Watch | None
    outcomes: list[_Outcome] = field(default_factory=list)

    def in_turn(self, strategies: Sequence[Strategy]) -> _Outcome | None:
        """Try strategies until one is good; return the best, if any.

        Of equals it is the first, which suits the photographs best.
        """
        for i, strategy in enumerate(strategies):
            outcome = self._try(strategy, self.database.path, self.scratch / str(i))
            if outcome is not None and outcome.is_good(self.connected):
                break
        return max(self.outcomes, key=lambda outcome: outcome.rank, default=None)

    def without_contradictions(self, first: _Outcome) -> _Outcome:
        """Map again without the pairs that contradict a map, if they can bend it; return the map that stands.

        If the new map is smaller, the first one may have been put together wrongly, and the pairs left out be the
        right ones. Then all pairs are mapped again from another start, and the map that less contradicts stands.
        """
        contradicting = first.check.contradicting
        if first.check.contradicting_share <= _BENDS:
            return first
        self.progress.say(f"Mapping again without {len(contradicting)} pairs that contradict the map.")
        reduced = self.scratch / "reduced.db"
        self.database.copy_without(contradicting, reduced)
        again = self._try(first.strategy.told("without contradicting pairs"), reduced, self.scratch / "again")
        if again is not None and again.stands_for(first):
            return again
        self.progress.say("Mapping all pairs again from another start: the map without them is no better.")
        other = self._try(
            first.strategy.told("from another start"),
            self.database.path,
            self.scratch / "other",
            start=1,
        )
        if other is None or not other.stands_for(first):
            return first
        return min(first, other, key=lambda outcome: outcome.check.contradicting_share)

    def _try(self, strategy: Strategy, database: Path, scratch: Path, start: int = 0) -> _Outcome | None:
        models = self._models(strategy.settings, database, scratch, self.options.seed + start)
        if not models:
            self.progress.say(f"Mapping {strategy.words}: no pair of images to start from.")
            return None
        largest = from_reconstruction(models[0])
        gps, verified = gps_positions(self.photos), self.database.verified_points
        check = check_map(largest, self.cameras, gps, self.pairs, verified, self.threshold_px)
        outcome = _Outcome(strategy, models, largest, check)
        self.outcomes.append(outcome)
        _tell_outcome(outcome, len(self.photos), self.progress)
        return outcome

    def _models(self, settings: MapperSettings, database: Path, scratch: Path, seed: int) -> list[Model]:
        """Map by a part of the matches, if these are much fewer and place enough images, else by all."""
        part = scratch.with_suffix(".db")
        share = self.options.mapper_share if self.options.robust else 1.0
        if share < 1 and thin_out(database, part, share) <= _FEW:
            with self.progress.stage("Map", len(self.photos)) as step:
                models = self._mapped(settings, part, scratch / "part", seed, step)
                models = [self._completed(model, database, settings, seed, step) for model in models]
            models = largest_first(models)
            if models and _are_enough(models[0].num_reg_images(), self.connected):
                return models
            self.progress.say("A part of the matches places too few images: mapping by all of them.")
        with self.progress.stage("Map", len(self.photos)) as step:
            return self._mapped(settings, database, scratch / "all", seed, step)

    def _mapped(
        self, settings: MapperSettings, database: Path, scratch: Path, seed: int, step: Step
    ) -> list[Model]:
        """Run the mapper, and adjust its models robustly where that is wanted."""
        models = run_mapper(database, scratch, settings, seed, step, self.watch)
        return [self._refined(model, settings) for model in models] if self.options.robust else models

    def _completed(
        self, model: Model, database: Path, settings: MapperSettings, seed: int, step: Step
    ) -> Model:
        """Give a model the matches that the mapper did not see."""
        images = model.num_reg_images()
        model = complete(model, database, settings, seed, step)
        # What the mapper placed has been refined already.
        rounds = 1 if model.num_reg_images() == images else ROUNDS
        return self._refined(model, settings, rounds)

    def _refined(self, model: Model, settings: MapperSettings, rounds: int = ROUNDS) -> Model:
        return refine_robustly(
            model,
            settings.held_cameras,
            settings.max_error_px,
            settings.min_angle_deg,
            principal_point=self.options.principal_point,
            rounds=rounds,
            threads=settings.threads,
        )


def build_map(
    photos: Sequence[Photo],
    cameras: Mapping[int, Camera],
    pair_set: PairSet,
    workspace: Workspace,
    threshold_px: float,
    options: MappingOptions,
    progress: Progress = SILENT,
    watch: Watch | None = None,
) -> MappingResult:
    """Map the verified pairs in the workspace's database.

    Parameters
    ----------
    photos
        The photographs with features.
    cameras
        Intrinsics to start from, by camera id.
    pair_set
        The verified pairs.
    workspace
        Holds the database and takes the models; models made by the same recipe are reused.
    threshold_px
        Largest epipolar error of a verified match.
    options
        How to go about it.
    progress
        Hears of it.
    watch
        Is given the map now and then while it grows.

    Raises
    ------
    WorkError
        If no pair of images starts a map.
    """
    recipe = Recipe("mapping", MAPPING_VERSION, as_recorded(options), {"pairs": pair_set.digest})
    earlier = _read_record(workspace)
    if earlier and earlier.get("digest") == recipe.digest:
        try:
            result = _result(_read_maps(workspace), earlier, reused=True)
            progress.say("Reused: the map.")
            return result
        except InputError as error:
            progress.say(f"The map is made anew. {error}")
    elif earlier:
        told = changes(earlier.get("options", {}), recipe.options) or ["other pairs"]
        progress.say(f"The map is made anew: {', '.join(told)}.")

    names = [photo.name for photo in photos]
    graph = build_view_graph(names, pair_set.pairs)
    reading = read_view_graph(graph, capture_order(photos))
    connected = components(graph)
    if not pair_set.accepted:
        raise WorkError(
            f"No map: none of {len(pair_set.pairs)} pairs of images shows the same thing twice beyond chance. "
            "Take photographs with more overlap."
        )
    strategies = plan(reading, cameras, options, threshold_px)
    progress.say(_reading_told(reading, strategies[0]))
    by_name = {photo.name: photo for photo in photos}
    with MapDatabase(workspace.database) as database:
        attempts = _Attempts(
            photos=photos,
            connected=len(connected[0]),
            cameras=cameras,
            pairs=[(pair.name1, pair.name2) for pair in pair_set.accepted],
            database=database,
            scratch=workspace.mapping / recipe.digest[:16],
            threshold_px=threshold_px,
            options=options,
            progress=progress,
            watch=None if watch is None else _in_colors(watch, by_name),
        )
        best = attempts.in_turn(strategies)
        if best is not None and options.second_map:
            best = attempts.without_contradictions(best)
    if best is None:
        raise WorkError(
            "No map: no pair of images has enough parallax to start from. Move sideways between photographs."
        )
    # Reading a model out of COLMAP takes a while: the largest has been read already.
    maps = [best.largest, *(from_reconstruction(model) for model in best.models[1:])]
    maps = [_colored(sparse_map, model, by_name) for sparse_map, model in zip(maps, best.models, strict=True)]
    record = {
        "digest": recipe.digest,
        "options": dict(recipe.options),
        "chosen": best.strategy.words,
        "reading": {**vars(reading), "is_walk": reading.is_walk},
        "attempts": [
            {
                "chosen": outcome.strategy.words,
                "registered": len(outcome.largest.images),
                "points": len(outcome.largest.xyz),
                "problems": list(outcome.check.problems),
            }
            for outcome in attempts.outcomes
        ],
        "check": best.check.as_json(),
        "left_out": _left_out(names, maps, connected, pair_set.accepted),
    }
    write_models(best.models, workspace.sparse, {_RECORD: json_text(record)})
    shutil.rmtree(workspace.mapping, ignore_errors=True)
    return _result(maps, record, reused=False)


def _are_enough(images: int, connected: int) -> bool:
    return images >= _ENOUGH * connected


def _reading_told(reading: Reading, first: Strategy) -> str:
    return (
        f"View graph: {reading.pairs} verified pairs of {reading.images} images, {reading.neighbour_share:.0%} of the "
        f"matches between neighbours, {reading.forward_share:.0%} of the moves ahead or back. Mapping {first.words}."
    )


def _tell_outcome(outcome: _Outcome, photos: int, progress: Progress) -> None:
    progress.say(
        f"Mapped {outcome.strategy.words}: {len(outcome.largest.images)} of {photos} images, "
        f"{len(outcome.largest.xyz)} points."
    )
    for problem in outcome.check.problems:
        progress.say(f"Self-check: {problem}.")


def _colored(sparse_map: SparseMap, model: Model, photos: Mapping[str, Photo]) -> SparseMap:
    """Give a model its colours, and return its map with them."""
    rgb = point_colors(sparse_map, lambda name: _pixels(photos[name]))
    set_colors(model, sparse_map.point_ids, rgb)
    return replace(sparse_map, rgb=rgb)


def _in_colors(watch: Watch, photos: Mapping[str, Photo]) -> Watch:
    """Return a watch that is given maps without colours; each photograph is read once, small."""
    load = cache(lambda name: _pixels(photos[name], _COARSE_PX))
    return lambda sparse_map: watch(replace(sparse_map, rgb=point_colors(sparse_map, load)))


def _pixels(photo: Photo, max_size: int | None = None) -> NDArray[np.uint8] | None:
    try:
        return load_rgb(photo, max_size)
    except InputError:
        return None


def _left_out(
    names: Sequence[str],
    maps: Sequence[SparseMap],
    connected: Sequence[Sequence[str]],
    accepted: Sequence[VerifiedPair],
) -> dict[str, str]:
    """Say of each image that is not in the largest model why."""
    inside = set(maps[0].poses)
    paired = {name for pair in accepted for name in (pair.name1, pair.name2)}
    home = next((set(c) for c in connected if inside & set(c)), set())
    elsewhere = {
        image.name: i
        for i, sparse_map in reversed(list(enumerate(maps)))
        if i
        for image in sparse_map.images.values()
    }
    reasons: dict[str, str] = {}
    for name in names:
        if name in inside:
            continue
        if name not in paired:
            reasons[name] = "no verified pair with another image"
        elif name in elsewhere:
            reasons[name] = f"in model {elsewhere[name]}, not connected well enough with the largest"
        elif name not in home:
            reasons[name] = "verified only with images that are not in the map"
        else:
            reasons[name] = "too few points in common with the map"
    return reasons


def _read_record(workspace: Workspace) -> dict[str, Any] | None:
    try:
        record = json.loads((workspace.sparse / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _read_maps(workspace: Workspace) -> list[SparseMap]:
    folders = sorted((f for f in workspace.sparse.iterdir() if f.name.isdigit()), key=lambda f: int(f.name))
    if not folders:
        raise InputError(f"{workspace.sparse} holds no model.")
    return [read_map(folder) for folder in folders]


def _result(maps: Sequence[SparseMap], record: Mapping[str, Any], reused: bool) -> MappingResult:
    return MappingResult(
        tuple(maps), record["check"], record["chosen"], record["left_out"], record["digest"], reused
    )

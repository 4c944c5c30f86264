"""From verified pairs to sparse models: choose how to map, map, check the map against what is known besides."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError, WorkError
from sfm.evaluation.self_check import check_map
from sfm.features.keypoints import Keypoints
from sfm.geometry.camera import Camera
from sfm.images.decode import load_gray, load_rgb
from sfm.images.photo_set import Photo, capture_order, gps_positions
from sfm.json_values import json_text
from sfm.mapping.colmap_io import from_reconstruction, read_map
from sfm.mapping.colors import point_colors
from sfm.mapping.database import MapDatabase, VerifiedPair
from sfm.mapping.incremental import Model, Watch, set_colors, write_models
from sfm.mapping.keypoint_adjustment import View
from sfm.mapping.mapper import Mapper
from sfm.mapping.model_files import is_binary_file
from sfm.mapping.options import MappingOptions
from sfm.mapping.sparse_map import SparseMap
from sfm.mapping.strategy import Strategy, plan
from sfm.options import as_recorded
from sfm.pipelines.map_attempts import Attempts
from sfm.pipelines.matching import PairSet
from sfm.pipelines.run_record import read_object
from sfm.progress import SILENT, Progress
from sfm.viewgraph.graph import Reading, build_view_graph, components, read_view_graph
from sfm.words import count
from sfm.workspace import Recipe, Workspace, changes

MAPPING_VERSION = 12
_RECORD = "mapping.json"
_SNAPSHOTS = re.compile(r"[0-9a-f]{16}.*")
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


def build_map(
    photos: Sequence[Photo],
    cameras: Mapping[int, Camera],
    pair_set: PairSet,
    workspace: Workspace,
    threshold_px: float,
    max_size: int,
    options: MappingOptions,
    progress: Progress = SILENT,
    watch: Watch | None = None,
    hindrances: Sequence[str] = (),
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
    max_size
        Longer side, in pixels, at which the photographs are looked at.
    options
        How to go about it.
    progress
        Hears of it.
    watch
        Is given the map now and then while it grows.
    hindrances
        Options, as on the command line, that may be why there is no map: told where there is none.

    Raises
    ------
    WorkError
        If no pair of images starts a map.
    """
    recipe = Recipe("mapping", MAPPING_VERSION, as_recorded(options), {"pairs": pair_set.digest})
    reused = _reused(recipe, workspace, progress)
    if reused is not None:
        return reused
    _refuse_to_remove_others(workspace)
    if not pair_set.accepted:
        raise WorkError(
            f"No map: none of {count(len(pair_set.pairs), 'pairs')} of images shows the same thing twice beyond "
            "chance. " + _advice(hindrances, "take photographs with more overlap")
        )
    names = [photo.name for photo in photos]
    graph = build_view_graph(names, pair_set.pairs)
    reading = read_view_graph(graph, capture_order(photos))
    connected = components(graph)
    strategies = plan(reading, cameras, options, threshold_px)
    progress.say(_reading_told(reading, strategies[0]))
    by_name = {photo.name: photo for photo in photos}
    with MapDatabase(workspace.database) as database:
        mapper = Mapper(
            images=len(photos),
            connected=len(connected[0]),
            scratch=workspace.mapping / recipe.digest[:16],
            options=options,
            progress=progress,
            load=lambda name: _view(by_name[name], workspace, max_size),
            watch=None if watch is None else _in_colors(watch, by_name),
        )
        check = partial(
            check_map,
            prior=cameras,
            gps=gps_positions(photos),
            pairs=[(pair.name1, pair.name2) for pair in pair_set.accepted],
            verified_points=database.verified_points,
            threshold_px=threshold_px,
            rejected=[(pair.name1, pair.name2) for pair in pair_set.pairs if not pair.accepted],
        )
        attempts = Attempts(mapper, database, check, cameras, options.seed, progress)
        best = attempts.in_turn(strategies)
        if best is not None and options.second_map:
            best = attempts.without_contradictions(best)
    if best is None:
        # Nothing to go on from: another try with these options would end here too.
        _remove_snapshots(workspace)
        raise WorkError(
            "No map: no pair of images has enough parallax to start from. "
            + _advice(hindrances, "move sideways between photographs")
        )
    # Reading a model out of COLMAP takes a while: the largest has been read already.
    maps = [best.largest, *(from_reconstruction(model) for model in best.models[1:])]
    maps = [_colored(sparse_map, model, by_name) for sparse_map, model in zip(maps, best.models, strict=True)]
    record = {
        "digest": recipe.digest,
        "options": dict(recipe.options),
        "chosen": best.strategy.words,
        "reading": {**vars(reading), "is_walk": reading.is_walk},
        "attempts": attempts.told,
        "check": best.check.as_json(),
        "left_out": _left_out(names, maps, connected, pair_set.accepted),
    }
    write_models(best.models, workspace.sparse, {_RECORD: json_text(record)})
    _remove_snapshots(workspace)
    return _result(maps, record, reused=False)


def _refuse_to_remove_others(workspace: Workspace) -> None:
    """Raise `InputError` if files that no run made lie among the models, which are replaced as a whole."""
    for path in sorted(workspace.sparse.rglob("*")):
        inside = path.relative_to(workspace.sparse).parts
        ours = (
            (len(inside) == 1 and (inside[0] == _RECORD or inside[0].isdigit()))
            or (len(inside) == 2 and is_binary_file(inside[1]))
            or path.name.startswith(".")
        )
        if not ours:
            raise InputError(
                f"{path} was not made by sfm, and {workspace.sparse} is about to be replaced: move it away, or choose "
                "another folder with --out."
            )


def _remove_snapshots(workspace: Workspace) -> None:
    """Remove the snapshots of all recipes, which are named by their digests."""
    if workspace.mapping.is_dir():
        for folder in workspace.mapping.iterdir():
            if _SNAPSHOTS.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # somebody's own files keep it there
            workspace.mapping.rmdir()


def _advice(hindrances: Sequence[str], otherwise: str) -> str:
    first = [f"try without {' and '.join(hindrances)}"] if hindrances else []
    advice = ", or ".join([*first, otherwise])
    return f"{advice[0].upper()}{advice[1:]}."


def _reused(recipe: Recipe, workspace: Workspace, progress: Progress) -> MappingResult | None:
    """Return the map that is there, if this recipe made it; else say why it is made anew."""
    earlier = read_object(workspace.sparse / _RECORD)
    if not earlier:
        return None
    if earlier.get("digest") != recipe.digest:
        before = earlier.get("options")
        told = changes(before if isinstance(before, dict) else {}, recipe.options) or ["other pairs"]
        progress.say(f"The map is made anew: {', '.join(told)}.")
        return None
    try:
        result = _result(_read_maps(workspace), earlier, reused=True)
    except InputError as error:
        progress.say(f"The map is made anew. {error}")
        return None
    except (KeyError, TypeError, ValueError, AttributeError):
        progress.say(f"The map is made anew: {_RECORD} is damaged.")
        return None
    progress.say("Reused: the map.")
    return result


def _reading_told(reading: Reading, first: Strategy) -> str:
    return (
        f"View graph: {count(reading.pairs, 'verified pairs')} of {count(reading.images, 'images')}, "
        f"{reading.neighbour_share:.0%} of the matches between neighbours, {reading.forward_share:.0%} of the moves "
        f"ahead or back. Mapping {first.words}."
    )


def _view(photo: Photo, workspace: Workspace, max_size: int) -> View | None:
    """Return what the keypoints of a photograph are adjusted by; None if it cannot be read any more."""
    try:
        return View(load_gray(photo, max_size), Keypoints.load(workspace.keypoints(photo.name)).scale)
    except InputError:
        return None


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


def _read_maps(workspace: Workspace) -> list[SparseMap]:
    folders = sorted((f for f in workspace.sparse.iterdir() if f.name.isdigit()), key=lambda f: int(f.name))
    if not folders:
        raise InputError(f"{workspace.sparse} holds no model.")
    return [read_map(folder) for folder in folders]


def _result(maps: Sequence[SparseMap], record: Mapping[str, Any], reused: bool) -> MappingResult:
    return MappingResult(
        tuple(maps), record["check"], record["chosen"], record["left_out"], record["digest"], reused
    )

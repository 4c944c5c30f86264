"""The file that localisation needs beside a map: written with the map, or from its features when first asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.choice import DescriptionOptions, make_descriptor
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DetectionOptions
from sfm.features.ratio_tests import RatioTests
from sfm.files import read_metadata
from sfm.images.cameras import camera_key
from sfm.images.photo_set import Photo
from sfm.localization.index import (
    INDEX_NAME,
    INDEX_VERSION,
    LocalizationIndex,
    build_index,
    topology_digest,
)
from sfm.mapping.sparse_map import SparseMap
from sfm.options import as_recorded, from_mapping
from sfm.pipelines.finished_run import FinishedRun
from sfm.pipelines.map_and_features import refuse_other_keypoints
from sfm.progress import SILENT, Progress

# A map made on one machine is used on others: descriptors of half and of full precision find each other.
_MAY_DIFFER = {"precision"}


def write_index(
    path: Path,
    sparse_map: SparseMap,
    descriptors: Mapping[str, NDArray[np.float32]],
    descriptor: Descriptor,
    description: DescriptionOptions,
    detection: DetectionOptions,
    ratio_tests: RatioTests,
    orientation: str,
    photos: Sequence[Photo],
) -> LocalizationIndex:
    """Write what localisation needs of a map; parameters are what the map was made with and of."""
    recipe = _recipe(
        sparse_map,
        descriptor.identity,
        description.weights,
        detection,
        ratio_tests.loosest,
        orientation,
        photos,
    )
    index = build_index(sparse_map, descriptors, recipe)
    index.save(path)
    return index


def open_index(
    run: FinishedRun, descriptor: str | None = None, progress: Progress = SILENT
) -> LocalizationIndex:
    """Read the index of a map; made from the map's features where there is none, or one of an earlier map.

    Parameters
    ----------
    run
        The map, with its index or its features.
    descriptor
        Whose features to take, where several lie there and the run's record does not say which.
    progress
        Hears of it.

    Raises
    ------
    InputError
        If there is neither an index nor features to make one of, or it is not known what made them.
    """
    path = index_path(run)
    topology = topology_digest(run.sparse_map)
    reason = ""
    if path.is_file():
        try:
            index = LocalizationIndex.load(path)
            if index.recipe.get("topology") == topology:
                return index
            reason = f"{path} belongs to another map. "
        except InputError as error:
            reason = f"{error} "
    name = run.descriptor_name(run.record.get("descriptor") or descriptor)
    descriptors = run.descriptors(name)
    if name is None or not descriptors:
        raise InputError(
            f"{reason}{run.root or run.model} has no descriptors to localise with (neither {INDEX_NAME} nor "
            "features/): give the output folder of `sfm reconstruct`, or run it again."
        )
    refuse_other_keypoints(run)
    progress.say(f"Gathering the descriptors of the map into {path}.")
    options = run.record.get("options", {})
    weights = options.get("description", {}).get("weights")
    detection, orientation = _detected_by(run)
    index = build_index(
        run.sparse_map,
        descriptors,
        _recipe(
            run.sparse_map,
            _made_by(run, name),
            Path(weights) if weights else None,
            detection,
            _loosest_ratio(run.record),
            orientation,
            run.photo_set.photos if run.photo_set else (),
        ),
    )
    index.save(path)
    return index


def query_descriptor(
    index: LocalizationIndex, wanted: str | None, weights: Path | None, device: str
) -> tuple[Descriptor, DetectionOptions]:
    """Make the descriptor that the map was described by.

    Parameters
    ----------
    index
        Of the map.
    wanted
        The descriptor that is asked for; None for the map's.
    weights
        Weights of the network; None for those the map was made with.
    device
        Where networks run.

    Raises
    ------
    InputError
        If the map was described by another descriptor, or by other weights than there are.
    """
    made_by = index.recipe["descriptor"]
    name = made_by["name"]
    if wanted is not None and wanted != name:
        raise InputError(
            f"This map was made with {name}, not {wanted}: leave --descriptor out, or make a map with "
            f"--descriptor {wanted}."
        )
    detection = from_mapping(DetectionOptions, index.recipe["detection"])
    recorded = made_by["weights"]
    if weights is None and recorded is not None:
        weights = Path(recorded)
        if not weights.is_file():
            raise InputError(
                f"This map was made with {name} and the weights {recorded}, which are not there any more: "
                "give them with --weights."
            )
    identity = made_by["identity"]
    description = DescriptionOptions(
        descriptor=name,
        weights=weights,
        patch_scale=identity.get("patch_scale"),
        pooling="pooled_with" in identity,
        device=device,
    )
    descriptor = make_descriptor(description, detection.max_size)
    _compare(identity, descriptor)
    return descriptor, detection


def index_path(run: FinishedRun) -> Path:
    """Return where the index of a map is kept: beside the run's other artifacts, else in the model's folder."""
    return (run.root or run.model) / INDEX_NAME


def is_current(path: Path, sparse_map: SparseMap, descriptor: Descriptor) -> bool:
    """Tell whether `path` holds the index of this map, made with this descriptor."""
    metadata = read_metadata(path)
    if metadata is None or metadata.get("version") != str(INDEX_VERSION):
        return False
    recipe = json.loads(metadata["recipe"])
    same_map = recipe["topology"] == topology_digest(sparse_map)
    return bool(same_map and recipe["descriptor"]["identity"] == descriptor.identity)


def _loosest_ratio(record: Mapping[str, Any]) -> float | None:
    """Return the looser of the ratio tests that a run took; None where it is not recorded."""
    asked, taken = (record.get(part, {}).get("matching", {}) for part in ("options", "stages"))
    tests = ({**asked, **taken}.get(name) for name in ("ratio", "weak_ratio"))
    known = [float(test) for test in tests if isinstance(test, (int, float))]
    return max(known) if len(known) == 2 else None


def _recipe(
    sparse_map: SparseMap,
    identity: Mapping[str, Any],
    weights: Path | None,
    detection: DetectionOptions,
    ratio: float | None,
    orientation: str,
    photos: Sequence[Photo],
) -> dict[str, Any]:
    return {
        "descriptor": {
            "name": identity["descriptor"],
            "identity": identity,
            "weights": None if weights is None else str(weights.resolve()),
        },
        "detection": as_recorded(detection),
        # A photograph in another light is as a pair that hardly overlaps.
        "ratio": ratio,
        "orientation": orientation,
        "camera_keys": _camera_keys(sparse_map, photos),
    }


def _detected_by(run: FinishedRun) -> tuple[DetectionOptions, str]:
    """Return how the map's keypoints were detected, and what they were turned to: see `ImageOrientations.way`."""
    turns = set()

    def without_turn(recipe: str | None) -> str | None:
        options = json.loads(recipe or "{}")
        turns.add(options.pop("orientation", "gradient"))
        return json.dumps(options, sort_keys=True) if recipe else None

    detection = from_mapping(DetectionOptions, _made_by(run, "keypoints", without_turn))
    if turns == {"gradient"}:
        return detection, "gradient"
    return detection, "view-graph" if any(turn % 90 for turn in turns) else "upright"


def _made_by(
    run: FinishedRun, kind: str, shared: Callable[[str | None], str | None] = lambda recipe: recipe
) -> dict[str, Any]:
    """Return what the map's features say they were made by; `InputError` if they do not, or contradict each other."""
    told = {shared(run.recipe_of(kind, name)) for name in run.sparse_map.poses}
    if len(told) != 1 or None in told:
        raise InputError(
            f"The files in {run.root}/features/{kind} are missing, damaged or made in different ways: run "
            "`sfm reconstruct` again with the map's photographs and output folder, which makes them anew."
        )
    made_by: dict[str, Any] = json.loads(told.pop() or "")
    return made_by


def _compare(made_by: Mapping[str, Any], descriptor: Descriptor) -> None:
    here = descriptor.identity
    if made_by.get("weights_sha256") != here.get("weights_sha256"):
        raise InputError(
            f"This map was made with {descriptor.name} and weights of checksum "
            f"{str(made_by.get('weights_sha256'))[:12]}, but those here have {str(here.get('weights_sha256'))[:12]}: "
            "give the map's own with --weights."
        )
    keys = {*made_by, *here} - _MAY_DIFFER
    changed = sorted(key for key in keys if made_by.get(key) != here.get(key))
    if changed:
        raise InputError(
            f"This map was made with another {descriptor.name} than this version of sfm has "
            f"({', '.join(changed)} differ): make the map again."
        )


def _camera_keys(sparse_map: SparseMap, photos: Sequence[Photo]) -> dict[str, list[Any] | None]:
    """Return what EXIF says of the camera of each camera id."""
    by_name = {photo.name: photo for photo in photos}
    keys: dict[str, list[Any] | None] = {}
    for image in sparse_map.images.values():
        photo = by_name.get(image.name)
        key = camera_key(photo.exif, photo.width, photo.height) if photo else None
        keys[str(image.camera_id)] = list(key) if key else None
    return keys

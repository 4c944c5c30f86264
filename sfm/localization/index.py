"""What localisation needs to know of a map beside its geometry, kept in one file so that photographs are not needed.

The descriptors of all observations of the map's points, a codebook and one global descriptor a view, which
camera took what, and how a query has to be described. Coordinates stay in the map, so that aligning it with
something leaves this file valid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.files import read_tensors, write_tensors
from sfm.mapping.sparse_map import MapImage, SparseMap
from sfm.matching.retrieval import aggregate, codebook_of
from sfm.workspace import digest_of

Floats32 = NDArray[np.float32]

INDEX_NAME = "localization.safetensors"
INDEX_VERSION = 2
_STAGE = "localization"


@dataclass(frozen=True)
class LocalizationIndex:
    """The searchable side of a map.

    Attributes
    ----------
    view_names
        Registered images in the order of names.
    first : (V + 1,) int64
        View v's observations are rows `first[v]` to `first[v + 1]` of the next two.
    point_ids : (O,) int64
        The map's point that each observation sees.
    quantized : (O, D) int8
        Its descriptor, in steps of 1/127 of the largest value in the view; its direction is what counts.
    codebook : (W, D) float32
        Visual words.
    view_descriptors : (V, W * D) float16
        Global descriptor of each view.
    recipe
        JSON-ready: `descriptor`, `detection` and `orientation` (how a query has to be described: "gradient" where
        keypoints are turned to their gradients, else one way an image), `ratio` (test of a match, None for the
        descriptor's own), `camera_keys` (what EXIF says of the camera of each camera id, None where it says nothing),
        `topology` (digest of the map).
    """

    view_names: tuple[str, ...]
    first: NDArray[np.int64]
    point_ids: NDArray[np.int64]
    quantized: NDArray[np.int8]
    codebook: Floats32
    view_descriptors: NDArray[np.float16]
    recipe: Mapping[str, Any]

    @cached_property
    def comparable_views(self) -> Floats32:
        """`view_descriptors` as `rank_views` takes them, float32: converted once, not for every query."""
        return self.view_descriptors.astype(np.float32)

    def points_of(self, view: int) -> NDArray[np.int64]:
        """Return the ids of the points that a view observes, (K,)."""
        return self.point_ids[self.first[view] : self.first[view + 1]]

    def descriptors_of(self, view: int) -> Floats32:
        """Return the descriptors of a view's observations, (K, D) float32 of unit length."""
        return _dequantized(self.quantized[self.first[view] : self.first[view + 1]])

    def descriptors_at(self, observations: NDArray[np.integer]) -> Floats32:
        """Return the descriptors of observations by their rows, (K, D) float32 of unit length."""
        return _dequantized(self.quantized[observations])

    def save(self, path: Path) -> None:
        """Write the index as safetensors, whole or not at all."""
        tensors: dict[str, NDArray[Any]] = {
            "first": self.first,
            "point_ids": self.point_ids,
            "descriptors": self.quantized,
            "codebook": self.codebook,
            "view_descriptors": self.view_descriptors,
        }
        metadata = {
            "stage": _STAGE,
            "version": str(INDEX_VERSION),
            "views": json.dumps(self.view_names, ensure_ascii=False),
            "recipe": json.dumps(dict(self.recipe), ensure_ascii=False, sort_keys=True),
        }
        write_tensors(path, tensors, metadata)

    @staticmethod
    def load(path: Path) -> LocalizationIndex:
        """Read what `save` wrote. Raises `InputError` if the file is missing, damaged or of another version."""
        tensors, metadata = read_tensors(path)
        if metadata.get("stage") != _STAGE or metadata.get("version") != str(INDEX_VERSION):
            raise InputError(
                f"{path} was not written by this version of sfm: delete it, and it is made again from the "
                "map's features."
            )
        try:
            return LocalizationIndex(
                tuple(json.loads(metadata["views"])),
                tensors["first"],
                tensors["point_ids"],
                tensors["descriptors"],
                tensors["codebook"],
                tensors["view_descriptors"],
                json.loads(metadata["recipe"]),
            )
        except (KeyError, ValueError, IndexError) as error:
            raise InputError(f"{path} is damaged ({error}): delete it, and it is made again.") from error


def build_index(
    sparse_map: SparseMap, descriptors: Mapping[str, Floats32], recipe: Mapping[str, Any]
) -> LocalizationIndex:
    """Gather the descriptors of a map.

    Parameters
    ----------
    sparse_map
        The map.
    descriptors
        (N, D) rows of unit length by image name, one for each of the image's first N keypoints, among which are all
        that observe points; read twice.
    recipe
        See `LocalizationIndex`; `topology` is added.

    Raises
    ------
    InputError
        If an image's descriptors are missing or are not those of the map's keypoints.
    """
    images = sparse_map.images_by_name
    codebook = codebook_of([partial(_rows_of, image, descriptors) for image in images])
    views: list[Floats32] = []
    quantized: list[NDArray[np.int8]] = []
    point_ids: list[NDArray[np.int64]] = []
    for image in images:
        rows = _rows_of(image, descriptors)
        seen = np.flatnonzero(image.point_ids >= 0)
        quantized.append(_quantized(rows[seen]))
        point_ids.append(image.point_ids[seen])
        views.append(aggregate(rows, codebook))
    return LocalizationIndex(
        view_names=tuple(image.name for image in images),
        first=np.cumsum([0, *map(len, point_ids)]).astype(np.int64),
        point_ids=np.concatenate([np.empty(0, np.int64), *point_ids]),
        quantized=np.concatenate([np.empty((0, codebook.shape[1]), np.int8), *quantized]),
        codebook=codebook,
        view_descriptors=np.array(views, np.float16).reshape(len(images), codebook.size),
        recipe={**recipe, "topology": topology_digest(sparse_map)},
    )


def topology_digest(sparse_map: SparseMap) -> str:
    """Return a digest of which image observes which point: the same after a similarity, another after mapping anew."""
    hashed = hashlib.sha256(np.ascontiguousarray(sparse_map.point_ids, "<i8").tobytes())
    for image in sparse_map.images_by_name:
        hashed.update(np.ascontiguousarray(image.point_ids, "<i8").tobytes())
    return digest_of([hashed.hexdigest(), [image.name for image in sparse_map.images_by_name]])


def _rows_of(image: MapImage, descriptors: Mapping[str, Floats32]) -> Floats32:
    again = "run `sfm reconstruct` again with the same photographs and output folder"
    if image.name not in descriptors:
        raise InputError(f"The map has no descriptors of {image.name}: {again}, which makes what is missing.")
    rows = np.asarray(descriptors[image.name], np.float32)
    if not np.flatnonzero(image.point_ids >= 0).max(initial=-1) < len(rows) <= len(image.xy):
        raise InputError(
            f"The {len(rows)} descriptors of {image.name} are not of the map's {len(image.xy)} keypoints: {again}."
        )
    return rows


def _quantized(rows: Floats32) -> NDArray[np.int8]:
    """Return rows in steps of 1/127 of their largest value."""
    step = float(np.abs(rows).max(initial=0.0)) / 127 or 1.0
    return np.rint(rows / step).astype(np.int8)


def _dequantized(rows: NDArray[np.int8]) -> Floats32:
    """Return rows of unit length; their direction does not depend on the size of a step."""
    floats = rows.astype(np.float32)
    lengths: Floats32 = np.sqrt(np.einsum("ij,ij->i", floats, floats))
    return np.asarray(floats / np.maximum(lengths, 1)[:, None], np.float32)

"""hloc's features.h5 and matches.h5."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.export.context import ExportContext, Exporter
from sfm.files import atomic_path
from sfm.mapping.sparse_map import SparseMap

# hloc's loaders pass this on to geometric verification: pixels of the original image.
_DETECTION_NOISE_PX = 1.0


class HlocExporter(Exporter):
    """Writes `features.h5` and `matches.h5` for the Hierarchical-Localization toolbox (hloc).

    features.h5 has a group for each image name: `keypoints` (N, 2) float32, `scores` (N,) float32,
    `descriptors` (D, N) float32 and `image_size` (2,) int64 (width, height). Keypoints are pixels of the
    original image with the first pixel's centre at (0, 0), hloc's convention as well as this project's: hloc
    adds the half pixel on its own way into COLMAP. Keypoints that were not described are not in it.

    matches.h5 has a group NAME0/NAME1 for each pair, slashes within a name replaced by dashes: `matches0`
    (N0,), the index of the match in the second image or -1, int16 as in hloc or int32 where the index needs
    it, and `matching_scores0` (N0,) float16, (cosine + 1) / 2 of the matched descriptors as hloc's nearest
    neighbour matcher has it.

    References
    ----------
    P.-E. Sarlin et al., "From Coarse to Fine: Robust Hierarchical Localization at Large Scale", CVPR 2019.
    """

    description = "hloc: features.h5 and matches.h5"
    files = ("features.h5", "matches.h5")

    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write both files into `folder`."""
        if not context.keypoints or not context.descriptors:
            raise InputError(
                "The hloc format holds features and matches, which the map alone does not have: give the "
                "output folder of a finished `sfm reconstruct` that still has its features."
            )
        features, matches = folder / "features.h5", folder / "matches.h5"
        _write_features(features, sparse_map, context)
        _write_matches(matches, context)
        return [features, matches]


@contextmanager
def _new_file(path: Path) -> Iterator[Any]:
    """Yield a new HDF5 file, written whole or not at all."""
    import h5py

    # By way of a file of Python's: where a disk is full, HDF5's own way to write ends the process.
    with (
        atomic_path(path) as temporary,
        temporary.open("w+b") as raw,
        h5py.File(raw, "w", libver="latest") as file,
    ):
        yield file


def _write_features(path: Path, sparse_map: SparseMap, context: ExportContext) -> None:
    sizes = dict(context.image_sizes)
    for image in sparse_map.images.values():
        camera = sparse_map.cameras[image.camera_id]
        sizes[image.name] = (camera.width, camera.height)
    names = sorted(context.keypoints)
    with (
        _new_file(path) as file,
        context.progress.stage("Writing features", len(names)) as step,
    ):
        for name in names:
            if name not in sizes:
                raise InputError(
                    f"The size of image {name} is not known: keep the images where they were mapped."
                )
            rows = np.asarray(context.descriptors[name], np.float32)
            keypoints = context.keypoints[name].take(slice(len(rows)))
            group = file.create_group(name)
            group["keypoints"] = np.asarray(keypoints.xy, np.float32)
            group["keypoints"].attrs["uncertainty"] = _DETECTION_NOISE_PX
            group["scores"] = np.asarray(keypoints.response, np.float32)
            group["descriptors"] = np.ascontiguousarray(rows.T)
            group["image_size"] = np.array(sizes[name], np.int64)
            step.advance()


def _write_matches(path: Path, context: ExportContext) -> None:
    descriptors = _Cached(context)
    groups: dict[str, tuple[str, str]] = {}
    pairs = sorted(context.matches)
    with (
        _new_file(path) as file,
        context.progress.stage("Writing matches", len(pairs), "pairs") as step,
    ):
        for pair in pairs:
            key = "/".join(name.replace("/", "-") for name in pair)
            if key in groups:
                raise InputError(
                    f"hloc cannot tell the pairs {groups[key]} and {pair} apart, because it writes slashes "
                    "in names as dashes: rename one of the images."
                )
            groups[key] = pair
            index0, index1 = np.asarray(context.matches[pair], np.int64).reshape(-1, 2).T
            first, second = descriptors[pair[0]], descriptors[pair[1]]
            if len(index0) and (index0.max() >= len(first) or index1.max() >= len(second)):
                raise InputError(
                    f"The matches of {pair[0]} and {pair[1]} are of other keypoints: match again."
                )
            matches0 = np.full(len(first), -1, np.int16 if len(second) <= 2**15 else np.int32)
            scores0 = np.zeros(len(first), np.float16)
            matches0[index0] = index1
            scores0[index0] = (np.einsum("nd,nd->n", first[index0], second[index1]) + 1) / 2
            group = file.create_group(key)
            group["matches0"] = matches0
            group["matching_scores0"] = scores0
            step.advance()


class _Cached:
    """The descriptors of the images asked for last: pairs come sorted, the first image repeats."""

    _SIZE = 64

    def __init__(self, context: ExportContext) -> None:
        self._source = context.descriptors
        self._kept: dict[str, NDArray[np.float32]] = {}

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        rows = self._kept.pop(name, None)
        if rows is None:
            if name not in self._source:
                raise InputError(f"Image {name} has matches but no descriptors any more: describe it again.")
            rows = np.asarray(self._source[name], np.float32)
        self._kept[name] = rows
        if len(self._kept) > self._SIZE:
            del self._kept[next(iter(self._kept))]
        return rows

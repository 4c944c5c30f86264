"""What an export may need beside the map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.mapping.frame import MapFrame
from sfm.mapping.sparse_map import SparseMap
from sfm.progress import SILENT, Progress


@dataclass(frozen=True)
class ExportContext:
    """What is known of a map's images beside the map. Everything may be missing.

    The mappings may read their values only when asked for them: an exporter asks once for each key.

    Attributes
    ----------
    image_names
        Names of all images of the set, registered or not.
    image_folder
        Folder that the names are relative to.
    image_sizes
        Width and height in pixels by name; registered images have theirs from the map.
    timestamps_s
        Capture time by name, in seconds since 1970-01-01 UTC (of the camera's clock, if it knows no zone).
    keypoints
        Keypoints by name.
    descriptors
        Their descriptors by name, (N, D).
    matches
        Matches by pair of names, (M, 2) indices into the keypoints of the first and the second.
    frame
        Frame of the world the map is in; None if it has not been aligned.
    progress
        Who hears what the format could not hold.
    """

    image_names: Sequence[str] = ()
    image_folder: Path | None = None
    image_sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    timestamps_s: Mapping[str, float] = field(default_factory=dict)
    keypoints: Mapping[str, Keypoints] = field(default_factory=dict)
    descriptors: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    matches: Mapping[tuple[str, str], NDArray[np.integer]] = field(default_factory=dict)
    frame: MapFrame | None = None
    progress: Progress = SILENT

    def frame_numbers(self, sparse_map: SparseMap) -> dict[str, int]:
        """Number all images of the set from 0 in the order of names, registered or not."""
        names = set(self.image_names) | set(sparse_map.poses)
        return {name: number for number, name in enumerate(sorted(names))}


class Exporter(ABC):
    """Writes a map in one format.

    Attributes
    ----------
    description
        What the format is and which files are written, in a few words.
    files
        Names of the files.
    """

    description: str
    files: tuple[str, ...]

    @abstractmethod
    def write(self, sparse_map: SparseMap, folder: Path, context: ExportContext) -> list[Path]:
        """Write the files of the format into `folder` and return their paths.

        Raises
        ------
        InputError
            If the format cannot hold this map, or the context lacks what the format needs.
        """

"""What the pages show, gathered from wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfm.mapping.database import VerifiedPair
from sfm.mapping.sparse_map import SparseMap


@dataclass(frozen=True)
class GalleryPair:
    """Two images and their matches, to look at.

    Attributes
    ----------
    name1, name2
        The images' names.
    image1, image2 : (H, W) or (H, W, 3) uint8
        The images, grey or RGB, in any resolution, as stored: the EXIF orientation is not applied.
    size1, size2
        Width and height in pixels of the original images, which the matches refer to.
    xy1, xy2 : (M, 2)
        Matched keypoints in pixels of the original images, first pixel's centre at (0, 0).
    inliers : (M,) bool
        Which matches were verified.
    note
        Why this pair is shown, in a few words.
    orientation1, orientation2
        EXIF orientations; images and keypoints are turned to stand upright.
    """

    name1: str
    name2: str
    image1: NDArray[np.uint8]
    image2: NDArray[np.uint8]
    size1: tuple[int, int]
    size2: tuple[int, int]
    xy1: NDArray[np.floating]
    xy2: NDArray[np.floating]
    inliers: NDArray[np.bool_]
    note: str = ""
    orientation1: int = 1
    orientation2: int = 1


@dataclass(frozen=True)
class ReportContent:
    """What the report of one finished map shows.

    Attributes
    ----------
    title
        What was mapped.
    sparse_map
        The largest model.
    further_models
        Number of registered images of each smaller model.
    pairs
        All pairs that were matched, accepted or not.
    left_out
        Why each image that is not in the map was left out, by name.
    warnings
        What the self-check found against the map, one sentence each.
    gallery
        Pairs to show with their matches.
    orientations
        EXIF orientation of images by name, where it is not 1: which side of the map is up.
    run
        What `run.json` records; of its entries the page tells `descriptor`, `started`, `mapped` and
        `self_check`, shows `command`, `options`, `versions` and `stages` in tables, and everything as JSON.
    """

    title: str
    sparse_map: SparseMap
    further_models: Sequence[int] = ()
    pairs: Sequence[VerifiedPair] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    gallery: Sequence[GalleryPair] = ()
    orientations: Mapping[str, int] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def image_names(self) -> list[str]:
        """Names of all images, registered or not, sorted."""
        paired = {name for pair in self.pairs for name in (pair.name1, pair.name2)}
        return sorted({*self.sparse_map.poses, *self.left_out, *paired})

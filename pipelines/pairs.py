"""Choosing the pairs of a photo set that are matched, by their order or by what the photographs look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sfm.files import read_leading_rows
from sfm.images.photo_set import Photo, capture_order
from sfm.matching.pairs import Pair, PairOptions, select_pairs
from sfm.matching.retrieval import describe_views
from sfm.progress import SILENT, Progress, Step
from sfm.workspace import Workspace

# Keypoints of an image that tell what it looks like, the first of them.
_KEYPOINTS = 2048


def pairs_to_match(
    photos: Sequence[Photo],
    workspace: Workspace,
    descriptor: str,
    options: PairOptions,
    progress: Progress = SILENT,
) -> list[Pair]:
    """Choose the pairs of described photographs to match, and tell how.

    Raises `InputError` if a list of pairs is asked for that cannot be used.
    """
    names = capture_order(photos)

    def look() -> NDArray[np.float32]:
        with progress.stage("Look for like images", 2 * len(names), "looks") as step:
            return describe_views([_reader(workspace, descriptor, name, step) for name in names])

    pairs, told = select_pairs(names, options, look)
    progress.say(f"Matching {told}.")
    return pairs


def _reader(
    workspace: Workspace, descriptor: str, name: str, step: Step
) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        step.advance()
        return read_leading_rows(workspace.descriptors(descriptor, name), "descriptors", _KEYPOINTS)

    return read

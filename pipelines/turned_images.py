"""Try other turns of images that no pair relates to the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.descriptor import Descriptor
from sfm.features.keypoints import Keypoints
from sfm.features.orientation import oriented
from sfm.files import read_leading_rows
from sfm.geometry.camera import Camera
from sfm.geometry.two_view import Verifier
from sfm.images.photo_set import Photo
from sfm.matching.cells import DescriptorCells
from sfm.matching.options import MatchingOptions
from sfm.matching.retrieval import aggregate, codebook_of, rank_views
from sfm.matching.two_view import DescribedView, match_views
from sfm.pipelines.features import FeatureSet
from sfm.pipelines.keypoints import DecodedImages
from sfm.pipelines.matching import PairSet
from sfm.progress import Progress
from sfm.threads import map_in_order, pool_of_cores
from sfm.words import count, listed
from sfm.workspace import Workspace

# Keypoints of each image that are matched, the first of them, and with how many images that look most like it.
_KEYPOINTS, _PARTNERS = 2048, 8
# A turn is believed if a pair by it is farther from chance than any of its few dozen trials would come.
_MAX_LOG10_NFA = -6.0
# So many images at most: of a folder of unrelated photographs each would be tried for nothing.
_MOST = 12


def loose_images(features: FeatureSet, pair_set: PairSet) -> list[str]:
    """Return the images whose turn is only assumed and that no accepted pair relates to another, at most a dozen."""
    paired = {name for pair in pair_set.accepted for name in (pair.name1, pair.name2)}
    loose = [name for name in features.orientations.unknown if name not in paired]
    return loose[:_MOST] if paired else []


def find_turns(
    loose: Sequence[str],
    features: FeatureSet,
    pair_set: PairSet,
    descriptor: Descriptor,
    matching: MatchingOptions,
    verifier: Verifier,
    cameras: Mapping[str, Camera],
    workspace: Workspace,
    max_size: int,
    progress: Progress,
) -> dict[str, int]:
    """Return the turns by which loose images match others, degrees by name; those that match by none are not in it.

    Parameters
    ----------
    loose
        See `loose_images`.
    features, pair_set
        All images, and what was matched.
    descriptor, matching, verifier
        How pairs are matched.
    cameras
        Intrinsics by image name.
    workspace
        Where keypoints and descriptors are.
    max_size
        Longer side, in pixels, at which photographs are looked at.
    progress
        Hears of it.
    """
    paired = sorted({name for pair in pair_set.accepted for name in (pair.name1, pair.name2)})
    others = _Others(workspace, descriptor.name, paired)
    images = DecodedImages(max_size)
    photos = {image.photo.name: image.photo for image in features.images}

    def view(photo: Photo, turn_deg: int) -> DescribedView:
        found = Keypoints.load(workspace.detected(photo.name))
        keypoints = oriented(found, turn_deg, _KEYPOINTS)
        rows = descriptor.describe(images.of(photo), keypoints)
        return DescribedView(keypoints, DescriptorCells.of(rows, True), cameras[photo.name])

    def best_turn(name: str) -> int | None:
        best: tuple[float, int | None] = (_MAX_LOG10_NFA, None)
        for turn in features.orientations.usual_turns_deg:
            if turn == features.orientations.of(name):
                continue
            try:
                turned = view(photos[name], turn)
            except InputError:
                return None
            for other in others.most_like(turned.cells.descriptors):
                found = match_views(turned, others.view(other, cameras[other]), verifier, matching)
                if found.beyond_chance:
                    best = min(best, (found.log10_nfa, turn), key=lambda one: one[0])
        return best[1]

    with progress.stage("Try other turns", len(loose)) as step, pool_of_cores() as pool:
        turns = {}
        for name, turn in map_in_order(pool, best_turn, loose):
            if turn is not None:
                turns[name] = turn
            step.advance()
    if turns:
        progress.say(f"{count(len(turns), 'images')} match when turned: {listed(list(turns))}.")
    return turns


@dataclass
class _Others:
    """Images that are related already, to be looked up by likeness."""

    workspace: Workspace
    descriptor: str
    names: Sequence[str]

    def __post_init__(self) -> None:
        readers = [lambda name=name: self._rows(name) for name in self.names]
        self._codebook = codebook_of(readers)
        self._views = np.array([aggregate(read(), self._codebook) for read in readers])

    def most_like(self, rows: NDArray[np.float32]) -> list[str]:
        """Return the names of the images that look most like one of these descriptors."""
        ranked = rank_views(aggregate(rows, self._codebook), self._views, _PARTNERS)
        return [self.names[int(i)] for i in ranked]

    def view(self, name: str, camera: Camera) -> DescribedView:
        """Return an image as it is matched."""
        rows = self._rows(name)
        keypoints = Keypoints.load(self.workspace.keypoints(name)).take(slice(len(rows)))
        return DescribedView(keypoints, DescriptorCells.of(rows, True), camera)

    def _rows(self, name: str) -> NDArray[np.float32]:
        path = self.workspace.descriptors(self.descriptor, name)
        return read_leading_rows(path, "descriptors", _KEYPOINTS)

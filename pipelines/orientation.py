"""Find out how photographs are turned, from a sample of the keypoints of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfm.errors import InputError
from sfm.features.descriptor import Descriptor
from sfm.features.detectors import Detector
from sfm.features.keypoints import Keypoints
from sfm.files import write_json
from sfm.images.decode import exif_turn_deg
from sfm.images.photo_set import Photo, capture_order
from sfm.matching.pairs import Pair, PairOptions, select_pairs
from sfm.matching.retrieval import describe_views
from sfm.pipelines.keypoints import DecodedImages, detection_recipe
from sfm.progress import Progress
from sfm.threads import map_in_order, pool_of_cores
from sfm.viewgraph.orientations import (
    BY_GRADIENT,
    ImageOrientations,
    decide_orientations,
    upright_by_exif,
)
from sfm.viewgraph.roll_votes import Sample, vote_of
from sfm.viewgraph.rolls import RollVote, synchronise
from sfm.workspace import Recipe, Workspace

ORIENTATION_VERSION = 1
# Keypoints of each image that tell how it is turned, the first of them; and where these relate too few images.
_SAMPLE, _LARGER_SAMPLE = 512, 2048


def find_orientations(
    photos: Sequence[Photo],
    workspace: Workspace,
    detector: Detector,
    descriptor: Descriptor,
    orientation: str,
    images: DecodedImages,
    progress: Progress,
) -> ImageOrientations:
    """Find out what the keypoints of each photograph are turned to, and say it.

    Parameters
    ----------
    photos
        Photographs whose keypoints have been detected.
    workspace
        Where these are; takes what is found, which is reused while photographs and keypoints stay the same.
    detector, descriptor
        What found the keypoints, and what describes a sample of them.
    orientation
        See `OrientationOptions`.
    images
        The photographs' pixels.
    progress
        Hears of it.
    """
    exif = {photo.name: exif_turn_deg(photo.exif.orientation) for photo in photos}
    if orientation == "gradient":
        if descriptor.trained_on == "image":
            progress.say(
                f"{descriptor.name} was trained on keypoints that are turned one way an image: turned to gradients, "
                "as --orientation gradient has them, fewer match."
            )
        return BY_GRADIENT
    if orientation == "upright":
        return upright_by_exif(exif)
    recipe = Recipe(
        "orientation",
        ORIENTATION_VERSION,
        {"orientation": orientation, "exif_turn_deg": exif},
        {photo.name: detection_recipe(photo, detector).digest for photo in photos},
    )
    found = _recorded(workspace.orientations, recipe)
    if found is None:
        sampler = _Sampler(workspace, descriptor, images, {photo.name: photo for photo in photos})
        found = _decide(sampler, capture_order(photos), exif, orientation, progress)
        write_json(workspace.orientations, {"digest": recipe.digest, **vars(found)})
    progress.say(f"Orientation: {found.way}, for {found.reason}.")
    for doubt in found.doubts:
        progress.warn(doubt)
    return found


def remember_orientations(orientations: ImageOrientations, workspace: Workspace) -> None:
    """Keep what has been found out since, for the same photographs and keypoints."""
    record = json.loads(workspace.orientations.read_text(encoding="utf-8"))
    write_json(workspace.orientations, {**record, **vars(orientations)})


def _recorded(path: Path, recipe: Recipe) -> ImageOrientations | None:
    """Return what an earlier run found out, if it looked at the same keypoints."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("digest") != recipe.digest:
            return None
        listed = {name: tuple(record[name]) for name in ("doubts", "unknown")}
        return ImageOrientations(**{**record, **listed})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _decide(
    sampler: _Sampler, names: Sequence[str], exif: Mapping[str, int], orientation: str, progress: Progress
) -> ImageOrientations:
    """Let pairs vote by a small sample of keypoints; by a larger one where that leaves turned images apart."""
    may_share_up = orientation == "auto"
    sampler.describe(names, _SAMPLE, progress)
    pairs, _ = select_pairs(names, PairOptions(), lambda: describe_views([sampler.reader(n) for n in names]))
    votes = sampler.vote(pairs, progress)
    parts = synchronise(votes)
    found = decide_orientations(parts, len(votes), exif, may_share_up)
    apart = set(names) - set(parts[0].rolls_rad if parts else ())
    if not apart or (found.way == "upright" and 2 * len(apart) <= len(names)):
        return found
    again = [pair for pair in pairs if not apart.isdisjoint(pair)]
    sampler.describe(sorted({name for pair in again for name in pair}), _LARGER_SAMPLE, progress)
    kept = [vote for vote in votes if apart.isdisjoint((vote.name1, vote.name2))]
    votes = [*kept, *sampler.vote(again, progress)]
    return decide_orientations(synchronise(votes), len(votes), exif, may_share_up)


@dataclass
class _Sampler:
    """Describes the first keypoints of images, and lets pairs of images vote by them.

    Attributes
    ----------
    workspace, descriptor, images, photos
        Where keypoints are, what describes them, and the photographs by name.
    samples
        By name.
    """

    workspace: Workspace
    descriptor: Descriptor
    images: DecodedImages
    photos: Mapping[str, Photo]
    samples: dict[str, Sample] = field(default_factory=dict)

    def describe(self, names: Sequence[str], most: int, progress: Progress) -> None:
        """Describe at most so many first keypoints of images; one that cannot be read any more has none."""
        with progress.stage("Describe a sample", len(names)) as step, pool_of_cores() as pool:
            for name, sample in map_in_order(pool, lambda name: self._sample_of(name, most), names):
                self.samples[name] = sample
                step.advance()

    def _sample_of(self, name: str, most: int) -> Sample:
        keypoints = Keypoints.load(self.workspace.detected(name)).take(slice(most))
        try:
            image = self.images.of(self.photos[name])
        except InputError:
            return Sample.of(Keypoints.empty(), np.empty((0, self.descriptor.dimension), np.float32))
        return Sample.of(keypoints, self.descriptor.describe(image, keypoints))

    def reader(self, name: str) -> Callable[[], NDArray[np.float32]]:
        """Return what reads the descriptors of an image's sample."""
        return lambda: self.samples[name].rows.astype(np.float32)

    def vote(self, pairs: Sequence[Pair], progress: Progress) -> list[RollVote]:
        """Return the votes of the pairs that tell by how much their images are turned against each other."""
        votes = []
        with progress.stage("Look which way is up", len(pairs), "pairs") as step, pool_of_cores() as pool:
            for _, vote in map_in_order(pool, lambda pair: vote_of(*pair, self.samples), pairs):
                if vote is not None:
                    votes.append(vote)
                step.advance()
        return votes

"""Features and verified pairs: the first keypoints of each image, and all of them where these give few matches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sfm.features.descriptor import Descriptor
from sfm.features.detectors import DogDetector
from sfm.images.cameras import CameraAssignment
from sfm.images.photo_set import PhotoSet
from sfm.mapping.colmap_verifier import make_verifier
from sfm.matching.pairs import Pair
from sfm.pipelines.features import FeatureSet, describe_rest, extract_features
from sfm.pipelines.matching import PairSet, match_pairs
from sfm.pipelines.orientation import remember_orientations
from sfm.pipelines.pairs import pairs_to_match
from sfm.pipelines.run_record import RunRecord
from sfm.pipelines.stage_options import ReconstructOptions
from sfm.pipelines.turned_images import find_turns, loose_images
from sfm.progress import Progress
from sfm.viewgraph.connection import poorly_connected
from sfm.words import count
from sfm.workspace import Workspace


def describe_and_match(
    photo_set: PhotoSet,
    cameras: CameraAssignment,
    options: ReconstructOptions,
    descriptor: Descriptor,
    workspace: Workspace,
    record: RunRecord,
    progress: Progress,
) -> tuple[FeatureSet, PairSet]:
    """Describe and match the first keypoints of all images, then all keypoints of images that need them.

    These are the images that are poorly connected, and those they were matched with. Images that then still match no
    other, and whose turn was only assumed, are tried by other turns.

    Parameters
    ----------
    photo_set, cameras
        The photographs and their intrinsics.
    options
        What is chosen for each stage.
    descriptor
        Who describes.
    workspace
        Where features and pairs are; what is valid of an earlier run is reused.
    record
        Takes the stages "features" and "matching".
    progress
        Hears of it.

    Raises
    ------
    InputError
        If no photograph can be decoded, or a list of pairs cannot be used.
    """
    detector, max_size = DogDetector(options.detection), options.detection.max_size
    verifier = make_verifier(options.verification, options.mapping.seed)
    matching = options.matching.suited_to(descriptor.ratio_tests)
    with record.stage("features") as counts:
        features = extract_features(
            photo_set.photos,
            workspace,
            detector,
            descriptor,
            max_size,
            progress,
            options.connection.describe_first,
            options.orientation.orientation,
        )
        counts.update(_counted(features))
    with record.stage("matching"):
        photos = [image.photo for image in features.images]
        pairs = pairs_to_match(photos, workspace, descriptor.name, options.pairs, progress)
    reused, tried_turns = len(pairs), False
    while True:
        with record.stage("matching") as counts:
            pair_set = match_pairs(
                pairs,
                features,
                cameras.cameras,
                cameras.camera_of,
                workspace,
                descriptor.name,
                matching,
                verifier,
                progress,
            )
            reused = min(reused, pair_set.reused)
            counts.update(pairs=len(pairs), reused=reused, accepted=len(pair_set.accepted))
            counts.update(ratio=matching.ratio, weak_ratio=matching.weak_ratio)
        poor = poorly_connected(pair_set.pairs)
        more = _described_in_part(features, poor, pairs)
        if more:
            few, all_of = count(len(poor), "images"), count(len(more), "images")
            progress.say(f"{few} with few matches: all keypoints of {all_of} are described.")
        else:
            loose = [] if tried_turns else loose_images(features, pair_set)
            tried_turns = True
            if not loose:
                return features, pair_set
            by_name = {name: cameras.cameras[cameras.camera_of[name]] for name in features.names}
            turns = find_turns(
                loose,
                features,
                pair_set,
                descriptor,
                matching,
                verifier,
                by_name,
                workspace,
                max_size,
                progress,
            )
            if not turns:
                return features, pair_set
            features = replace(features, orientations=features.orientations.with_turns(turns))
            remember_orientations(features.orientations, workspace)
            more = set(turns)
        with record.stage("features") as counts:
            features = describe_rest(features, more, workspace, detector, descriptor, max_size, progress)
            counts.update(_counted(features))
        there = set(features.names)
        pairs = [pair for pair in pairs if there.issuperset(pair)]


def _described_in_part(features: FeatureSet, poor: Collection[str], pairs: Sequence[Pair]) -> set[str]:
    """Return which of the poorly connected images, and of those they were matched with, have more to describe."""
    concerned = {name for pair in pairs if not set(pair).isdisjoint(poor) for name in pair}
    return concerned & {image.photo.name for image in features.images if not image.in_full}


def _counted(features: FeatureSet) -> dict[str, int | str]:
    return {
        "images": len(features.images),
        "detected": sum(image.detected for image in features.images),
        "described": sum(image.described for image in features.images),
        "described_in_full": sum(image.in_full for image in features.images),
        "orientation": features.orientations.way,
    }

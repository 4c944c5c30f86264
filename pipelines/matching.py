"""From descriptors to verified pairs in COLMAP's database, resuming where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sfm.features.keypoints import Keypoints
from sfm.files import read_tensors
from sfm.geometry.camera import Camera
from sfm.geometry.two_view import TwoViewGeometry, Verifier
from sfm.mapping.database import ImageEntry, MapDatabase, PairResult, VerifiedPair, image_digest
from sfm.matching.cells import DescriptorCells
from sfm.matching.options import MatchingOptions
from sfm.matching.pairs import Pair
from sfm.matching.two_view import MAX_LOG10_NFA, DescribedView, VerifiedMatches, match_views
from sfm.options import as_recorded
from sfm.pipelines.features import FeatureSet
from sfm.progress import SILENT, Progress
from sfm.threads import map_in_order, pool_of_cores
from sfm.words import count
from sfm.workspace import Workspace, changes, digest_of

PAIRS_VERSION = 6
_PAIRS_A_TRANSACTION = 64
_IMAGES_IN_MEMORY = 48


@dataclass(frozen=True)
class PairSet:
    """The outcome of matching: every pair looked at, and how many of them an earlier run had done."""

    pairs: tuple[VerifiedPair, ...]
    reused: int
    digest: str

    @property
    def accepted(self) -> list[VerifiedPair]:
        """The pairs that take part in mapping."""
        return [pair for pair in self.pairs if pair.accepted]


def match_pairs(
    pairs: Sequence[Pair],
    features: FeatureSet,
    cameras: Mapping[int, Camera],
    camera_of: Mapping[str, int],
    workspace: Workspace,
    descriptor: str,
    matching: MatchingOptions,
    verifier: Verifier,
    progress: Progress = SILENT,
) -> PairSet:
    """Match and verify pairs of images and put them into the workspace's database.

    Parameters
    ----------
    pairs
        Names of the images to match with each other.
    features
        The images, whose descriptors lie in the workspace.
    cameras, camera_of
        Intrinsics by camera id, and camera id by image name.
    workspace
        Where the database is; pairs made by the same recipe are reused.
    descriptor
        Name of the descriptor to match.
    matching
        How to match.
    verifier
        Who verifies the matches.
    progress
        Hears of it.
    """
    images = {image.photo.name: image for image in features.images}
    options = {
        "descriptor": descriptor,
        **as_recorded(matching),
        "max_log10_nfa": MAX_LOG10_NFA,
        **verifier.identity,
    }
    with MapDatabase(workspace.database) as database:
        entries = {
            name: ImageEntry(name, i, image_digest(image.keypoints_digest, i, cameras[i]))
            for name, image in images.items()
            for i in (camera_of[name],)
        }
        kept = database.prepare(list(entries.values()), cameras, _Positions(workspace))
        if database.damage:
            progress.warn(f"{workspace.database} is damaged ({database.damage}): it is made anew.")
        elif not kept:
            progress.say("The database is made anew: images, keypoints or cameras changed.")
        for change in changes(database.options(), options) if database.options() else ():
            progress.say(f"Pairs are matched anew: {change}.")
        database.set_options(options)
        digests = {
            pair: digest_of(
                [PAIRS_VERSION, options]
                + [[entries[name].digest, images[name].descriptors_digest] for name in pair]
            )
            for pair in pairs
        }
        held = database.pair_digests()
        database.keep_only(digests)
        missing = [pair for pair in pairs if held.get(pair) != digests[pair]]
        if len(missing) < len(pairs):
            progress.say(f"Reused: {len(pairs) - len(missing)} of {count(len(pairs), 'verified pairs')}.")
        if missing:
            matcher = _PairMatcher(workspace, descriptor, matching, verifier, cameras, camera_of)
            _match_missing(missing, digests, matcher, database, progress)
        found = database.pairs()
    result = tuple(found[pair] for pair in pairs)
    return PairSet(
        result, len(pairs) - len(missing), digest_of([sorted(digests.values()), [p.accepted for p in result]])
    )


def _match_missing(
    missing: Sequence[Pair],
    digests: Mapping[Pair, str],
    matcher: _PairMatcher,
    database: MapDatabase,
    progress: Progress,
) -> None:
    """Match on every core; write from this thread, the only writer, in batches."""
    batch: list[PairResult] = []
    with (
        progress.stage("Match and verify", len(missing), "pairs") as step,
        pool_of_cores() as pool,
    ):
        try:
            for pair, (verified, found) in map_in_order(pool, matcher, missing):
                batch.append(PairResult(verified, found.index, found.geometry, digests[pair]))
                if len(batch) >= _PAIRS_A_TRANSACTION:
                    database.write_pairs(batch)
                    batch = []
                step.advance()
        finally:
            # Also when stopped: what is done is kept.
            database.write_pairs(batch)
            pool.shutdown(cancel_futures=True)


class _PairMatcher:
    """Matches and verifies one pair after the other; keeps the features of a bounded number of images."""

    def __init__(
        self,
        workspace: Workspace,
        descriptor: str,
        matching: MatchingOptions,
        verifier: Verifier,
        cameras: Mapping[int, Camera],
        camera_of: Mapping[str, int],
    ) -> None:
        self._matching, self._verifier = matching, verifier

        @lru_cache(maxsize=_IMAGES_IN_MEMORY)
        def load(name: str) -> DescribedView:
            tensors, _ = read_tensors(workspace.descriptors(descriptor, name))
            rows = tensors["descriptors"]
            described = Keypoints.load(workspace.keypoints(name)).take(slice(len(rows)))
            return DescribedView(
                described, DescriptorCells.of(rows, matching.exact), cameras[camera_of[name]]
            )

        self._load = load

    def __call__(self, pair: Pair) -> tuple[VerifiedPair, VerifiedMatches]:
        views = self._load(pair[0]), self._load(pair[1])
        found = match_views(*views, self._verifier, self._matching)
        verified = VerifiedPair(
            *pair,
            matches=len(found.index),
            inliers=len(found.geometry.inliers),
            kind=found.geometry.kind,
            log10_nfa=found.log10_nfa,
            forward=_forwardness(found.geometry),
            accepted=found.beyond_chance,
        )
        return verified, found


class _Positions(Mapping[str, NDArray[np.float32]]):
    """Keypoint positions by image name, read from the workspace when asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return Keypoints.load(self._workspace.keypoints(name)).xy

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("positions are looked up by name")

    def __len__(self) -> int:
        raise NotImplementedError("positions are looked up by name")


def _forwardness(geometry: TwoViewGeometry) -> float | None:
    pose = geometry.cam2_from_cam1
    length = 0.0 if pose is None else float(np.linalg.norm(pose.translation))
    return None if pose is None or length == 0 else abs(float(pose.translation[2])) / length

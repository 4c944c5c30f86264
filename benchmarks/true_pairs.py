"""Pairs of images whose poses and points are known, as matching and verification would have left them."""

from __future__ import annotations

import numpy as np

from sfm.geometry.epipolar import essential_from_pose
from sfm.geometry.pose import Pose
from sfm.geometry.two_view import TwoViewGeometry
from sfm.mapping.database import PairResult, VerifiedPair
from sfm.mapping.sparse_map import MapImage

THRESHOLD_PX = 4.0


def true_pair(image1: MapImage, image2: MapImage, digest: str, minimum: int) -> PairResult:
    """Return the pair of two images with all points that both see as verified matches.

    Parameters
    ----------
    image1, image2
        The images, with their true poses.
    digest
        Of what the pair was made of.
    minimum
        How many points they must share for the pair to be accepted.
    """
    _, i, j = np.intersect1d(image1.point_ids, image2.point_ids, return_indices=True)
    matches = np.column_stack([i, j]).astype(np.int32)
    accepted = len(matches) >= minimum
    relative = image2.cam_from_world @ image1.cam_from_world.inverse()
    unit = Pose(relative.rotation, relative.translation / np.linalg.norm(relative.translation))
    geometry = TwoViewGeometry(
        "calibrated", np.arange(len(matches)), essential_from_pose(unit), None, None, unit, THRESHOLD_PX
    )
    pair = VerifiedPair(
        image1.name,
        image2.name,
        matches=len(matches),
        inliers=len(matches),
        kind="calibrated",
        log10_nfa=-50.0 if accepted else 1.0,
        forward=abs(float(unit.translation[2])),
        accepted=accepted,
    )
    return PairResult(pair, matches, geometry, digest)

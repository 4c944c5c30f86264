"""Descriptors on a patch set: verification, matching and retrieval as in HPatches, and the use of their space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfm.features.descriptor import DescribesPatches, Descriptor
from sfm.features.keypoints import Keypoints
from sfm.features.networks import PATCH_SIZE
from sfm.features.patch_window import PatchWindow
from sfm.images.gray import GrayImage
from sfm.learning.metrics import average_precision, fpr_at_recall
from sfm.learning.patch_set import PatchSet

Rows = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

_SHEET_TILES = 48


@dataclass(frozen=True)
class SpaceUse:
    """How descriptors spread over the unit sphere.

    Attributes
    ----------
    intra_concentration
        Concentration (kappa of a von Mises-Fisher distribution) of the patches of one point around their
        mean, averaged over points; larger is tighter.
    inter_concentration
        Concentration of the points' means; smaller uses more of the sphere.
    dimensions
        Effective number of dimensions: (sum of the covariance's eigenvalues)^2 / sum of their squares.
    """

    intra_concentration: float
    inter_concentration: float
    dimensions: float


@dataclass(frozen=True)
class PatchFigures:
    """What a descriptor achieves on a patch set.

    Attributes
    ----------
    fpr95
        Verification: share of wrong pairs accepted where 95% of the true ones are.
    verification_ap
        Verification: average precision over as many true as wrong pairs.
    matching_map
        Matching: average precision of nearest neighbours between two views, over all points.
    retrieval_map
        Retrieval: mean average precision of finding a point's other patches among those of all points.
    space
        Use of the descriptor space.
    """

    fpr95: float
    verification_ap: float
    matching_map: float
    retrieval_map: float
    space: SpaceUse


def patch_figures(
    descriptor: Descriptor, patches: PatchSet, points: Ints, *, max_points: int = 2000, seed: int = 0
) -> PatchFigures:
    """Measure a descriptor on some points of a patch set.

    Parameters
    ----------
    descriptor
        Any descriptor; one that does not take patches sees them as keypoints of a sheet.
    patches
        The set.
    points
        Indices of the points to use.
    max_points
        Draw this many of them.
    seed
        Seed of that draw and of the wrong pairs.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(points)[:max_points])
    index = np.concatenate([np.arange(patches.first[p], patches.first[p + 1]) for p in chosen])
    owner = np.repeat(np.arange(len(chosen)), patches.counts[chosen])
    rows = describe_patches(descriptor, patches.patches(index), patches.window)
    first = np.searchsorted(owner, np.arange(len(chosen)))
    left, right = rows[first], rows[first + 1]
    fpr95, verification_ap = _verification(left, right, rng)
    return PatchFigures(
        fpr95=fpr95,
        verification_ap=verification_ap,
        matching_map=_matching(left, right),
        retrieval_map=_retrieval(rows, owner, first),
        space=space_use(rows, owner),
    )


def describe_patches(descriptor: Descriptor, patches: Bytes, window: PatchWindow) -> Rows:
    """Describe (N, 1, 32, 32) patches with any descriptor."""
    if isinstance(descriptor, DescribesPatches):
        return descriptor.describe_patches(patches)
    per_sheet = _SHEET_TILES**2
    sheets = [patches[start : start + per_sheet] for start in range(0, len(patches), per_sheet)]
    return np.concatenate([_describe_sheet(descriptor, sheet, window) for sheet in sheets])


def space_use(rows: Rows, owner: Ints) -> SpaceUse:
    """Measure how (N, D) unit rows, of the points `owner` (N,) ascending from 0, use the sphere.

    Concentrations by the approximation of Banerjee et al., JMLR 2005; Tian et al. (CVPR 2019, section 3.4)
    judge descriptors by both.
    """
    dimension = rows.shape[1]
    count = np.bincount(owner)
    means = np.zeros((len(count), dimension))
    np.add.at(means, owner, rows.astype(np.float64))
    means /= count[:, None]
    length = np.linalg.norm(means, axis=1)
    unit = means / np.maximum(length, 1e-12)[:, None]
    eigenvalues = np.linalg.eigvalsh(np.cov(rows.astype(np.float64).T))
    return SpaceUse(
        intra_concentration=float(np.mean(_concentration(length, dimension))),
        inter_concentration=float(_concentration(np.linalg.norm(unit.mean(axis=0)), dimension)),
        dimensions=float(eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()),
    )


def _concentration(mean_length: NDArray[np.float64] | np.floating, dimension: int) -> NDArray[np.float64]:
    r = np.minimum(mean_length, 1 - 1e-9)
    kappa: NDArray[np.float64] = r * (dimension - r**2) / (1 - r**2)
    return kappa


def _verification(left: Rows, right: Rows, rng: np.random.Generator) -> tuple[float, float]:
    """Return FPR95 and average precision over the true pairs and as many of two random different points."""
    other = (np.arange(len(left)) + rng.integers(1, len(left), len(left))) % len(left)
    positive = np.linalg.norm(left - right, axis=1)
    negative = np.linalg.norm(left - right[other], axis=1)
    correct = np.repeat([True, False], len(left))
    return fpr_at_recall(positive, negative), average_precision(correct, np.concatenate([positive, negative]))


def _matching(left: Rows, right: Rows) -> float:
    similarity = left @ right.T
    nearest = similarity.argmax(axis=1)
    own = nearest == np.arange(len(left))
    return average_precision(own, -similarity[np.arange(len(left)), nearest], num_relevant=len(left))


def _retrieval(rows: Rows, owner: Ints, queries: Ints) -> float:
    precisions = []
    for query in queries:
        similarity = rows @ rows[query]
        similarity[query] = -np.inf
        correct = owner == owner[query]
        correct[query] = False
        precisions.append(average_precision(correct, -similarity))
    return float(np.mean(precisions))


def _describe_sheet(descriptor: Descriptor, patches: Bytes, window: PatchWindow) -> Rows:
    """Lay patches side by side and describe their centres as upright keypoints of the scale that fits them."""
    n, side = len(patches), PATCH_SIZE
    sheet = np.zeros((_SHEET_TILES, side, _SHEET_TILES, side), np.uint8)
    row, column = np.divmod(np.arange(n), _SHEET_TILES)
    sheet[row, :, column, :] = patches[:, 0]
    centre = (side - 1) / 2
    keypoints = Keypoints(
        xy=np.column_stack([column * side + centre, row * side + centre]).astype(np.float32),
        scale=np.full(n, 1 / window.middle_step(side), np.float32),
        angle=np.zeros(n, np.float32),
        response=np.ones(n, np.float32),
    )
    image = GrayImage.of(sheet.reshape(_SHEET_TILES * side, _SHEET_TILES * side))
    return descriptor.describe(image, keypoints)

"""Losses that train a patch descriptor from pairs of patches of the same point.

All take two (N, D) batches of descriptors: row i of both describes point i, seen in two views. Rows of
different points are each other's negatives, unless `same_point` says that they show one point after all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Keeps the gradient of a square root finite at zero distance.
_EPSILON = 1e-6


@dataclass(frozen=True)
class LossRecipe:
    """What a loss is made of.

    Attributes
    ----------
    first_order
        Loss that pulls the two views of a point together and pushes different points apart.
    second_order_weight
        Weight of `second_order_similarity`, which is left out at 0.
    """

    first_order: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    second_order_weight: float = 0.0


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the (N, M) Euclidean distances between unit rows of `a` and `b`."""
    return torch.sqrt((2 - 2 * a @ b.T).clamp(min=0) + _EPSILON)


def quadratic_triplet(left: Tensor, right: Tensor, same_point: Tensor | None = None) -> Tensor:
    """Quadratic hinge triplet loss with the hardest negative of the batch, over all four blocks.

    The first-order term of SOSNet (Tian et al., CVPR 2019): mean of max(0, 1 + d_pos - d_neg)^2, where
    d_neg is the smallest distance from either view of a point to either view of another.
    """
    positive, blocks = _distance_blocks(left, right, same_point)
    crossed, left_left, right_right = blocks
    nearest = torch.stack([crossed, crossed.T, left_left, right_right]).amin(dim=(0, 2))
    return (1 + positive - nearest).clamp(min=0).square().mean()


def hardest_in_batch(left: Tensor, right: Tensor, same_point: Tensor | None = None) -> Tensor:
    """HardNet's loss: linear hinge, hardest negative in the other view (Mishchuk et al. 2017)."""
    positive, (crossed, _, _) = _distance_blocks(left, right, same_point)
    nearest = torch.minimum(crossed.amin(dim=1), crossed.amin(dim=0))
    return (1 + positive - nearest).clamp(min=0).mean()


def triplet_margin_with_swap(left: Tensor, right: Tensor, same_point: Tensor | None = None) -> Tensor:
    """TFeat's loss: one random negative a pair, margin 1, the harder of both anchors (Balntas et al. 2016).

    The rows need not have unit length. Batches are in random order, so the next row is a random negative.
    """
    positive = (left - right).square().sum(dim=1).add(_EPSILON).sqrt()
    negative = right.roll(1, dims=0)
    from_left = (left - negative).square().sum(dim=1).add(_EPSILON).sqrt()
    from_right = (right - negative).square().sum(dim=1).add(_EPSILON).sqrt()
    hinge = (1 + positive - torch.minimum(from_left, from_right)).clamp(min=0)
    if same_point is not None:
        hinge = hinge * ~torch.diagonal(same_point.roll(1, dims=1))
    return hinge.mean()


def relative_distance(left: Tensor, right: Tensor, same_point: Tensor | None = None) -> Tensor:
    """L2-Net's loss: the pair must be the nearest of its row and column, and the dimensions uncorrelated.

    Tian, Fan and Wu, CVPR 2017, terms E1 and E2; their third, on intermediate feature maps, is left out.
    """
    d = distances(left, right)
    if same_point is not None:
        others = same_point & ~torch.eye(len(d), dtype=torch.bool, device=d.device)
        d = d.masked_fill(others, torch.inf)
    relative = -0.5 * (torch.log_softmax(-d, dim=0) + torch.log_softmax(-d, dim=1)).diagonal().sum()
    compactness = sum(0.5 * _correlation(rows).triu(1).square().sum() * 2 for rows in (left, right))
    return (relative + compactness) / len(left)


def second_order_similarity(left: Tensor, right: Tensor, neighbours: int = 8) -> Tensor:
    """Second-order similarity: distances between points must be the same in both views.

    R = mean_i sqrt(sum over j in c_i of (|a_i - a_j| - |p_i - p_j|)^2), where c_i is the union of the nearest
    neighbours of point i among the left rows and among the right rows (Tian et al., CVPR 2019, eq. 4).
    """
    left_left, right_right = distances(left, left), distances(right, right)
    with torch.no_grad():
        near = _nearest(left_left, neighbours) | _nearest(right_right, neighbours)
    difference = (left_left - right_right).square() * near
    return (difference.sum(dim=1) + _EPSILON).sqrt().mean()


RECIPES: dict[str, LossRecipe] = {
    "sosnet": LossRecipe(quadratic_triplet, second_order_weight=1.0),
    "triplet": LossRecipe(quadratic_triplet),
    "hardnet": LossRecipe(hardest_in_batch),
    "tfeat": LossRecipe(triplet_margin_with_swap),
    "l2net": LossRecipe(relative_distance),
}


def _distance_blocks(
    left: Tensor, right: Tensor, same_point: Tensor | None
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return the distances of the pairs, and the LR, LL and RR blocks with all non-negatives at infinity."""
    crossed = distances(left, right)
    own = torch.eye(len(left), dtype=torch.bool, device=left.device)
    own = own if same_point is None else own | same_point
    left_left = distances(left, left).masked_fill(own, torch.inf)
    right_right = distances(right, right).masked_fill(own, torch.inf)
    return crossed.diagonal(), (crossed.masked_fill(own, torch.inf), left_left, right_right)


def _nearest(d: Tensor, count: int) -> Tensor:
    """Return a (N, N) mask of each row's `count` nearest others."""
    d = d.clone().fill_diagonal_(torch.inf)
    index = d.topk(min(count, len(d) - 1), dim=1, largest=False).indices
    return torch.zeros_like(d, dtype=torch.bool).scatter_(1, index, True)


def _correlation(rows: Tensor) -> Tensor:
    """Return the (D, D) correlations between the dimensions of (N, D) rows."""
    centred = rows - rows.mean(dim=0)
    unit = centred / (centred.square().sum(dim=0).sqrt() + _EPSILON)
    return unit.T @ unit

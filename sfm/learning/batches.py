"""Batches of pairs: which points, which two of their patches, turned and flipped how.

Batch number k depends on the seed and k alone. So a run that was killed goes on with the very batches it
would have had, and two losses can be compared on the same ones.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sfm.learning.patch_set import PatchSet, Views

Ints = NDArray[np.int64]


class BatchSampler:
    """Draws batches balanced over real and synthetic points and over scenes.

    Half of a batch are points with real views, if there are both kinds. Within a kind, a scene is drawn
    with the square root of its number of points: large scenes do not drown small ones, and small ones are
    not worn out.

    Parameters
    ----------
    patches
        Where the patches are.
    points
        Indices of the points to draw from.
    batch_size
        Points in a batch.
    seed
        Seed of all draws.
    groups_per_batch
        From how many groups (real or synthetic points of one scene) a batch is drawn; 0 for all. The points
        of few scenes are harder to tell apart.
    """

    def __init__(
        self, patches: PatchSet, points: Ints, batch_size: int, seed: int, groups_per_batch: int = 0
    ) -> None:
        self._set = patches
        self._seed = seed
        self._groups_per_batch = groups_per_batch
        self._groups = _groups(patches, points)
        self._weights = _weights(self._groups)
        self._sizes = np.array([len(group) for _, group in self._groups])
        self.batch_size = min(batch_size, len(points))

    def draw(self, number: int) -> tuple[Tensor, Tensor]:
        """Return batch `number`: two (N, 1, 32, 32) uint8 tensors, row i of both a patch of point i."""
        rng = np.random.default_rng([self._seed, number])
        points = self._draw_points(rng)
        counts = self._set.counts[points]
        one = rng.integers(counts)
        other = (one + rng.integers(1, counts)) % counts
        rows = self._set.patches(
            np.concatenate([self._set.first[points] + one, self._set.first[points] + other])
        )
        left, right = torch.from_numpy(rows).chunk(2)
        turn = torch.from_numpy(rng.integers(8, size=len(points)))
        return _turned(left, turn), _turned(right, turn)

    def _draw_points(self, rng: np.random.Generator) -> Ints:
        """Draw distinct points, in random order."""
        wanted = rng.multinomial(self.batch_size, self._weights_of_batch(rng))
        drawn = [
            rng.choice(group, min(count, len(group)), replace=False)
            for (_, group), count in zip(self._groups, wanted, strict=True)
        ]
        return rng.permutation(np.concatenate(drawn))

    def _weights_of_batch(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return each group's share of one batch."""
        count = len(self._groups)
        if not 0 < self._groups_per_batch < count:
            return self._weights
        chosen = rng.choice(count, self._groups_per_batch, replace=False, p=self._weights)
        shares = np.zeros(count)
        # The draw of the groups is weighted already.
        shares[chosen] = 1 / len(chosen)
        return shares


def _groups(patches: PatchSet, points: Ints) -> list[tuple[int, Ints]]:
    """Split points by kind of view and scene: (kind, indices) each."""
    groups = []
    for kind in Views:
        of_kind = points[patches.views[points] == kind]
        groups += [
            (int(kind), of_kind[patches.scene[of_kind] == s]) for s in np.unique(patches.scene[of_kind])
        ]
    return groups


def _weights(groups: list[tuple[int, Ints]]) -> NDArray[np.float64]:
    """Return each group's share of a batch."""
    kind = np.array([kind for kind, _ in groups])
    weight = np.sqrt([len(group) for _, group in groups])
    for value in np.unique(kind):
        weight[kind == value] /= weight[kind == value].sum()
    normalised: NDArray[np.float64] = weight / weight.sum()
    return normalised


def _turned(patches: Tensor, turn: Tensor) -> Tensor:
    """Turn each patch by 0, 90, 180 or 270 degrees (turn modulo 4) and flip it (turn 4 and more)."""
    result = patches.clone()
    for value in range(1, 8):
        chosen = turn == value
        turned = torch.rot90(patches[chosen], value % 4, dims=(2, 3))
        result[chosen] = turned.flip(3) if value >= 4 else turned
    return result

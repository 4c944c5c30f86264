"""What the second-order term of SOSNet does, in two dimensions and one picture.

Six families of points are seen in noisy views. A small network learns to place every view on the unit circle, once
by the triplet loss alone and once with second-order similarity. The triplet loss only asks that two views of a family
lie nearer to each other than to other families. The second-order term also asks that the distance between two
families be the same in both views: in the right-hand plots the dots gather around the diagonal.

    python examples/second_order_similarity.py second_order_similarity.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import torch
from torch import Tensor, nn

from sfm.learning.losses import distances, quadratic_triplet, second_order_similarity

matplotlib.use("Agg")
from matplotlib import pyplot

FAMILIES = 6
DIMENSIONS = 32
NOISE = 0.6
STEPS = 800
VIEWS_TO_DRAW = 40


def two_views(families: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return two noisy views of every family, (FAMILIES, DIMENSIONS) each."""
    left, right = (families + NOISE * torch.randn(families.shape, generator=generator) for _ in range(2))
    return left, right


def train(second_order_weight: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Train from scratch; return descriptors of new views, (VIEWS_TO_DRAW, FAMILIES, 2) unit rows each."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    families = torch.randn(FAMILIES, DIMENSIONS, generator=generator)
    network = nn.Sequential(nn.Linear(DIMENSIONS, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)

    def described() -> tuple[Tensor, Tensor]:
        left, right = (nn.functional.normalize(network(view)) for view in two_views(families, generator))
        return left, right

    for _ in range(STEPS):
        left, right = described()
        loss = quadratic_triplet(left, right)
        if second_order_weight > 0:
            loss = loss + second_order_weight * second_order_similarity(left, right, neighbours=4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        views = [described() for _ in range(VIEWS_TO_DRAW)]
    return torch.stack([left for left, _ in views]), torch.stack([right for _, right in views])


def distances_of_both(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distances between different families, in the first and in the second views."""
    i, j = torch.triu_indices(FAMILIES, FAMILIES, offset=1)
    first, second = (torch.stack([distances(rows, rows)[i, j] for rows in view]) for view in (left, right))
    return first.flatten(), second.flatten()


def main() -> None:
    """Train both and draw them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", type=Path, default=Path("second_order_similarity.png"))
    picture = parser.parse_args().picture
    torch.set_num_threads(1)
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 9))
    family = torch.arange(FAMILIES).repeat(VIEWS_TO_DRAW)
    for row, (title, weight) in zip(axes, (("triplet", 0.0), ("with second order", 1.0)), strict=True):
        left, right = train(weight)
        first, second = distances_of_both(left, right)
        difference = float((first - second).abs().mean())
        print(f"{title}: distances differ by {difference:.3f} between the views")
        # Circles of different radius, so that the views do not hide each other.
        radius = torch.linspace(0.8, 1.2, VIEWS_TO_DRAW)[:, None, None]
        row[0].scatter(*(radius * left).flatten(0, 1).T, c=family, cmap="tab10", s=6)
        row[0].set_title(f"{title}: views, coloured by family")
        row[0].set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
        row[1].scatter(first, second, s=3, alpha=0.3)
        row[1].plot([0, 2], [0, 2], color="black", linewidth=1)
        row[1].set_xlabel("distance of two families, first views")
        row[1].set_ylabel("the same two families, second views")
        row[1].set_title(f"differ by {difference:.3f} on average")
        row[1].set_aspect("equal")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    print(f"See {picture}.")


if __name__ == "__main__":
    main()

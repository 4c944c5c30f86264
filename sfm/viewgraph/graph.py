"""The view graph: images are nodes, verified pairs are edges weighted by their inliers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import networkx as nx

from sfm.viewgraph.connection import Matched

_AHEAD = 0.707  # cosine of 45 degrees


class Edge(Matched, Protocol):
    """What the graph needs of a verified pair."""

    @property
    def forward(self) -> float | None:
        """Cosine between way and line of sight, None if unknown."""


def build_view_graph(names: Iterable[str], pairs: Iterable[Edge]) -> nx.Graph:
    """Return the graph of accepted pairs; edges carry `inliers` and `forward`, every name is a node."""
    graph = nx.Graph()
    graph.add_nodes_from(names)
    for pair in pairs:
        if pair.accepted:
            graph.add_edge(pair.name1, pair.name2, inliers=pair.inliers, forward=pair.forward)
    return graph


def components(graph: nx.Graph) -> list[list[str]]:
    """Return the connected components, largest first, names sorted within."""
    return sorted((sorted(c) for c in nx.connected_components(graph)), key=lambda c: (-len(c), c))


def weak_bridges(graph: nx.Graph) -> list[tuple[str, str]]:
    """Return the edges whose loss would split a component: where a map is most likely to break."""
    return sorted((min(edge), max(edge)) for edge in nx.bridges(graph))


@dataclass(frozen=True)
class Reading:
    """What the view graph tells about how the photographs were taken.

    Attributes
    ----------
    images, pairs
        Number of images and of accepted pairs.
    components
        Number of connected components with at least two images.
    neighbour_share
        Share of all verified matches that lie between images at most three apart in the order of capture, 0 to 1.
    forward_share
        Share of the neighbouring pairs (at most two apart) in which the camera moved within 45 degrees of its
        line of sight, forward or backward; 0 to 1.
    """

    images: int
    pairs: int
    components: int
    neighbour_share: float
    forward_share: float

    @property
    def is_walk(self) -> bool:
        """Whether this is one way, mostly looking ahead: large steps, small triangulation angles."""
        return self.images >= 4 and self.neighbour_share > 0.7 and self.forward_share > 0.5


def read_view_graph(graph: nx.Graph, order: Sequence[str]) -> Reading:
    """Read how photographs were taken; `order` is the order of capture."""
    position = {name: i for i, name in enumerate(order)}
    total = near = forward = moves = 0
    for name1, name2, edge in graph.edges(data=True):
        gap = abs(position[name1] - position[name2])
        total += edge["inliers"]
        near += edge["inliers"] if gap <= 3 else 0
        if gap <= 2 and edge["forward"] is not None:
            moves += 1
            forward += edge["forward"] > _AHEAD
    return Reading(
        images=graph.number_of_nodes(),
        pairs=graph.number_of_edges(),
        components=sum(1 for c in nx.connected_components(graph) if len(c) > 1),
        neighbour_share=near / total if total else 0.0,
        forward_share=forward / moves if moves else 0.0,
    )

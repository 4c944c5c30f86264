"""The view graph as SVG: who sees whom, how strongly, and where it would break."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from sfm.mapping.database import VerifiedPair
from sfm.viewgraph.graph import build_view_graph, components, weak_bridges

Floats = NDArray[np.float64]

_WIDTH = 960.0
_MARGIN = 24.0
# Up to this many images Kamada and Kawai's layout is quick, and it keeps lengths better than springs do.
_EXACT_LAYOUT = 80
_MAX_LABELS = 40
_HALF_LABEL = 50.0  # of 14 letters
# Distance between images without a pair in a row, and their share of the drawing.
_LOOSE_STEP = 22.0
_WIDTHS = (0.6, 1.2, 2.0, 3.2, 4.8)
_COLOURED_COMPONENTS = 6


class ViewGraphDrawing:
    """A laid-out view graph.

    Parameters
    ----------
    names
        All images.
    pairs
        Matched pairs; accepted ones become edges.
    registered
        Names of the images in the map; drawn filled.
    seed
        Of the layout.

    References
    ----------
    T. Kamada and S. Kawai, "An Algorithm for Drawing General Undirected Graphs", IPL 1989; T. Fruchterman
    and E. Reingold, "Graph Drawing by Force-directed Placement", SP&E 1991.
    """

    def __init__(
        self,
        names: Sequence[str],
        pairs: Iterable[VerifiedPair],
        registered: Iterable[str],
        seed: int = 0,
    ) -> None:
        self.graph = build_view_graph(names, pairs)
        self.components = [c for c in components(self.graph) if len(c) > 1]
        self._component_of = {name: i for i, among in enumerate(self.components) for name in among}
        self.loose = sorted(nx.isolates(self.graph))
        # Between two images of a pair of their own a bridge says nothing.
        self.bridges = [edge for edge in weak_bridges(self.graph) if self._joins_more(edge)]
        self._registered = set(registered)
        self._places, self._height = _lay_out(self.graph, self.components, self.loose, seed)

    @property
    def svg(self) -> Markup:
        """The drawing as an SVG element; nodes carry their image as `data-name`."""
        nodes = "".join(map(self._node, sorted(self.graph)))
        spoken = (
            f"View graph: {self.graph.number_of_nodes()} images, {self.graph.number_of_edges()} verified pairs, "
            f"{len(self.components)} connected components, {len(self.bridges)} weak bridges."
        )
        return Markup(
            f'<svg class="graph" viewBox="0 0 {_WIDTH:g} {self._height:.0f}" role="img" '
            f'aria-label="{escape(spoken)}">'
            f"{self._edges()}{self._bridges()}{nodes}</svg>"
        )

    def _joins_more(self, edge: tuple[str, str]) -> bool:
        return any(self.graph.degree(name) > 1 for name in edge)

    def _edges(self) -> str:
        """One path a width class: thousands of edges stay a handful of elements."""
        most = max((d["inliers"] for _, _, d in self.graph.edges(data=True)), default=1)
        bridges = set(self.bridges)
        lines: list[list[str]] = [[] for _ in _WIDTHS]
        for a, b, data in self.graph.edges(data=True):
            if (min(a, b), max(a, b)) not in bridges:
                share = np.sqrt(data["inliers"] / max(most, 1))
                lines[min(int(share * len(_WIDTHS)), len(_WIDTHS) - 1)].append(self._line(a, b))
        return "".join(
            f'<path class="edges" stroke-width="{width}" d="{"".join(part)}"/>'
            for width, part in zip(_WIDTHS, lines, strict=True)
            if part
        )

    def _bridges(self) -> str:
        drawn = ""
        for a, b in self.bridges:
            told = f"Weak bridge: {a} – {b}, {self.graph[a][b]['inliers']} inliers"
            drawn += f'<path class="bridge" d="{self._line(a, b)}"><title>{escape(told)}</title></path>'
        return drawn

    def _line(self, a: str, b: str) -> str:
        (xa, ya), (xb, yb) = self._places[a], self._places[b]
        return f"M{xa:.1f} {ya:.1f}L{xb:.1f} {yb:.1f}"

    def _node(self, name: str) -> str:
        x, y = self._places[name]
        among = self._component_of.get(name)
        colour = "loose" if among is None else f"c{min(among, _COLOURED_COMPONENTS - 1)}"
        state = "in" if name in self._registered else "out"
        radius = 6 if len(self._places) <= 150 else 3.5
        neighbours = self.graph.degree(name)
        told = f"{name}: {neighbours} verified pairs" + ("" if state == "in" else ", not in the map")
        label = ""
        if len(self._places) <= _MAX_LABELS:
            at, anchor = _anchored(x, radius)
            text = escape(_short(name))
            label = f'<text x="{at:.1f}" y="{y + radius + 12:.1f}" text-anchor="{anchor}">{text}</text>'
        return (
            f'<g class="node {colour} {state}" data-name="{escape(name)}"><title>{escape(told)}</title>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>{label}</g>'
        )


def _lay_out(
    graph: nx.Graph, connected: Sequence[Sequence[str]], loose: Sequence[str], seed: int
) -> tuple[dict[str, Floats], float]:
    """Place each component in a box of its own, side by side, and images without a pair in rows below.

    Returns the places by name and the height of the drawing.
    """
    places: dict[str, Floats] = {}
    total = sum(np.sqrt(len(c)) for c in connected)
    left, bottom = 0.0, _MARGIN
    for component in connected:
        width = _WIDTH * np.sqrt(len(component)) / total
        height = float(np.clip(0.5 * width, 110, 440))
        box = np.array([max(width - 2 * _MARGIN, 10), height - 2 * _MARGIN])
        for name, place in _component_layout(graph.subgraph(component), seed).items():
            places[name] = place * box + [left + _MARGIN, _MARGIN]
        left, bottom = left + width, max(bottom, height + _MARGIN / 2)
    a_row = int((_WIDTH - 2 * _MARGIN) / _LOOSE_STEP)
    step = _LOOSE_STEP
    if len(loose) <= 12 and len(graph) <= _MAX_LABELS:
        a_row, step = 12, (_WIDTH - 2 * _MARGIN) / 12
    for i, name in enumerate(loose):
        places[name] = np.array([_MARGIN + (i % a_row + 0.5) * step, bottom + 8 + (i // a_row) * _LOOSE_STEP])
    rows = -(-len(loose) // a_row)
    return places, bottom + rows * _LOOSE_STEP + (16 if rows else 0)


def _component_layout(graph: nx.Graph, seed: int) -> Mapping[str, Floats]:
    """Return places in the unit square, the longer extent along x; strongly joined images lie close."""
    graph = nx.Graph(graph)
    # networkx starts from the order of nodes: sorted names make the drawing repeatable.
    ordered = nx.Graph()
    ordered.add_nodes_from(sorted(graph))
    for a, b, data in graph.edges(data=True):
        strength = np.sqrt(max(data["inliers"], 1))
        ordered.add_edge(a, b, strength=strength, length=1 / strength)
    if len(ordered) <= _EXACT_LAYOUT:
        layout: Mapping[str, Any] = nx.kamada_kawai_layout(ordered, weight="length")
    else:
        # Names tell the order of capture: starting from it, a long path does not fold over itself.
        noise = np.random.default_rng(seed).normal(scale=0.02, size=(len(ordered), 2))
        along = np.column_stack([np.linspace(-1, 1, len(ordered)), np.zeros(len(ordered))])
        start = dict(zip(ordered, along + noise, strict=True))
        layout = nx.spring_layout(ordered, pos=start, weight="strength", seed=seed)
    points = np.array([layout[name] for name in ordered])
    points = points - points.mean(axis=0)
    points = points @ np.linalg.svd(points, full_matrices=False)[2].T
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    # A chain stays a line: only what has a second extent is stretched to the box.
    flat = extent < 0.02 * extent.max()
    unit = np.where(flat, 0.5, (points - low) / np.where(extent > 0, extent, 1.0))
    # A chain reads from its first image to its last.
    if unit[0, 0] > unit[-1, 0]:
        unit[:, 0] = 1 - unit[:, 0]
    return dict(zip(ordered, unit, strict=True))


def _anchored(x: float, radius: float) -> tuple[float, str]:
    """Return where to put a label and by which end, so that it does not stick out of the drawing."""
    if x < _HALF_LABEL:
        return x - radius, "start"
    if x > _WIDTH - _HALF_LABEL:
        return x + radius, "end"
    return x, "middle"


def _short(name: str) -> str:
    stem = name.rpartition("/")[2].rpartition(".")[0] or name
    return stem if len(stem) <= 14 else f"{stem[:6]}…{stem[-6:]}"

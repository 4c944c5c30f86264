"""Tell how photographs are turned against each other from the angles of matched keypoints.

The gradient that a keypoint is turned to is often another one in another photograph, but where it is the same, the two
angles differ by the roll between the photographs. So the differences of many matches, right and wrong ones, have one
peak. Whether it is more than chance is judged as in `sfm.geometry.chance`: chance would pair the very angles of both
photographs at random, which on facades makes peaks of its own at quarter turns.

Rolls of all photographs follow from those of pairs by synchronisation: along a maximum spanning tree first, then by
weighted circular means (cf. A. Singer, "Angular synchronization by eigenvectors and semidefinite programming", 2011).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from sfm.viewgraph.graph import components

Floats = NDArray[np.floating]

_BINS = 72
_HALF_WINDOW = 3  # bins on each side of a peak's middle: 35 degrees in all
_WINDOW_RAD = (2 * _HALF_WINDOW + 1) * math.pi / _BINS
# Differences in the window about the angle where its middle bin begins: those of bins are off by up to one.
_REACH_RAD = (_HALF_WINDOW + 1) * 2 * math.pi / _BINS
# Of ten thousand unrelated pairs one is taken for related.
MAX_LOG10_NFA = -4.0
_ROUNDS = 10
_AGREES_RAD = math.radians(30)


@dataclass(frozen=True)
class RollVote:
    """How the second photograph of a pair is turned against the first.

    Attributes
    ----------
    name1, name2
        The photographs.
    roll_rad
        By how much angles in the second are larger, -pi to pi; positive is clockwise.
    votes
        Matches that say so, beyond those expected by chance.
    """

    name1: str
    name2: str
    roll_rad: float
    votes: float


@dataclass(frozen=True)
class TurnedTogether:
    """Photographs whose rolls are known against each other.

    Attributes
    ----------
    rolls_rad
        By name, up to one common turn.
    votes, against
        Votes between them, and those of them that the rolls do not agree with.
    """

    rolls_rad: dict[str, float]
    votes: float
    against: float


def relative_roll(angles1: Floats, angles2: Floats, all1: Floats, all2: Floats) -> tuple[float, float] | None:
    """Return the roll (radians) that the angles of matches agree on, and its votes; None if chance explains them.

    Parameters
    ----------
    angles1, angles2 : (M,)
        Angles of matched keypoints, turned to gradients, in radians.
    all1, all2 : (N1,), (N2,)
        Angles of all keypoints that were matched against each other.
    """
    if not len(angles1):
        return None
    turned = (angles2.astype(np.float64) - angles1) % (2 * math.pi)
    # Differences of bins, as those of chance are: a difference's own bin would be half a bin further on average.
    counts = _windowed(_counted(_bins(angles2) - _bins(angles1)))
    chance = _windowed(_chance_of_differences(all1, all2))
    surplus = counts - len(turned) * chance
    log10_nfa = (math.log(_BINS) + binom.logsf(counts - 1, len(turned), np.clip(chance, 1e-6, 1))) / math.log(
        10
    )
    beyond_chance = log10_nfa <= MAX_LOG10_NFA
    if not beyond_chance.any():
        return None
    # Not the least likely one: where chance is small beside a peak, that is a window that has only part of it.
    best = int(np.argmax(np.where(beyond_chance, surplus, -np.inf)))
    roll = best * 2 * math.pi / _BINS
    for _ in range(2):
        near = np.abs(wrapped(turned - roll)) <= _REACH_RAD
        roll += float(np.mean(wrapped(turned[near] - roll))) if near.any() else 0.0
    return float(wrapped(roll)), float(surplus[best])


def synchronise(votes: Iterable[RollVote]) -> list[TurnedTogether]:
    """Find the rolls of photographs from those of pairs; one result a connected part, the largest first."""
    graph = nx.Graph()
    for vote in votes:
        first, second = sorted((vote.name1, vote.name2))
        sign = 1 if first == vote.name1 else -1
        graph.add_edge(first, second, roll=sign * vote.roll_rad, votes=vote.votes)
    return [_synchronised(graph.subgraph(part)) for part in components(graph)]


def aligned_with(rolls_rad: Mapping[str, float], prior_rad: Mapping[str, float]) -> dict[str, float]:
    """Return rolls after the common turn that makes most of them what is expected (0 where nothing is)."""
    names = list(rolls_rad)
    missing = wrapped(np.array([prior_rad.get(name, 0.0) - rolls_rad[name] for name in names]))
    agreeing = np.abs(wrapped(missing[:, None] - missing)) <= _WINDOW_RAD
    cluster = agreeing[agreeing.sum(axis=1).argmax()]
    turn = _circular_mean(missing[cluster], np.ones(cluster.sum()))
    return {name: float(wrapped(rolls_rad[name] + turn)) for name in names}


def wrapped(angle: Floats | float) -> Floats:
    """Return angles in radians between -pi and pi."""
    return np.asarray((np.asarray(angle) + math.pi) % (2 * math.pi) - math.pi)


def _synchronised(graph: nx.Graph) -> TurnedTogether:
    tree = nx.maximum_spanning_tree(graph, weight="votes")
    root = max(graph, key=lambda name: (graph.degree(name, weight="votes"), name))
    rolls = {root: 0.0}
    for near, far in nx.bfs_edges(tree, root, sort_neighbors=sorted):
        rolls[far] = rolls[near] + _turn(graph, near, far)
    for _ in range(_ROUNDS):
        for name in sorted(rolls):
            rolls[name] = _mean_by_neighbours(graph, name, rolls)
    against = sum(
        edge["votes"]
        for first, second, edge in graph.edges(data=True)
        if abs(wrapped(rolls[first] + _turn(graph, first, second) - rolls[second])) > _AGREES_RAD
    )
    total = sum(edge["votes"] for _, _, edge in graph.edges(data=True))
    return TurnedTogether({name: float(wrapped(roll)) for name, roll in rolls.items()}, total, against)


def _turn(graph: nx.Graph, near: str, far: str) -> float:
    return float(graph.edges[near, far]["roll"]) * (1 if near < far else -1)


def _mean_by_neighbours(graph: nx.Graph, name: str, rolls: Mapping[str, float]) -> float:
    """Return the roll that a photograph's neighbours expect of it, those that are far off left out."""
    expected = np.array([rolls[near] + _turn(graph, near, name) for near in graph[name]])
    votes = np.array([graph.edges[near, name]["votes"] for near in graph[name]])
    agrees = np.abs(wrapped(expected - rolls[name])) <= _AGREES_RAD
    return _circular_mean(expected[agrees], votes[agrees]) if agrees.any() else rolls[name]


def _circular_mean(angles: Floats, weights: Floats) -> float:
    return float(np.angle(np.sum(weights * np.exp(1j * angles))))


def _bins(angles: Floats) -> NDArray[np.intp]:
    return (angles % (2 * math.pi) * (_BINS / (2 * math.pi))).astype(np.intp)


def _counted(bins: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.bincount(bins % _BINS, minlength=_BINS).astype(np.float64)


def _chance_of_differences(all1: Floats, all2: Floats) -> NDArray[np.float64]:
    """Return the distribution of differences when angles of both are paired at random."""
    first, second = (np.fft.rfft(_counted(_bins(angles)) / max(len(angles), 1)) for angles in (all1, all2))
    return np.fft.irfft(np.conj(first) * second, _BINS)


def _windowed(histogram: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each bin the sum over the window about it, around the circle."""
    return np.sum([np.roll(histogram, shift) for shift in range(-_HALF_WINDOW, _HALF_WINDOW + 1)], axis=0)

from dataclasses import dataclass
from itertools import combinations, pairwise

import pytest

from sfm.viewgraph.graph import build_view_graph, components, read_view_graph, weak_bridges

NAMES = [f"{i}.jpg" for i in range(12)]


@dataclass
class Pair:
    name1: str
    name2: str
    inliers: int = 100
    forward: float | None = 0.1
    accepted: bool = True


def pairs(edges, **values):
    return [Pair(NAMES[i], NAMES[j], **values) for i, j in edges]


def reading(made, names=NAMES, order=NAMES):
    return read_view_graph(build_view_graph(names, made), order)


def test_only_accepted_pairs_are_edges_and_every_image_is_a_node():
    graph = build_view_graph(
        NAMES[:3], [Pair("0.jpg", "1.jpg", 40, 0.5), Pair("1.jpg", "2.jpg", accepted=False)]
    )
    assert sorted(graph.nodes) == NAMES[:3]
    assert list(graph.edges(data=True)) == [("0.jpg", "1.jpg", {"inliers": 40, "forward": 0.5})]


def test_components_largest_first():
    graph = build_view_graph(NAMES[:7], pairs([(4, 5), (0, 6), (6, 2)]))
    assert components(graph) == [["0.jpg", "2.jpg", "6.jpg"], ["4.jpg", "5.jpg"], ["1.jpg"], ["3.jpg"]]
    assert components(build_view_graph([], [])) == []


def test_weak_bridges_hold_two_parts_together():
    triangles = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (5, 2)]
    assert weak_bridges(build_view_graph(NAMES, pairs(triangles))) == [("2.jpg", "5.jpg")]
    assert weak_bridges(build_view_graph(NAMES, pairs([*triangles, (0, 4)]))) == []


def test_a_way_looking_ahead_is_a_walk():
    made = pairs([(i, i + 1) for i in range(11)], forward=0.95, inliers=300)
    made += pairs([(i, i + 2) for i in range(10)], forward=0.9, inliers=100)
    made += pairs([(0, 11), (2, 9)], forward=0.2, inliers=20)
    read = reading(made)
    assert read.is_walk
    assert (read.images, read.pairs, read.components) == (12, 23, 1)
    assert read.neighbour_share == pytest.approx(4300 / 4340)
    assert read.forward_share == 1


def test_a_way_looking_sideways_is_none():
    made = pairs([(i, i + 1) for i in range(11)], forward=0.1)
    assert not reading(made).is_walk
    assert reading(made).forward_share == 0


def test_pictures_from_all_sides_are_none():
    made = pairs(combinations(range(12), 2), forward=0.9)
    assert reading(made).neighbour_share == pytest.approx((11 + 10 + 9) / 66)
    assert not reading(made).is_walk


def test_the_order_of_capture_counts_and_not_the_names():
    shuffled = [NAMES[i] for i in (3, 7, 0, 11, 5, 9, 1, 10, 4, 8, 2, 6)]
    made = [Pair(a, b, forward=0.9) for a, b in pairwise(shuffled)]
    assert reading(made, order=shuffled).is_walk
    assert not reading(made).is_walk


def test_pairs_whose_move_is_not_known_do_not_count_as_moves():
    made = pairs([(0, 1), (1, 2)], forward=None) + pairs([(2, 3)], forward=0.9)
    assert reading(made).forward_share == 1


def test_three_images_are_too_few_to_tell():
    made = pairs([(0, 1), (1, 2)], forward=1.0)
    assert not reading(made, NAMES[:3]).is_walk


def test_no_pairs():
    read = reading([])
    assert (read.pairs, read.components, read.neighbour_share, read.forward_share) == (0, 0, 0.0, 0.0)
    assert not read.is_walk


def test_lonely_images_are_no_component():
    assert reading(pairs([(0, 1), (5, 6)])).components == 2

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from sfm.mapping.database import VerifiedPair
from sfm.report.graph_drawing import ViewGraphDrawing

from .contents import HOSTILE, HOSTILE_ATTRIBUTE, chain_of_pairs


def pair(a, b, inliers=100, accepted=True):
    return VerifiedPair(a, b, 200, inliers, "calibrated", -30.0, None, accepted)


def places(drawing):
    found = {}
    for node in ET.fromstring(drawing.svg).iter("g"):
        circle = node.find("circle")
        found[node.get("data-name")] = float(circle.get("cx")), float(circle.get("cy"))
    return found


TWO_PARTS = [
    pair("a", "b"),
    pair("b", "c"),
    pair("a", "c"),
    pair("c", "d", 30),
    pair("x", "y"),
    pair("d", "x", 9, False),
]


def test_components_bridges_and_images_without_a_pair():
    drawing = ViewGraphDrawing(["a", "b", "c", "d", "x", "y", "z"], TWO_PARTS, ["a", "b", "c", "d"])
    assert drawing.components == [["a", "b", "c", "d"], ["x", "y"]]
    assert drawing.loose == ["z"]
    assert drawing.bridges == [("c", "d")], "a component of two images has nothing to fall apart"
    classes = {n.get("data-name"): n.get("class") for n in ET.fromstring(drawing.svg).iter("g")}
    assert classes["a"] == "node c0 in"
    assert classes["x"] == "node c1 out"
    assert classes["z"] == "node loose out"


def test_lists_are_not_searched_for_every_edge_and_image():
    class Unsearchable(list):
        def __contains__(self, item):
            raise AssertionError(f"searched for {item}: quadratic in the number of images")

    drawing = ViewGraphDrawing(["a", "b", "c", "d", "x", "y", "z"], TWO_PARTS, ["a"])
    before = drawing.svg
    drawing.components = [Unsearchable(names) for names in drawing.components]
    drawing.bridges = Unsearchable(drawing.bridges)
    assert drawing.svg == before


def test_components_stand_apart():
    where = places(ViewGraphDrawing(["a", "b", "c", "d", "x", "y"], TWO_PARTS, []))
    assert max(where[name][0] for name in "abcd") < min(where[name][0] for name in "xy")


def test_more_inliers_are_a_wider_line():
    drawing = ViewGraphDrawing(
        ["a", "b", "c"], [pair("a", "b", 1000), pair("b", "c", 10), pair("a", "c", 200)], []
    )
    widths = [float(path.get("stroke-width")) for path in ET.fromstring(drawing.svg).iter("path")]
    assert len(widths) == 3
    assert max(widths) > 4 * min(widths)


@pytest.mark.parametrize("count", [2, 12, 120])
def test_a_walk_is_drawn_from_its_first_image_to_its_last(count):
    names = [f"{i:04d}.jpg" for i in range(count)]
    drawing = ViewGraphDrawing(names, chain_of_pairs(names), names)
    where = places(drawing)
    assert len(where) == count
    assert where[names[0]][0] < where[names[-1]][0]
    _, _, width, height = map(float, ET.fromstring(drawing.svg).get("viewBox").split())
    assert all(0 <= x <= width and 0 <= y <= height for x, y in where.values())
    assert len(set(where.values())) == count
    assert drawing.svg == ViewGraphDrawing(names, chain_of_pairs(names), names).svg, "repeatable"


def test_labels_do_not_stick_out():
    names = [f"photograph {i:03d}.jpg" for i in range(12)]
    svg = ET.fromstring(ViewGraphDrawing(names, [pair(a, b) for a, b in pairwise(names)], names).svg)
    width = float(svg.get("viewBox").split()[2])
    ends = {"start": (0, 1), "middle": (-0.5, 0.5), "end": (-1, 0)}
    labels = list(svg.iter("text"))
    assert len(labels) == len(names)
    for label in labels:
        x, length = float(label.get("x")), 6.5 * len(label.text)
        low, high = (x + share * length for share in ends[label.get("text-anchor")])
        assert low >= 0
        assert high <= width


def test_hostile_names_are_text():
    drawing = ViewGraphDrawing([HOSTILE, HOSTILE_ATTRIBUTE], [pair(HOSTILE, HOSTILE_ATTRIBUTE)], [])
    assert set(places(drawing)) == {HOSTILE, HOSTILE_ATTRIBUTE}
    assert "<script" not in drawing.svg
    assert "<img" not in drawing.svg


def test_no_pair_at_all():
    drawing = ViewGraphDrawing(["a", "b"], [], [])
    assert drawing.components == []
    assert set(places(drawing)) == {"a", "b"}

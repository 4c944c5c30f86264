import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np

from sfm.report.comparison import Arm, ComparisonContent, align_arms
from sfm.report.path_drawing import distance_chart, paths_from_above, registration_strip

from .contents import HOSTILE
from .maps import walk_map

NAMES = [image.name for image in walk_map().images_by_name]


def common_frame(*maps, names=("a", "b", "c")):
    arms = [Arm(name, sparse_map) for name, sparse_map in zip(names, maps, strict=False)]
    return align_arms(ComparisonContent("t", NAMES, arms, truth=walk_map().poses, truth_unit="m"))


def points(path):
    return np.array([float(n) for n in re.findall(r"-?\d+\.?\d*", path)]).reshape(-1, 2)


def shaken(size):
    sparse_map = walk_map()
    rng = np.random.default_rng(1)
    images = {
        i: replace(
            image,
            cam_from_world=replace(
                image.cam_from_world,
                translation=image.cam_from_world.translation + rng.normal(scale=size, size=3),
            ),
        )
        for i, image in sparse_map.images.items()
    }
    return replace(sparse_map, images=images)


def test_paths_run_from_left_to_right_inside_the_drawing():
    svg = ET.fromstring(paths_from_above(common_frame(walk_map(), shaken(0.3)), {"a": 0, "b": 1}))
    _, _, width, height = map(float, svg.get("viewBox").split())
    assert [g.get("class") for g in svg.iter("g")] == ["path-of c0", "path-of c1"]
    for path in svg.iter("path"):
        where = points(path.get("d").replace("h0", ""))
        assert len(where) == 12
        assert (where >= 0).all()
        assert (where <= [width, height]).all()
        assert where[-1, 0] - where[0, 0] > 0.7 * width


def test_one_lost_camera_does_not_shrink_the_paths():
    sparse_map = walk_map()
    lost = sparse_map.images[4]
    pose = replace(lost.cam_from_world, translation=lost.cam_from_world.translation + np.array([0, 0, 900.0]))
    broken = replace(sparse_map, images={**sparse_map.images, 4: replace(lost, cam_from_world=pose)})
    svg = ET.fromstring(paths_from_above(common_frame(broken), {"a": 0}))
    reference = points(next(svg.iter("path")).get("d"))
    assert np.ptp(reference[:, 0]) > 200


def test_the_chart_ranks_maps_by_their_distance():
    frame = common_frame(shaken(0.01), shaken(1.0))
    svg = ET.fromstring(distance_chart(frame, NAMES, {"a": 0, "b": 1}))
    near, far = (points(g.find("path").get("d"))[:, 1].mean() for g in svg.iter("g"))
    assert near > far + 50, "y is down: the better map is below"
    labels = [text.text for text in svg.iter("text")]
    assert "0.01 m" in labels
    assert "1 m" in labels


def test_a_map_that_agrees_exactly_can_be_drawn():
    ET.fromstring(distance_chart(common_frame(walk_map()), NAMES, {"a": 0}))


def test_the_strip_has_a_cell_for_each_photograph():
    svg = ET.fromstring(registration_strip(["b.jpg", "a.jpg", HOSTILE], {"a.jpg": 1}))
    assert {rect.find("title").text: rect.get("class") for rect in svg} == {
        f"{HOSTILE}: left out": "out",
        "a.jpg": "in",
        "b.jpg: left out": "out",
    }
    assert svg.get("aria-label") == "1 of 3 images in the map"


def test_hostile_names_of_arms_are_text():
    frame = common_frame(walk_map(), names=[HOSTILE])
    for svg in (paths_from_above(frame, {HOSTILE: 0}), distance_chart(frame, NAMES, {HOSTILE: 0})):
        ET.fromstring(svg)
        assert "<script" not in svg

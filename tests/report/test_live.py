import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sfm.geometry.similarity import Sim3
from sfm.report.live import MAX_LIVE_POINTS, LivePage, LiveProgress, state_json
from tests.pipelines.progress import Heard

from .maps import walk_map


def part_of(sparse_map, count):
    """The first `count` images of a map."""
    images = dict(list(sparse_map.images.items())[:count])
    return replace(sparse_map, images=images)


def test_only_a_later_map_comes_along():
    page = LivePage("A walk")
    assert page.state(0) == {"finished": False, "stage": None, "lines": [], "version": 0}
    page.show(walk_map(3, 50))
    first = page.state(0)
    assert (first["version"], len(first["scene"]["cameras"])) == (1, 3)
    assert "scene" not in page.state(1)
    page.show(walk_map(5, 60))
    second = page.state(1)
    assert (second["version"], len(second["scene"]["cameras"])) == (2, 5)
    json.loads(state_json(page, 0))


def test_a_map_that_the_mapper_has_moved_stays_in_its_place():
    page, whole = LivePage("A walk"), walk_map(6, 80)
    moved = Sim3(0.2, Rotation.from_rotvec([0.4, 1.0, -0.3]).as_matrix(), np.array([5.0, -3.0, 8.0]))
    page.show(part_of(whole, 4))
    before = page.state(0)["scene"]
    page.show(whole.transformed(moved))
    after = page.state(0)["scene"]
    for one, other in zip(before["cameras"], after["cameras"], strict=False):
        center = np.add(one["center"], before["origin"])
        np.testing.assert_allclose(np.add(other["center"], after["origin"]), center, atol=1e-4)


def test_another_model_starts_in_its_own_place():
    page = LivePage("A walk")
    page.show(walk_map(4, 50))
    page.show(walk_map(4, 50, names=[f"other {i}.jpg" for i in range(4)]))
    assert page.state(0)["scene"]["cameras"][0]["name"] == "other 0.jpg"


def test_large_maps_are_thinned():
    page = LivePage("A walk")
    page.show(walk_map(3, MAX_LIVE_POINTS + 1000))
    points = page.state(0)["scene"]["points"]
    assert (points["shown"], points["total"]) == (MAX_LIVE_POINTS, MAX_LIVE_POINTS + 1000)


def test_progress_is_told_to_both():
    page, heard = LivePage("A walk"), Heard()
    progress = LiveProgress(heard, page)
    with progress.stage("Map", 10) as step:
        step.advance(4, "a note")
        stage = page.state(0)["stage"]
        assert (stage["name"], stage["done"], stage["total"], stage["unit"]) == ("Map", 4, 10, "images")
        assert stage["seconds_left"] >= 0
        page.show(walk_map(4, 50))
        assert page.state(0)["numbers"][0] == ("4", "of 10", "images in the map")
        with progress.stage("Adjust", None, "rounds"):
            assert page.state(0)["stage"]["name"] == "Adjust"
            assert page.state(0)["stage"]["seconds_left"] is None
        assert page.state(0)["stage"]["name"] == "Map"
    assert page.state(0)["stage"] is None
    progress.say("Matching every pair.")
    progress.warn("Blurred.")
    progress.detail("a detail")
    assert page.state(0)["lines"] == ["Matching every pair.", "Warning: Blurred."]
    assert (heard.stages["Map"], heard.said, heard.warned) == (
        (4, 10, "images"),
        ["Matching every pair."],
        ["Blurred."],
    )


def test_a_stage_that_fails_is_gone():
    page = LivePage("A walk")
    with pytest.raises(OSError, match="disk"), LiveProgress(Heard(), page).stage("Map", 10):
        raise OSError("disk")
    assert page.state(0)["stage"] is None


def test_the_report_takes_the_place_of_the_page(tmp_path):
    page = LivePage("<b>A walk</b>")
    html = page.html()
    assert "&lt;b&gt;A walk" in html
    assert "connect-src" in html
    (tmp_path / "report.html").write_text("<p>done</p>", "utf-8")
    page.finish(tmp_path / "report.html")
    assert page.state(0)["finished"]
    assert page.html() == "<p>done</p>"


def test_the_beginning_is_told_once():
    begun = []
    progress = LiveProgress(Heard(), LivePage("A walk"), lambda: begun.append(True))
    assert begun == []
    for _ in range(2):
        with progress.stage("Map", 10):
            pass
    assert begun == [True]

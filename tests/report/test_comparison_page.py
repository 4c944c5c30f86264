import json
import re

import pytest

from sfm.report.comparison import Arm, ComparisonContent, map_numbers
from sfm.report.comparison_page import render_comparison, write_comparison

from .contents import HOSTILE, comparison_content, gallery_pair
from .maps import walk_map
from .test_page import Page, visible


def scenes_of(html):
    return json.loads(re.search(r'id="scenes">(.*?)</script>', html, re.S).group(1))


def test_numbers_are_marked_only_where_they_stand_out_of_the_spread():
    html = render_comparison(comparison_content())
    best = re.findall(r'<td class="best">([^<]*)', html)
    assert best[:2] == ["12", "600"], "images and points"
    assert "Marked is what is better in every run" in html


def test_one_run_marks_nothing():
    arms = [
        Arm(name, walk_map(n), {k: [v] for k, v in map_numbers(walk_map(n)).items()})
        for name, n in (("a", 12), ("b", 9))
    ]
    html = render_comparison(ComparisonContent("t", list(walk_map().poses), arms))
    assert 'class="best"' not in html
    assert "nothing is marked as better" in html


def test_an_arm_that_failed_is_told_and_the_others_are_shown():
    html = render_comparison(comparison_content(failed="No map: too little parallax."))
    text = visible(html)
    assert "No map: too little parallax." in text
    assert "failed" in text
    assert len(scenes_of(html)) == 2


def test_all_arms_failed():
    arms = [Arm("a", None, failure="Nothing."), Arm("b", None, failure="Nothing either.")]
    html = render_comparison(ComparisonContent("t", ["1.jpg"], arms))
    assert "Nothing either." in html
    assert scenes_of(html) == []


def test_maps_share_one_frame_and_one_view():
    scenes = scenes_of(render_comparison(comparison_content()))
    assert len(scenes) == 3
    assert all(scene["origin"] == scenes[0]["origin"] for scene in scenes)
    assert all(scene["views"] == scenes[0]["views"] for scene in scenes)
    first = {camera["name"]: camera["center"] for camera in scenes[0]["cameras"]}
    for scene in scenes[1:]:
        for camera in scene["cameras"]:
            assert camera["center"] == pytest.approx(first[camera["name"]], abs=0.2)


def test_pairs_are_shown_under_every_arm_that_has_them():
    arms = [
        Arm("a", walk_map(), gallery=[gallery_pair(), gallery_pair(name2="frame 0005.jpg")]),
        Arm("b", walk_map(), gallery=[gallery_pair(seed=1)]),
    ]
    html = render_comparison(ComparisonContent("t", list(walk_map().poses), arms))
    assert html.count('<svg class="matches"') == 3
    assert visible(html).count("frame 0005.jpg") >= 1


def test_hostile_names_stay_text():
    names = [HOSTILE, "b.jpg", "c.jpg", "d.jpg"]
    arms = [Arm(HOSTILE, walk_map(4, names=names), warnings=[HOSTILE]), Arm("b", None, failure=HOSTILE)]
    page = Page(render_comparison(ComparisonContent(HOSTILE, names, arms, run={"command": HOSTILE})))
    assert len(page.all("script")) == 2


def test_it_is_written_whole(tmp_path):
    write_comparison(comparison_content(), tmp_path / "compare.html")
    assert (tmp_path / "compare.html").read_text("utf-8").endswith("</html>")


def test_how_many_images_are_in_a_correct_model_stands_beside_the_count():
    def html(**correct):
        arms = [Arm(name, walk_map(9), {"correct_images": values}) for name, values in correct.items()]
        return render_comparison(ComparisonContent("t", list(walk_map().poses), arms))

    text = visible(html(a=[9.0, 7.0, 9.0], b=[0.0]))
    assert re.search(r"a\s+9\s+of 12 images\s+9 in a correct model", text)
    assert re.search(r"b\s+9\s+of 12 images\s+no model is correct", text)
    assert "correct" not in visible(html(a=[float("nan")], b=[]))

from dataclasses import replace

import numpy as np

from sfm.report import comparison
from sfm.report.comparison import ComparisonContent, align_arms
from sfm.report.comparison_page import render_comparison
from sfm.report.comparison_picture import draw_comparison

from .contents import comparison_content
from .test_pictures import red

PANEL = (400, 320)
GAP = 3


def panels(picture):
    width = PANEL[0] + GAP
    return [picture[:, i * width : i * width + PANEL[0]] for i in range((picture.shape[1] + GAP) // width)]


def test_maps_in_frames_of_their_own_are_seen_alike():
    picture = draw_comparison(comparison_content(), PANEL)
    assert picture.shape == (PANEL[1] * 6 // 5, 3 * PANEL[0] + 2 * GAP, 3)
    sift, triplet, _ = (red(panel) for panel in panels(picture))
    # The nine cameras of the second map, which is turned and three times as large, lie on the first one's path.
    assert triplet.sum() > 0.4 * sift.sum()
    assert (triplet & sift).sum() > 0.8 * triplet.sum()


def test_each_map_is_labelled():
    picture = draw_comparison(comparison_content(), PANEL)
    for panel in panels(picture):
        assert (panel[: PANEL[1] // 5].min(axis=2) > 180).sum() > 100


def test_an_arm_without_a_map_has_no_panel():
    assert len(panels(draw_comparison(comparison_content(failed="No map: too dark."), PANEL))) == 2
    none = [replace(arm, sparse_map=None, failure="no map") for arm in comparison_content().arms]
    assert draw_comparison(replace(comparison_content(), arms=none)) is None
    assert draw_comparison(ComparisonContent("nothing", [], [])) is None


def test_the_true_path_is_drawn_where_it_is_known():
    content = comparison_content()
    truth = {image.name: image.cam_from_world for image in content.arms[0].sparse_map.images_by_name}
    with_truth = draw_comparison(replace(content, truth=truth), PANEL).astype(np.int64)
    without = draw_comparison(content, PANEL).astype(np.int64)

    def blue(picture):
        return ((picture[..., 2] - picture[..., 0]) > 80).sum()

    assert blue(with_truth) > blue(without)


def test_page_and_picture_align_the_maps_once(monkeypatch):
    calls = []
    monkeypatch.setattr(comparison, "align_arms", lambda content: calls.append(1) or align_arms(content))
    content = comparison_content()
    draw_comparison(content, PANEL)
    render_comparison(content)
    assert len(calls) == 1

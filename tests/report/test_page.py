import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from sfm.report.page import is_report_of, render_report, write_report

from .contents import HOSTILE, HOSTILE_ATTRIBUTE, report_content


class Page(HTMLParser):
    """What a browser finds in a page: elements, their attributes, and text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *tags):
        return [data for tag, data in self.texts if not tags or tag in tags]


def visible(html):
    return " ".join(
        " ".join(data.split()) for tag, data in Page(html).texts if tag not in ("script", "style")
    )


@pytest.fixture(scope="module")
def html():
    return render_report(
        report_content(
            left_out={"lost.jpg": "no verified pair with another image"},
            further_models=[4, 3],
        )
    )


def test_the_numbers_that_matter_are_said(html):
    text = visible(html)
    assert "12 of 13 images in the map" in re.sub(
        r"images in the map (12 +of 13)", r"\1 images in the map", text
    )
    assert "600" in text
    assert "2 smaller models were made besides, of 4 and 3 images." in text
    assert "lost.jpg no verified pair with another image" in text
    assert "4.7 m of 33 m spread" in text
    assert "2 of 30" in text
    assert "Mapped as a walk, intrinsics held." in text
    assert "--max-keypoints 8,192" in text
    assert "12.3 s" in text
    assert "sfm reconstruct 'my photos' --descriptor sift" in text


def test_nothing_in_the_page_points_outside(html):
    page = Page(html)
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:")
    assert not page.all("link")
    assert not page.all("iframe")
    assert "url(" not in "".join(page.text("style"))


def test_the_policy_allows_the_pages_own_script_and_style_only(html):
    page = Page(html)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.S)
        assert len(bodies) == 1
        digest = base64.b64encode(hashlib.sha256(bodies[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not any("style" in attributes for _, attributes in page.elements), "the policy would not apply it"
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_hostile_names_stay_text():
    names = [HOSTILE, HOSTILE_ATTRIBUTE, "c'&<b>.jpg"]
    content = report_content(
        3,
        names=names,
        title=HOSTILE,
        left_out={"x" + HOSTILE: HOSTILE_ATTRIBUTE},
        warnings=[HOSTILE],
        run={
            "command": HOSTILE,
            "options": {"s": {HOSTILE: HOSTILE}},
            "stages": {HOSTILE: {"seconds": 1.0}},
            "mapped": HOSTILE,
            "versions": {HOSTILE: HOSTILE},
            "descriptor": HOSTILE,
        },
    )
    html = render_report(content)
    page = Page(html)
    assert len(page.all("script")) == 2, "the scene and the page's own"
    assert not any("onerror" in attributes for _, attributes in page.elements)
    scene = json.loads(re.search(r'id="scene">(.*?)</script>', html, re.S).group(1))
    assert {camera["name"] for camera in scene["cameras"]} == set(names)
    assert HOSTILE in visible(html)


def test_warnings_stand_out():
    html = render_report(report_content(warnings=["The focal length is 0.64 of what EXIF says."]))
    assert "Do not rely on this map" in html
    assert "The focal length is 0.64 of what EXIF says." in html
    assert "Do not rely on this map" not in render_report(report_content())


def test_a_thinned_cloud_is_said_to_be_one():
    html = render_report(report_content(points=3000), max_points=1000)
    assert "Shown are 1,000 of 3,000 points" in visible(html)
    assert "Shown are" not in visible(render_report(report_content(points=300)))


@pytest.mark.parametrize("images", [0, 1, 2])
@pytest.mark.parametrize("points", [0, 1])
def test_hardly_any_map_still_has_a_report(images, points):
    html = render_report(report_content(images, points, pairs=(), gallery=(), run={}))
    assert "NaN" not in re.search(r'id="scene">(.*?)</script>', html, re.S).group(1)
    assert "Run it again" not in visible(html)


def test_values_that_json_has_not_do_not_break_the_record():
    run = {"options": {"a": {"x": float("nan"), "flag": True, "path": np.float64(2)}}, "where": {1, 2}}
    text = visible(render_report(report_content(run=run)))
    assert "--flag yes" in text


def test_the_report_is_written_whole(tmp_path):
    path = tmp_path / "deep" / "report.html"
    write_report(report_content(), path)
    assert path.read_text("utf-8").endswith("</html>")
    write_report(report_content(), path, made_of="d1")
    assert path.read_text("utf-8").endswith("</html>\n<!-- made of d1 -->\n")
    assert is_report_of(path, "d1")
    assert not is_report_of(path, "d2")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]

"""`sfm match --explain` as a user runs it, and its page in a real browser."""

import json

import pytest

from .browser import Browser
from .command import files_of, refuses, succeeds

DESKTOP, PHONE = (1440, 900), (390, 844)


@pytest.fixture(scope="module")
def explained(street, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    first, second = sorted(street.images.iterdir())[:2]
    done = succeeds("match", first, second, "--explain", "--points", 5, "-o", folder / "pair.jpg", "--json")
    return folder, json.loads(done.stdout)


def test_a_page_beside_the_picture(explained):
    folder, told = explained
    assert told["page"] == str(folder / "pair.html")
    assert set(files_of(folder)) == {"pair.html", "pair.jpg"}
    assert told["verified"] > 50


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_it_is_seen_as_meant(explained, size):
    folder, _ = explained
    browser = Browser()
    try:
        for scheme in ("light", "dark"):
            browser.open((folder / "pair.html").as_uri(), *size, scheme)
            assert browser.accessibility_faults() == []
            assert browser.run("return document.documentElement.scrollWidth") <= size[0]
            assert browser.requests() == [(folder / "pair.html").as_uri()]
        points = browser.find_all(".point")
        assert 1 <= len(points) <= 5
        assert points[0].find_element("css selector", "h2").text.endswith("Found by every descriptor")
        names = [name.text for name in points[0].find_elements("css selector", ".finding h3")]
        assert names == ["sift", "triplet", "sosnet"]
        verdicts = [v.text for v in points[0].find_elements("css selector", ".neighbour .verdict.good")]
        assert verdicts == ["right", "right", "right"]
        for selector in (".context", ".patch", ".rose", ".where"):
            assert browser.pixels(f".point {selector}").std() > 5, f"{selector} shows something"
        assert browser.console() == []
    finally:
        browser.close()


def test_bad_input(street, tmp_path):
    first, second = sorted(street.images.iterdir())[:2]

    def refused(*arguments, **values):
        line = refuses("match", first, second, "-o", tmp_path / "p.jpg", *arguments, **values)
        assert list(tmp_path.iterdir()) == []
        return line

    assert "choose from sift" in refused("--explain", "--descriptors", "orb")
    assert "nowhere.safetensors" in refused("--explain", "--descriptors", "sift,tfeat=nowhere.safetensors")
    assert "--explain" in refused("--descriptors", "sift")
    assert "--points needs --explain" in refused("--points", 8)

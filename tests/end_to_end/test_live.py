"""The page of a map that grows, in a real browser."""

import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from selenium.webdriver import ActionChains

from sfm.geometry.similarity import Sim3
from sfm.report.live import LivePage, LiveProgress
from sfm.report.server import LiveServer
from tests.pipelines.progress import Heard
from tests.report.contents import HOSTILE, HOSTILE_ATTRIBUTE
from tests.report.maps import walk_map

from .browser import Browser, red_share
from .command import refuses, start

DESKTOP, PHONE = (1440, 900), (390, 844)
PATIENCE_S = 10


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page():
    page = LivePage(HOSTILE)
    with LiveServer(page) as server, server.running():
        page.url = server.url
        yield page


def wait_until(condition, patience_s=PATIENCE_S):
    """Return what `condition` gives once it is true."""
    end = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def wait_for_version(browser, version):
    wait_until(lambda: browser.run("return document.documentElement.dataset.version") == str(version))


def growing_map(count):
    """The first images of a walk, one of them with a name to be wary of, as the mapper moves them about."""
    names = [*(f"frame {i:04d}.jpg" for i in range(9)), HOSTILE_ATTRIBUTE]
    whole = walk_map(10, 2000, names=names)
    moved = Sim3(1.0 + count, np.eye(3), np.array([count, 0.0, 0.0]))
    return replace(whole, images=dict(list(whole.images.items())[:count])).transformed(moved)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_map_grows(browser, page, size):
    browser.open(page.url, *size)
    assert browser.find(".waiting").is_displayed()
    assert browser.accessibility_faults() == []
    progress = LiveProgress(Heard(), page)
    with progress.stage("Map", 10) as step:
        step.advance(4)
        progress.say("Mapping as a <b>walk</b>.")
        page.show(growing_map(4))
        wait_for_version(browser, 1)
        assert "4 of 10 images" in browser.find("#count").text
        assert "4 of 10" in browser.find("#numbers").text
        few = browser.pixels(".stage canvas")
        assert red_share(few) > 0.001
        step.advance(6)
        page.show(growing_map(10))
        wait_for_version(browser, 2)
        assert len(browser.find_all("#cameras button")) == 10
        many = browser.pixels(".stage canvas")
        assert (np.abs(many - few).max(axis=2) > 30).mean() > 0.01
    assert "Mapping as a <b>walk</b>." in browser.find("#lines").text
    assert browser.run("return window.stolen") is None
    assert browser.accessibility_faults() == []
    assert browser.run("return document.documentElement.scrollWidth") <= size[0]
    assert all(url.startswith(page.url) for url in browser.requests())
    assert browser.console() == []


def test_a_chosen_view_and_a_chosen_camera_stay(browser, page):
    browser.open(page.url, *DESKTOP)
    page.show(growing_map(6))
    wait_for_version(browser, 1)
    browser.find_all("#cameras button")[2].click()
    assert browser.find("#details h3").text == "frame 0002.jpg"
    canvas = browser.find(".stage canvas")
    ActionChains(browser.driver).move_to_element_with_offset(canvas, 0, 100).click_and_hold().move_by_offset(
        -140, 30
    ).release().move_to_element(browser.find("h1")).perform()
    page.show(growing_map(6))
    wait_for_version(browser, 2)
    before = browser.pixels(".stage canvas")
    page.show(growing_map(7))
    wait_for_version(browser, 3)
    assert browser.find("#details h3").text == "frame 0002.jpg"
    after = browser.pixels(".stage canvas")
    # One more camera and nothing else has changed: the scene does not jump although the mapper moved it.
    changed = (np.abs(after - before).max(axis=2) > 30).mean()
    assert 0 < changed < 0.02
    browser.find("#reset").click()
    assert (np.abs(browser.pixels(".stage canvas") - after).max(axis=2) > 30).mean() > 0.02
    assert browser.console() == []


def test_a_run_that_ends_without_a_map_is_told(browser):
    page = LivePage("A walk")
    with LiveServer(page) as server, server.running():
        browser.open(server.url, *DESKTOP)
    wait_until(lambda: "The run has ended" in browser.find("#stage").text)
    browser.console()


def test_reconstruct_live_ends_in_the_report(browser, street, tmp_path):
    run = start(
        "reconstruct", street.images, "-o", tmp_path / "out", "--live", "--no-browser", "--descriptor", "sift"
    )
    try:
        url = wait_until(lambda: run.stderr.readline()).split()[0]
        assert url.startswith("http://127.0.0.1:")
        browser.open(url, *DESKTOP)
        wait_until(lambda: browser.run("return document.getElementById('scene') !== null"), 120)
        assert len(browser.find_all("#cameras button")) == 9
        assert browser.find("#view-graph").is_displayed()
        assert red_share(browser.pixels(".stage canvas")) > 0.002
        assert [address for address in browser.requests() if not address.startswith(url)] == []
        assert browser.console() == []
        assert run.poll() is None, "the page stays until Ctrl-C"
    finally:
        run.send_signal(signal.SIGINT)
        told, _ = run.communicate(timeout=30)
    assert run.returncode == 0
    assert "9 of 9" in told
    assert str(tmp_path / "out" / "report.html") in told


def test_bad_input_opens_nothing(tmp_path):
    line = refuses("reconstruct", tmp_path / "nowhere", "--live", "-o", tmp_path / "out")
    assert "does not exist" in line


def test_a_stop_while_the_map_grows(street, tmp_path):
    run = start(
        "reconstruct", street.images, "-o", tmp_path / "out", "--live", "--no-browser", "--descriptor", "sift"
    )
    wait_until(lambda: run.stderr.readline().startswith("http"))
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Finished work is kept" in told

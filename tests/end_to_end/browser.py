"""A headless Chromium that watches what a page does."""

import io
import json
import shutil
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

# The driver's advice on speed, brought about by the tests' own screenshots.
_NO_FAULT = ("GPU stall due to ReadPixels",)
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--hide-scrollbars",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium():
    """Return the paths of the browser and of its driver; skip where one is missing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no chromium with chromedriver here (Debian: apt install chromium chromium-driver)")
    return browser, driver


class Browser:
    def __init__(self, *flags):
        browser, driver = find_chromium()
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*_FLAGS, *flags):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))

    def close(self):
        self.driver.quit()

    def open(self, url, width=1440, height=900, scheme="light"):
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=width < 600)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        # What the page before still asks for must not be taken for this one's.
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(url)
        self.wait_for_frame()

    def cdp(self, command, **values):
        return self.driver.execute_cdp_cmd(command, values)

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def wait_for_frame(self):
        """Return when what was asked for has been drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));"
        )

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def pixels(self, selector):
        """Return what an element looks like, (H, W, 3) int."""
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", self.find(selector))
        self.wait_for_frame()
        return np.asarray(
            Image.open(io.BytesIO(self.find(selector).screenshot_as_png)).convert("RGB")
        ).astype(int)

    def console(self):
        """Return what the page said on the console since it was opened or last asked."""
        said = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in said if not any(text in message for text in _NO_FAULT)]

    def requests(self):
        """Return the addresses the page asked for since it was opened or last asked, data URIs aside."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith("data:")]

    def accessibility_faults(self):
        """Return what axe-core finds to be serious or worse, in short."""
        self.run(files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document).then((result) => done(result.violations));"
        )
        return [
            (fault["id"], [node["html"][:120] for node in fault["nodes"][:3]])
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]


def red_share(pixels):
    r, g, b = pixels.transpose(2, 0, 1)
    return ((r > 150) & (g < 110) & (b < 110)).mean()

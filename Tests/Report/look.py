#!/usr/bin/python3
"""Opens a page in headless Chromium and says what is on it.

    Tests/Report/look.py PAGE WIDTH light|dark SCREENSHOT

Prints a JSON object: the width of the window and of what is in it, what the browser complained about, the
values of all <data> elements, the sizes of the plots, the colours of the page and of a plot's axis, and the
text. The screenshot is a PNG of the whole page.
"""

import base64
import json
import pathlib
import sys

from selenium import webdriver

FACTS = """return {
  window: innerWidth,
  content: document.documentElement.scrollWidth,
  values: [...document.querySelectorAll('data')].map(data => data.value),
  plots: [...document.querySelectorAll('figure svg')].map(plot => {
    const box = plot.getBoundingClientRect();
    return [box.width, box.height];
  }),
  back: getComputedStyle(document.body).backgroundColor,
  axis: getComputedStyle(document.querySelector('figure svg path[stroke^="var"]')).stroke,
  text: document.body.innerText,
}"""


def browser():
    options = webdriver.ChromeOptions()
    for word in ["headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"]:
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=service)


def main(page, width, scheme, screenshot):
    chromium = browser()
    try:
        # A window cannot be as narrow as a telephone, but a page can.
        chromium.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": int(width), "height": 900, "deviceScaleFactor": 1, "mobile": False})
        chromium.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        chromium.get(pathlib.Path(page).resolve().as_uri())
        facts = chromium.execute_script(FACTS)
        picture = chromium.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        facts["complaints"] = [entry["message"] for entry in chromium.get_log("browser")]
    finally:
        chromium.quit()
    pathlib.Path(screenshot).write_bytes(base64.b64decode(picture["data"]))
    print(json.dumps(facts))


if len(sys.argv) != 5:
    sys.exit(__doc__)
main(*sys.argv[1:])

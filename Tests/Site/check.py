#!/usr/bin/python3
"""Reads all pages of a site in headless Chromium, as a reader would.

    Tests/Site/check.py DIRECTORY [SCREENSHOTS]

Fails if a page is empty, reports an error in the console, asks for something outside the site, or can be
scrolled sideways at 360 pixels; if a link leads to a page or to a part of a page that is not there; and if a
guide cannot be found by its title. Of the reference of the Swift library, whose tool checks its links, the
first page and what it leads to are read.
"""

import functools
import http.server
import pathlib
import sys
import threading
import urllib.parse

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTHS = [(1280, 900), (360, 740)]
REFERENCE = "/swift/"


class Server:
    """Serves a directory to this machine only."""

    def __init__(self, directory):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = functools.partial(Handler, directory=directory)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def browser():
    options = webdriver.ChromeOptions()
    for word in ["headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"]:
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.page_load_strategy = "eager"
    service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
    return webdriver.Chrome(options=options, service=service)


class Check:
    def __init__(self, root, page, screenshots):
        self.root, self.page, self.screenshots = root, page, screenshots
        self.problems = []
        self.read = {}  # the names of the parts of each page
        self.links = []  # page, target

    def problem(self, page, text):
        self.problems.append(f"{page.removeprefix(self.root)}: {text}")

    def run(self):
        waiting = [self.root + "/index.html"]
        while waiting:
            address = waiting.pop()
            if address in self.read:
                continue
            for link in self.visit(address):
                target = urllib.parse.urldefrag(link).url
                if not target.startswith(self.root + "/"):
                    continue
                self.links.append((address, link))
                in_reference = [REFERENCE in place for place in (address, target)]
                is_deep = all(in_reference) and "/documentation/handlestore" not in address[-30:]
                if target.endswith((".html", "/")) and not is_deep:
                    waiting.append(target)
        for page, link in self.links:
            target, part = urllib.parse.urldefrag(link)
            parts = self.read.get(target)
            is_missing = parts is not None and part and urllib.parse.unquote(part) not in parts
            if is_missing and REFERENCE not in target:
                self.problem(page, f"a link leads to {part} of {target}, which is not there")

    def visit(self, address):
        """Reads a page, and returns where its links lead."""
        page = self.page
        page.get(address)
        try:
            WebDriverWait(page, 20).until(lambda p: p.find_elements(By.CSS_SELECTOR, "h1"))
        except TimeoutException:
            self.problem(address, "there is no title")
        self.read[address] = set(
            page.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)"))
        for entry in page.get_log("browser"):
            self.problem(address, f"{entry['level']}: {entry['message']}")
        for asked in page.execute_script(
                "return performance.getEntriesByType('resource').map(e => e.name)"):
            if not asked.startswith((self.root, "data:", "blob:")):
                self.problem(address, f"asks for {asked}")
        if REFERENCE not in address:
            self.measure(address)
        links = page.execute_script("return [...document.querySelectorAll('a[href]')].map(a => a.href)")
        return dict.fromkeys(links)

    def measure(self, address):
        page = self.page
        for width, height in WIDTHS:
            page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
            try:
                # What moves when the width changes needs a moment.
                WebDriverWait(page, 3, 0.1).until_not(self.scrolls_sideways)
            except TimeoutException:
                self.problem(address, f"can be scrolled sideways at {width} pixels")
            if self.screenshots:
                name = address.removeprefix(self.root + "/").replace("/", "_")
                page.save_screenshot(str(self.screenshots / f"{name}-{width}.png"))

    @staticmethod
    def scrolls_sideways(page):
        return page.execute_script(
            "window.scrollTo(1000, 0); let x = window.scrollX; window.scrollTo(0, 0); return x") > 0

    def search(self, words, title):
        """Looks for words, and expects a page among what is found."""
        page = self.page
        page.get(self.root + "/index.html")
        page.find_element(By.CSS_SELECTOR, "input.md-search__input").send_keys(words)
        try:
            WebDriverWait(page, 20).until(lambda p: any(
                title in found.get_attribute("textContent")
                for found in p.find_elements(By.CSS_SELECTOR, ".md-search-result__link")))
        except TimeoutException:
            self.problem(self.root, f"the search for {words} does not find {title}")


def main():
    directory = pathlib.Path(sys.argv[1])
    screenshots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if screenshots:
        screenshots.mkdir(exist_ok=True)
    server = Server(str(directory))
    page = browser()
    try:
        check = Check(server.root, page, screenshots)
        check.run()
        check.search("inode reuse", "Glossary")
    finally:
        page.quit()
    for problem in check.problems:
        print(problem, file=sys.stderr)
    print(f"{len(check.read)} pages, {len(check.links)} links, {len(check.problems)} problems")
    sys.exit(1 if check.problems else 0)


main()

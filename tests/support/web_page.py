"""The page as tests use it: `qa web` in a process of its own, and a real Chromium."""

import http.client
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")


class Page:
    """A running `qa web`."""

    def __init__(self, process, address):
        self.process = process
        self.address = address
        self.port = int(address.rstrip("/").rpartition(":")[2])

    def request(self, method, path, body=None, **headers):
        """Return status, headers and text of one request, by default from the page itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Host": f"127.0.0.1:{self.port}"}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        text = urlencode(body) if isinstance(body, dict) else body
        connection.request(method, path, text, {k: v for k, v in sent.items() if v is not None})
        reply = connection.getresponse()
        content = reply.read().decode("utf-8", "replace")
        connection.close()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, content

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, **fields):
        return self.request("POST", path, fields)

    def ask(self, question, **fields):
        """Ask a question and return the path of its page."""
        status, headers, text = self.post("/ask", question=question, **fields)
        assert status == 303, text
        return headers["location"]


@contextmanager
def serving(*words):
    """Run `qa web` in the environment of the test."""
    command = [sys.executable, "-m", "qa", "web", "--no-open", "--port", "0", *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ.copy(), stderr=subprocess.PIPE
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), process.stderr.read()
        yield Page(process, line.strip())
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def chromium(width=1200, height=900):
    """Provide a browser without a window; skip the test where there is none."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        "--force-prefers-reduced-motion",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    browser.implicitly_wait(10)
    try:
        yield browser
    finally:
        browser.quit()


def one(browser, selector):
    """Return the first element that a CSS selector finds."""
    return browser.find_element("css selector", selector)


def every(browser, selector):
    """Return all elements that a CSS selector finds."""
    return browser.find_elements("css selector", selector)


def until(browser, condition):
    """Wait until a condition of the browser holds, and return its value."""
    from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    gone = (StaleElementReferenceException, NoSuchElementException)  # while a part is replaced
    wait = WebDriverWait(browser, 30, poll_frequency=0.05, ignored_exceptions=gone)
    return wait.until(condition)

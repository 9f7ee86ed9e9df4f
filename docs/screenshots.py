"""Draw the pictures of the page in docs/: light, dark, narrow, and while papers are judged.

    python docs/screenshots.py

runs `qa web` on the bundled papers without a chat model, in a Chromium without a window. It needs
chromium and chromedriver, and uses QA_STORE and QA_CACHE as they are set.
"""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests" / "support"))

from web_page import chromium, every, one, serving, until  # noqa: E402

QUESTION = "which papers train without backprop?"
JUDGED = "yyny"  # keys pressed in the picture of judging


def main() -> None:
    """Write the four pictures."""
    os.environ["QA_MODEL"] = "none"
    with serving() as page, chromium(1100, 800) as browser:
        path = page.ask(QUESTION)
        address = page.address.rstrip("/") + path
        for name, scheme, width in (
            ("light", "light", 1100),
            ("dark", "dark", 1100),
            ("narrow", "light", 360),
        ):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(address)
            until(browser, lambda b: every(b, ".paper"))
            browser.save_screenshot(str(DOCS / f"web-{name}.png"))
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size | {"width": 1100})
        browser.get(address)
        for count, key in enumerate(JUDGED, start=1):
            browser.switch_to.active_element.send_keys(key)
            until(browser, lambda b, n=count: f"judged {n} paper" in one(b, ".undo .dim").text)
        browser.execute_script("window.scrollTo(0, 0)")
        browser.save_screenshot(str(DOCS / "web-judging.png"))
        for _ in JUDGED:
            page.post(f"{path}/undo")


if __name__ == "__main__":
    main()

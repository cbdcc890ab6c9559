"""What the tests of the page share: a visitor in Chromium who notes whatever goes wrong behind the page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Download, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 800}
_PATIENCE_MS = 30_000  # on a machine that does much else
_REFUSED = "Failed to load resource"  # Chromium's own line for a reply of 4xx or 5xx, and for none
_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
_IS_SHOWN = """() => {
    const row = document.querySelector("[aria-current=true]");
    if (!row || !["answered", "away"].includes(row.parentElement.dataset.state)) return true;
    const [name, shown] = [row.querySelector(".row-name"), document.getElementById("corner-film")];
    return name.textContent === shown.textContent && !document.getElementById("zoom-in").disabled;
}"""
_PIXELS = """(canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let at = 0; at < data.length; at += 32768) text += String.fromCharCode(...data.subarray(at, at + 32768));
    return [canvas.width, canvas.height, btoa(text)];
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; a test that needs it is skipped where it is not installed."""
    if not CHROMIUM.is_file():
        pytest.skip(
            f"CHROMIUM ABSENT: {CHROMIUM} is not there, so nothing of the page is tested here (apt-get install chromium)"
        )
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visitor:
    """Somebody at the page. page: Playwright's. url: of the server. wrong: what went wrong behind the page."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Go to the page; it is ready once films can come in."""
        self.page.goto(self.url)
        self.page.locator("#start").wait_for()

    def choose(self, *films: tuple[str, bytes]) -> None:
        """Choose films by name and content."""
        files: Any = [{"name": name, "mimeType": "", "buffer": content} for name, content in films]
        self.page.set_input_files("#choose-files", files)

    def settled(self) -> None:
        """Wait until nothing is on its way, and what is shown is on the screen."""
        self.page.wait_for_function(
            """() => { const rows = [...document.querySelectorAll("#list li")];
            return rows.length && !rows.some((row) => ["waiting", "sending"].includes(row.dataset.state)); }"""
        )
        self.drawn()

    def drawn(self) -> None:
        """Wait until the screen shows the film that is selected, where it has a picture."""
        self.page.wait_for_function(_IS_SHOWN)
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def show(self, *films: tuple[str, bytes]) -> None:
        """Open the page, choose films and wait for what is said of them."""
        self.open()
        self.choose(*films)
        self.settled()

    def pixels(self) -> NDArray[np.uint8]:
        """(height, width, 4) what the film's canvas holds."""
        self.drawn()
        width, height, held = self.page.locator("#screen").evaluate(_PIXELS)
        return np.frombuffer(base64.b64decode(held), np.uint8).reshape(height, width, 4)

    def saved(self, selector: str) -> Download:
        """What a button lets the browser save."""
        with self.page.expect_download() as waiting:
            self.page.click(selector)
        return waiting.value

    def text(self, selector: str) -> str:
        """What stands there."""
        return self.page.inner_text(selector)

    def states(self) -> list[str]:
        """The state of each film in the list."""
        rows = self.page.locator("#list li")
        return [str(rows.nth(place).get_attribute("data-state")) for place in range(rows.count())]

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def visitor(browser: Browser, url: str, **context: Any) -> Iterator[Visitor]:
    """A new visitor, without a past; fails at the end where a script failed, a policy was broken or another origin was asked."""
    opened = browser.new_context(**{"viewport": WIDE, "color_scheme": "dark", "accept_downloads": True, **context})
    try:
        page = opened.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        someone = Visitor(page, url)
        page.add_init_script(_WATCH)
        page.on("pageerror", lambda error: someone.wrong.append(f"script: {error}"))
        page.on(
            "console",
            lambda line: someone.wrong.append(f"console: {line.text}") if _is_bad(line.type, line.text) else None,
        )
        page.on(
            "request",
            lambda request: someone.wrong.append(f"asked {request.url}") if _is_foreign(request.url, url) else None,
        )
        yield someone
        if context.get("java_script_enabled", True):
            someone.wrong += page.evaluate("window.violations ?? []")
        assert not someone.wrong, someone.wrong
    finally:
        opened.close()


def _is_bad(kind: str, text: str) -> bool:
    return kind in ("error", "warning") and not text.startswith(_REFUSED)


def _is_foreign(asked: str, url: str) -> bool:
    split = urlsplit(asked)
    return split.scheme in ("http", "https", "ws", "wss") and split.netloc != urlsplit(url).netloc

"""How the page looks, as far as pixels and places can tell: what has the focus, what lies in sight, what stays where it is."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("playwright", reason="PLAYWRIGHT ABSENT: nothing of the page is tested here")

from playwright.sync_api import Browser, expect

from browser import Visitor, visitor
from plainfilm.core.bundle import Bundle
from served import decoded, dicom, phantom, png, served

BROKEN = ("broken.png", b"\x89PNG\r\n\x1a\n and no more")
AUDIT = {
    "format_version": 1,
    "of": "run",
    "name": "r",
    "made": {},
    "headline": "Accuracy 0.96, of which 0.89 without the lungs (the commonest class alone: 0.47)",
    "findings": [
        {"check": "hidden", "verdict": "fail", "measure": "m", "number": {"value": 0.9, "low": 0.8, "high": 0.95},
         "threshold": "fail from 0.70", "told": ["It still answers."], "advice": "Train with erasing.", "evidence": {}}
    ],
}  # fmt: skip


def stage(visit: Visitor) -> NDArray[np.uint8]:
    """(H, W, 3) BGR, what is seen of the film's place on the page."""
    picture = cv2.imdecode(np.frombuffer(visit.page.locator("#stage").screenshot(), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


@pytest.mark.parametrize("grey", [0, 255])
def test_the_film_shows_that_it_has_the_focus(visit: Visitor, bundle: Bundle, grey: int) -> None:
    film = np.full((200, 300), grey, np.uint8)
    film[50:150, 50:250] = cv2.resize(decoded(phantom(bundle)[1]), (200, 100))
    visit.show(("even.png", png(film)))
    visit.page.focus("#zoom-out")
    before = stage(visit).astype(int)
    for _ in range(2):  # the choice of dragging lies between
        visit.page.keyboard.press("Shift+Tab")
    expect(visit.page.locator("#stage")).to_be_focused()
    after = stage(visit).astype(int)
    changed = np.abs(after - before).max(axis=2) > 60
    middle = before.shape[1] // 2
    for edge in (changed[:6, middle], changed[-6:, middle], changed[100, :6], changed[100, -6:]):
        assert edge.sum() >= 2, "nobody sees that the film has the focus"
    assert not changed[20:-20, 20:-20].any(), "the ring hides the film"


def test_nothing_jumps_from_film_to_film(visit: Visitor, bundle: Bundle) -> None:
    deep = cv2.resize(decoded(phantom(bundle)[1]), (256, 256)).astype(np.uint16) * 257
    visit.show(phantom(bundle), ("deep.png", png(deep)), ("film.dcm", dicom(deep)), BROKEN)
    heights = set()
    for row in range(4):
        visit.page.locator(".film-row").nth(row).click()
        visit.drawn()
        boxes = [visit.page.locator(part).bounding_box() for part in (".viewer", "#stage", "#window-panel")]
        heights.add(tuple(box["height"] for box in boxes if box))
        if row in (1, 2):
            assert visit.text("#width-said") == "65535"
            for said in ("#width-said", "#level-said"):
                box = visit.page.locator(said).bounding_box()
                assert box and box["height"] < 30, "a number breaks over two lines"
    assert len(heights) == 1, heights


def test_the_audit_is_in_sight_before_the_first_film(browser: Browser, bundle: Bundle) -> None:
    audited = replace(bundle, about={**bundle.about, "audit": AUDIT})
    with served(audited) as running, visitor(browser, running.url) as someone:
        someone.open()
        expect(someone.page.locator(".phantom")).to_have_count(len(bundle.probes))
        for part in ("#start-audit .verdict", "[data-choose=files]:visible", "#phantoms-title"):
            expect(someone.page.locator(part)).to_be_in_viewport(ratio=1)


def test_words_on_a_bright_film_have_a_dark_ground(visit: Visitor) -> None:
    film = np.full((300, 500), 250, np.uint8)
    film[100:200, 100:400] = np.random.default_rng(0).integers(0, 255, (100, 300), np.uint8)
    visit.show(("bright.png", png(film)))
    for corner in ("#corner-film", "#corner-view"):
        box, place = visit.page.locator(corner).bounding_box(), visit.page.locator("#stage").bounding_box()
        assert box and place
        left, top = (round(box[side] - place[side]) for side in ("x", "y"))
        around = stage(visit)[top : top + round(box["height"]), left : left + round(box["width"])]
        assert np.median(around) < 100, "bright words on a bright film"

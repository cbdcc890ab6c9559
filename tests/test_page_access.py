"""The page for everybody: with a keyboard alone, for a screen reader, on a phone, enlarged, dark and light, without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("playwright", reason="PLAYWRIGHT ABSENT: nothing of the page is tested here")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from browser import PHONE, WIDE, Visitor, visitor
from plainfilm.core.bundle import Bundle
from plainfilm.core.words import NOTICE
from served import Served, phantom, png

BROKEN = ("broken.png", b"\x89PNG\r\n\x1a\n and no more")
BLANK = ("blank.png", png(np.full((64, 64), 90, np.uint8)))


def _start(someone: Visitor, _: Bundle) -> None:
    someone.open()
    expect(someone.page.locator(".phantom")).to_have_count(4)


def _answer(someone: Visitor, bundle: Bundle) -> None:
    someone.show(phantom(bundle), phantom(bundle, 1))


def _turned_away(someone: Visitor, _: Bundle) -> None:
    someone.show(BLANK)


def _error(someone: Visitor, _: Bundle) -> None:
    someone.show(BROKEN)


def _model(someone: Visitor, bundle: Bundle) -> None:
    someone.show(phantom(bundle))
    someone.page.keyboard.press("m")
    someone.page.locator("#model-dialog").wait_for()


def _keys(someone: Visitor, bundle: Bundle) -> None:
    someone.show(phantom(bundle))
    someone.page.keyboard.press("?")
    someone.page.locator("#keys-dialog").wait_for()


def _offline(someone: Visitor, bundle: Bundle) -> None:
    someone.open()
    someone.page.route("**/v1/predict*", lambda route: route.abort())
    someone.choose(phantom(bundle))
    someone.settled()


def _key(someone: Visitor, _: Bundle) -> None:
    someone.page.route("**/v1/model", lambda route: route.fulfill(status=401, body="{}"))
    someone.page.goto(someone.url)
    someone.page.locator("#key-form").wait_for()


STATES: dict[str, Callable[[Visitor, Bundle], None]] = {
    "start": _start,
    "answer": _answer,
    "turned away": _turned_away,
    "error": _error,
    "model": _model,
    "keys": _keys,
    "offline": _offline,
    "key": _key,
}


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_in_light_and_dark(browser: Browser, server: Served, bundle: Bundle, state: str) -> None:
    with visitor(browser, server.url, color_scheme="light") as someone:
        STATES[state](someone, bundle)
        for scheme in ("light", "dark"):
            someone.page.emulate_media(color_scheme=scheme)
            found = Axe().run(someone.page, options={"resultTypes": ["violations"]}).response["violations"]
            told = [
                f"{scheme}: {one['impact']} {one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]
            ]
            assert not told, "\n".join(told)


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_wider_than_a_phone(browser: Browser, server: Served, bundle: Bundle, state: str) -> None:
    with visitor(browser, server.url, viewport=PHONE, has_touch=True, is_mobile=True) as someone:
        STATES[state](someone, bundle)
        assert someone.overflow() == 0
        for dialog in someone.page.locator("dialog[open]").all():
            box = dialog.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        expect(someone.page.locator(".notice")).to_be_in_viewport()
        someone.page.mouse.wheel(0, 600)
        expect(someone.page.locator(".notice")).to_be_in_viewport()


@pytest.mark.parametrize("state", ["start", "answer", "model"])
def test_twice_as_large(browser: Browser, server: Served, bundle: Bundle, state: str) -> None:
    half = {"width": WIDE["width"] // 2, "height": WIDE["height"] // 2}
    with visitor(browser, server.url, viewport=half, device_scale_factor=2) as someone:
        STATES[state](someone, bundle)
        assert someone.overflow() == 0


def _focused(someone: Visitor) -> str:
    return str(
        someone.page.evaluate(
            """() => { const at = document.activeElement;
            return at === document.body ? "" : at.id || at.getAttribute("aria-label") || at.textContent.trim() || at.tagName; }"""
        )
    )


@pytest.mark.slow
def test_a_keyboard_alone_goes_from_nothing_to_an_answer(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url) as someone:
        someone.open()
        press = someone.page.keyboard.press
        expect(someone.page.locator(".phantom")).to_have_count(4)
        for _ in range(20):
            press("Tab")
            if _focused(someone).startswith("Try a phantom"):
                break
        assert _focused(someone).startswith("Try a phantom")
        outline = someone.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "nobody sees where the focus is"
        press("Enter")
        someone.settled()
        assert _focused(someone) == "stage", "the focus got lost"
        whole = someone.pixels()
        for key in ("i", "Shift+ArrowLeft", "Shift+ArrowDown", "+", "ArrowLeft", "ArrowDown", ",", "c", "h", "2"):
            before = someone.pixels()
            press(key)
            assert (someone.pixels() != before).any(), f"{key} does nothing"
        press("r")
        press("h")
        press(".")
        assert (someone.pixels() == whole).all(), "r does not bring back the film as it came"


@pytest.mark.slow
def test_tab_reaches_everything_and_leaves_again(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url) as someone:
        someone.show(phantom(bundle))
        someone.page.focus(".skip")
        reached: list[str] = []
        for _ in range(60):
            someone.page.keyboard.press("Tab")
            at = _focused(someone)
            if not at or at in reached[:1]:
                break
            reached.append(at)
        else:
            pytest.fail(f"the focus never comes round: {reached}")
        for wanted in (
            *("open-model", "theme", "open-keys", "save-csv", "clear", "stage", "zoom-in", "invert", "save-png"),
            *("preset", "width", "level", "heat", "heat-class", "opacity"),
        ):
            assert wanted in reached, f"{wanted} is out of reach: {reached}"
        assert reached.index("stage") < reached.index("zoom-in") < reached.index("preset") < reached.index("heat")


def test_dialogs_open_and_close_and_give_the_focus_back(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url) as someone:
        someone.show(phantom(bundle))
        for button, dialog in (("#open-model", "#model-dialog"), ("#open-keys", "#keys-dialog")):
            someone.page.focus(button)
            someone.page.keyboard.press("Enter")
            expect(someone.page.locator(dialog)).to_be_visible()
            someone.page.keyboard.press("Escape")
            expect(someone.page.locator(dialog)).to_be_hidden()
            assert _focused(someone) == button[1:]


def test_single_keys_can_be_switched_off(browser: Browser, server: Served, bundle: Bundle) -> None:
    """WCAG 2.1.4: who speaks to the machine does not want every letter obeyed."""
    with visitor(browser, server.url) as someone:
        someone.show(phantom(bundle))
        someone.page.keyboard.press("?")
        someone.page.locator("#keys-dialog input[type=checkbox]").uncheck()
        someone.page.keyboard.press("Escape")
        someone.page.focus("#invert")
        someone.page.keyboard.press("i")
        expect(someone.page.locator("#invert")).to_have_attribute("aria-pressed", "false")
        someone.page.focus("#stage")
        someone.page.keyboard.press("i")
        expect(someone.page.locator("#invert")).to_have_attribute("aria-pressed", "true")


def test_a_screen_reader_is_told(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url) as someone:
        someone.show(phantom(bundle))
        told = someone.page.text_content("#live") or ""
        assert phantom(bundle)[0] in told.lower() and "%" in told
        picture = someone.page.locator("#screen").get_attribute("aria-label") or ""
        assert phantom(bundle)[0] in picture and "window" in picture and "heatmap of" in picture
        for role in ("banner", "main", "complementary"):
            assert someone.page.get_by_role(role).count() == 1, role
        assert someone.page.get_by_role("heading", level=1).count() == 1


def test_dark_light_and_as_the_system_has_it(browser: Browser, server: Served) -> None:
    with visitor(browser, server.url, color_scheme="dark") as someone:
        someone.open()
        paper = lambda: someone.page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
        dark = paper()
        someone.page.emulate_media(color_scheme="light")
        light = paper()
        assert dark != light
        someone.page.click("#theme")
        assert (someone.text("#theme")[2:], paper()) == ("Dark", dark)
        someone.page.click("#theme")
        someone.page.emulate_media(color_scheme="dark")
        assert (someone.text("#theme")[2:], paper()) == ("Light", light)
        someone.page.click("#theme")
        assert (someone.text("#theme")[2:], paper()) == ("System", dark)


def test_nothing_moves_for_those_who_do_not_want_it(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url, reduced_motion="reduce") as someone:
        someone.show(phantom(bundle))
        moving = someone.page.evaluate(
            """[...document.querySelectorAll("*")].filter((one) => {
            const { transitionDuration, animationName } = getComputedStyle(one);
            return transitionDuration !== "0s" || animationName !== "none"; }).length"""
        )
        assert moving == 0


def test_forced_colours_keep_what_is_chosen_in_sight(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url, forced_colors="active") as someone:
        someone.show(phantom(bundle), phantom(bundle, 1))
        widths = someone.page.evaluate(
            '[...document.querySelectorAll(".film-row")].map((row) => getComputedStyle(row).borderTopWidth)'
        )
        assert widths == ["2px", "1px"]


def test_without_javascript_the_page_says_so(browser: Browser, server: Served) -> None:
    with visitor(browser, server.url, java_script_enabled=False) as someone:
        someone.page.goto(someone.url)
        said = someone.text("body")
        assert "needs JavaScript" in said and NOTICE in said

"""The page where the server is full, stopping, away or back, and where films are cancelled: it says so and goes on by itself."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="PLAYWRIGHT ABSENT: nothing of the page is tested here")

from playwright.sync_api import Dialog, Route, expect

from browser import Visitor
from plainfilm.core.bundle import Bundle
from plainfilm.serve.problems import Problem
from served import phantom

BANNER = "#banner"


def refuse(visit: Visitor, kind: str, seconds: int, times: int = 1_000) -> None:
    """Let the server refuse films so many times, as `kind` of 503."""
    problem, left = Problem(kind, "No."), iter(range(times))

    def answer(route: Route) -> None:
        if next(left, None) is None:
            return route.continue_()
        headers = {"Retry-After": str(seconds)}
        body = bytes(problem.response().body)
        return route.fulfill(status=503, headers=headers, content_type="application/problem+json", body=body)

    visit.page.route("**/v1/predict*", answer)


def switch_off(visit: Visitor) -> None:
    """From now on nothing answers."""
    visit.page.route("**/*", lambda route: route.abort())


def switch_on(visit: Visitor) -> None:
    visit.page.unroute("**/*")


def focus(visit: Visitor) -> str:
    """What has the focus, as it is read out."""
    return str(visit.page.evaluate("document.activeElement.id || document.activeElement.textContent"))


@pytest.mark.parametrize(("kind", "said"), [("full", "The server is full."), ("stopping", "The server is stopping.")])
def test_a_server_without_room_or_time_is_waited_for(visit: Visitor, bundle: Bundle, kind: str, said: str) -> None:
    visit.open()
    refuse(visit, kind, 2, times=1)
    visit.choose(phantom(bundle))
    expect(visit.page.locator(BANNER)).to_contain_text(f"{said} Trying again by itself in ")
    visit.settled()
    assert visit.states() == ["answered"]
    assert visit.text(BANNER) == ""


def test_who_does_not_want_to_wait_tries_at_once(visit: Visitor, bundle: Bundle) -> None:
    visit.open()
    refuse(visit, "full", 60, times=1)
    visit.choose(phantom(bundle))
    visit.page.click(f"{BANNER} button")
    visit.settled()
    assert visit.states() == ["answered"]


def test_the_rest_cancelled_ends_the_wait_and_is_counted(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle))
    refuse(visit, "stopping", 30)
    visit.choose(*(phantom(bundle, place) for place in range(4)))
    expect(visit.page.locator(BANNER)).to_contain_text("stopping")
    visit.page.click("#cancel-all")
    expect(visit.page.locator(BANNER)).to_be_empty()
    assert visit.text("#progress") == "5 films: 1 answered, 4 cancelled"
    assert "5 films: 1 answered, 4 cancelled" in (visit.page.text_content("#live") or "")
    visit.page.wait_for_timeout(1500)
    assert visit.text(BANNER) == "", "it counts on although nothing waits"


@pytest.mark.slow
def test_a_server_that_is_away_and_comes_back(visit: Visitor, bundle: Bundle) -> None:
    visit.open()
    switch_off(visit)
    visit.choose(phantom(bundle), phantom(bundle, 1))
    said = "The server does not answer. Is it still running? Trying again by itself"
    expect(visit.page.locator(BANNER)).to_contain_text(f"{said} in 1 s")
    assert visit.page.locator("body").inner_text().count("does not answer") == 1, "the same sentence stands twice"
    for seconds in (2, 4):  # ever longer
        expect(visit.page.locator(BANNER)).to_contain_text(f"{said} in {seconds} s")
    assert "Waiting for the server" in visit.text("#answer-title")
    switch_on(visit)
    visit.settled()
    assert visit.states() == ["answered", "answered"]
    assert visit.text(BANNER) == ""


def test_a_page_that_finds_no_server_waits_for_one(visit: Visitor) -> None:
    for path in ("**/v1/model", "**/health"):
        visit.page.route(path, lambda route: route.abort())
    visit.page.goto(visit.url)
    expect(visit.page.locator(BANNER)).to_contain_text("does not answer")
    visit.page.unroute_all()
    visit.page.locator("#start").wait_for()
    assert visit.text(BANNER) == ""


def test_a_film_that_never_arrives_keeps_nobody_waiting(visit: Visitor, bundle: Bundle) -> None:
    """As where its file was moved away after it had been chosen."""
    visit.open()
    visit.page.route("**/v1/predict*", lambda route: route.abort())
    visit.choose(phantom(bundle))
    visit.settled()
    assert visit.states() == ["error"]
    assert "choose it again" in visit.text("#answer .alert")


def test_cancelled_sent_again_removed_cleared(visit: Visitor, bundle: Bundle) -> None:
    held: list[Route] = []
    visit.open()
    visit.page.route("**/v1/predict*", lambda route: held.append(route))
    visit.choose(*(phantom(bundle, place) for place in range(4)))
    expect(visit.page.locator("#list li[data-state=sending]")).to_have_count(3)
    visit.page.click("#answer button:has-text('Cancel')")
    assert visit.states()[0] == "cancelled"
    visit.page.click("#cancel-all")
    assert set(visit.states()) == {"cancelled"}
    visit.page.unroute("**/v1/predict*")
    visit.page.click("#answer button:has-text('Send again')")
    visit.settled()
    assert visit.states() == ["answered", *["cancelled"] * 3]
    visit.page.locator(".remove").nth(1).click()
    assert visit.states() == ["answered", "cancelled", "cancelled"]
    visit.page.click("#clear")
    assert visit.page.locator("#start").is_visible()
    assert visit.page.locator("#list li").count() == 0


@pytest.mark.parametrize("way", ["Delete", "remove", "clear"])
def test_the_last_film_gone_the_focus_is_where_one_begins(visit: Visitor, bundle: Bundle, way: str) -> None:
    visit.show(phantom(bundle))
    if way == "Delete":
        visit.page.focus("#stage")
        visit.page.keyboard.press("Delete")
    else:
        visit.page.focus({"remove": ".remove", "clear": "#clear"}[way])
        visit.page.keyboard.press("Enter")
    visit.page.locator("#start").wait_for()
    assert focus(visit) == "Choose films"


def test_a_film_removed_by_its_key_leaves_the_focus_in_the_list(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle), phantom(bundle, 1))
    visit.page.locator(".film-row").first.click()
    visit.page.keyboard.press("Delete")
    expect(visit.page.locator(".film-row")).to_be_focused()
    assert phantom(bundle, 1)[0] in focus(visit)


def test_answers_are_not_lost_without_a_question(visit: Visitor, bundle: Bundle) -> None:
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    def reload(expected: list[str], why: str) -> None:
        asked.clear()
        visit.page.reload()
        visit.page.locator("#start").wait_for()
        assert asked == expected, why

    visit.page.on("dialog", accept)
    visit.open()
    visit.page.locator(".phantom").first.click()
    visit.settled()
    reload(["beforeunload"], "an answer is lost")
    visit.page.locator(".phantom").first.click()
    visit.settled()
    visit.saved("#save-csv")
    reload([], "all is saved")
    visit.page.locator(".phantom").first.click()
    visit.settled()
    visit.page.click("#clear")
    reload([], "nothing is left to lose")

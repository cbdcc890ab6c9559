"""The page in a real browser: films in, answers, heatmaps, pictures and tables out, and what happens where something fails."""

from __future__ import annotations

import base64
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("playwright", reason="PLAYWRIGHT ABSENT: nothing of the page is tested here")

from playwright.sync_api import Browser, Route, expect

from browser import PHONE, Visitor, visitor
from page_colours import MODULE, colours_module
from plainfilm.core.bundle import Bundle
from plainfilm.core.cells import harmless
from plainfilm.core.overlay import OPACITY, colours, overlay
from plainfilm.core.words import NOTICE
from plainfilm.serve.guard import Doors
from plainfilm.serve.limits import Limits
from served import Served, decoded, own_answer, phantom, png, served

WEB = MODULE.parent
BROKEN = ("broken.png", b"\x89PNG\r\n\x1a\n and no more")
BLANK = ("blank.png", png(np.full((64, 64), 90, np.uint8)))


def percent(probability: float) -> str:
    return "<0.1%" if probability < 0.001 else ">99.9%" if probability > 0.999 else f"{probability:.1%}"


def test_a_film_in_an_answer_and_a_heatmap_out(visit: Visitor, bundle: Bundle) -> None:
    name, content = phantom(bundle)
    answer = own_answer(bundle, content)
    visit.show((name, content))
    shown = answer["class"].replace("_", " ")
    expect(visit.page.locator("#answer-title")).to_have_text(
        f"{shown} {percent(answer['probability'][answer['class']])}"
    )
    for row, probability in enumerate(answer["probability"].values()):
        expect(visit.page.locator(".bar-number").nth(row)).to_have_text(percent(probability))
    for class_name in answer["set"]:
        assert class_name.replace("_", " ") in visit.text("#set")
    with_map = visit.pixels()
    assert (with_map[..., 0] != with_map[..., 2]).any(), "no colour lies over the film"
    visit.page.uncheck("#heat")
    without = visit.pixels()
    assert (without[..., 0] == without[..., 2]).all(), "the film alone is grey"
    assert without.std() > 10
    assert NOTICE in visit.text(".notice")


def test_a_phantom_is_one_click_away(visit: Visitor, bundle: Bundle) -> None:
    visit.open()
    expect(visit.page.locator(".phantom")).to_have_count(len(bundle.probes))
    visit.page.locator(".phantom").first.click()
    expect(visit.page.locator("#answer")).to_contain_text("It is a drawn chest of nobody")
    visit.settled()
    assert visit.states() == ["answered"]
    assert bundle.probes[0].name in visit.text("#corner-film")


def test_the_film_and_its_heatmap_are_the_server_s(visit: Visitor, bundle: Bundle, server: Served) -> None:
    film = cv2.resize(
        decoded(phantom(bundle)[1]), (160, 180), interpolation=cv2.INTER_AREA
    )  # smaller than a map: 1 to 1
    visit.show(("small.png", png(film)))
    visit.page.click("#actual")
    visit.page.uncheck("#heat")
    found = visit.pixels()
    top, left = (found.shape[0] - 180 + 1) // 2, (found.shape[1] - 160 + 1) // 2
    grey = found[top : top + 180, left : left + 160, 0].astype(int)
    wanted = film.astype(int) if film.dtype == np.uint8 else np.rint(film / 257).astype(int)
    assert np.abs(grey - wanted).max() <= 1
    visit.page.check("#heat")
    mixed = visit.pixels()[top : top + 180, left : left + 160, :3].astype(float)
    reply = server.predict(("small.png", png(film)), query="?heatmaps=true").json()["films"][0]
    heat = _bytes(reply["heatmaps"]["classes"][reply["class"]]).reshape(180, 160)
    alpha = OPACITY * (heat[..., None] / 255) ** 0.75
    expected = wanted[..., None] * (1 - alpha) + colours()[heat] * alpha
    assert np.abs(mixed - expected).max() <= 3, "drawn otherwise than core/overlay.py draws"


def test_a_heatmap_looks_as_explain_draws_it(visit: Visitor, bundle: Bundle) -> None:
    film = cv2.resize(decoded(phantom(bundle)[1]), (400, 400), interpolation=cv2.INTER_AREA)  # larger than a map
    predictor = bundle.predictor
    (answer,) = predictor.answers([predictor.see(png(film), "large.png")], maps=True)
    assert answer.probability is not None and answer.strength is not None and predictor.preprocess.fit == "squash"
    strength = answer.strength[int(answer.probability.argmax())]
    wanted = overlay(film, strength, np.zeros(film.shape, np.bool_), 400).astype(int)
    visit.show(("large.png", png(film)))
    assert visit.text("#opacity-said") == f"{OPACITY:.0%}"
    visit.page.click("#actual")
    found = visit.pixels()
    top, left = (found.shape[0] - 400 + 1) // 2, (found.shape[1] - 400 + 1) // 2
    away = np.abs(found[top : top + 400, left : left + 400, :3].astype(int) - wanted)
    assert away.max() <= 6 and away.mean() < 1, (away.max(), away.mean())
    untouched = (wanted == film[..., None]).all(axis=2)
    assert untouched.any() and away[untouched].mean() < 0.1, "a weak place does not leave the film as it is"


def _bytes(base64_text: str) -> Any:
    return np.frombuffer(base64.b64decode(base64_text), np.uint8)


def test_sixteen_bits_arrive_whole(visit: Visitor) -> None:
    """Grey levels that are one in 8 bits are told apart through a narrow window."""
    steps = np.repeat(np.arange(64, dtype=np.uint16) + 30_000, 64).reshape(64, 64).T
    visit.show(("steps.png", png(np.ascontiguousarray(steps))))
    visit.page.click("#actual")
    assert len(np.unique(visit.pixels()[..., 0])) <= 3
    visit.page.select_option("#preset", "auto")
    assert len(np.unique(visit.pixels()[..., 0])) > 40


def test_several_films_one_of_them_broken_one_turned_away(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle), BROKEN, BLANK, phantom(bundle, 1))
    assert visit.states() == ["answered", "error", "away", "answered"]
    rows = visit.page.locator(".film-row")
    rows.nth(1).click()
    assert "The file is" in visit.text("#answer .alert")
    assert visit.text("#answer .alert").count("Copy") == 1, "what to do is not said, or is said twice"
    assert visit.page.locator("#answer .alert").evaluate("(one) => one.textContent === one.firstChild.textContent")
    rows.nth(2).click()
    visit.drawn()
    assert "No answer" in visit.text("#answer-title")
    assert "nothing to see" in visit.text("#answer .alert")
    assert visit.page.locator(".bars").count() == 0, "a film that is turned away has no probabilities"
    assert "Audit:" in visit.text(".verdict").title()
    rows.nth(3).click()
    visit.drawn()
    assert phantom(bundle, 1)[0] in visit.text("#corner-film")


@pytest.mark.slow
def test_window_and_level(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle))
    visit.page.uncheck("#heat")
    before = visit.pixels()
    most, level = (int(visit.text(f"#{name}-said")) for name in ("width", "level"))
    box = visit.page.locator("#stage").bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    visit.page.mouse.move(*middle)
    visit.page.mouse.down()
    visit.page.mouse.move(middle[0] - 120, middle[1] + 60, steps=4)
    visit.page.mouse.up()
    dragged = visit.pixels()
    assert (dragged != before).any()
    assert abs(int(visit.text("#width-said")) - most * (1 - 120 / box["width"])) < 2
    assert abs(int(visit.text("#level-said")) - level - most * 60 / box["height"]) < 2
    visit.page.dblclick("#stage")
    assert (visit.pixels() == before).all(), "a double-click brings back the film as it came"
    for preset in ("auto", "dark", "bright"):
        visit.page.select_option("#preset", preset)
        assert (visit.pixels() != before).any(), preset
    visit.page.click("#reset")
    visit.page.click("#invert")
    middle_of = (slice(before.shape[0] // 3, -before.shape[0] // 3), slice(before.shape[1] // 3, -before.shape[1] // 3))
    assert np.abs(visit.pixels()[middle_of][..., 0].astype(int) + before[middle_of][..., 0] - 255).max() <= 2
    visit.page.click("#reset")
    visit.page.locator("#level").fill("40")
    assert (visit.pixels() != before).any()
    assert visit.page.locator("#preset").input_value() == "own"
    assert visit.text("#level-said") == visit.page.locator("#level").input_value()


def test_zoom_and_moving(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle))
    whole = visit.text("#zoom")
    visit.page.hover("#stage")
    visit.page.mouse.wheel(0, -400)
    visit.drawn()
    assert int(visit.text("#zoom")[:-1]) > int(whole[:-1])
    before = visit.pixels()
    visit.page.check("input[value=move]", force=True)
    visit.page.drag_and_drop(
        "#stage", "#stage", source_position={"x": 200, "y": 200}, target_position={"x": 100, "y": 150}
    )
    assert (visit.pixels() != before).any()
    visit.page.click("#actual")
    visit.drawn()
    assert visit.text("#zoom") == "100%"
    visit.page.click("#fit")
    visit.drawn()
    assert visit.text("#zoom") == whole


def test_heatmap_opacity_and_class(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle))
    before = visit.pixels()
    visit.page.locator("#opacity").fill("90")
    strong = visit.pixels()
    assert (strong != before).any()
    visit.page.locator("#opacity").fill("0")
    none = visit.pixels()
    assert (none[..., 0] == none[..., 2]).all()
    visit.page.locator("#opacity").fill("90")
    other = visit.page.locator(".bar-row[aria-pressed=false]").first
    other.click()
    assert (visit.pixels() != strong).any(), "another class has another map"
    expect(visit.page.locator(".bar-row[aria-pressed=true]")).to_have_count(1)


def test_the_table_holds_every_film_and_runs_nothing(visit: Visitor, bundle: Bundle, server: Served) -> None:
    content = phantom(bundle)[1]
    visit.show(("=1+1.png", content), BROKEN, BLANK)
    file = Path(str(visit.saved("#save-csv").path())).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(file)))
    answer = own_answer(bundle, content)
    assert [row["film"] for row in rows] == ["'=1+1.png", "broken.png", "blank.png"]
    assert [row["status"] for row in rows] == ["ok", "error", "ok"]
    assert rows[0]["class"] == answer["class"]
    assert rows[0]["set"] == " or ".join(answer["set"])
    for name, probability in answer["probability"].items():
        assert float(rows[0][f"p_{name}"]) == probability
        assert rows[1][f"p_{name}"] == rows[2][f"p_{name}"] == ""
    assert rows[1]["error"] and rows[2]["turned_away"] and rows[2]["advice"]
    assert {row["note"] for row in rows} == {NOTICE}
    assert {row["sha256"] for row in rows} == {bundle.sha256}


def test_cells_are_as_harmless_as_core_s(visit: Visitor) -> None:
    nasty = ["=1", "+1", "-1", "@A", "\tx", "\rx", "\nx", "＝1", "＠x", "'x", ' a,"b"', "plain", "1=2"]
    visit.open()
    text = visit.page.evaluate(
        """async (names) => { const { csvOf } = await import("./static/table.js");
        return csvOf(names.map((name) => ({ name, state: "waiting" })), { classes: [] }); }""",
        nasty,
    )
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [row[0] for row in rows] == [harmless(name) for name in nasty]


def test_an_answer_stays_that_of_the_model_that_gave_it(visit: Visitor) -> None:
    """Also where the server came back with another one."""
    visit.open()
    text = visit.page.evaluate(
        """async () => { const { csvOf } = await import("./static/table.js");
        const [old, now] = ["old", "now"].map((sha256) => ({ sha256, classes: ["A"] }));
        return csvOf([{ name: "1", state: "answered", model: old }, { name: "2", state: "error" }], now); }"""
    )
    assert [row["sha256"] for row in csv.DictReader(io.StringIO(text))] == ["old", "now"]


def test_a_server_that_came_back_with_another_model_vouches_for_its_own_answers_alone(
    visit: Visitor, bundle: Bundle, server: Served
) -> None:
    visit.show(phantom(bundle))
    note = visit.text("#heat-note")
    other = {
        **server.client.get("/v1/model").json(),
        **{"name": "other", "sha256": "b" * 64, "error": 0.2, "has_heatmaps": False, "why_no_heatmaps": "it has none"},
        "audit": {"verdict": "pass", "headline": "The audit of the other", "findings": []},
    }
    visit.page.route("**/v1/model", lambda route: route.fulfill(json=other))

    def answer(route: Route) -> None:
        reply = route.fetch()
        told = {**reply.json(), "model": {name: other[name] for name in ("name", "precision", "sha256")}}
        for film in told["films"]:
            film["heatmaps"] = None
        route.fulfill(response=reply, json=told)

    visit.page.route("**/v1/predict*", answer)
    visit.choose(phantom(bundle, 1))
    visit.settled()
    assert "The audit of the other" in visit.text("#answer .verdict") and "error of 20%" in visit.text("#set")
    assert visit.text("#heat-note") == "It has none." and visit.text("#model-name").startswith("other")
    visit.page.click("#answer .verdict button")
    assert "The audit of the other" in visit.text("#model-dialog")
    visit.page.keyboard.press("Escape")
    visit.page.locator(".film-row").nth(0).click()
    visit.drawn()
    assert "The audit of the other" not in visit.text("#answer .verdict") and "error of 20%" not in visit.text("#set")
    assert visit.text("#heat-note") == note
    rows = list(csv.DictReader(io.StringIO(Path(str(visit.saved("#save-csv").path())).read_text("utf-8-sig"))))
    assert [row["sha256"] for row in rows] == [bundle.sha256, "b" * 64]


def test_the_picture_holds_the_view_and_what_was_said(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle))
    saved = visit.saved("#save-png")
    assert saved.suggested_filename == "phantom-covid-plainfilm.png"
    picture = cv2.imread(str(saved.path()))
    assert picture is not None
    seen = visit.pixels()
    width = picture.shape[1]
    height = round(seen.shape[0] * width / seen.shape[1])
    stage = cv2.resize(np.ascontiguousarray(seen[..., 2::-1]), (width, height), interpolation=cv2.INTER_LINEAR)
    assert np.abs(picture[:height].astype(int) - stage).mean() < 4
    below = picture[height:]
    assert below.shape[0] > 100 and below.std() > 10, "no words below the film"
    lines = visit.page.evaluate(
        """async () => { const { caption } = await import("./static/print.js");
        const answer = { class: "COVID", set: ["COVID"], probability: { COVID: 0.9876, Normal: 0.01 } };
        const film = { name: "a.png", state: "answered", answer };
        return caption({ film, view: { width: 200, level: 100 }, heatName: "COVID", opacity: 0.4 },
            { name: "m", precision: "int8", error: 0.05, audit: { verdict: "fail", headline: "Accuracy 0.96" } })
            .map(({ text }) => text); }"""
    )
    told = "\n".join(lines)
    for wanted in (
        "COVID 98.8%",
        "a.png",
        "Only COVID fits at the wanted error of 5%",
        "Window 200, level 100",
        "heatmap of COVID",
        "Audit: FAIL",
        NOTICE,
    ):
        assert wanted in told


@pytest.mark.parametrize(
    ("held", "best", "said"),
    [
        (["A"], "A", "Only A fits at the wanted error of 5%."),
        (["A", "B"], "A", "A or B: both are possible at the wanted error of 5%."),
        (["A", "B", "C"], "B", "A, B or C: all 3 are possible at the wanted error of 5%."),
        (
            ["A", "B", "C", "D"],
            "A",
            "A, B, C or D: any class is possible at the wanted error of 5%; the film does not settle it.",
        ),
        ([], "A", "None of the classes fits at the wanted error of 5%: do not rely on A, which is only the nearest."),
        (
            ["B"],
            "A",
            "A is the most probable, and yet does not fit at the wanted error of 5%; B does. Rely on neither.",
        ),
    ],
)
def test_prediction_sets_in_words(visit: Visitor, held: list[str], best: str, said: str) -> None:
    visit.open()
    answer = {"class": best, "set": held, "probability": dict.fromkeys("ABCD", 0.25)}
    told = visit.page.evaluate(
        'async (answer) => (await import("./static/words.js")).setSentence(answer, 0.05)', answer
    )
    assert told == said


def test_a_server_with_a_key(browser: Browser, bundle: Bundle) -> None:
    with served(bundle, doors=Doors.named("open sesame, please")) as running, visitor(browser, running.url) as someone:
        someone.page.goto(running.url)
        someone.page.locator("#key-form").wait_for()
        someone.page.fill("#key", "wrong")
        someone.page.keyboard.press("Enter")
        expect(someone.page.locator("#key-said")).to_have_text("That is not the key.")
        someone.page.fill("#key", "open sesame, please")
        someone.page.keyboard.press("Enter")
        someone.page.locator(".phantom").first.click()
        someone.settled()
        assert someone.states() == ["answered"]
        assert not someone.page.locator("#key-form").is_visible()


def test_a_film_beyond_the_limit_is_not_even_sent(browser: Browser, bundle: Bundle) -> None:
    with served(bundle, Limits(bytes_per_film=200_000)) as running, visitor(browser, running.url) as someone:
        someone.show(("large.png", bytes(300_000)), phantom(bundle))
        assert someone.states() == ["error", "answered"]
        assert "Too large" in someone.text("#answer-title")


def test_the_audit_stands_at_the_answer_and_its_findings_one_click_away(browser: Browser, bundle: Bundle) -> None:
    number = {"value": 0.9, "low": 0.8, "high": 0.95}
    finding = {"check": "hidden", "verdict": "fail", "measure": "m", "number": number, "threshold": "fail from 0.70",
               "told": ["With the lungs hidden it still answers."], "advice": "Train with erasing.", "evidence": {}}  # fmt: skip
    audit = {
        "format_version": 1,
        "of": "run",
        "name": "r",
        "made": {},
        "headline": "Accuracy 0.96, of which 0.89 without the lungs",
        "findings": [finding],
    }
    audited = replace(bundle, about={**bundle.about, "audit": audit})
    with served(audited) as running, visitor(browser, running.url) as someone:
        someone.show(phantom(bundle))
        assert "AUDIT: FAIL Accuracy 0.96, of which 0.89 without the lungs." in someone.text("#answer .verdict")
        someone.page.click("#answer .verdict button")
        someone.page.locator("#model-dialog").wait_for()
        expect(someone.page.locator("#model-audit")).to_be_in_viewport()
        someone.page.click(".finding summary")
        assert "it still answers" in someone.text(".finding")
        assert "Not for" in someone.text("#model-dialog")
        with someone.page.expect_popup() as card:
            someone.page.click("#model-dialog a:has-text('whole model card')")
        expect(card.value.locator("h1")).to_contain_text("Model card")


def bring(visit: Visitor, event: str, field: str, name: str, content: bytes) -> None:
    """Drop or paste a file. field: of the event, where the file lies."""
    visit.page.evaluate(
        """([event, field, name, content]) => {
        const held = new DataTransfer();
        held.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], name));
        const Kind = event === "drop" ? DragEvent : ClipboardEvent;
        document.body.dispatchEvent(new Kind(event, { bubbles: true, cancelable: true, [field]: held })); }""",
        [event, field, name, base64.b64encode(content).decode()],
    )


def test_films_that_come_too_early_do_not_vanish_without_a_word(browser: Browser, bundle: Bundle) -> None:
    held: list[Route] = []
    with served(bundle, doors=Doors.named("open sesame, please")) as running, visitor(browser, running.url) as someone:
        someone.page.route("**/v1/model", lambda route: held.append(route))
        someone.page.goto(running.url)
        expect(someone.page.locator("#bar-tools")).to_be_visible()
        bring(someone, "drop", "dataTransfer", *phantom(bundle))
        expect(someone.page.locator("#banner")).to_have_text("The model is not there yet.")
        held[0].continue_()
        someone.page.locator("#key-form").wait_for()
        bring(someone, "paste", "clipboardData", *phantom(bundle))
        expect(someone.page.locator("#banner")).to_have_text("Give the key first.")


def test_films_are_dropped_and_pasted(visit: Visitor, bundle: Bundle) -> None:
    visit.open()
    name, content = phantom(bundle)
    for event, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        bring(visit, event, field, f"{event}-{name}", content)
        visit.page.locator(f".film-row[title^='{event}']").wait_for()
    visit.settled()
    assert visit.states() == ["answered", "answered"]


def test_a_folder_s_other_files_stay_out(visit: Visitor, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "films" / "deeper").mkdir(parents=True)
    for place, name in enumerate(("film10.png", "film9.png", "deeper/film1.png")):
        (tmp_path / "films" / name).write_bytes(phantom(bundle, place)[1])
    for name in ("notes.txt", ".hidden"):
        (tmp_path / "films" / name).write_text("no film")
    visit.open()
    visit.page.set_input_files("#choose-folder", tmp_path / "films")
    visit.settled()
    assert visit.page.locator(".row-name").all_inner_texts() == ["film1.png", "film9.png", "film10.png"]
    assert "2 files" in visit.text("#banner")


def test_nothing_that_a_file_is_called_becomes_markup(visit: Visitor, bundle: Bundle) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    visit.show((name, phantom(bundle)[1]), ("<b>broken.png", BROKEN[1]))
    visit.page.locator(".film-row").nth(1).click()
    visit.drawn()
    assert visit.page.locator("#work img, #work b").count() == 0
    assert visit.page.locator(".row-name").first.inner_text() == name


def test_nothing_is_kept(visit: Visitor, bundle: Bundle) -> None:
    visit.show(phantom(bundle))
    kept = visit.page.evaluate(
        """async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
        (await caches.keys()).length]"""
    )
    assert kept == [0, 0, 0, 0]
    assert visit.page.context.cookies() == []
    visit.page.reload()
    visit.page.locator("#start").wait_for()
    assert visit.page.locator("#list li").count() == 0


def test_a_model_without_heatmaps_says_so(visit: Visitor, bundle: Bundle, server: Served) -> None:
    told = {**server.client.get("/v1/model").json(), "has_heatmaps": False, "why_no_heatmaps": "its network gives none"}
    visit.page.route("**/v1/model", lambda route: route.fulfill(body=json.dumps(told), content_type="application/json"))
    visit.show(phantom(bundle))
    assert visit.states() == ["answered"]
    assert "Its network gives none." in visit.text("#heat-note")
    assert visit.page.locator("#heat").is_disabled()
    expect(visit.page.locator(".bar-row")).to_have_count(len(bundle.classes))


def test_one_source_for_colours_and_notice() -> None:
    assert MODULE.read_text(encoding="utf-8") == colours_module(), "run tests/page_colours.py"
    assert f'"{NOTICE}"' in (WEB / "notice.js").read_text(encoding="utf-8")
    assert f">{NOTICE}<" in (WEB / "index.html").read_text(encoding="utf-8")


def test_the_page_asks_for_nothing_that_the_policy_forbids() -> None:
    html = (WEB / "index.html").read_text(encoding="utf-8")
    assert "style=" not in html and "<style" not in html and "onclick" not in html
    for script in WEB.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for forbidden in (
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "localStorage",
            "sessionStorage",
            "http://",
            "https://",
        ):
            assert forbidden not in text, f"{script.name}: {forbidden}"


def test_a_phone_can_do_all_of_it(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url, viewport=PHONE, has_touch=True, is_mobile=True) as someone:
        someone.open()
        someone.page.locator(".phantom").first.tap()
        someone.settled()
        assert someone.states() == ["answered"]
        assert someone.page.locator("input[value=move]").is_checked(), "a finger scrolls the page on"
        before = someone.pixels()
        someone.page.locator("#adjust summary").tap()
        someone.page.locator("#opacity").fill("90")
        assert (someone.pixels() != before).any()


def test_two_fingers_zoom(browser: Browser, server: Served, bundle: Bundle) -> None:
    with visitor(browser, server.url, viewport=PHONE, has_touch=True, is_mobile=True) as someone:
        someone.show(phantom(bundle))
        box = someone.page.locator("#stage").bounding_box()
        assert box
        middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        before = someone.text("#corner-view").split()[-1]
        fingers = someone.page.context.new_cdp_session(someone.page)
        for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", None)):
            points = [{"x": middle + side * apart, "y": height, "id": side} for side in (-1, 1)] if apart else []
            for point in points:
                point["id"] = 1 if point["id"] > 0 else 0
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        someone.drawn()
        zoomed = someone.text("#corner-view").split()[-1]
        assert abs(int(zoomed[:-1]) - 2 * int(before[:-1])) <= 2, "twice as far apart is twice as large"

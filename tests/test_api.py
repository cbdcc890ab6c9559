"""The HTTP interface answers as the bundle does, film by film, and tells what it promises."""

from __future__ import annotations

import base64
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from plainfilm.core.audit import Audit, Finding, Verdict
from plainfilm.core.bundle import Bundle
from plainfilm.core.maps import film_maps, scaled
from plainfilm.core.predictor import Predictor, Seen
from plainfilm.core.preprocess import Preprocess
from plainfilm.errors import BadImage
from plainfilm.serve.advice import FOR_TURNED_AWAY
from plainfilm.serve.answering import Answering, Wanted
from plainfilm.serve.card import card_page
from plainfilm.serve.limits import Limits
from plainfilm.serve.metrics import Metrics
from plainfilm.serve.shown import film_heat, heatmaps, picture
from plainfilm.serve.uploads import Upload, shown_name
from served import PATIENT, Failing, Served, decoded, dicom, own_answer, phantom, png, served, with_network


@pytest.fixture(scope="module")
def server(bundle: Bundle) -> Iterator[Served]:
    with served(bundle) as running:
        yield running


def test_every_format_gets_the_bundles_own_answer(bundle: Bundle, server: Served) -> None:
    deep = decoded(bundle.probes[1].content)
    films = [*(phantom(bundle, place) for place in range(4)), ("scan.dcm", dicom(deep))]
    reply = server.predict(*films).json()
    assert reply["model"] == {"name": bundle.name, "precision": "fp32", "sha256": bundle.sha256}
    assert [film["film"] for film in reply["films"]] == [name for name, _ in films]
    for told, (name, content) in zip(reply["films"], films, strict=True):
        own = own_answer(bundle, content, name)
        assert {key: told[key] for key in own} == own
        assert (told["heatmaps"], told["picture"], told["problem"]) == (None, None, None)
    assert reply["films"][4]["info"] == {
        **{"format": "dicom", "width": deep.shape[1], "height": deep.shape[0], "bit_depth": 16, "colour": "grey"},
        **{"is_inverted": False, "view": "PA"},
    }
    assert server.is_idle


def test_who_is_on_a_film_is_never_told(server: Served) -> None:
    film = dicom(np.random.default_rng(0).integers(0, 65536, (64, 64)).astype(np.uint16))
    reply = server.predict(("scan.dcm", film), query="?picture=true&heatmaps=true")
    assert reply.status_code == 200
    assert PATIENT not in reply.text
    assert "042Y" not in reply.text
    broken = (
        film.replace(b"042Y", b"4711").replace(PATIENT.encode(), b"\\" * len(PATIENT)).replace(b"1.2.3.4", b"4711.47")
    )
    reply = server.predict(("scan.dcm", broken))
    assert reply.status_code == 200
    assert "the age is not written" in reply.text
    assert "4711" not in reply.text


def test_heatmaps_and_picture_come_where_asked_for(bundle: Bundle, server: Served) -> None:
    name, content = phantom(bundle)
    (film,) = server.predict((name, content), query="?heatmaps=true&picture=true").json()["films"]
    pixels = decoded(content)
    assert film["info"]["width"], film["info"]["height"] == pixels.shape[::-1]
    shown = film["picture"]
    raw = np.frombuffer(zlib.decompress(base64.b64decode(shown["data"])), np.uint8)
    assert (shown["bits"], shown["width"], shown["height"]) == (8, *pixels.shape[::-1])
    assert np.array_equal(raw.reshape(pixels.shape), pixels)
    maps = film["heatmaps"]
    assert tuple(maps["classes"]) == bundle.classes
    assert max(maps["width"], maps["height"]) == 192
    (own,) = bundle.predictor.answers([bundle.predictor.see(content, name)], maps=True)
    assert own.strength is not None
    for label, strength in zip(bundle.classes, own.strength, strict=True):
        heat = np.frombuffer(base64.b64decode(maps["classes"][label]), np.uint8)
        expected = film_heat(strength, bundle.preprocess, pixels.shape, (maps["height"], maps["width"]))
        assert np.array_equal(heat.reshape(maps["height"], maps["width"]), expected)


def test_a_16_bit_picture_is_little_endian_and_never_longer_than_1024() -> None:
    pixels = np.arange(40 * 2048, dtype=np.uint16).reshape(40, 2048)
    shown = picture(pixels)
    raw = np.frombuffer(zlib.decompress(base64.b64decode(shown["data"])), "<u2")
    assert (shown["width"], shown["height"], shown["bits"]) == (1024, 20, 16)
    assert abs(float(raw.mean()) - float(pixels.mean())) < 2


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
def test_a_heatmap_lies_in_the_films_own_frame(fit: str) -> None:
    """A mark in the film, sent through preprocessing, is where the heatmap made of what came out is largest."""
    recipe = Preprocess(size=64, fit=fit)  # type: ignore[arg-type]
    film = np.zeros((300, 200), np.uint8)
    film[120:136, 60:76] = 255
    strength = recipe.fitted(film).astype(np.float32)
    heat = film_heat(strength, recipe, film.shape, (150, 100))
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert (abs(row - 64), abs(column - 34)) < (4, 4)
    assert heat.max() == 255
    if fit == "crop":
        assert not heat[:20].any()


def test_the_heatmap_of_a_strip_takes_no_memory_for_what_is_not_shown() -> None:
    recipe = Preprocess(size=64, fit="crop")
    tracemalloc.start()
    heat = film_heat(np.ones((4, 4), np.float32), recipe, (16, 400_000), (1, 193))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000, peak
    assert heat.argmax() == 96 and not heat[:, :90].any() and not heat[:, -90:].any()


def test_a_heatmap_of_a_square_film_is_scaled_as_the_overlays_are() -> None:
    strength = np.random.default_rng(0).normal(size=(2, 7, 7)).astype(np.float32)
    told = heatmaps(strength, ["a", "b"], Preprocess(size=192), (500, 500))
    for name, one in zip("ab", strength, strict=True):
        heat = np.clip(film_maps(scaled(one), 192), 0, 1)
        shown = np.frombuffer(base64.b64decode(told["classes"][name]), np.uint8).reshape(192, 192)
        assert np.abs(shown - 255 * heat / heat.max()).max() <= 0.51
    assert not film_heat(-np.ones((7, 7), np.float32), Preprocess(size=64), (90, 90), (90, 90)).any()


def test_a_film_that_is_turned_away_is_shown_and_told_why_in_plain_words(server: Served) -> None:
    (film,) = server.predict(
        ("blank.png", png(np.full((300, 300), 90, np.uint8))), query="?picture=true&heatmaps=true"
    ).json()["films"]
    assert (film["status"], film["class"], film["set"], film["heatmaps"]) == ("ok", None, None, None)
    assert film["advice"] == FOR_TURNED_AWAY[film["turned_away"]]
    assert set(film["probability"].values()) == {None}
    assert film["picture"]["width"] == 300


BAD = {
    "text.png": (b"no picture at all, but long enough", 415, "no-picture"),
    "cut.png": (png(np.zeros((64, 64), np.uint8))[:-20], 422, "damaged"),
    "empty.jpg": (b"", 422, "damaged"),
    "huge.png": (png(np.zeros((8000, 8000), np.uint8)), 413, "film-too-large"),
    "ct.dcm": (dicom(np.zeros((64, 64), np.uint16)).replace(b"DX", b"CT"), 422, "unfit"),
    "dot.png": (png(np.zeros((1, 1), np.uint8)), 422, "unfit"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_film_alone_is_the_reply(server: Served, name: str) -> None:
    content, status, kind = BAD[name]
    reply = server.predict((name, content))
    problem = reply.json()
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert (problem["status"], problem["type"]) == (status, f"urn:problem-type:plainfilm:{kind}")
    assert problem["film"] == name
    assert problem["advice"]
    assert name not in problem["detail"]


def test_bad_films_harm_no_neighbour(bundle: Bundle, server: Served) -> None:
    good = phantom(bundle)
    bad = [(name, content) for name, (content, *_) in BAD.items()]
    reply = server.predict(good, bad[0], bad[1], good, bad[2], bad[3], good, *bad[4:])
    assert reply.status_code == 200
    films = reply.json()["films"]
    own = own_answer(bundle, good[1], good[0])
    assert [film["film"] for film in films] == [
        good[0],
        "text.png",
        "cut.png",
        good[0],
        "empty.jpg",
        "huge.png",
        good[0],
        "ct.dcm",
        "dot.png",
    ]
    assert all({key: films[place][key] for key in own} == own for place in (0, 3, 6))
    for place in (1, 2, 4, 5, 7, 8):
        film = films[place]
        assert film["status"] == "error"
        assert film["problem"]["status"] == BAD[film["film"]][1]
        assert (film["error"], film["advice"]) == (film["problem"]["detail"], film["problem"]["advice"])


def test_a_defect_is_of_its_film_alone_and_its_log_quotes_nothing(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    with served(with_network(bundle, Failing(bundle))) as server, caplog.at_level("INFO", "plainfilm"):
        reply = server.predict(("anna.png", phantom(bundle)[1]), ("text.png", b"no picture at all"))
        assert reply.status_code == 200
        assert [film["problem"]["status"] for film in reply.json()["films"]] == [500, 415]
        assert server.predict(phantom(bundle)).status_code == 500
        assert server.is_idle
    assert "RuntimeError in" in caplog.text
    assert PATIENT not in caplog.text + reply.text
    assert "anna" not in caplog.text


def test_a_films_name_never_reaches_what_reads_it(bundle: Bundle) -> None:
    heard = []

    class Spy(Predictor):
        def see(self, source: Path | bytes, name: str | None = None, **_: Any) -> Seen:
            heard.append(name)
            raise BadImage("cannot be read")

    spy = Spy(**{each.name: getattr(bundle.predictor, each.name) for each in fields(Predictor)})
    answering = Answering(spy, Limits(), Metrics())
    for name in ("anna.png", "anna.DCM", "anna", "film.anna"):
        assert answering.entry(Upload(name, b"x"), Wanted()).problem is not None
    assert heard == ["film.png", "film.dcm", "film", "film"]


def test_what_the_model_is(bundle: Bundle, server: Served) -> None:
    told = server.client.get("/v1/model").json()
    assert (told["sha256"], told["classes"], told["error"]) == (bundle.sha256, list(bundle.classes), 0.05)
    assert told["metrics"] == json.loads(json.dumps(bundle.about["metrics"]))
    assert (told["has_heatmaps"], told["needs_key"], told["audit"]) == (True, False, None)
    assert told["limits"]["films_per_request"] == 64


def test_phantoms_are_listed_by_class_and_can_be_had(bundle: Bundle, server: Served) -> None:
    listed = server.client.get("/v1/phantoms").json()["phantoms"]
    assert sorted(each["title"] for each in listed) == sorted(bundle.classes)
    for each, probe in zip(listed, bundle.probes, strict=True):
        reply = server.client.get(f"/v1/phantoms/{each['name']}")
        assert reply.content == probe.content
        assert reply.headers["content-type"] == ("image/jpeg" if each["name"].endswith("jpg") else "image/png")
    assert server.client.get("/v1/phantoms/none.png").status_code == 404
    assert server.client.get("/v1/phantoms/..%2f..%2fetc%2fpasswd").status_code == 404


PATHS = (
    "/",
    "/card",
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/v1/model",
    "/v1/phantoms",
    "/static/index.html",
)


@pytest.mark.parametrize("path", PATHS)
def test_head_works_where_get_does(server: Served, path: str) -> None:
    got, head = server.client.get(path), server.client.head(path)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    assert got.content
    if path != "/metrics":  # which counts the request between
        assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        *((method, path, 405, "GET, HEAD") for path in PATHS for method in ("POST", "DELETE")),
        *((method, "/v1/predict", 405, "POST") for method in ("GET", "HEAD", "PUT", "OPTIONS", "TRACE", "SPAM")),
        *(
            ("GET", path, 404, None)
            for path in ("/nothing", "/v1", "/v1/predict/", "/static/", "/static/../api.py", "/docs")
        ),
    ],
)
def test_what_is_not_there_is_a_problem(server: Served, method: str, path: str, status: int, allow: str | None) -> None:
    reply = server.client.request(method, path)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.headers.get("allow") == allow
    assert method == "HEAD" or reply.json()["status"] == status


@pytest.mark.parametrize("query", ["heatmaps=1", "picture=yes", "heatmaps=", "heatmaps=true&heatmaps=maybe"])
def test_a_setting_without_meaning_is_refused(bundle: Bundle, server: Served, query: str) -> None:
    reply = server.predict(phantom(bundle), query=f"?{query}")
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:problem-type:plainfilm:query")


@pytest.mark.parametrize("query", ["heatmap=true", "picture=true&anna", "Heatmaps=true", "=", "a" * 300 + "=1"])
def test_a_setting_that_there_is_not_is_named(bundle: Bundle, server: Served, query: str) -> None:
    reply = server.predict(phantom(bundle), query=f"?{query}")
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:problem-type:plainfilm:query")
    name = query.split("&")[-1].split("=")[0][-30:]
    assert reply.json()["detail"].partition(":")[0].endswith(name)
    assert "expected heatmaps and picture" in reply.json()["detail"]


def test_only_what_is_damaged_is_to_be_copied_again(server: Served) -> None:
    for name, (content, _, kind) in BAD.items():
        assert ("Copy" in server.predict((name, content)).json()["advice"]) == (kind == "damaged")


def test_a_very_long_name_is_cut_and_harms_no_neighbour(bundle: Bundle, server: Served) -> None:
    name, content = phantom(bundle)
    reply = server.predict((name, content), ("å" * 10_000 + ".png", content), ("x", b"text" * 9))
    assert reply.status_code == 200
    told = reply.json()["films"]
    assert [film["film"] for film in told] == [name, "å" * 196 + ".png", "x"]
    assert [film["status"] for film in told] == ["ok", "ok", "error"]


@pytest.mark.parametrize("verdict", ["pass", "warn", "fail", "unknown"])
def test_the_audits_verdict_heads_the_card_beneath_the_notice(bundle: Bundle, verdict: Verdict) -> None:
    finding = Finding("leaks", verdict, "", None, "", ("told",))
    audit = Audit("run", "run", "macro AUROC 0.9, <0.5 without the lungs", (finding,))
    html = card_page(replace(bundle, about={**bundle.about, "audit": audit.to_dict()})).html
    places = [
        html.index(said) for said in ("Not a medical device", f"Audit: {verdict.capitalize()}", "&lt;0.5", "<h2>About")
    ]
    assert places == sorted(places)
    assert html.index("<h2>") < places[1] < html.index("<h2>", html.index("<h2>") + 1)
    assert "Nobody has looked" in card_page(replace(bundle, about={**bundle.about, "audit": None})).html


def test_the_card_is_a_page_whose_policy_lets_its_own_style_in_alone(bundle: Bundle, server: Served) -> None:
    reply = server.client.get("/card")
    assert "<h1>Model card: " in reply.text
    assert "style-src 'sha256-" in reply.headers["content-security-policy"]
    assert "unsafe" not in reply.headers["content-security-policy"]


def test_html_scripts_and_pictures_in_a_card_stay_text(bundle: Bundle) -> None:
    card = "# Title\n\n<script>alert(1)</script>\n\n## A <b>part</b>\n\n[x](javascript:alert(1)) ![p](https://elsewhere/p.png)\n\n"
    html = card_page(replace(bundle, card=card + "| a | b |\n|---|--:|\n| 1 | 2 |\n")).html
    assert "<script" not in html
    assert "<b>" not in html
    assert 'href="javascript' not in html
    assert "elsewhere" not in html
    assert 'style="' not in html
    assert '<td class="number">2</td>' in html


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"film.png", "film.png"),
        (b"C:\\scans\\anna.png", "anna.png"),
        (b"/home/me/../film.png", "film.png"),
        ("Größe 胸部.png".encode(), "Größe 胸部.png"),
        (b"a\x00b\r\n\x1b[31m.png", "a�b���[31m.png"),
        ("\u202egnp.exe".encode(), "�gnp.exe"),
        (b"\xff\xfe.png", "��.png"),
        (b"x" * 5000 + b".png", "x" * 196 + ".png"),
        (b"folder/", ""),
    ],
)
def test_names_come_back_without_folders_and_without_what_cannot_be_printed(raw: bytes, shown: str) -> None:
    assert shown_name(raw) == shown


def test_a_film_without_a_name_gets_a_number(bundle: Bundle, server: Served) -> None:
    content = phantom(bundle)[1]
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="films"' + name + b"\r\n\r\n" + content + b"\r\n"
        for name in (b"", b'; filename=""', b'; filename="a\\"b%22.png"')
    )
    reply = httpx.post(
        f"{server.url}/v1/predict",
        content=body + b"--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
        trust_env=False,
    )
    assert [film["film"] for film in reply.json()["films"]] == ["film 1", "film 2", 'a"b%22.png']


def test_metrics_count_what_was_done(bundle: Bundle) -> None:
    with served(bundle) as server:
        server.predict(
            phantom(bundle), ("anna.png", b"no picture at all"), ("blank.png", png(np.zeros((64, 64), np.uint8)))
        )
        server.client.get("/anna")
        server.client.request("ANNA", "/v1/model")
        text = server.client.get("/metrics").text
    for line in (
        'plainfilm_films_total{outcome="answered"} 1.0',
        'plainfilm_films_total{outcome="turned_away"} 1.0',
        'plainfilm_films_total{outcome="error"} 1.0',
        'plainfilm_http_requests_total{code="200",method="POST",route="/v1/predict"} 1.0',
        'plainfilm_http_requests_total{code="404",method="GET",route="other"} 1.0',
        'plainfilm_http_requests_total{code="405",method="other",route="/v1/model"} 1.0',
        'plainfilm_stage_seconds_count{stage="read"} 3.0',
        'plainfilm_stage_seconds_count{stage="answer"} 2.0',
        "plainfilm_queue_films 0.0",
        f'sha256="{bundle.sha256}"',
    ):
        assert line in text
    assert "anna" not in text.lower()

"""Who may ask, and what every reply tells a browser."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from plainfilm.core.bundle import Bundle
from plainfilm.errors import BadConfig
from plainfilm.serve.guard import Doors
from served import Served, phantom, served

OPEN = ("/", "/card", "/health", "/ready", "/openapi.json", "/static/index.html")
CLOSED = ("/v1/model", "/v1/phantoms", "/v1/phantoms/phantom-covid.png", "/metrics", "/v1/nothing", "/nothing")


@pytest.fixture(scope="module")
def server(bundle: Bundle) -> Iterator[Served]:
    with served(bundle) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(bundle: Bundle) -> Iterator[Served]:
    doors = Doors.named("Schlüssel-胸", ["https://pacs.example.org", "http://127.0.0.2:9000/"], ["films.example.org"])
    with served(bundle, doors=doors) as running:
        yield running


@pytest.mark.parametrize("key", ["", "wrong", "Schlüssel", "Schlüssel-胸x", "Schl\xfcssel".encode("latin-1")])
def test_without_the_right_key_there_is_nothing_to_have(guarded: Served, key: str | bytes) -> None:
    raw = key.encode() if isinstance(key, str) else key
    for path in CLOSED:
        reply = guarded.client.get(path, headers=[(b"X-API-Key", raw)])
        assert (reply.status_code, reply.json()["status"]) == (401, 401)
        assert reply.headers["www-authenticate"].startswith("ApiKey ")
    assert guarded.client.post("/v1/predict").status_code == 401
    assert guarded.is_idle


def test_with_the_right_key_there_is_all(bundle: Bundle, guarded: Served) -> None:
    key = [(b"X-API-Key", "Schlüssel-胸".encode())]
    assert guarded.client.get("/v1/model", headers=key).json()["needs_key"] is True
    assert guarded.client.get("/metrics", headers=key).status_code == 200
    reply = guarded.client.post("/v1/predict", files=[("films", phantom(bundle))], headers=key)
    assert reply.status_code == 200


@pytest.mark.parametrize("path", OPEN)
def test_page_card_and_health_need_no_key(guarded: Served, path: str) -> None:
    assert guarded.client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/", "/nothing", "/v1/phantoms/phantom-covid.png", "/static/none.js"])
def test_every_reply_keeps_a_browser_safe(server: Served, path: str) -> None:
    headers = server.client.get(path).headers
    policy = headers["content-security-policy"]
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ):
        assert rule in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "file://",
        "http://localhost",
        "x",
        "http://[",
        "http://a:b",
    ],
)
def test_pages_of_other_sites_are_refused(bundle: Bundle, server: Served, origin: str) -> None:
    headers = {"Origin": origin}
    reply = server.client.post("/v1/predict", files=[("films", phantom(bundle))], headers=headers)
    assert (reply.status_code, reply.json()["type"]) == (403, "urn:problem-type:plainfilm:origin")
    preflight = server.client.options("/v1/predict", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 403
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_our_own_page_may_ask(bundle: Bundle, server: Served) -> None:
    for host in (server.url, server.url.replace("127.0.0.1", "localhost")):
        headers = {"Origin": host, "Host": host.removeprefix("http://")}
        reply = server.client.post("/v1/predict", files=[("films", phantom(bundle))], headers=headers)
        assert reply.status_code == 200
        assert "access-control-allow-origin" not in reply.headers


def test_our_own_page_may_ask_through_a_proxy_that_speaks_tls(guarded: Served) -> None:
    headers = {"Origin": "https://films.example.org", "Host": "films.example.org"}
    assert guarded.client.get("/health", headers=headers).status_code == 200


def test_a_site_that_was_named_may_ask(guarded: Served) -> None:
    origin = {"Origin": "https://pacs.example.org"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = guarded.client.options("/v1/predict", headers={**origin, **asked})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://pacs.example.org"
    assert "X-API-Key" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["vary"] == "Origin"
    refused = guarded.client.get("/v1/model", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://pacs.example.org"
    assert guarded.client.get("/health", headers={"Origin": "https://pacs.example.org.evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "user@localhost", "localhost/x", "127.0.0.1.nip.io"]
)
def test_a_name_that_is_not_ours_is_refused(server: Served, host: str) -> None:
    reply = server.client.get("/health", headers={"Host": host})
    assert (reply.status_code, reply.json()["type"]) == (421, "urn:problem-type:plainfilm:host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:80", "192.168.1.7:8000"])
def test_loopback_and_addresses_are_ours(server: Served, host: str) -> None:
    assert server.client.get("/health", headers={"Host": host}).status_code == 200


def test_names_are_ours_where_they_were_allowed(guarded: Served, server: Served) -> None:
    for host in ("films.example.org", "Films.Example.Org:443"):
        assert guarded.client.get("/health", headers={"Host": host}).status_code == 200
        assert server.client.get("/health", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n",
        "no HTTP at all\r\n\r\n",
        f"GET /{'x' * 50_000} HTTP/1.1\r\n",
        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ],
)
def test_what_is_no_sound_request_is_a_problem_too(server: Served, request_text: str) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
        connection.sendall(request_text.encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    "typed", ["films.example.org", "ftp://a", "https://", "https://a/path", "*", "http://[", "http://a:b"]
)
def test_what_is_no_origin_is_refused(typed: str) -> None:
    with pytest.raises(BadConfig, match="--allow-origin"):
        Doors.named(origins=[typed])


@pytest.mark.parametrize("typed", ["https://films.example.org", "films.example.org:80", "", "a/b", "*"])
def test_what_is_no_host_is_refused(typed: str) -> None:
    with pytest.raises(BadConfig, match="--allow-host"):
        Doors.named(hosts=[typed])

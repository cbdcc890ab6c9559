"""Every limit of the server holds, what it holds in memory is given back, and a full queue says when to come back."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from plainfilm.core.bundle import Bundle
from plainfilm.core.network import Scores
from plainfilm.errors import BadConfig
from plainfilm.serve import answering as answering_module
from plainfilm.serve import server as server_module
from plainfilm.serve import uploads as uploads_module
from plainfilm.serve.answering import Answering, Wanted
from plainfilm.serve.limits import Limits
from plainfilm.serve.metrics import Metrics
from plainfilm.serve.problems import Problem
from plainfilm.serve.queue import TooHeavy, WorkQueue
from plainfilm.serve.uploads import Upload, received
from served import Gated, Served, own_answer, phantom, png, served, with_network

NOISE = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
BOUNDARY = "frame"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def server(bundle: Bundle) -> Iterator[Served]:
    limits = Limits(
        bytes_per_film=200_000,
        pixels_per_film=250_000,
        bytes_per_request=1_000_000,
        films_per_request=6,
        films_in_work=12,
        bytes_in_work=60_000_000,
        seconds_to_send=20.0,
        seconds_to_answer=20.0,
    )
    with served(bundle, limits) as running:
        yield running


DISPOSITION = 'Content-Disposition: form-data; name="films"; filename="film.png"'


def part(content: bytes, headers: str = DISPOSITION) -> bytes:
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def sent(server: Served, body: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    return server.client.post("/v1/predict", content=body, headers={**FORM, **headers})


def expect(reply: httpx.Response, status: int, kind: str) -> str:
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json()["type"] == f"urn:problem-type:plainfilm:{kind}"
    return str(reply.json()["detail"])


def soon(is_so: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.01)
    return is_so()


# Sizes


def test_a_request_that_says_it_is_too_large_is_refused_before_it_is_read(server: Served) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n")
        connection.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert server.is_idle


def test_a_request_that_does_not_say_is_refused_while_it_is_read(server: Served) -> None:
    pulled = 0

    def endless() -> Iterator[bytes]:
        nonlocal pulled
        yield part(b"")[:-2]
        while pulled < 50_000_000:
            pulled += 65536
            yield bytes(65536)

    with contextlib.suppress(httpx.WriteError):  # the connection may close while we write
        expect(sent(server, endless()), 413, "too-large")
    assert soon(lambda: server.is_idle)


def test_a_film_that_is_too_large_harms_no_neighbour(bundle: Bundle, server: Served) -> None:
    good = phantom(bundle)
    films = server.predict(good, ("large.bin", bytes(200_001)), good).json()["films"]
    assert [film["status"] for film in films] == ["ok", "error", "ok"]
    assert (films[1]["problem"]["status"], films[1]["film"]) == (413, "large.bin")
    expect(server.predict(("large.bin", bytes(200_001))), 413, "film-too-large")
    expect(server.predict(("fits.bin", bytes(200_000))), 415, "no-picture")
    assert server.is_idle


def test_a_film_of_too_many_pixels_is_refused_by_its_header(server: Served) -> None:
    assert "501 x 500" in expect(server.predict(("a.png", png(np.zeros((500, 501), np.uint8)))), 413, "film-too-large")


def test_too_many_films_are_refused(bundle: Bundle, server: Served) -> None:
    small = ("a.png", png(np.zeros((20, 20), np.uint8)))
    assert len(server.predict(*[small] * 6).json()["films"]) == 6
    assert "6 films" in expect(server.predict(*[small] * 7), 413, "too-large")
    assert server.is_idle


# Forms


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        END,
        part(b"x"),
        part(b"x")[:-10],
        part(b"x", "") + END,
        part(b"x", 'Content-Disposition: form-data; name="film"') + END,
        part(b"x", 'Content-Disposition: form-data; name="films"')
        + part(b"y", 'Content-Disposition: form-data; name="z"')
        + END,
        part(b"x", 'Content-Disposition: attachment; name="films"') + END,
        part(b"x", "Content-Disposition") + END,
        part(b"x", DISPOSITION + "\r\nX: " + "y" * 33_000) + END,
        part(b"x", DISPOSITION + 3 * ("\r\nX: " + "y" * 12_000)) + END,
        part(b"x", DISPOSITION + "\r\n" + "\r\n".join(f"X-{number}: y" for number in range(1000))) + END,
        part(b"x", DISPOSITION + "\r\n" + "X" * 33_000) + END,
        part(b"x") + part(b"y")[:-3],
        f"--{BOUNDARY}\r\n".encode() * 2 + END,
        b"--" + b"other" + part(b"x")[7:] + END,
        bytes(range(256)),
    ],
)
def test_a_broken_form_is_malformed(server: Served, body: bytes) -> None:
    expect(sent(server, body), 400, "malformed")
    assert server.is_idle


@pytest.mark.parametrize(
    ("content_type", "status", "kind"),
    [
        ("", 415, "media-type"),
        ("application/json", 415, "media-type"),
        ("multipart/form-data", 400, "malformed"),
        ("multipart/form-data; boundary=", 400, "malformed"),
        (f"multipart/form-data; boundary={'x' * 500}", 400, "malformed"),
    ],
)
def test_another_kind_of_body_is_refused(server: Served, content_type: str, status: int, kind: str) -> None:
    expect(sent(server, part(b"x") + END, **{"Content-Type": content_type}), status, kind)
    assert server.is_idle


def test_a_compressed_body_is_refused(server: Served) -> None:
    expect(sent(server, part(b"x") + END, **{"Content-Encoding": "gzip"}), 415, "media-type")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_form_is_read_in_pieces_of_any_size(bundle: Bundle, server: Served, size: int) -> None:
    content = phantom(bundle)[1][: 20_000 if size > 3 else 500]
    body = part(content) + END + b"epilogue"
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    reply = sent(server, pieces)
    assert reply.status_code == 422  # the film is cut, and so was read to its end
    assert server.is_idle


# Time


def test_a_body_that_comes_too_slowly_is_refused(bundle: Bundle) -> None:
    def slow() -> Iterator[bytes]:
        yield part(b"x")
        time.sleep(1.5)
        yield END

    with served(bundle, Limits(seconds_to_send=0.5)) as server:
        expect(sent(server, slow()), 408, "too-slow")
        assert server.is_idle


def test_a_body_that_comes_below_the_least_pace_is_refused_long_before_its_time_is_over(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "_SECONDS_OF_PACE", 0.4)
    monkeypatch.setattr(uploads_module, "_LEAST_BYTES_IN_THAT", 1000)

    def dripping(size: int) -> Iterator[bytes]:
        yield part(b"x")
        for _ in range(12):
            time.sleep(0.1)
            yield part(bytes(size))
        yield END

    with served(bundle, Limits(seconds_to_send=20)) as server:
        assert "1,000 bytes" in expect(sent(server, dripping(10)), 408, "too-slow")
        assert sent(server, dripping(600)).status_code == 200  # as slow, but never below the pace
        assert server.is_idle


def test_who_announces_much_and_sends_nothing_takes_no_room_from_others(bundle: Bundle) -> None:
    with served(bundle) as server, contextlib.ExitStack() as idle:
        address = urlsplit(server.url)
        for _ in range(12):
            connection = idle.enter_context(socket.create_connection((address.hostname or "", address.port or 0)))
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 199999999\r\n")
            connection.sendall(f"Content-Type: {FORM['Content-Type']}\r\n\r\n--fr".encode())
        assert soon(lambda: server.queue.bytes >= 12 * 65_536)
        assert server.queue.bytes < 1_000_000
        assert server.predict(phantom(bundle)).status_code == 200
    assert soon(lambda: server.is_idle)


def test_where_bytes_are_short_the_wait_is_as_long_again_as_the_oldest_request_has_been_here() -> None:
    queue = WorkQueue(Limits(bytes_per_film=1000, bytes_per_request=1000, bytes_in_work=1000), 1, lambda _: None)
    place = queue.enter(900)
    time.sleep(1.2)
    with pytest.raises(Problem) as caught:
        queue.enter(200)
    assert (caught.value.kind, caught.value.headers["Retry-After"]) == ("full", "2")
    place.leave()
    assert queue.seconds_until_free(of_bytes=True) == 1
    queue.close()


def test_headers_that_never_come_end_the_connection(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_SECONDS_FOR_HEADERS", 0.3)
    with served(bundle) as server:
        address = urlsplit(server.url)
        for beginning in (b"", b"GET /health HTTP/1.1\r\nHost: loc"):
            with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
                connection.sendall(beginning)
                with pytest.raises(ConnectionResetError):
                    raise ConnectionResetError if connection.recv(1) == b"" else AssertionError


def test_what_is_left_of_a_refused_body_is_dropped_up_to_a_limit(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_MOST_DROPPED_BYTES", 1_000_000)
    with served(bundle, Limits(bytes_per_film=100_000, bytes_per_request=100_000)) as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n")
            with pytest.raises(OSError, match=r"(?i)reset|broken pipe"):
                for _ in range(1000):
                    connection.sendall(bytes(65536))


def test_a_client_that_does_not_read_its_answer_is_given_up(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_SECONDS_WITHOUT_READING", 0.3)
    noise = png(np.random.default_rng(0).integers(0, 256, (1000, 1000), dtype=np.uint8))
    body = part(noise) * 12 + END
    with served(bundle) as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
            connection.sendall(
                f"POST /v1/predict?picture=true HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n".encode()
            )
            connection.sendall(f"Content-Type: {FORM['Content-Type']}\r\n\r\n".encode() + body)
            lies_ready = soon(lambda: server.queue.films == 0 and server.queue.bytes > 12_000_000, 20)
            assert lies_ready, "nobody takes it, so its room stays taken"
            assert soon(lambda: server.is_idle, 10)


def test_what_arrives_beyond_what_was_declared_is_held_too() -> None:
    queue = WorkQueue(Limits(bytes_per_film=1000, bytes_per_request=1000, bytes_in_work=1000), 1, lambda _: None)

    place, other = queue.enter(300), queue.enter(200)
    with pytest.raises(Problem) as caught:
        asyncio.run(received(FORM["Content-Type"], _padded(), Limits(), place, 0))
    assert (caught.value.kind, queue.bytes) == ("full", 1000)
    place.leave()
    assert queue.bytes == 200
    other.leave()
    queue.close()


async def _padded() -> AsyncIterator[bytes]:
    """A form that begins after many line ends, 100 bytes at a time."""
    for _ in range(11):
        yield b"\r\n" * 50


def test_an_answer_that_takes_too_long_gives_up_but_keeps_its_room_until_the_work_has_ended(bundle: Bundle) -> None:
    network = Gated(bundle)
    limits = Limits(seconds_to_answer=1.0, films_in_work=4, films_per_request=4)
    with served(with_network(bundle, network), limits, workers=1) as server:
        film = phantom(bundle)
        reply = server.predict(film, film, film)
        expect(reply, 504, "out-of-time")
        assert int(reply.headers["Retry-After"]) >= 1
        assert soon(lambda: server.queue.films == 1)  # what had not begun was dropped, what began is still at it
        assert server.queue.bytes >= len(film[1])
        network.gate.set()
        assert soon(lambda: server.is_idle)
        assert server.predict(film).status_code == 200


def test_a_client_that_leaves_takes_what_had_not_begun_with_it(bundle: Bundle) -> None:
    network = Gated(bundle)
    with served(with_network(bundle, network), workers=1) as server:
        address = urlsplit(server.url)
        with contextlib.closing(
            http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        ) as connection:
            connection.request("POST", "/v1/predict", part(phantom(bundle)[1]) * 5 + END, FORM)
            assert network.began.wait(10)
            assert server.queue.films == 5
        assert soon(lambda: server.queue.films == 1)
        network.gate.set()
        assert soon(lambda: server.is_idle)


# The queue


class Slow(Gated):
    """A network that takes its time."""

    def scores(self, films: NDArray[np.uint8], *, maps: bool = False) -> Scores:
        time.sleep(0.15)
        return self._network.scores(films, maps=maps)


def test_a_small_request_is_answered_before_a_large_one_that_came_first(bundle: Bundle) -> None:
    film = phantom(bundle)
    with served(with_network(bundle, Slow(bundle)), workers=1) as server, ThreadPoolExecutor(2) as others:
        large = others.submit(
            httpx.post, f"{server.url}/v1/predict", files=[("films", film)] * 20, timeout=30, trust_env=False
        )
        assert soon(lambda: server.queue.films == 20)
        reply = server.predict(film)
        assert (reply.status_code, large.done()) == (200, False)
        assert server.queue.films > 10
        assert len(large.result().json()["films"]) == 20


def test_requests_take_turns_film_by_film() -> None:
    queue, gate, order = WorkQueue(Limits(), 1, lambda _: None), threading.Event(), []

    def one(name: str, _: bool) -> None:
        gate.wait(10)
        order.append(name)

    jobs = []
    for name, films in (("a", 4), ("b", 2), ("c", 1)):
        place = queue.enter(0)
        place.grow(films=films)
        jobs += [queue.work(place, partial(one, name), 0) for _ in range(films)]
    gate.set()
    for job in jobs:
        job.result(10)
    assert "".join(order) == "aabcaba"  # the first began before there was anybody else
    queue.close()


def test_heavy_work_leaves_a_worker_to_others_and_keeps_its_room() -> None:
    queue, gate = WorkQueue(Limits(), 2, lambda _: None), threading.Event()
    begun: list[bool] = []

    def heavy(may: bool) -> None:
        if not may:
            raise TooHeavy
        begun.append(may)
        gate.wait(10)

    place, other = queue.enter(300), queue.enter(0)
    place.grow(films=3)
    other.grow(films=1)
    jobs = [queue.work(place, heavy, 100) for _ in range(3)]
    assert soon(lambda: len(begun) == 1)
    assert queue.work(other, lambda _: "light", 0).result(5) == "light"
    assert (len(begun), queue.films, queue.bytes) == (1, 3, 300)
    assert jobs[2].cancel()
    assert (queue.films, queue.bytes) == (2, 200)
    gate.set()
    jobs[1].result(5)
    assert soon(lambda: (queue.films, queue.bytes) == (0, 0))
    assert len(begun) == 2
    queue.close()


def test_a_film_of_many_pixels_is_decoded_only_when_it_may_be(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering_module, "_LIGHT_PIXELS", 100)
    answering = Answering(bundle.predictor, Limits(), Metrics())
    name, content = phantom(bundle)
    with pytest.raises(TooHeavy):
        answering.entry(Upload(name, content), Wanted(), False)
    assert answering.entry(Upload(name, content), Wanted(), True).problem is None
    with served(bundle) as server:
        (told,) = server.predict((name, content)).json()["films"]
        assert told["probability"] == own_answer(bundle, content, name)["probability"]
        assert server.is_idle


def test_a_full_queue_says_when_to_come_back_and_the_connection_stays_usable(bundle: Bundle) -> None:
    network = Gated(bundle)
    limits = Limits(films_in_work=2, films_per_request=2)
    with served(with_network(bundle, network), limits, workers=1) as server, ThreadPoolExecutor(2) as others:
        film = phantom(bundle)
        waiting = [
            others.submit(httpx.post, f"{server.url}/v1/predict", files=[("films", film)], trust_env=False)
            for _ in range(2)
        ]
        assert soon(lambda: server.queue.films == 2)
        address = urlsplit(server.url)
        with contextlib.closing(
            http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        ) as connection:
            connection.connect()
            first = connection.sock
            for _ in range(3):
                connection.request("POST", "/v1/predict", part(film[1]) + END, FORM)
                reply = connection.getresponse()
                reply.read()
                assert reply.status == 503
                assert int(reply.headers["Retry-After"]) >= 1
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b'{"status":"ok"}'
            assert connection.sock is first
        network.gate.set()
        own = own_answer(bundle, film[1])
        for each in waiting:
            (told,) = each.result().json()["films"]
            assert told["probability"] == own["probability"]
        assert soon(lambda: server.is_idle)


def test_a_request_whose_later_films_find_no_room_is_told_so_and_gives_its_room_back(bundle: Bundle) -> None:
    network = Gated(bundle)
    limits = Limits(films_in_work=3, films_per_request=3)
    with served(with_network(bundle, network), limits, workers=1) as server, ThreadPoolExecutor(1) as others:
        film = phantom(bundle)
        waiting = others.submit(server.predict, film)
        assert soon(lambda: server.queue.films == 1)
        held = server.queue.bytes
        expect(server.predict(film, film, film), 503, "full")
        assert (server.queue.films, server.queue.bytes) == (1, held)
        network.gate.set()
        assert waiting.result().status_code == 200


def test_bytes_in_work_are_bounded_with_what_answers_will_need(bundle: Bundle) -> None:
    network = Gated(bundle)
    limits = Limits(bytes_per_film=100_000, bytes_per_request=200_000, bytes_in_work=4_000_000)
    with served(with_network(bundle, network), limits, workers=1) as server, ThreadPoolExecutor(1) as others:
        film = phantom(bundle)
        waiting = others.submit(server.predict, film, query="?picture=true")
        assert soon(lambda: server.queue.films == 1)
        expect(server.predict(film, query="?picture=true"), 503, "full")
        network.gate.set()
        assert waiting.result().status_code == 200
        assert server.predict(film, film).status_code == 200
        expect(server.predict(film, film, query="?picture=true"), 413, "too-large")  # would never fit
        assert soon(lambda: server.is_idle)


def test_who_waits_for_100_continue_and_is_refused_gets_a_closed_connection(bundle: Bundle) -> None:
    with served(bundle) as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
            connection.sendall(
                b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
            )
            reply = b""
            while more := connection.recv(4096):
                reply += more
        assert reply.startswith(b"HTTP/1.1 415 ")
        assert b"connection: close" in reply.lower()


def test_the_queue_gives_back_all_it_took_whatever_happens() -> None:
    waits: list[float] = []
    queue = WorkQueue(Limits(films_in_work=64, bytes_in_work=200_000_000), 4, waits.append)

    def one(number: int) -> None:
        place = queue.enter(100)
        try:
            place.grow(films=1)
            future = queue.work(place, lambda _: 1 // (number % 2), 50)
            if number % 3 == 0:
                future.cancel()
        finally:
            place.leave()
            place.leave()

    with ThreadPoolExecutor(8) as pool:
        for number in range(200):
            pool.submit(_patiently, one, number).result()
    queue.close()
    assert (queue.films, queue.bytes) == (0, 0)
    assert all(seconds >= 0 for seconds in waits)


def _patiently(one: Callable[[int], None], number: int) -> None:
    while True:
        try:
            return one(number)
        except Problem:
            time.sleep(0.001)


def test_the_estimate_follows_the_pace() -> None:
    queue = WorkQueue(Limits(), 1, lambda _: None)
    place = queue.enter(0)
    place.grow(films=99)
    before = queue.seconds_until_free()
    gate = threading.Event()
    jobs = [queue.work(place, lambda _: gate.is_set(), 0) for _ in range(90)]
    for job in jobs:
        job.result()
    assert before == 10
    assert queue.seconds_until_free() == 1
    place.leave()
    queue.close()


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        ({"bytes_per_film": 0}, r"^--film-mb is 0: "),
        ({"seconds_to_send": -1}, r"^--send-seconds is -1: "),
        ({"seconds_to_answer": float("inf")}, r"^--answer-seconds is inf: "),
        ({"seconds_to_answer": float("nan")}, r"^--answer-seconds is nan: "),
        ({"films_per_request": 999}, r"^--request-films \(999\) is more than --queue-films \(256\)"),
        ({"bytes_per_film": 10**12}, r"^--film-mb \(1e\+06\) is more than --request-mb \(200\): lower --film-mb"),
        ({"bytes_per_request": 700 * 10**6}, r"^--request-mb \(700\) is more than --queue-mb \(600\)"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(limits: dict[str, float], option: str) -> None:
    with pytest.raises(BadConfig, match=option):
        Limits(**limits)  # type: ignore[arg-type]

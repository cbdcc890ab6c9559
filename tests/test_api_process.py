"""The process: it starts, stops cleanly, leaves nothing behind, and tells nobody what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.types import Receive, Scope, Send

from plainfilm.commands.serve import serve_command
from plainfilm.core.bundle import Bundle
from plainfilm.errors import BadConfig
from plainfilm.serve.metrics import Metrics
from plainfilm.serve.server import is_loopback, listening
from plainfilm.serve.watch import Active, Watch
from served import PATIENT, dicom, phantom, png

# Runs the command with every opening of a file to write, and every temporary file, told on standard error.
WATCHED = textwrap.dedent(
    """
    import os, sys
    def hear(event, given):
        writes = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (writes and given[0] != os.devnull) or event.startswith("tempfile.") or event in ("os.mkdir", "os.rename"):
            os.write(2, f"WROTE {event} {given}\\n".encode())
    from plainfilm.__main__ import main
    import plainfilm.cli
    sys.addaudithook(hear)
    main()
    """
)


class Process:
    """A server of its own. url: where it answers. said, logged: what it wrote, to the end once it has ended."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline() + self._process.stdout.readline()
        found = re.search(r"http://\S+", self.said)
        self.url = found.group() if found else ""
        self.logged = ""

    def signal(self, sig: signal.Signals) -> None:
        self._process.send_signal(sig)

    def ended(self) -> int:
        """Wait for the end; returns the exit code."""
        said, self.logged = self._process.communicate(timeout=60)
        self.said += said
        return self._process.returncode

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self.ended()


@contextmanager
def process(bundle_path: Path, *arguments: str, **environment: str) -> Iterator[Process]:
    running = Process("--bundle", str(bundle_path), *arguments, environment=environment)
    try:
        assert running.url or running.ended() >= 0, running.logged
        yield running
    finally:
        running.kill()


def large_film(seed: int) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (1500, 1500), dtype=np.uint8))


def films_at_work(client: httpx.Client) -> float:
    found = re.search(r"^plainfilm_queue_films (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def test_nothing_that_is_sent_touches_the_disk_or_the_log(bundle_path: Path, tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (1200, 1200)).astype(np.uint16)
    films = [("anna-müller.png", large_film(0)), ("anna.dcm", dicom(deep)), ("anna.txt", b"anna was here" * 9)]
    broken = dicom(deep).replace(b"042Y", b"@@@@").replace(b"1.2.3.4\x00", b"anna.ana")
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}  # libraries keep things there
    with (
        process(bundle_path, **places, ORT_DISABLE_TELEMETRY="") as server,
        httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client,
    ):
        for names in (films, [("anna.dcm", broken)], [("anna.dcm", broken[:2000])]):
            sent = [("films", film) for film in names]
            assert client.post("/v1/predict?heatmaps=true&picture=true", files=sent).status_code in (200, 422)
            assert client.post("/v1/predict?anna=anna", files=sent).status_code == 422
        client.post(
            "/v1/predict", content=b"anna" * 1000, headers={"Content-Type": "multipart/form-data; boundary=anna"}
        )
        client.get("/anna?anna", headers={"Referer": "anna", "User-Agent": "anna"})
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    assert "POST /v1/predict 200" in server.logged
    assert "WROTE" not in server.logged
    assert not list(tmp_path.rglob("*"))
    for secret in ("anna", PATIENT, "042Y", "Traceback"):
        assert secret not in server.said + server.logged


def test_libraries_log_nothing_since_they_quote_what_they_are_given() -> None:
    code = """
import logging, warnings
from plainfilm.cli import _hear_warnings_only
from plainfilm.serve.server import log_our_lines_alone
_hear_warnings_only()
log_our_lines_alone()
warnings.warn("anna")
for name in ("pydicom", "python_multipart.multipart", "asyncio", "plainfilmish", "root"):
    logging.getLogger(name).error("anna")
for name in ("plainfilm.serve", "uvicorn.error"):
    logging.getLogger(name).warning("ours")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, "anna" in done.stderr, done.stderr.count("ours")) == ("", False, 2)


def test_the_hook_hears_what_is_written(tmp_path: Path) -> None:
    """So that the test above can fail."""
    code = WATCHED.replace("main()\n", "import tempfile; tempfile.TemporaryFile().close()\n").replace(
        "import plainfilm.cli", ""
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "WROTE tempfile.mkstemp" in done.stderr or "WROTE open" in done.stderr


def test_sigterm_finishes_what_began_and_takes_nothing_new(bundle_path: Path) -> None:
    bundle = Bundle.open(bundle_path)
    films = [("films", (f"{number}.png", large_film(number))) for number in range(40)]
    with process(bundle_path) as server, httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        replies: list[httpx.Response] = []
        first = threading.Thread(
            target=lambda: replies.append(
                httpx.post(f"{server.url}/v1/predict", files=films, timeout=60, trust_env=False)
            )
        )
        first.start()
        while films_at_work(client) < 20:
            assert first.is_alive(), "it was over before it could be stopped"
        server.signal(signal.SIGTERM)
        ready = client.get("/ready")
        while ready.status_code == 200:
            ready = client.get("/ready")
        asking_on = threading.Thread(target=_ask_until_gone, args=(server.url,))  # must not keep it from stopping
        asking_on.start()
        new = client.post("/v1/predict", files=[("films", phantom(bundle))])
        assert first.is_alive(), "it was over before anything new was sent"
        assert (ready.status_code, new.status_code) == (503, 503)
        assert new.json()["type"] == "urn:problem-type:plainfilm:stopping"
        assert int(new.headers["Retry-After"]) >= 1
        assert client.get("/health").status_code == 200
        first.join(60)
        assert server.ended() == 0
        asking_on.join(10)
    (reply,) = replies
    assert reply.status_code == 200
    assert [film["film"] for film in reply.json()["films"]] == [f"{number}.png" for number in range(40)]
    assert all(film["status"] == "ok" for film in reply.json()["films"])


def _ask_until_gone(url: str) -> None:
    with httpx.Client(base_url=url, trust_env=False) as client, contextlib.suppress(httpx.HTTPError):
        while True:
            client.get("/health")


def test_a_second_signal_ends_at_once(bundle_path: Path) -> None:
    films = [("films", (f"{number}.png", large_film(0))) for number in range(60)]
    with process(bundle_path) as server, httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:

        def send() -> None:
            with pytest.raises(httpx.HTTPError):
                httpx.post(f"{server.url}/v1/predict", files=films, timeout=60, trust_env=False)

        first = threading.Thread(target=send)
        first.start()
        while films_at_work(client) < 20:
            assert first.is_alive(), "it was over before it could be stopped"
        server.signal(signal.SIGINT)
        time.sleep(0.2)
        server.signal(signal.SIGINT)
        assert server.ended() == 128 + signal.SIGINT
        first.join(10)


def test_ctrl_c_ends_an_idle_server_with_0(bundle_path: Path) -> None:
    with process(bundle_path) as server:
        assert "Research and education only" in server.said
        server.signal(signal.SIGINT)
        assert server.ended() == 0
        assert "Traceback" not in server.logged


def test_the_key_comes_from_a_file_or_the_surroundings(bundle_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("open sesame, please\n")
    for arguments, environment in (
        (["--api-key-file", str(file)], {}),
        ([], {"PLAINFILM_API_KEY": "open sesame, please"}),
    ):
        with process(bundle_path, *arguments, **environment) as server:
            assert httpx.get(f"{server.url}/v1/model", trust_env=False).status_code == 401
            headers = {"X-API-Key": "open sesame, please"}
            assert httpx.get(f"{server.url}/v1/model", headers=headers, trust_env=False).json()["needs_key"] is True


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "two lines, each of\nmore than sixteen\n",
        b"\xff\xfe",
        "Schlüssel-Schlüssel",
        "15 letters only",
        "x" * 100_000,
    ],
)
def test_a_key_file_without_a_key_is_refused(bundle_path: Path, tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = _refused("--bundle", str(bundle_path), "--api-key-file", str(file))
    assert f"plainfilm: --api-key-file {file}: " in done


@pytest.mark.parametrize("key", ["", "  ", "Schlüssel-Schlüssel", "short"])
def test_a_variable_without_a_key_is_refused(bundle_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("PLAINFILM_API_KEY", key)
    assert "plainfilm: PLAINFILM_API_KEY: " in _refused("--bundle", str(bundle_path))


@pytest.mark.parametrize("option", ["film_mb", "film_megapixels", "request_mb", "queue_mb", "answer_seconds"])
@pytest.mark.parametrize("typed", [math.nan, math.inf, -1.0, 0.0, 1e308, 1e-9])
def test_a_limit_that_is_no_number_above_0_is_refused_by_its_option(option: str, typed: float) -> None:
    if option != "answer_seconds" or not 0 < typed < math.inf:  # seconds may be many, and few
        with pytest.raises(BadConfig, match=f"^--{option.replace('_', '-')} is "):
            serve_command(Path("none"), **{option: typed})  # type: ignore[arg-type]


def test_strange_requests_leave_no_line_that_advises_or_quotes(bundle_path: Path) -> None:
    knock = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "anna",
        "Sec-WebSocket-Version": "13",
    }
    form = {"Content-Type": "multipart/form-data; boundary=anna"}
    with process(bundle_path) as server:
        for body in (b"--bert", b"--anna\r\nan\xffna: x\r\n\r\n", b"--anna\r\n\xff"):
            assert (
                httpx.post(f"{server.url}/v1/predict", content=body, headers=form, trust_env=False).status_code == 400
            )
        assert httpx.get(f"{server.url}/health", headers=knock, trust_env=False).status_code == 200
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    assert "WARNING" not in server.logged
    assert "upgrade" not in server.logged.lower()
    assert len([line for line in server.logged.splitlines() if "WROTE" not in line]) == 4


def test_a_port_that_is_taken_is_one_line(bundle_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = _refused("--bundle", str(bundle_path), "--port", str(port))
    assert line == f"plainfilm: cannot listen at 127.0.0.1, port {port} (Address already in use): " + (
        "choose another --port, or 0 for any that is free\n"
    )


def test_what_is_no_bundle_and_what_is_no_address_are_one_line(tmp_path: Path) -> None:
    assert "none.plainfilm: is missing" in _refused("--bundle", str(tmp_path / "none.plainfilm"), "--port", "0")
    assert "--host no.such.host.invalid" in _refused("--host", "no.such.host.invalid")


def test_listening_beyond_loopback_is_known() -> None:
    with listening("127.0.0.1", 0) as loopback:
        assert is_loopback(loopback)
    with listening("0.0.0.0", 0) as everywhere:
        assert not is_loopback(everywhere)


def _refused(*arguments: str) -> str:
    command = [sys.executable, "-m", "plainfilm", "serve", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr


@pytest.mark.parametrize("takes_more", [True, False])
def test_only_what_began_before_the_stop_keeps_the_server_from_it(takes_more: bool) -> None:
    active, seen = Active(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(active.count)

    async def nothing(*_: Any) -> Any:
        return None

    active.takes_more = takes_more
    scope = {"type": "http", "method": "GET", "path": "/ready", "headers": []}
    asyncio.run(Watch(app, Metrics(), active)(scope, nothing, nothing))
    assert (seen, active.count) == ([int(takes_more)], 0)


def test_a_bundle_that_is_missing_is_told_though_the_port_is_taken(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from plainfilm.cli import app

    with listening("127.0.0.1", 0) as taken:
        typed = ["serve", "--bundle", str(tmp_path / "none"), "--port", str(taken.getsockname()[1])]
        assert "none: is missing" in str(CliRunner().invoke(app, typed).exception)

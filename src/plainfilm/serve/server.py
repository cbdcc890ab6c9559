"""The process: a socket, uvicorn with more patience and less, and a clean stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import cv2
import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from plainfilm.errors import BadConfig
from plainfilm.serve.problems import Problem

_SECONDS_FOR_HEADERS = 15.0
_SECONDS_WITHOUT_READING = 30.0
_MOST_DROPPED_BYTES = 64_000_000
_SECONDS_TO_DROP = 15.0
_SECONDS_TO_CLOSE = 10  # after the last reply was handed to its connection
_MOST_HEADER_BYTES = 32_768
_OURS = ("plainfilm", "uvicorn")


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; who comes before `serve` waits. port: 0 for any that is free. Raises BadConfig where there is none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise BadConfig(f"--host {host}: is no address of this machine ({error.strerror or error})") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()
    except OSError as error:
        bound.close()
        raise BadConfig(
            f"cannot listen at {host}, port {port} ({error.strerror or error}): choose another --port, or 0 for any that is free"
        ) from error
    return bound


def serve(app: FastAPI, bound: socket.socket, announce: Callable[[], None]) -> None:
    """Serve an application of `create_app` until SIGTERM or SIGINT, and finish what was begun. A second signal ends at once.

    announce: called once it answers, and signals stop it cleanly.
    """
    log_our_lines_alone()
    cv2.setNumThreads(1)  # whoever has many films has many threads
    server_of(app, announce).run([bound])


def server_of(app: FastAPI, announce: Callable[[], None] = lambda: None) -> CleanServer:
    """The server of an application, not started. announce: as in `serve`."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        timeout_graceful_shutdown=_SECONDS_TO_CLOSE,
    )
    return CleanServer(config, app, announce)


def log_our_lines_alone() -> None:
    """Log to standard error what plainfilm and uvicorn say, and nothing that libraries do: they quote what they are given."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(lambda record: record.name.split(".")[0] in _OURS)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    logging.getLogger("plainfilm").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")


class CleanServer(uvicorn.Server):
    """Stops when nothing is under way any more: until then it answers, and says that it takes no new work."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce
        self._queue, self._active = app.state.service.queue, app.state.active

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First stop cleanly, then at once."""
        if self._queue.is_stopping:
            os._exit(128 + sig)
        self.stop()

    def stop(self) -> None:
        """Take nothing new, and end when what was begun is answered."""
        self._queue.is_stopping, self._active.takes_more = True, False

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now."""
        return await super().on_tick(counter) or (self._queue.is_stopping and not self._active.count)


class PatientProtocol(H11Protocol):
    """uvicorn's protocol with an end to waiting: for headers, for what is left of a refused body, for a reader that has stopped."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._dropped = 0
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Something came. What comes after a reply and still belongs to its request is dropped, up to a limit."""
        if self._is_dropping:
            self._dropped += len(data)
            if self._dropped > _MOST_DROPPED_BYTES:
                self.transport.abort()
                return
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """A reply is on its way."""
        self._dropped = 0
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        for timer in (self._patience, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More lies in the connection than it takes now."""
        super().pause_writing()
        self._watch_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It took it."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever knocks for a WebSocket is answered as if it had not: there is none, and nothing that anybody could install."""

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all gets a problem, too."""
        reply = Problem(
            "malformed", "it is no HTTP request that can be read", headers={"Connection": "close"}
        ).response()
        headers = [*reply.raw_headers, (b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
        for event in (
            h11.Response(status_code=reply.status_code, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(reply.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    @property
    def _is_dropping(self) -> bool:
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _look(self) -> None:
        """Set or lift the limit on waiting, by what is waited for."""
        waits_for_headers = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
        if not (waits_for_headers or self._is_dropping):
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
        elif self._patience is None:
            seconds = _SECONDS_TO_DROP if self._is_dropping else _SECONDS_FOR_HEADERS
            self._patience = self.loop.call_later(seconds, self.transport.abort)

    def _watch_reader(self, before: int) -> None:
        """Give up on a client that has taken nothing since."""

        def look() -> None:
            held = self.transport.get_write_buffer_size()
            if held >= before:
                self.transport.abort()
            else:
                self._watch_reader(held)

        self._stalled = self.loop.call_later(_SECONDS_WITHOUT_READING, look)


def address_of(bound: socket.socket, host: str) -> str:
    """The address that a browser takes."""
    port = bound.getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(bound: socket.socket) -> bool:
    """Whether nobody but this machine can reach it."""
    address: Any = bound.getsockname()[0]
    return str(address).startswith("127.") or address == "::1"

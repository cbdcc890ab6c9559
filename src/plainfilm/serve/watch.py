"""The outermost layer: every request is counted, timed, and logged in a line without names; defects end here."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plainfilm.serve.answering import where_it_failed
from plainfilm.serve.guard import with_safe_headers
from plainfilm.serve.metrics import Metrics, known_method
from plainfilm.serve.problems import Problem

_log = logging.getLogger("plainfilm.serve")
_ROUTES = frozenset(
    {"/", "/card", "/health", "/metrics", "/openapi.json", "/ready", "/v1/model", "/v1/phantoms", "/v1/predict"}
)
_BELOW = {"/static/": "/static", "/v1/phantoms/": "/v1/phantoms/{name}"}
_GONE = 499  # what nginx counts a request as whose client has left before the reply


class Active:
    """How many requests are being answered that have to be before the server may stop.

    takes_more: whether requests that come now are among them; not so once it is to stop, or those who ask on could keep it from it.
    """

    count = 0
    takes_more = True


class Watch:
    """Watches over all that `app` does. HEAD is answered as GET, without the body."""

    def __init__(self, app: ASGIApp, metrics: Metrics, active: Active) -> None:
        self._app, self._metrics, self._active = app, metrics, active

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(scope, receive, send)
        begun, counts = perf_counter(), self._active.takes_more
        self._active.count += counts
        try:
            await self._app(reply.scope, reply.receive, with_safe_headers(reply.send))
        except Exception as error:
            _log.error("A request could not be answered, by a defect: %s", where_it_failed(error))
            if not reply.status:
                problem = Problem("defect", "the request could not be dealt with")
                await problem.response()(reply.scope, reply.receive, with_safe_headers(reply.send))
            else:
                raise
        finally:
            self._active.count -= counts
            seconds = perf_counter() - begun
            method, route, status = known_method(scope["method"]), _route(scope["path"]), reply.status or _GONE
            self._metrics.request(route, method, status, seconds)
            _log.info("%s %s %d %.3f s", method, route, status, seconds)


class _Reply:
    """One request's reply on its way out. status: as sent, 0 before."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope: Scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        self.status = 0
        self._is_head = scope["method"] == "HEAD"
        self._receive, self._send = receive, send
        # Who waits for "100 Continue" may never send the body once refused, and what follows would be taken for it.
        self._may_hold_body_back = any(name == b"expect" for name, _ in scope["headers"])

    async def receive(self) -> Message:
        self._may_hold_body_back = False
        return await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._may_hold_body_back:
                MutableHeaders(scope=message)["Connection"] = "close"
        elif self._is_head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


def _route(path: str) -> str:
    """The route of a path, of the few that there are: what users type is no business of logs and metrics."""
    if path in _ROUTES:
        return path
    return next((route for start, route in _BELOW.items() if path.startswith(start)), "other")

"""What stands behind the routes: a bundle that answers, its queue, its numbers; and the way of one request through them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from plainfilm.core.bundle import Bundle
from plainfilm.core.words import NOTICE
from plainfilm.serve.about import VERSION
from plainfilm.serve.answering import Answering, Entry, Wanted
from plainfilm.serve.batch import usable_cores
from plainfilm.serve.limits import Limits
from plainfilm.serve.metrics import Metrics
from plainfilm.serve.problems import Problem
from plainfilm.serve.queue import Place, WorkQueue
from plainfilm.serve.shown import HEATMAP_PX, PICTURE_BYTES
from plainfilm.serve.uploads import Upload, received, too_large

_BYTES_A_LINE = 4096  # of an answer without pictures
_BYTES_A_PIECE = 1 << 18  # of a reply; each waits until the one before is on its way


class Service:
    """A bundle at work. workers: threads, each with one film at a time; as many as there are cores where 0."""

    def __init__(self, bundle: Bundle, limits: Limits, workers: int = 0) -> None:
        self.bundle, self.limits = bundle, limits
        self.metrics = Metrics()
        self.metrics.describe(name=bundle.name, precision=bundle.precision, sha256=bundle.sha256, version=VERSION)
        self.queue = WorkQueue(limits, workers or usable_cores(), partial(self.metrics.took, "wait"))
        self._answering = Answering(bundle.predictor, limits, self.metrics)
        self._model = json.dumps(
            {"name": bundle.name, "precision": bundle.precision, "sha256": bundle.sha256}, ensure_ascii=False
        )

    async def predict(self, request: Request, wanted: Wanted) -> Response:
        """The answers for the films of a request. Raises Problem, also that of its only film; ClientDisconnect."""
        place = self._enter(request)
        try:
            begun = perf_counter()
            kind, per_answer = request.headers.get("content-type", ""), self._bytes_per_answer(wanted)
            uploads = await received(kind, request.stream(), self.limits, place, per_answer)
            self.metrics.took("receive", perf_counter() - begun)
            entries = await self._entries(request, uploads, wanted, place)
            if len(entries) == 1 and entries[0].problem is not None:
                raise entries[0].problem
        except BaseException:
            place.leave()
            raise
        return _Pieces(self._reply(entries), place.leave)

    def _enter(self, request: Request) -> Place:
        """A place in the queue by the size that the request declares. Raises Problem."""
        declared = int(request.headers.get("content-length", 0))  # h11 lets digits through alone
        if declared > self.limits.bytes_per_request:
            raise too_large(self.limits)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Problem("media-type", "its body is compressed, which is not read")
        return self.queue.enter(declared)

    def _bytes_per_answer(self, wanted: Wanted) -> int:
        heatmaps = len(self.bundle.classes) * HEATMAP_PX * HEATMAP_PX * 4 // 3
        return _BYTES_A_LINE + wanted.heatmaps * heatmaps + wanted.picture * PICTURE_BYTES

    async def _entries(
        self, request: Request, uploads: Sequence[Upload], wanted: Wanted, place: Place
    ) -> Sequence[Entry]:
        """The entries of all films, side by side. What has not begun when time is up, or nobody waits any more, never begins."""
        jobs = [
            asyncio.wrap_future(
                self.queue.work(place, partial(self._answering.entry, upload, wanted), len(upload.content))
            )
            for upload in uploads
        ]
        done, left = asyncio.gather(*jobs), asyncio.create_task(_left(request))
        try:
            ends: set[asyncio.Future[Any]] = {done, left}
            await asyncio.wait(ends, timeout=self.limits.seconds_to_answer, return_when=asyncio.FIRST_COMPLETED)
            if done.done():
                return await done
            if left.done():
                raise ClientDisconnect
            raise Problem(
                "out-of-time",
                f"the answer was not ready within {self.limits.seconds_to_answer:g} seconds",
                headers={"Retry-After": str(self.queue.seconds_until_free())},
            )
        finally:
            left.cancel()
            done.cancel()

    def _reply(self, entries: Sequence[Entry]) -> list[bytes]:
        head = f'{{"model": {self._model}, "note": {json.dumps(NOTICE)}, "films": ['.encode()
        parts = [part for entry in entries for part in (b", ", entry.json)]
        return [head, *parts[1:], b"]}"]


class _Pieces(Response):
    """JSON sent piece by piece, so that no more lies in the connection than it takes. sent: called once all is on its way."""

    media_type = "application/json"

    def __init__(self, parts: Sequence[bytes], sent: Callable[[], None]) -> None:
        self._parts, self._sent = parts, sent
        super().__init__(headers={"Content-Length": str(sum(map(len, parts)))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for part in self._parts:
                for start in range(0, len(part), _BYTES_A_PIECE):
                    piece = part[start : start + _BYTES_A_PIECE]
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._sent()


async def _left(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""What Prometheus may know: counts, seconds and sizes. No label holds anything that a user has sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Outcome = Literal["answered", "turned_away", "error"]
Stage = Literal["receive", "wait", "read", "answer", "show"]
STAGES: tuple[Stage, ...] = ("receive", "wait", "read", "answer", "show")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})


def known_method(method: str) -> str:
    """The method, or "other": anybody can make one up."""
    return method if method in _METHODS else "other"


class Metrics:
    """The numbers of one server.

    Stages of a film: receive (its request's body), wait (for a thread), read (decode and make ready), answer (gate, network),
    show (heatmaps and picture).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "plainfilm_http_requests", "Requests answered", ["route", "method", "code"], registry=self.registry
        )
        self._request_seconds = Histogram(
            *("plainfilm_http_request_seconds", "Seconds from a request's headers to the end of its reply"),
            *(["route"],),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._films = Counter("plainfilm_films", "Films by what became of them", ["outcome"], registry=self.registry)
        self._stage_seconds = Histogram(
            *("plainfilm_stage_seconds", "Seconds of each stage of a film"),
            *(["stage"],),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._queue_films = Gauge("plainfilm_queue_films", "Films that wait or are worked on", registry=self.registry)
        self._queue_bytes = Gauge(
            "plainfilm_queue_bytes", "Bytes of films and answers in memory", registry=self.registry
        )
        self._bundle = Info("plainfilm_bundle", "The model that answers", registry=self.registry)
        for outcome in ("answered", "turned_away", "error"):
            self._films.labels(outcome)
        for stage in STAGES:
            self._stage_seconds.labels(stage)

    def describe(self, **bundle: str) -> None:
        """Say which bundle answers."""
        self._bundle.info(bundle)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. route, method: of the few that there are (`known_method`)."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def film(self, outcome: Outcome) -> None:
        """Count a film."""
        self._films.labels(outcome).inc()

    def took(self, stage: Stage, seconds: float) -> None:
        """Tell how long a stage took."""
        self._stage_seconds.labels(stage).observe(seconds)

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Time a stage, however it ends."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.took(stage, perf_counter() - begun)

    def text(self, queue_films: int, queue_bytes: int) -> bytes:
        """All of it in Prometheus's own form, with the queue as it is now."""
        self._queue_films.set(queue_films)
        self._queue_bytes.set(queue_bytes)
        return generate_latest(self.registry)

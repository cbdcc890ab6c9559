"""Ctrl-C, SIGTERM and the end of the time ask a training to stop at the next step, with a checkpoint; they do not cut it off."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def asked_to_stop(until: float = math.inf) -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second Ctrl-C stops at once. Only the main thread can listen.

    until: time.monotonic() at which the event is set of itself.
    """
    stop = threading.Event()
    with _set_at(stop, until):
        yield from _listening(stop)


@contextmanager
def _set_at(stop: threading.Event, until: float) -> Iterator[None]:
    if until == math.inf:
        yield
        return
    timer = threading.Timer(max(0.0, until - time.monotonic()), stop.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _listening(stop: threading.Event) -> Iterator[threading.Event]:
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def listen(signum: int, _: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, listen) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

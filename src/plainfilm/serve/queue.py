"""Bounded work: room is taken as a body arrives, and given back when the work on its films has really ended.

place = queue.enter(bytes)        Problem "full" where a request of that size finds no room now
place.grow(films=1, bytes=n)      as its films arrive
queue.work(place, job, bytes)     a future; the film's share of the place goes with it
place.leave()                     what is left of the place

Requests take turns: after each film of one comes a film of the next, so that a small request never waits for all of a large one.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from plainfilm.core.words import counted
from plainfilm.serve.limits import Limits
from plainfilm.serve.problems import Problem

Result = TypeVar("Result")
_FIRST_GUESS_SECONDS = 0.1  # a film, before any was worked on
_MEMORY = 0.95  # how much the mean keeps of what it was with each film
_LONGEST_WAIT_SECONDS = 600
_AT_THE_DOOR = 65_536  # bytes that a request holds before any of its body has come
_MOST_HEAVY = 2  # jobs at a time, whatever the number of cores: memory does not grow with them


class TooHeavy(Exception):
    """Raised by a job that finds out that it is heavy, before it has done anything: it is called again when a heavy one may be."""


class Place:
    """Room that a request holds in the queue. films, bytes: what it holds that no job has taken over yet."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._begun = time.monotonic()
        self.films = self.bytes = 0

    def grow(self, *, films: int = 0, bytes: int = 0) -> None:
        """Take more room. Raises Problem where there is none, now or ever; what the place holds it keeps until it leaves."""
        self._queue._check_fits(self.films + films, self.bytes + bytes)
        self._queue._take(films, bytes)
        self.films += films
        self.bytes += bytes

    def leave(self) -> None:
        """Give back what no job has taken over. Leaving twice does nothing."""
        self._queue._give_back(self.films, self.bytes)
        self._queue._places.discard(self)
        self.films = self.bytes = 0

    @property
    def age_seconds(self) -> float:
        """How long its request has been here."""
        return time.monotonic() - self._begun


@dataclass(eq=False)
class _Job:
    """Work on one film. call: told whether it may be heavy. bytes: the room that it holds."""

    call: Callable[[bool], Any]
    bytes: int
    future: Future[Any] = field(default_factory=Future)
    begun: float = field(default_factory=time.monotonic)
    is_heavy: bool = False


class WorkQueue:
    """Threads that work on films, and a bound on what waits for them.

    limits: films_in_work and bytes_in_work. workers: threads. waited: told how many seconds each job waited for one.
    Heavy jobs leave one worker to the others wherever there are two.
    """

    def __init__(self, limits: Limits, workers: int, waited: Callable[[float], None]) -> None:
        self._limits, self._workers, self._waited = limits, workers, waited
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="film")
        self._lock = threading.RLock()  # cancelling a future calls back at once
        self._turns: deque[tuple[Place, deque[_Job]]] = deque()  # the next request's turn first
        self._places: set[Place] = set()
        self._running = self._heavy = 0
        self._most_heavy = min(_MOST_HEAVY, max(1, workers - 1))
        self._is_closed = False
        self._seconds_per_film = _FIRST_GUESS_SECONDS
        self.films = self.bytes = 0
        self.is_stopping = False

    def enter(self, bytes: int) -> Place:
        """A place for a request of so many bytes, of which it holds next to none yet. Raises Problem: full, or stopping."""
        if self.is_stopping:
            raise Problem(
                "stopping", "the server finishes what it began and takes nothing new", headers={"Retry-After": "10"}
            )
        with self._lock:
            self._check_room(1, bytes)
            place = Place(self)
            place.grow(bytes=min(bytes, _AT_THE_DOOR))
            self._places.add(place)
        return place

    def work(self, place: Place, job: Callable[[bool], Result], bytes: int) -> Future[Result]:
        """Have a job done when it is the request's turn. The room of one film and of `bytes` is the job's from now on.

        job: called with False, and again with True where it raises TooHeavy; then only so many at a time are called.
        The room is given back when the job has ended, by whatever, or was cancelled before it began.
        """
        place.films -= 1
        place.bytes -= bytes
        made = _Job(job, bytes)
        with self._lock:
            if self._is_closed:
                self._give_back(1, bytes)
                raise RuntimeError("the queue is closed")
            self._wait_in_turn(place, made)
            made.future.add_done_callback(lambda _: self._forget(place, made))
            self._begin_what_may()
        return made.future

    def seconds_until_free(self, *, of_bytes: bool = False) -> int:
        """How long until it is worth another try, 1 to 600: what the films at hand will take at the pace of the last ones.

        of_bytes: bytes are short, and bodies that still arrive and answers that still leave hold them, too; nobody knows when
        these end, so at least as long again as the oldest of them has been here.
        """
        with self._lock:
            seconds = self.films * self._seconds_per_film / self._workers
            if of_bytes:
                seconds = max([seconds, *(place.age_seconds for place in self._places)])
        return min(_LONGEST_WAIT_SECONDS, max(1, math.ceil(seconds)))

    def close(self) -> None:
        """Wait for the jobs that began, drop the others."""
        with self._lock:
            self._is_closed = True
            waiting = [job for _, jobs in self._turns for job in jobs]
        for job in waiting:
            job.future.cancel()
        self._pool.shutdown(wait=True)

    def _wait_in_turn(self, place: Place, job: _Job) -> None:
        for other, jobs in self._turns:
            if other is place:
                jobs.append(job)
                return
        self._turns.append((place, deque([job])))

    def _begin_what_may(self) -> None:
        while self._running < self._workers and (found := self._next()) is not None:
            place, job = found
            self._running += 1
            self._heavy += job.is_heavy
            self._pool.submit(self._run, place, job)

    def _next(self) -> tuple[Place, _Job] | None:
        """The first job that may begin, of the request whose turn it is; that request's next turn comes after all others'."""
        for turn in self._turns:
            place, jobs = turn
            for job in jobs:
                if not job.is_heavy or self._heavy < self._most_heavy:
                    jobs.remove(job)
                    self._turns.remove(turn)
                    if jobs:
                        self._turns.append(turn)
                    return place, job
        return None

    def _run(self, place: Place, job: _Job) -> None:
        started = time.monotonic()
        if not job.is_heavy:
            self._waited(started - job.begun)
        result, error, again = None, None, False
        try:
            result = job.call(job.is_heavy)
        except TooHeavy:
            again = True
        except BaseException as raised:
            error = raised
        with self._lock:
            self._running -= 1
            self._heavy -= job.is_heavy
            if again and not job.future.cancelled() and not self._is_closed:
                job.is_heavy = True
                self._wait_in_turn(place, job)
            else:
                self._give_back(1, job.bytes)
                self._learn(time.monotonic() - started)
            self._begin_what_may()
        if again:
            if self._is_closed:
                job.future.cancel()
            return
        with suppress(InvalidStateError):  # nobody waits for it any more
            if error is not None:
                job.future.set_exception(error)
            else:
                job.future.set_result(result)

    def _forget(self, place: Place, job: _Job) -> None:
        """Drop a job that was cancelled while it waited, with its film; one that is being worked on goes on to its end."""
        with self._lock:
            for turn in self._turns:
                if turn[0] is place and job in turn[1]:
                    turn[1].remove(job)
                    if not turn[1]:
                        self._turns.remove(turn)
                    self._give_back(1, job.bytes)
                    return

    def _check_fits(self, films: int, bytes: int) -> None:
        """Raise Problem where one request would need more than all of the room."""
        if films > self._limits.films_in_work or bytes > self._limits.bytes_in_work:
            raise Problem(
                "too-large",
                f"with what its answers need it would take more than {self._limits.bytes_in_work:,} bytes at a time",
            )

    def _check_room(self, films: int, bytes: int) -> None:
        """Raise Problem where there is no room for so much now."""
        too_many = self.films + films > self._limits.films_in_work
        if not (too_many or self.bytes + bytes > self._limits.bytes_in_work):
            return
        at_hand = counted(self.films, "film") if too_many else f"{self.bytes:,} bytes"
        raise Problem(
            "full",
            f"{at_hand} are being worked on or wait already",
            headers={"Retry-After": str(self.seconds_until_free(of_bytes=not too_many))},
        )

    def _take(self, films: int, bytes: int) -> None:
        with self._lock:
            self._check_room(films, bytes)
            self.films += films
            self.bytes += bytes

    def _give_back(self, films: int, bytes: int) -> None:
        with self._lock:
            self.films -= films
            self.bytes -= bytes

    def _learn(self, seconds: float) -> None:
        with self._lock:
            self._seconds_per_film = _MEMORY * self._seconds_per_film + (1 - _MEMORY) * seconds

"""Many films through one predictor: each thread takes a few and does all of it, and what they give comes out in order.

    films  ->  batches of a few  ->  threads: read, decode, preprocess, network, gate  ->  answers, in the order of the films

Decoding and ONNX Runtime let other threads run, so while one thread decodes another is in the network, on all cores. No more than a
few batches a thread are under way, so memory does not grow with the number of films.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import cv2

from plainfilm.core.predictor import Answer, Predictor, Seen
from plainfilm.errors import BadImage
from plainfilm.serve.films import NamedFilm

FILMS_AT_ONCE = 4  # of a network in ONNX Runtime: more are no faster
_BATCHES_A_THREAD = 3  # one at work, and two so that a slow one before them keeps nobody waiting

Finish = Callable[[int, Seen, Answer], None]


class Numbered(NamedTuple):
    """A film and its place among all that were asked for, from 0."""

    place: int
    film: NamedFilm


def batches_of(films: Iterable[NamedFilm], films_at_once: int) -> Iterator[list[Numbered]]:
    """The films in batches, the last perhaps smaller. What is in a batch depends on the films' places alone."""
    numbered = (Numbered(place, film) for place, film in enumerate(films))
    while batch := list(islice(numbered, films_at_once)):
        yield batch


def answer_batches(
    predictor: Predictor,
    batches: Iterable[Sequence[Numbered]],
    *,
    threads: int | None = None,
    maps: bool = False,
    finish: Finish | None = None,
) -> Generator[list[Answer]]:
    """The answers for each batch, in order.

    threads: how many are at work; one for each core that this process may use where None.
    maps: whether answers carry their heatmaps, for `finish`, which is called in a thread with a film's place, the film and its
        answer; what it raises ends all.
    A film that cannot be read is an answer with its reason. Raises BadBundle where the network fails.
    """
    count = threads or usable_cores()

    def work(batch: Sequence[Numbered]) -> list[Answer]:
        films = [_seen(predictor, film) for _, film in batch]
        good = iter(predictor.answers([film for film in films if isinstance(film, Seen)], maps=maps))
        answers = [film if isinstance(film, Answer) else next(good) for film in films]
        for (place, _), film, answer in zip(batch, films, answers, strict=True):
            if finish is not None and isinstance(film, Seen):
                finish(place, film, answer)
        return answers

    with _opencv_in_one_thread():
        pool = ThreadPoolExecutor(count, "predict")
        under_way: deque[Future[list[Answer]]] = deque()
        try:
            for batch in batches:
                under_way.append(pool.submit(work, batch))
                if len(under_way) >= _BATCHES_A_THREAD * count:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _seen(predictor: Predictor, film: NamedFilm) -> Seen | Answer:
    """The film made ready, or the answer that it cannot be."""
    if film.error:
        return predictor.unread(film.name, film.error)
    try:
        return predictor.see(film.path, film.name)
    except BadImage as error:
        return predictor.unread(film.name, error.message)
    except MemoryError:
        return predictor.unread(film.name, "needs more memory than there is; make it smaller first")
    except Exception as error:  # a defect of ours; but thousands of films must not wait for its repair
        return predictor.unread(
            film.name, f"plainfilm failed on it ({type(error).__name__}: {error}): please report it"
        )


@contextmanager
def _opencv_in_one_thread() -> Iterator[None]:
    """Our threads share the cores already; OpenCV's own would only get into their way."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)

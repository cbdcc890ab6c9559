"""One uploaded film -> its entry in the reply, as JSON. Runs in a worker's thread; a bad film harms nobody but itself."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass
from typing import Any

from plainfilm.core.image import ImageInfo
from plainfilm.core.predictor import Answer, Predictor, Seen
from plainfilm.errors import BadImage, NoPicture, TooManyPixels, Unfit
from plainfilm.serve.advice import for_turned_away
from plainfilm.serve.limits import Limits
from plainfilm.serve.metrics import Metrics, Outcome
from plainfilm.serve.problems import Problem
from plainfilm.serve.queue import TooHeavy
from plainfilm.serve.shown import heatmaps, picture
from plainfilm.serve.uploads import Upload

_log = logging.getLogger("plainfilm.serve")
_LIGHT_PIXELS = 16_000_000  # most films have fewer; at worst 0.7 GB while it is decoded


@dataclass(frozen=True)
class Wanted:
    """What a request wants of each film besides its answer."""

    heatmaps: bool = False
    picture: bool = False


@dataclass(frozen=True)
class Entry:
    """A film's part of the reply, JSON; and its problem, None where the film was read."""

    json: bytes
    problem: Problem | None


@dataclass(frozen=True)
class Answering:
    """What turns uploads into entries; several threads may use one."""

    predictor: Predictor
    limits: Limits
    metrics: Metrics

    def entry(self, upload: Upload, wanted: Wanted, may_be_heavy: bool = True) -> Entry:
        """The entry of one film: what fails is the film's problem.

        Raises nothing but TooHeavy, where the film declares many pixels and may not; it was not decoded then.
        """
        try:
            told, problem = self._told(upload, wanted, may_be_heavy), None
        except TooHeavy:
            raise
        except Problem as known:
            problem = known
        except BadImage as error:
            problem = Problem(_kind(error), error.message, film=upload.name)
        except Exception as error:
            _log.error("A film could not be answered, by a defect: %s", where_it_failed(error))
            problem = Problem("defect", "something in it could not be dealt with; it was not kept", film=upload.name)
        if problem is not None:
            told = self._failed(upload, problem)
        self.metrics.film(_outcome(told))
        return Entry(json.dumps(told, ensure_ascii=False, allow_nan=False).encode(), problem)

    def _told(self, upload: Upload, wanted: Wanted, may_be_heavy: bool) -> dict[str, Any]:
        if upload.problem is not None:
            raise upload.problem
        with self.metrics.timed("read"):
            seen = self._seen(upload, wanted, may_be_heavy)
        with self.metrics.timed("answer"):
            (answer,) = self.predictor.answers([seen], maps=wanted.heatmaps)
        if answer.error:
            raise Problem("defect", answer.error, film=upload.name)
        with self.metrics.timed("show"):
            return {
                **_spoken(answer, upload.name),
                "info": _info(seen.info),
                "heatmaps": self._heatmaps(answer, seen) if wanted.heatmaps else None,
                "picture": None if seen.pixels is None else picture(seen.pixels),
                "problem": None,
            }

    def _seen(self, upload: Upload, wanted: Wanted, may_be_heavy: bool) -> Seen:
        most = self.limits.pixels_per_film
        try:
            return self.predictor.see(
                # its name stays outside: what the reading says of a film cannot repeat it, nor can a log
                *(upload.content, "film" + upload.suffix),
                max_pixels=most if may_be_heavy else min(most, _LIGHT_PIXELS),
                keep_pixels=wanted.picture,
            )
        except TooManyPixels:
            if may_be_heavy or most <= _LIGHT_PIXELS:
                raise
            raise TooHeavy from None

    def _heatmaps(self, answer: Answer, seen: Seen) -> dict[str, Any] | None:
        if answer.strength is None:
            return None
        size = (seen.info.height, seen.info.width)
        return heatmaps(answer.strength, answer.classes, self.predictor.preprocess, size)

    def _failed(self, upload: Upload, problem: Problem) -> dict[str, Any]:
        spoken = _spoken(self.predictor.unread(upload.name, problem.detail), upload.name)
        empty = {"info": None, "heatmaps": None, "picture": None}
        return {**spoken, "advice": problem.advice, **empty, "problem": problem.to_dict()}


def where_it_failed(error: BaseException) -> str:
    """The kind of an error and the lines that it came through, innermost last; never its message, which may quote a film."""
    places = [f"{frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})" for frame in _frames(error)]
    return f"{type(error).__name__} in {' > '.join(places)}"


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return traceback.extract_tb(error.__traceback__)[-8:]


def _spoken(answer: Answer, name: str) -> dict[str, Any]:
    return {**answer.to_dict(), "film": name, "advice": for_turned_away(answer.turned_away)}


def _info(info: ImageInfo) -> dict[str, Any]:
    """What may be told of a file; never who is on it."""
    told = ("format", "width", "height", "bit_depth", "colour", "is_inverted", "view")
    return {name: getattr(info, name) for name in told}


def _kind(error: BadImage) -> str:
    kinds = {NoPicture: "no-picture", TooManyPixels: "film-too-large", Unfit: "unfit"}
    return kinds.get(type(error), "damaged")


def _outcome(told: dict[str, Any]) -> Outcome:
    if told["status"] == "error":
        return "error"
    return "turned_away" if told["turned_away"] else "answered"

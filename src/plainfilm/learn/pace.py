"""Time given, time taken: how fast this training is here, and how much of its course still fits into --minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from plainfilm.learn.schedule import mean_step_seconds

_MARGIN = 0.95  # share of the remaining time that is planned for; the rest is for what cannot be foreseen
_REPORT_SECONDS = 20.0
_FULL_PRECISION_COST = 2.5  # scoring in float32 against validation in the training's arithmetic, at most


class Pace:
    """Seconds a step and a validation at each size, measured and kept up to date, against a deadline.

    started: time.monotonic() when the given time began. seconds: the given time, 0 for no limit.
    sizes: that the training walks through. epoch_steps: steps between validations.
    evaluated_films: films that are scored in float32 after the training, within the same time.
    """

    def __init__(
        self, started: float, seconds: float, sizes: Sequence[int], epoch_steps: int, evaluated_films: int
    ) -> None:
        self.started, self.seconds, self.sizes = started, seconds, sizes
        self.epoch_steps, self.evaluated_films = epoch_steps, evaluated_films
        self.step_seconds: dict[int, float] = {}
        self.validation_seconds: dict[int, float] = {}
        self.film_seconds = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of the given time that are gone."""
        return time.monotonic() - self.started

    @property
    def reserve(self) -> float:
        """Seconds kept back for scoring and reporting after the training; none where nothing is scored."""
        if not self.evaluated_films:
            return 0.0
        return self.evaluated_films * self.film_seconds * _FULL_PRECISION_COST + _REPORT_SECONDS

    def resumed(self, seconds_before: float, film_seconds: float) -> None:
        """Count what an interrupted training had used up, and take over what it knew of scoring a film."""
        self.started -= seconds_before
        self.film_seconds = film_seconds

    def measure(
        self, time_step: Callable[[int], float], time_validation: Callable[[int], float], validation_films: int
    ) -> None:
        """Time one step and one validation at each size, after one for warming up."""
        for size in dict.fromkeys(self.sizes):
            time_step(size)
            self.step_seconds[size] = min(time_step(size), time_step(size))
            time_validation(size)
            self.validation_seconds[size] = time_validation(size)
        self.film_seconds = self.validation_seconds[self.sizes[-1]] / max(1, validation_films)

    def took_step(self, size: int, seconds: float) -> None:
        """A step at this size took so long; the running mean follows."""
        before = self.step_seconds.get(size, seconds)
        self.step_seconds[size] = 0.95 * before + 0.05 * seconds

    def took_validation(self, size: int, seconds: float) -> None:
        """A validation at this size took so long."""
        self.validation_seconds[size] = seconds

    def steps_that_fit(self, course: float) -> int:
        """How many more steps fit into what is left, from this point of the course."""
        left = (self.seconds - self.elapsed - self.reserve) * _MARGIN
        return int(left / self._step_seconds(course)) if course < 1 and left > 0 else 0

    def seconds_left(self, steps: int, course: float) -> float:
        """What that many more steps take, from this point of the course to its end."""
        return steps * self._step_seconds(course) if steps and course < 1 else 0.0

    def _step_seconds(self, course: float) -> float:
        """Seconds a step from here to the end, on average, with its share of the validations."""
        step_seconds = {size: self._known(self.step_seconds, size) for size in self.sizes}
        validation = {size: self._known(self.validation_seconds, size) for size in self.sizes}
        return mean_step_seconds(course, self.sizes, step_seconds, self.epoch_steps, validation)

    def _known(self, seconds: dict[int, float], size: int) -> float:
        """Seconds at this size; from the nearest known size, by area, where it was not met (yet, or since a resume)."""
        if size in seconds:
            return seconds[size]
        if not seconds:
            return 0.0
        nearest = min(seconds, key=lambda known: abs(known - size))
        return seconds[nearest] * (size / nearest) ** 2

"""The course of a training: how far it is, how large the films are, how fast it learns, and how much fits into a given time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from plainfilm.core.config import TrainConfig

# Until which share of the course the films have which share of the full size.
STAGES = ((0.4, 0.5), (0.65, 0.75), (1.0, 1.0))
_SMALLEST_STAGE_PX = 64
_STAGE_MULTIPLE_PX = 16
_COSINE_WARMUP = 0.03
_ONE_CYCLE_RISE = 0.3
_ONE_CYCLE_START = 1 / 25
_LAST_SHARE = 1e-3


@dataclass(frozen=True)
class Plan:
    """How many steps there are, and the course that they walk.

    last_step: the training ends there.
    from_step, from_course: where this plan was made; a later plan goes on from there without a jump.
    """

    last_step: int
    from_step: int = 0
    from_course: float = 0.0

    def course(self, step: int) -> float:
        """How far the training is before `step`: 0 at the start, 1 at the end."""
        if step >= self.last_step:
            return 1.0
        return self.from_course + (1 - self.from_course) * (step - self.from_step) / (self.last_step - self.from_step)

    def extended_to(self, last_step: int, step: int) -> Plan:
        """The same course with another end, as seen from `step`."""
        return replace(self, last_step=max(last_step, step), from_step=step, from_course=self.course(step))


def size_at(course: float, sizes: Sequence[int]) -> int:
    """The side of the films, pixels, at a point of the course. sizes: one a stage, or one for all."""
    if len(sizes) == 1:
        return sizes[0]
    return next(size for (until, _), size in zip(STAGES, sizes, strict=True) if course < until or until == 1.0)


def stage_sizes(config: TrainConfig) -> list[int]:
    """The sizes that a progressive training walks through; the full size alone where it does not."""
    if config.progressive == "none" or config.size < _SMALLEST_STAGE_PX + 2 * _STAGE_MULTIPLE_PX:
        return [config.size]
    grown = [int(config.size * share) // _STAGE_MULTIPLE_PX * _STAGE_MULTIPLE_PX for _, share in STAGES[:-1]]
    return [*(max(_SMALLEST_STAGE_PX, size) for size in grown), config.size]


def rate_share(course: float, schedule: str) -> float:
    """The learning rate at a point of the course, as a share of the largest.

    Source: cosine with a short linear rise, Loshchilov & Hutter 2017; one-cycle, Smith & Topin 2018.
    """
    if schedule in ("constant", "plateau"):
        return 1.0
    if schedule == "one-cycle":
        rise, start = _ONE_CYCLE_RISE, _ONE_CYCLE_START
        if course < rise:
            return start + (1 - start) * 0.5 * (1 - math.cos(math.pi * course / rise))
    else:
        rise = _COSINE_WARMUP
        if course < rise:
            return max(_LAST_SHARE, course / rise)
    return _LAST_SHARE + (1 - _LAST_SHARE) * 0.5 * (1 + math.cos(math.pi * (course - rise) / (1 - rise)))


def mean_step_seconds(
    course: float,
    sizes: Sequence[int],
    step_seconds: dict[int, float],
    pass_steps: int,
    pass_seconds: dict[int, float],
) -> float:
    """Seconds that a step takes from this point of the course to its end, on average, validations included.

    step_seconds: size -> seconds a step. pass_steps: steps between validations. pass_seconds: size -> seconds a validation.
    """
    remaining = 1 - course
    begin, mean = course, 0.0
    for (until, _), size in zip(STAGES if len(sizes) > 1 else ((1.0, 1.0),), sizes, strict=True):
        if until > begin:
            mean += (until - begin) / remaining * (step_seconds[size] + pass_seconds[size] / pass_steps)
            begin = until
    return mean

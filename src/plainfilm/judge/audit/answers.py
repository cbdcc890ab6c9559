"""The same films answered twice, before and after they were changed: what stayed, what was lost, what is no longer answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.audit import Verdict
from plainfilm.core.bootstrap import Interval, format_interval, index_groups
from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Booleans, Floats, Integers
from plainfilm.judge.judged import JudgedFilms, Resampling
from plainfilm.judge.trust import shares

UNSURE = "The films are of too few groups to tell how sure any number is, so nothing is held against the run."


@dataclass(frozen=True)
class Twice:
    """N films that have a label and a score, as they are and after each of K changes.

    All of them count, whether the gate turns them away or not: what is asked is what the network makes of a change.
    label_index, group: (N,). before: (N,) the class that is answered, by its place; after: (N, K).
    is_turned_away: (N, K) answered before, and turned away after. gate_was_asked: (K,) False where that is not known.
    """

    label_index: NDArray[np.int64]
    group: NDArray[np.object_]
    before: Integers
    after: Integers
    is_turned_away: Booleans
    gate_was_asked: Booleans

    @classmethod
    def of(
        cls, plain: Predictions, changed: Sequence[Predictions], calibration: Calibration | None = None
    ) -> Twice | None:
        """Two or more tables of the same films; None where no film has a label and a score in all of them.

        calibration: what makes the run's answers; the highest logit where None.
        Raises ValueError where the tables are not of the same films, or not of the same classes.
        """
        names = plain.table["image_id"].tolist()
        for one in changed:
            if one.classes != plain.classes or one.table["image_id"].tolist() != names:
                raise ValueError("the tables of scores are not of the same films and classes, in the same order")
        tables = (plain, *changed)
        is_scored = [one.has_score & (one.table["status"] == "ok").to_numpy(bool) for one in tables]
        is_usable = np.logical_and.reduce(is_scored) & (plain.label_index >= 0)
        if not is_usable.any() or not changed:
            return None
        fit = calibration or Calibration.none(plain.classes)
        first, *others = (JudgedFilms.of(one.where(is_usable), fit) for one in tables)
        after = np.stack([one.probability.argmax(axis=1) for one in others], axis=1)
        is_away = np.stack([one.turned_away != "" for one in others], axis=1)
        was_asked = np.array(["turned_away" in one.table for one in changed], np.bool_)
        was_answered = (first.turned_away == "")[:, None]
        return cls(
            first.label_index, first.group, first.probability.argmax(axis=1), after, is_away & was_answered, was_asked
        )

    @property
    def is_flipped(self) -> Booleans:
        """(N, K) whether the answer became another."""
        return np.asarray(self.after != self.before[:, None], np.bool_)

    def verdict_on(self, worst: Interval, warn: float, fail: float, drawing: Resampling) -> tuple[Verdict, str]:
        """The verdict on the worst change, by its lower end; and why it is "unknown", "" where it is not."""
        if math.isnan(worst.low):
            return "unknown", UNSURE
        if worst.low > warn:
            return ("fail" if worst.low > fail else "warn"), ""
        blind = self._nothing_to_lose(drawing)
        return ("unknown" if blind else "pass"), blind

    def _nothing_to_lose(self, drawing: Resampling) -> str:
        """Why a change can cost the run nothing: it is not surely better than naming the commonest class; "" where it is."""
        (before,) = self._shares(self._is_right(self.before[:, None]), drawing)
        commonest = float(np.bincount(self.label_index).max() / len(self.label_index))
        if not before.low <= commonest:
            return ""
        return (
            f"The run names {format_interval(before)} of these films rightly, and always naming the commonest class"
            f" {commonest:.3f}: it is not surely better, so it has nothing to lose and this says nothing."
        )

    def flipped(self, drawing: Resampling) -> list[Interval]:
        """K shares of films whose answer became another."""
        return self._shares(self.is_flipped, drawing)

    def accuracy(self, drawing: Resampling) -> list[Interval]:
        """K shares of films that are answered rightly after the change."""
        return self._shares(self._is_right(self.after), drawing)

    def turned_away(self, drawing: Resampling) -> list[Interval]:
        """K shares of films that are answered before and turned away after the change; NaN where the gate was not asked."""
        unknown = Interval(math.nan, math.nan, math.nan)
        found = self._shares(self.is_turned_away, drawing)
        return [one if known else unknown for one, known in zip(found, self.gate_was_asked, strict=True)]

    def loss(self, drawing: Resampling) -> list[Interval]:
        """K differences of accuracy, before less after."""
        before, after = self._is_right(self.before[:, None]), self._is_right(self.after)
        return paired_differences(before & ~after, ~before & after, self.group, drawing)

    def _is_right(self, answer: Integers) -> Booleans:
        return np.asarray(answer == self.label_index[:, None], np.bool_)

    def _shares(self, part: Booleans, drawing: Resampling) -> list[Interval]:
        return shares(part, np.ones_like(part), self.group, drawing)


def paired_differences(
    lost: Booleans, gained: Booleans, group: NDArray[np.object_], drawing: Resampling
) -> list[Interval]:
    """K differences of two shares of the same films, the share lost less the share gained; both (N, K).

    The ends are put together from Wilson's of the two shares, correlated as they are over groups. So where nothing was
    lost or gained, the interval still says how much could have been.
    Source: MOVER, Zou & Donner 2008, doi:10.1002/sim.3095; for paired shares Newcombe 1998, Statistics in Medicine 17, 2635.
    """
    count = lost.shape[1]
    both = np.hstack([lost, gained])
    found = shares(both, np.ones_like(both), group, drawing)
    place, _ = index_groups(group)
    size = np.bincount(place)
    of_groups = np.stack([np.bincount(place, weights=column) for column in both.T])  # (2 K, G)
    apart = of_groups - both.mean(axis=0)[:, None] * size  # more than the group's size explains
    differences = []
    for k, (out, back) in enumerate(zip(found[:count], found[count:], strict=True)):
        alike = _correlation(apart[k], apart[count + k])
        value = out.value - back.value
        low = value - _reach(out.value - out.low, back.high - back.value, alike)
        high = value + _reach(out.high - out.value, back.value - back.low, alike)
        differences.append(Interval(value, low, high))
    return differences


def _correlation(one: Floats, other: Floats) -> float:
    spread = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / spread if spread > 0 else 0.0


def _reach(one: float, other: float, alike: float) -> float:
    return (
        math.sqrt(max(0.0, one**2 + other**2 - 2 * alike * one * other)) if one == one and other == other else math.nan
    )

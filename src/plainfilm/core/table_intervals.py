"""Every measure of a table of predictions with the ends of its interval: what the bootstrap has to look at, and which rule of
`intervals.py` each measure takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from plainfilm.core.intervals import (
    area_ends,
    calibration_ends,
    correlation,
    effective_groups,
    likeness,
    loss_ends,
    mean_ends,
    share_ends,
    standard_error,
)
from plainfilm.core.metrics import CALIBRATION_BINS, RankedTable
from plainfilm.core.ranking import Booleans, Floats, Integers, share_of

_LOSSES = ("log_loss", "brier")  # the order of RankedTable.losses
_MEANS = {
    "balanced_accuracy": "recall",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_specificity": "specificity",
    "macro_f1": "f1",
    "macro_auroc": "auroc",
    "macro_average_precision": "average_precision",
}
_NEVER_VARIES = 1e-12  # a sum of squares against what it was taken from: rounding

_Found = tuple[Sequence[str], tuple[Floats | float, Floats | float]]  # names, and their low and high ends


class _Behind(NamedTuple):
    """What shares of (K,) kinds of films rest on. groups: their effective number; films: their number; (K,) each."""

    groups: Floats
    films: Floats


class TableEstimate:
    """A table whose films come in groups.

    group_index: (N,) 0..G-1, the group of each film.
    names: the columns of `statistic` that have an interval: the table's measures, then `count/TRUTH/PREDICTED` in films and
        `share/TRUTH/PREDICTED` of the films of the true class. The columns after them are for the intervals alone.
    """

    def __init__(self, table: RankedTable, group_index: npt.NDArray[np.intp]) -> None:
        self._table, self._group_index = table, group_index
        cells = [f"{truth}/{predicted}" for truth in table.classes for predicted in table.classes]
        self.names = (*table.names, *(f"count/{cell}" for cell in cells), *(f"share/{cell}" for cell in cells))
        self._place = {name: place for place, name in enumerate(self.names)}
        classes = np.arange(len(table.classes))
        is_true, is_said = table.label_index[:, None] == classes, table.predicted_index[:, None] == classes
        self._all = _behind(group_index, np.ones((table.films, 1), dtype=bool))
        self._true, self._others = _behind(group_index, is_true), _behind(group_index, ~is_true)
        self._said, self._either = _behind(group_index, is_said), _behind(group_index, is_true | is_said)
        self._alike = likeness(table.losses[_LOSSES.index("brier")], group_index)
        self._size = np.bincount(group_index)
        total = np.stack([np.bincount(group_index, weights=loss) for loss in table.losses])  # (2, G)
        self._loss = table.losses.mean(axis=1)
        residual = total - self._loss[:, None] * self._size
        self._loss_error = np.sqrt((residual**2).sum(axis=1)) / table.films
        # What films add to sums over groups: of total, of total squared, of total times size, and of size squared.
        of_film, size = total[:, group_index], self._size[group_index].astype(np.float64)
        self._moments = np.stack([*table.losses, *(table.losses * of_film), *(table.losses * size), size])  # (7, N)

    def statistic(self, weight: Integers) -> Floats:
        """(W, N) weightings -> (W, ...)."""
        found = self._table.weigh(weight)
        share = share_of(found.confusion, found.confusion.sum(axis=2, keepdims=True))
        parts = (found.measures, found.confusion, share, found.gaps, self._student(weight))
        return np.concatenate([part.reshape(len(weight), -1) for part in parts], axis=1)

    def ends(self, value: Floats, replicate: Floats, level: float) -> tuple[Floats, Floats]:
        """Low and high ends, in the order of `names`; NaN where they are unknown, all of them with a single group.

        value: (...), what `statistic` gives for the films as they are. replicate: (R, ...), what it gives for replicates.
        """
        ends = np.full((2, len(self.names)), np.nan)
        if len(self._size) < 2:
            return ends[0], ends[1]
        error = standard_error(replicate[:, : len(self.names)], len(self._size))
        for names, found in (
            *self._of_shares(value, error, level),
            *self._of_areas(value, error, level),
            *self._of_losses(value, replicate, level),
            *self._of_calibration(value, replicate, level),
        ):
            ends[:, self._at(names)] = np.array(found).reshape(2, -1)
        for name, of_class in _MEANS.items():
            at = self._at(self._names(of_class))
            ends[:, self._place[name]] = mean_ends(value[at], ends[0, at], ends[1, at], correlation(replicate[:, at]))
        return ends[0], ends[1]

    def _of_shares(self, value: Floats, error: Floats, level: float) -> Iterator[_Found]:
        unbounded = np.full(len(self._table.classes), np.inf)  # a film that F1 finds counts twice
        cells = self._table.films * np.ones(len(self._table.classes) ** 2)
        weighted = ["weighted_precision", "weighted_specificity", "weighted_f1"]
        for names, behind in (
            (["accuracy"], self._all),
            (["weighted_recall"], self._all),  # which is the accuracy
            (weighted, _Behind(np.repeat(self._all.groups, len(weighted)), np.full(len(weighted), np.inf))),
            (self._names("precision"), self._said),
            (self._names("recall"), self._true),
            (self._names("specificity"), self._others),
            (self._names("f1"), _Behind(self._either.groups, unbounded)),
            (self._names("share"), _Behind(*(np.repeat(column, len(self._table.classes)) for column in self._true))),
        ):
            at = self._at(names)
            yield names, share_ends(value[at], error[at], *behind, level)
        at = self._at(self._names("count"))
        ends = share_ends(value[at] / cells, error[at] / cells, self._all.groups + 0 * cells, cells, level)
        yield self._names("count"), (ends[0] * cells, ends[1] * cells)

    def _of_areas(self, value: Floats, error: Floats, level: float) -> Iterator[_Found]:
        areas, precisions = self._names("auroc"), self._names("average_precision")
        found = area_ends(
            value[self._at(areas)],
            value[self._at(precisions)],
            error[self._at(areas)],
            error[self._at(precisions)],
            groups=(self._true.groups, self._others.groups),
            films=(self._true.films, self._others.films),
            alike=self._alike,
            level=level,
        )
        yield from zip((areas, precisions), found, strict=True)

    def _of_losses(self, value: Floats, replicate: Floats, level: float) -> Iterator[_Found]:
        for kind, name in enumerate(_LOSSES):
            student = replicate[:, kind - len(_LOSSES)]
            yield [name], loss_ends(float(value[self._place[name]]), float(self._loss_error[kind]), student, level)

    def _of_calibration(self, value: Floats, replicate: Floats, level: float) -> Iterator[_Found]:
        """The classes' gaps are one long row of gaps, since the mean of their errors is sought."""
        classes = len(self._table.classes)
        gap = slice(len(self.names), -len(_LOSSES))
        first = CALIBRATION_BINS
        for name, part, share in (("ece", slice(0, first), 1), ("classwise_ece", slice(first, None), classes)):
            yield (
                [name],
                calibration_ends(
                    value[gap][part] / share,
                    replicate[:, gap][:, part] / share,
                    len(self._size),
                    float(self._all.groups[0]),
                    level,
                ),
            )

    def _student(self, weight: Integers) -> Floats:
        """(W, 2) mean losses less those of the films as they are, by their standard errors over groups; may be infinite."""
        sums = np.einsum("wn,kn->kw", weight.astype(np.float64), self._moments)
        films = weight.sum(axis=1)
        mean = sums[0:2] / films
        squares = sums[2:4] - 2 * mean * sums[4:6] + mean**2 * sums[6]
        error = np.sqrt(np.where(squares > _NEVER_VARIES * sums[2:4], squares, 0)) / films
        apart = mean - self._loss[:, None]
        is_certain = error == 0
        return np.asarray(np.where(is_certain, np.copysign(np.inf, apart), apart / np.where(is_certain, 1, error)).T)

    def _names(self, measure: str) -> list[str]:
        return [name for name in self.names if name.startswith(f"{measure}/")]

    def _at(self, names: Sequence[str]) -> list[int]:
        return [self._place[name] for name in names]


def _behind(group_index: npt.NDArray[np.intp], is_part: Booleans) -> _Behind:
    """is_part: (N, K)."""
    return _Behind(effective_groups(group_index, is_part), is_part.sum(axis=0).astype(np.float64))

"""How accuracy changes from one training to another on the same test films: sharper than two intervals side by side."""

from __future__ import annotations

import math

import numpy as np

from plainfilm.core.bootstrap import Interval, percentile_intervals
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Floats, Integers
from plainfilm.core.run import Run
from plainfilm.judge.judged import JudgedFilms, Resampling

_AGREES = 1e-6


def paired_change(before: Run, after: Run, expected: float) -> Interval | None:
    """The accuracy of `after` less that of `before`, with the percentiles of a bootstrap over groups of films.

    expected: the change that the numbers of both say. None where a table of scores is absent, the films are not the same, or the
    tables say another change: then they are not what the numbers were made of.
    """
    same = _same_films(before, after)
    if same is None:
        return None
    first, second = same
    films = [JudgedFilms.of(each, run.calibration()) for each, run in ((first, before), (second, after))]
    change = films[1].is_right.astype(np.int64) - films[0].is_right  # (N,) of -1, 0, 1

    def mean_change(weight: Integers) -> Floats:
        return np.asarray((weight @ change / weight.sum(axis=1))[:, None], np.float64)

    drawn = Resampling()
    (found,) = percentile_intervals(
        mean_change, films[0].group, repeats=drawn.repeats, seed=drawn.seed, level=drawn.level
    )
    return found if math.isclose(found.value, expected, abs_tol=_AGREES) else None


def have_same_test_films(before: Run, after: Run) -> bool:
    """Whether two runs were judged on the very same films."""
    return _same_films(before, after) is not None


def _same_films(before: Run, after: Run) -> tuple[Predictions, Predictions] | None:
    """What both said of the test films, which are the same; None where they are not, or a table is absent."""
    tables = [run / "predictions.csv" for run in (before, after)]
    if not all(table.is_file() for table in tables):
        return None
    first, second = (_test_films(Predictions.open(table)) for table in tables)
    if not len(first.table) or list(first.table["image_id"]) != list(second.table["image_id"]):
        return None
    return first, second


def _test_films(predictions: Predictions) -> Predictions:
    """The judged films of the test split, sorted by name."""
    judged = predictions.where(predictions.table["split"] == "test").judged
    return Predictions(judged.table.sort_values("image_id", kind="stable", ignore_index=True), judged.classes)

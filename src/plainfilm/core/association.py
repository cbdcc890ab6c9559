"""How far the source of a film foretells its class.

Films come in groups that are not independent, so intervals are drawn over groups; see `plainfilm.core.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from plainfilm.core.bootstrap import Groups, Interval, percentile_intervals
from plainfilm.core.ranking import Floats, Integers, refuse_lengths, share_of

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Association:
    """How far a source foretells a class, each number with its interval; NaN where it cannot be known.

    cramers_v: bias-corrected, 0 (no tie) to 1 (the source settles the class), of the whole table.
    cramers_v_of: the same of each class against the rest, by name.
    accuracy: share of films whose class is the commonest class among other films of their source.
    commonest_accuracy: share of films of the class that is the commonest of all.
    """

    cramers_v: Interval
    cramers_v_of: Mapping[str, Interval]
    accuracy: Interval
    commonest_accuracy: Interval


def associate(
    source_index: npt.ArrayLike,
    label_index: npt.ArrayLike,
    fold: npt.ArrayLike,
    group: Groups,
    classes: Sequence[str],
    *,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Association:
    """Measure how far sources foretell classes.

    source_index, label_index: (N,) int; films of unknown source or class are left out before.
    fold: (N,) int; the class of a film is guessed from films of other folds. No group spans two folds.
    group: (N,) of anything hashable. repeats, seed, level: of the bootstrap.
    A replicate holds some groups twice, and a group is like itself: its V is too high, the more so the fewer films a source
    has. So each end is the farther one of the percentiles and of their mirror image about the value ("basic" bootstrap).
    Raises ValueError where the lengths differ or there is no film.
    """
    source, label, places = (np.asarray(given, dtype=np.intp) for given in (source_index, label_index, fold))
    refuse_lengths(source_index=source, label_index=label, fold=places, group=group)
    is_hit = guess_by_source(source, label, places, len(classes)) == label
    is_commonest = label == np.bincount(label, minlength=len(classes)).argmax()
    cell = source * len(classes) + label
    by_cell = np.argsort(cell, kind="stable")
    occupied, starts = np.unique(cell[by_cell], return_index=True)

    def statistic(weight: Integers) -> Floats:
        films = weight.sum(axis=1)
        table = np.zeros((len(weight), (source.max() + 1) * len(classes)))
        table[:, occupied] = np.add.reduceat(weight.take(by_cell, axis=1), starts, axis=1)
        table = table.reshape(len(weight), -1, len(classes))
        shares = [share_of(weight @ chosen.astype(np.int32), films) for chosen in (is_hit, is_commonest)]
        others = table.sum(axis=2, keepdims=True) - table
        of_classes = [cramers_v(np.stack([table[..., c], others[..., c]], axis=2)) for c in range(len(classes))]
        return np.stack([*shares, cramers_v(table), *of_classes], axis=1)

    found = percentile_intervals(statistic, group, repeats=repeats, seed=seed, level=level)
    accuracy, commonest, whole, *of_classes = map(_widened, found)
    return Association(whole, dict(zip(classes, of_classes, strict=True)), accuracy, commonest)


def _widened(found: Interval) -> Interval:
    """Both ends as far as the farther one of the percentiles and their mirror image about the value; within 0..1."""
    farthest = np.minimum(found.low, 2 * found.value - found.high), np.maximum(found.high, 2 * found.value - found.low)
    low, high = np.clip(farthest, 0, 1).tolist()  # unknown where the value is
    return replace(found, low=low, high=high)


def cramers_v(table: npt.ArrayLike) -> Floats:
    """Cramér's V with Bergsma's correction, which takes off what a table of this size shows by chance alone.

    table: (..., R, C) how many films each source (row) supplies of each class (column); empty rows and columns count for
        nothing.
    Returns (...), 0 to 1; NaN where fewer than two rows or two columns hold a film, or as many rows as films.
    Source: Bergsma 2013, doi:10.1016/j.jkss.2012.10.002.
    """
    table = np.asarray(table, dtype=np.float64)
    films = table.sum(axis=(-2, -1))
    of_row, of_column = table.sum(axis=-1), table.sum(axis=-2)
    rows, columns = (of_row > 0).sum(axis=-1), (of_column > 0).sum(axis=-1)
    margins = of_row[..., :, None] * of_column[..., None, :]
    # phi squared, chi squared over films: the sum of n_ij^2 / (n_i n_j), less 1
    phi = np.nansum(share_of(table**2, margins), axis=(-2, -1)) - 1
    others = films - 1
    corrected = np.maximum(0, phi - share_of((rows - 1) * (columns - 1), others))
    widest = np.minimum(*(share - 1 - share_of((share - 1) ** 2, others) for share in (rows, columns)))
    is_known = (rows > 1) & (columns > 1) & (widest > 1e-9)
    return np.asarray(np.sqrt(share_of(corrected, np.where(is_known, widest, 0))))


def guess_by_source(source: Indices, label: Indices, fold: Indices, classes: int) -> Indices:
    """Guess the class of each film: the commonest of its source among the films of the other folds.

    source, label, fold: (N,) int. Returns (N,) int.
    Where several classes are equally common there, or none, the one that is commoner in the other folds altogether.
    """
    guessed = np.empty_like(label)
    for place in np.unique(fold):
        others = fold != place
        table = np.zeros((source.max() + 1, classes))
        np.add.at(table, (source[others], label[others]), 1)
        of_all = table.sum(axis=0)
        guessed[~others] = (table + of_all / (of_all.sum() + 1)).argmax(axis=1)[source[~others]]
    return guessed


def films_by_source(films: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How many films of each class (column) each source (row) supplies; the largest first, the unknown, "", last."""
    counts = pd.crosstab(films["source"], films["label"]).reindex(columns=list(classes), fill_value=0)
    films_of = counts.sum(axis=1).to_dict()
    order = sorted(films_of, key=lambda source: (source == "", -films_of[source], source))
    return counts.loc[order]


def classes_tied_to_source(films: pd.DataFrame, classes: Sequence[str]) -> dict[str, list[str]]:
    """Class -> its sources, for the classes none of whose known sources supplies a film of another class.

    A source of one film supplies one class whatever it is, so such sources say nothing.
    """
    counts = films_by_source(films[films["source"] != ""], classes)
    supplied = counts[counts.sum(axis=1) > 1] > 0
    if supplied.any().sum() < 2:
        return {}
    shared = supplied.sum(axis=1) > 1
    own = {name: list(supplied.index[supplied[name]]) for name in classes}
    return {name: sources for name, sources in own.items() if sources and not shared[sources].any()}

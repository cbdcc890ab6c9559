"""How sure a measure is: intervals from resampling groups of films.

Films of one patient, or copies of one picture, resemble each other; a bootstrap that draws films one by one takes them for
independent and gives intervals that are too narrow. So whole groups are drawn with replacement, as many as there are, and a
film counts as often as its group was drawn (cluster bootstrap: Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x).
Nothing is sorted or approximated on the way: each replicate is measured exactly, with ties.

Replicate r draws from its own random stream (seed, r) over the groups in the order of their names. Hence the result depends on the
seed alone, not on threads, and two tables on the same films see the same replicates, which is what a paired comparison needs:

    ours, theirs = RankedTable(...), RankedTable(...)
    difference = resample(lambda weight: ours.measures(weight) - theirs.measures(weight), group, repeats=2000, seed=0)

A percentile interval knows only what happened: if all 30 films of a class were found, every replicate finds all, and the
interval 1.000 to 1.000 is no certainty.
"""

import math
import os
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plainfilm.core.metrics import Floats, Integers, RankedTable, each_once, share_of

_CELLS_PER_BLOCK = 2**17  # replicates times films that a thread holds at once: about what its cache does


@dataclass(frozen=True)
class Interval:
    """A measure and how sure it is.

    value: the measure on the films as they are.
    low, high: the ends of the interval; NaN where there are fewer than two groups, or the measure is unknown.
    undefined_share: the share of replicates, 0..1, in which the measure is undefined and which the interval leaves out.
    """

    value: float
    low: float
    high: float
    undefined_share: float = 0.0


def format_interval(interval: Interval, digits: int = 3) -> str:
    """`0.946 (0.935 to 0.957)`; what is not known is said in words."""
    if math.isnan(interval.value):
        return "unknown"
    if math.isnan(interval.low) or math.isnan(interval.high):
        return f"{interval.value:.{digits}f} (interval unknown)"
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


@dataclass(frozen=True)
class Bootstrap:
    """All measures of one table with their intervals.

    measures: by name, as `metrics.measure` gives them, without the support.
    confusion: [truth][predicted], the number of films.
    confusion_share: [truth][predicted], the share of the films of the true class, 0..1.
    films, groups, repeats, level: what the intervals rest on.
    """

    measures: dict[str, Interval]
    confusion: tuple[tuple[Interval, ...], ...]
    confusion_share: tuple[tuple[Interval, ...], ...]
    films: int
    groups: int
    repeats: int
    level: float


@dataclass(frozen=True)
class Band:
    """A curve with an interval at every point, each for itself: (F,) arrays, x in 0..1; NaN where unknown."""

    x: Floats
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class CurveBands:
    """The two curves of one class against the rest.

    roc: sensitivity (value) over the false-positive rate (x).
    precision_recall: precision (value) over the recall (x).
    """

    roc: Band
    precision_recall: Band


def bootstrap(
    probability: npt.ArrayLike,
    label_index: npt.ArrayLike,
    group: npt.ArrayLike,
    classes: Sequence[str],
    *,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    threads: int | None = None,
) -> Bootstrap:
    """Every measure of a table with its percentile interval, from resampling groups.

    probability, label_index, classes: as for `metrics.measure`.
    group: (N,) of anything hashable; films that are not independent share one.
    repeats: the number of replicates, at least one.
    level: the share of the replicates that an interval holds, between 0 and 1.
    threads: how many work at once; None for one a processor. The result does not depend on it.
    A macro value of a replicate that lost a class is the mean over the classes left.
    Raises ValueError as `metrics.measure` does, and where a group is unknown (None, NaN or empty).
    Source: Field & Welsh 2007; the percentile interval is Efron & Tibshirani 1993, chapter 13.
    """
    table = RankedTable(probability, label_index, classes)
    square = (len(classes), len(classes))

    def statistic(weight: Integers) -> Floats:
        count = table.confusion(weight)
        share = share_of(count, count.sum(axis=2, keepdims=True))
        return np.hstack([table.measures(weight), *(cells.reshape(len(weight), -1) for cells in (count, share))])

    value = statistic(each_once(table.films))[0]
    low, high, undefined = percentile_interval(
        resample(statistic, group, repeats=repeats, seed=seed, threads=threads), level
    )
    interval = [Interval(*ends) for ends in np.stack([value, low, high, undefined], axis=1).tolist()]
    of_measures, of_counts, of_shares = np.split(
        np.array(interval, dtype=object), np.cumsum([len(table.names), len(classes) ** 2])
    )
    return Bootstrap(
        measures={
            name: of_measure
            for name, of_measure in zip(table.names, of_measures, strict=True)
            if not name.startswith("support/")
        },
        confusion=tuple(map(tuple, of_counts.reshape(square))),
        confusion_share=tuple(map(tuple, of_shares.reshape(square))),
        films=table.films,
        groups=index_groups(group)[1],
        repeats=repeats,
        level=level,
    )


def curve_bands(
    probability: npt.ArrayLike,
    label_index: npt.ArrayLike,
    group: npt.ArrayLike,
    classes: Sequence[str],
    *,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    points: int = 101,
    threads: int | None = None,
) -> dict[str, CurveBands]:
    """For every class the ROC and the precision-recall curve with pointwise intervals.

    points: how many false-positive rates and recalls, evenly from 0 to 1. All else is as for `bootstrap`, and with the
    same seed the replicates are the same.
    """
    table = RankedTable(probability, label_index, classes)
    x = np.linspace(0, 1, points)

    def statistic(weight: Integers) -> Floats:
        climbs = [ranked.climb(weight) for ranked in table.against_rest]
        heights = [[climb.sensitivity_at(x), climb.precision_at(x)] for climb in climbs]  # C x 2 of (W, F)
        return np.moveaxis(np.array(heights), 2, 0)  # (W, C, 2, F)

    value = statistic(each_once(table.films))[0]
    low, high, _ = percentile_interval(resample(statistic, group, repeats=repeats, seed=seed, threads=threads), level)
    bands = [[Band(x, value[c, k], low[c, k], high[c, k]) for k in range(2)] for c in range(len(classes))]
    return {
        name: CurveBands(roc, precision_recall) for name, (roc, precision_recall) in zip(classes, bands, strict=True)
    }


def resample(
    statistic: Callable[[Integers], Floats],
    group: npt.ArrayLike,
    *,
    repeats: int,
    seed: int,
    threads: int | None = None,
) -> Floats:
    """(repeats, ...) a statistic in every replicate.

    statistic: takes (W, N) int32, how often each film counts in each of W replicates, and gives (W, ...); several threads
    call it at once, with a W of their choice.
    group: (N,) of anything hashable. Groups are told apart by name, so the order of the films makes no difference.
    Returns an empty (0, ...) where there are fewer than two groups, since one group says nothing about another.
    Raises ValueError where a group is unknown or repeats is not positive.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}, expected 1 or more")
    group_index, groups = index_groups(group)
    if groups < 2:
        return statistic(np.ones((1, len(group_index)), dtype=np.int32))[:0]

    def measure_block(replicates: range) -> Floats:
        return statistic(draw_group_weights(groups, replicates, seed).take(group_index, axis=1))

    step = max(1, _CELLS_PER_BLOCK // len(group_index))
    blocks = [range(start, min(start + step, repeats)) for start in range(0, repeats, step)]
    with ThreadPoolExecutor(threads or _processors()) as pool:
        return np.concatenate(list(pool.map(measure_block, blocks)))


def draw_group_weights(groups: int, replicates: range, seed: int) -> Integers:
    """(replicates, groups) int32: how often each group is drawn in these replicates; each row has the sum `groups`."""
    weight = np.empty((len(replicates), groups), dtype=np.int32)
    for row, replicate in enumerate(replicates):
        stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(replicate,)))
        weight[row] = np.bincount(stream.integers(groups, size=groups), minlength=groups)
    return weight


def index_groups(group: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], int]:
    """The place of each film's group among the sorted groups (N,), and how many groups there are.

    Raises ValueError where a group is unknown: None, NaN or empty.
    """
    names: list[Hashable] = np.asarray(group).tolist()
    unknown = [row for row, name in enumerate(names) if name is None or name == "" or name != name]
    if unknown:
        raise ValueError(f"group is unknown in {len(unknown)} of {len(names)} rows, first in row {unknown[0]}")
    place = {name: index for index, name in enumerate(sorted(set(names), key=repr))}
    return np.array([place[name] for name in names], dtype=np.intp), len(place)


def percentile_interval(replicate: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """The middle `level` of the replicates (R, ...) that are not NaN.

    Returns low, high and the share of replicates that are NaN, each (...); low and high are NaN where all are.
    Raises ValueError where level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected between 0 and 1")
    is_undefined = np.isnan(replicate)
    is_known = ~is_undefined.all(axis=0)
    ends = np.full((2, *replicate.shape[1:]), np.nan)
    if is_known.any():
        ends[:, is_known] = np.nanquantile(replicate[:, is_known], [(1 - level) / 2, (1 + level) / 2], axis=0)
    undefined_share = share_of(is_undefined.sum(axis=0), len(replicate))
    return ends[0], ends[1], undefined_share


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

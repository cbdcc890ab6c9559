"""How sure a measure is: intervals from resampling groups of films.

Films of one patient, or copies of one picture, resemble each other. A bootstrap that draws films one by one takes them
for independent and gives intervals that are too narrow; so whole groups are drawn with replacement, as many as there
are, and a film counts as often as its group was drawn. Every replicate is measured exactly, ties included.

Replicate r draws from its own random stream (seed, r), over the groups sorted by name. The result therefore depends on
the seed alone, not on threads or the order of films; and two models on the same films see the same replicates, which is
what a paired comparison needs:

    ours, theirs = RankedTable(...), RankedTable(...)
    difference = resample(lambda weight: ours.measures(weight) - theirs.measures(weight), group, repeats=2000, seed=0)

The replicates tell the standard error of a measure; how an interval comes from it depends on the kind of measure and stands in
`intervals.py`. Plain percentiles of the replicates (`percentile_interval`) do for measures that are far from their bounds, for
differences, and for curves. They know only what was drawn: where all 30 films of a class were found, every replicate finds all
of them, and "1.000 (1.000 to 1.000)" is no certainty.

Source: Field & Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x; Efron & Tibshirani 1993, chapter 13.
"""

import math
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from plainfilm.core.metrics import RankedTable
from plainfilm.core.ranking import Floats, Integers, each_once, refuse_lengths, share_of
from plainfilm.core.table_intervals import TableEstimate

Groups = Sequence[Hashable] | npt.NDArray[Any]

_CELLS_PER_BLOCK = 2**17  # replicates times films that a thread works on at once: what its cache holds


@dataclass(frozen=True)
class Interval:
    """A measure and how sure it is.

    value: the measure on the films as they are; NaN where it is undefined.
    low, high: the ends of the interval; NaN where they cannot be known, as with fewer than two groups.
    undefined_share: the share of replicates, 0..1, that leave the measure undefined and the interval leaves out.
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


def interval_json(interval: Interval) -> dict[str, float | None]:
    """An interval as our JSON files hold it: {"value", "low", "high"}, None for what is not known."""
    ends = {"value": interval.value, "low": interval.low, "high": interval.high}
    return {name: None if math.isnan(end) else float(end) for name, end in ends.items()}


def interval_of(value: Mapping[str, float | None]) -> Interval:
    """An interval out of a JSON file, to compute with or to print; None becomes NaN."""
    ends = (value[end] for end in ("value", "low", "high"))
    return Interval(*(math.nan if end is None else float(end) for end in ends))


@dataclass(frozen=True)
class Bootstrap:
    """All measures of one table with their intervals.

    measures: by name, as `metrics.measure` gives them, without the support.
    confusion: [truth][predicted], the number of films.
    confusion_share: [truth][predicted], the share of the films of the true class, 0..1.
    films, groups, repeats, seed, level: what the intervals rest on.
    """

    measures: dict[str, Interval]
    confusion: tuple[tuple[Interval, ...], ...]
    confusion_share: tuple[tuple[Interval, ...], ...]
    films: int
    groups: int
    repeats: int
    seed: int
    level: float


@dataclass(frozen=True)
class Band:
    """A curve with an interval at each of its points, for that point alone; (F,) each, x in 0..1, NaN where unknown."""

    x: Floats
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class CurveBands:
    """The curves of one class against the rest.

    roc: sensitivity (value) over the false-positive rate (x).
    precision_recall: precision (value) over the recall (x).
    """

    roc: Band
    precision_recall: Band


def bootstrap(
    probability: npt.ArrayLike,
    label_index: npt.ArrayLike,
    group: Groups,
    classes: Sequence[str],
    *,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    threads: int | None = None,
) -> Bootstrap:
    """Every measure of a table with its interval, by the rule for its kind (see `intervals.py`).

    probability, label_index, classes: as for `metrics.measure`.
    group: (N,) of anything hashable; films that are not independent of each other share one.
    repeats: the number of replicates, 1 or more.
    level: how often an interval is to hold the truth, between 0 and 1.
    threads: how many work at once; None for one on each processor. The result does not depend on it.
    A macro value is, in a replicate that lost a class, the mean over the classes left.
    Raises ValueError as `metrics.measure` does, and where a group is unknown (None, NaN, empty).
    """
    table = RankedTable(probability, label_index, classes)
    refuse_lengths(probability=np.asarray(probability), group=group)
    _refuse_level(level)
    group_index, groups = index_groups(group)
    estimate = TableEstimate(table, group_index)
    value = estimate.statistic(each_once(table.films))[0]
    replicate = resample(estimate.statistic, group, repeats=repeats, seed=seed, threads=threads)
    low, high = estimate.ends(value, replicate, level)
    undefined_share = share_of(np.isnan(replicate).sum(axis=0), len(replicate))
    columns = [column[: len(estimate.names)] for column in (value, low, high, undefined_share)]
    every = [Interval(*row) for row in np.stack(columns, axis=1).tolist()]
    rows = [tuple(every[i : i + len(classes)]) for i in range(len(table.names), len(every), len(classes))]
    return Bootstrap(
        measures={
            name: interval
            for name, interval in zip(table.names, every, strict=False)
            if not name.startswith("support/")
        },
        confusion=tuple(rows[: len(classes)]),
        confusion_share=tuple(rows[len(classes) :]),
        films=table.films,
        groups=groups,
        repeats=repeats,
        seed=seed,
        level=level,
    )


def curve_bands(
    probability: npt.ArrayLike,
    label_index: npt.ArrayLike,
    group: Groups,
    classes: Sequence[str],
    *,
    points: int = 101,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    threads: int | None = None,
) -> dict[str, CurveBands]:
    """For every class, by name, its ROC and precision-recall curve with intervals at fixed places.

    points: how many false-positive rates and recalls, evenly from 0 to 1.
    All else is as for `bootstrap`; with its seed, the replicates are the same.
    """
    table = RankedTable(probability, label_index, classes)
    refuse_lengths(probability=np.asarray(probability), group=group)
    x = np.linspace(0, 1, points)

    def statistic(weight: Integers) -> Floats:
        climbs = [ranked.climb(weight) for ranked in table.against_rest]
        curves = [np.stack([climb.sensitivity_at(x), climb.precision_at(x)], axis=1) for climb in climbs]
        return np.stack(curves, axis=1)  # (W, C, 2, F)

    value = statistic(each_once(table.films))[0]
    replicate = resample(statistic, group, repeats=repeats, seed=seed, threads=threads)
    low, high, _ = percentile_interval(replicate, level)
    bands = [[Band(x, value[c, k], low[c, k], high[c, k]) for k in range(2)] for c in range(len(classes))]
    return {name: CurveBands(*curves) for name, curves in zip(classes, bands, strict=True)}


def percentile_intervals(
    statistic: Callable[[Integers], Floats],
    group: Groups,
    *,
    repeats: int,
    seed: int,
    level: float = 0.95,
) -> list[Interval]:
    """K numbers of the films as they are, each with the percentiles of its replicates.

    statistic: as for `resample`, and gives (W, K). All else, and what is raised, is as for `resample` and `percentile_interval`.
    """
    value = statistic(each_once(len(group)))[0]
    low, high, undefined_share = percentile_interval(resample(statistic, group, repeats=repeats, seed=seed), level)
    return [Interval(*row) for row in np.stack([value, low, high, undefined_share], axis=1).tolist()]


def resample(
    statistic: Callable[[Integers], Floats],
    group: Groups,
    *,
    repeats: int,
    seed: int,
    threads: int | None = None,
) -> Floats:
    """(repeats, ...) a statistic in every replicate.

    statistic: takes (W, N) int32, how often each film counts in each of W replicates, and gives (W, ...). Several
    threads call it at once, with a W of their choice.
    group: (N,) of anything hashable.
    Returns an empty (0, ...) where there are fewer than two groups: one group cannot tell how groups differ.
    Raises ValueError where repeats is below 1 or a group is unknown (None, NaN, empty).
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}, expected 1 or more")
    group_index, groups = index_groups(group)
    if groups < 2:
        return statistic(each_once(len(group_index)))[:0]

    def measure_block(replicates: range) -> Floats:
        return statistic(draw_group_weights(groups, replicates, seed).take(group_index, axis=1))

    block = max(1, _CELLS_PER_BLOCK // len(group_index))
    blocks = [range(start, min(start + block, repeats)) for start in range(0, repeats, block)]
    with ThreadPoolExecutor(threads or _processors()) as pool:
        return np.concatenate(list(pool.map(measure_block, blocks)))


@lru_cache(
    maxsize=64
)  # blocks of _CELLS_PER_BLOCK: half a MiB each. A report asks for the same draws some ninety times
def draw_group_weights(groups: int, replicates: range, seed: int) -> Integers:
    """(replicates, groups) int32, read only: how often each group is drawn; in each replicate, as many draws as groups."""
    weight = np.empty((len(replicates), groups), dtype=np.int32)
    for row, replicate in enumerate(replicates):
        stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(replicate,)))
        weight[row] = np.bincount(stream.integers(groups, size=groups), minlength=groups)
    weight.flags.writeable = False
    return weight


def index_groups(group: Groups) -> tuple[npt.NDArray[np.intp], int]:
    """(N,) the place of each film's group among all groups sorted by name, and how many groups there are.

    Raises ValueError where a group is unknown: None, NaN or empty.
    """
    names: list[Hashable] = group.tolist() if isinstance(group, np.ndarray) else list(group)
    unknown = [row for row, name in enumerate(names) if _is_unknown(name)]
    if unknown:
        raise ValueError(f"group is unknown in {len(unknown)} of {len(names)} rows, first in row {unknown[0]}")
    place = {name: index for index, name in enumerate(sorted(set(names), key=repr))}
    return np.array([place[name] for name in names], dtype=np.intp), len(place)


def percentile_interval(replicate: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """The middle of the replicates (R, ...), leaving out those that are NaN.

    level: the share of replicates in the middle, between 0 and 1.
    Returns low, high and the share of replicates that are NaN, (...) each; NaN where nothing is left or R is 0.
    Raises ValueError where level is not between 0 and 1.
    """
    _refuse_level(level)
    is_undefined = np.isnan(replicate)
    is_known = ~is_undefined.all(axis=0)
    ends = np.full((2, *replicate.shape[1:]), np.nan)
    if is_known.any():
        ends[:, is_known] = np.nanquantile(replicate[:, is_known], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ends[0], ends[1], share_of(is_undefined.sum(axis=0), len(replicate))


def _refuse_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected a number between 0 and 1")


def _is_unknown(name: Hashable) -> bool:
    try:
        return name is None or name == "" or name != name
    except TypeError:  # pandas.NA answers no comparison
        return True


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

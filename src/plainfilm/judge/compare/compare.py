"""Which of several networks is better, and which differences are real?

    contestants = open_contestants([Path("runs/r18"), Path("runs/r50"), Path("rival.csv")], "test")
    comparison = compare(contestants)

Each contestant is a row, and so are ensembles of them. All are judged on the same films by the same bootstrap over groups: a row
has the interval that the report of its run has, a difference the percentiles of its own replicates. Whether a difference is
supported does not hang on the bootstrap: accuracy and macro AUROC are tested for every pair (core/paired.py), and the p-values are
corrected by Holm for all pairs and both measures. Where both methods were trained several times, a difference must also stand out
from the spread over trainings. Ensembles have a family of tests of their own: they are no method that anybody chose among, and
would make the tests of the others weaker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from plainfilm.core.bootstrap import Interval, index_groups, percentile_interval, resample
from plainfilm.core.intervals import correlation
from plainfilm.core.metrics import RankedTable
from plainfilm.core.paired import (
    area_difference_p,
    holm,
    macro_auroc_influence,
    sign_flip_test,
    welch_p,
)
from plainfilm.core.progress import Progress, Silence, Task
from plainfilm.core.ranking import Floats, Integers, each_once
from plainfilm.core.table_intervals import TableEstimate
from plainfilm.errors import BadPredictions
from plainfilm.judge.compare.comparison import (
    ERROR,
    LOWER_IS_BETTER,
    MEASURES,
    Comparison,
    Difference,
    Row,
    RowKind,
    Spread,
    Verdict,
)
from plainfilm.judge.compare.contestants import Contestant
from plainfilm.judge.compare.same_films import Field, on_one_field


@dataclass(frozen=True)
class _Entry:
    """A row before it is judged. probability: (S, N, C) of S trainings."""

    name: str
    kind: RowKind
    probability: Floats


@dataclass(frozen=True)
class _Judged:
    """A row with all that pairs need.

    values: (S, M) each training's measures. replicates: (R, M) of their mean, from the same draws for all rows.
    hits: (S, N) whether each film is answered rightly.
    macro_influence: (N,), influence: (C, N): what each film adds to the errors of the areas, mean over trainings.
    """

    row: Row
    values: Floats
    replicates: Floats
    hits: Integers
    macro_influence: Floats
    influence: Floats


def compare(
    contestants: Sequence[Contestant],
    *,
    split: str = "test",
    by: str = "accuracy",
    with_ensembles: bool = True,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Comparison:
    """Judge all on the same films, and test every pair.

    by: the measure that sorts the leaderboard, of MEASURES. with_ensembles: whether means of probabilities join as rows.
    repeats, seed, level: of the bootstrap, on which no verdict hangs.
    Raises BadPredictions where there are fewer than two rows, or the films are not the same.
    """
    refuse_too_few(contestants, with_ensembles)
    field, probabilities = on_one_field(contestants)
    entries = [
        _Entry(each.name, each.kind, probability) for each, probability in zip(contestants, probabilities, strict=True)
    ]
    if with_ensembles:
        entries += _ensembles(entries)
    out: Progress = progress or Silence()
    names = (*MEASURES, *(f"auroc/{label}" for label in field.classes))
    judged = []
    with out.task("Judging", sum(len(entry.probability) for entry in entries), "trainings") as task:
        for entry in entries:
            judged.append(_judge(entry, field, names, repeats, seed, level))
            task.advance(len(entry.probability), entry.name)
    judged.sort(key=lambda each: (_rank(each.row, by), each.row.kind == "ensemble", each.row.name))
    pairs = list(combinations(judged, 2))
    group_index, groups = index_groups(field.group)
    families: dict[bool, list[tuple[_Judged, _Judged]]] = {False: [], True: []}
    for pair in pairs:
        families[any(each.row.kind == "ensemble" for each in pair)].append(pair)
    with out.task("Testing", len(pairs), "pairs") as task:
        of_contestants, of_ensembles = (
            _differences(families[is_of_ensembles], field, group_index, names, level, task)
            for is_of_ensembles in (False, True)
        )
    return Comparison(
        split=split,
        by=by,
        classes=field.classes,
        films=len(field.image_id),
        groups=groups,
        class_films={name: int((field.label_index == c).sum()) for c, name in enumerate(field.classes)},
        rows=tuple(each.row for each in judged),
        differences=of_contestants,
        ensemble_differences=of_ensembles,
        notes=(*field.notes, *_same_answers(entries)),
        repeats=repeats,
        seed=seed,
        level=level,
    )


def _same_answers(entries: Sequence[_Entry]) -> list[str]:
    """A note for each two contestants that answer every film alike: one network there twice, most likely."""
    named = [entry for entry in entries if entry.kind != "ensemble"]
    return [
        f"{one.name} and {other.name} answer every film alike: one network under two names?"
        for one, other in combinations(named, 2)
        if one.probability.shape == other.probability.shape
        and np.allclose(one.probability, other.probability, atol=1e-6)
    ]


def refuse_too_few(contestants: Sequence[Contestant], with_ensembles: bool) -> None:
    """Raise BadPredictions where there is nothing to compare."""
    if len(contestants) > 1 or (with_ensembles and contestants and len(contestants[0].sheets) > 1):
        return
    only = contestants[0] if contestants else None
    what = f"{only.name} alone" if only else "nothing"
    why = (
        f" (trainings that differ in seed alone are one method: {len(only.sheets)} here)"
        if only and len(only.sheets) > 1
        else " (runs on several splits of one manifest are the folds of one method, hence one row)"
        if only and only.kind == "method"
        else ""
    )
    raise BadPredictions(f"cannot compare {what}{why}: name two or more runs, folders of runs or tables of scores")


# Rows -----------------------------------------------------------------------------------------------------------------


def _ensembles(entries: Sequence[_Entry]) -> list[_Entry]:
    """The mean of the probabilities of each method's trainings, and the mean of all contestants, each of which counts alike."""
    means = [entry.probability.mean(axis=0) for entry in entries]
    found = [
        _Entry(f"{entry.name}, {len(entry.probability)} together", "ensemble", mean[None])
        for entry, mean in zip(entries, means, strict=True)
        if len(entry.probability) > 1
    ]
    if len(entries) > 1:
        found.append(_Entry(f"all {len(entries)} together", "ensemble", np.mean(means, axis=0)[None]))
    return found


def _judge(entry: _Entry, field: Field, names: Sequence[str], repeats: int, seed: int, level: float) -> _Judged:
    group_index, _ = index_groups(field.group)
    trainings = []
    for probability in entry.probability:
        estimate = TableEstimate(RankedTable(probability, field.label_index, field.classes), group_index)
        columns = [estimate.names.index(name) for name in names]
        value = estimate.statistic(each_once(len(field.image_id)))[0]
        replicate = resample(estimate.statistic, field.group, repeats=repeats, seed=seed)
        ends = np.stack(estimate.ends(value, replicate, level))
        trainings.append((value[columns], ends[:, columns], replicate[:, columns]))
    values, ends, replicates = (np.stack(part) for part in zip(*trainings, strict=True))  # (S, M), (S, 2, M), (S, R, M)
    measures = {name: _of_mean(values[:, m], ends[:, :, m], replicates[:, :, m]) for m, name in enumerate(names)}
    several = len(values) > 1
    spread = {
        name: Spread(tuple(column.tolist()), float(column.std(ddof=1)))
        for name, column in zip(names, values.T, strict=True)
        if several
    }
    areas = [macro_auroc_influence(probability, field.label_index) for probability in entry.probability]
    return _Judged(
        Row(entry.name, entry.kind, len(values), measures, spread),
        values,
        np.asarray(replicates.mean(axis=0), np.float64),
        (entry.probability.argmax(axis=2) == field.label_index).astype(np.int64),
        np.mean([macro for _, macro, _, _ in areas], axis=0),
        np.mean([influence for _, _, _, influence in areas], axis=0),
    )


def _of_mean(value: Floats, ends: Floats, replicate: Floats) -> Interval:
    """The mean over trainings, and the ends of their intervals put together, correlated as in the bootstrap.

    value: (S,); ends: (S, 2), by the rule for the kind of measure (core/intervals.py); replicate: (S, R).
    Where a training never changes in the bootstrap, all are taken to err together. Source: Zou & Donner 2008, doi:10.1002/sim.3095.
    """
    undefined_share = float(np.isnan(replicate[0]).mean()) if replicate.shape[1] else math.nan
    never_changes = np.nanmax(replicate, axis=1, initial=-math.inf) == np.nanmin(replicate, axis=1, initial=math.inf)
    alike = np.where(never_changes[:, None] | never_changes, 1.0, correlation(replicate.T))
    mean = float(value.mean())

    def reach(apart: Floats) -> float:
        return float(np.sqrt(np.maximum(apart @ alike @ apart, 0.0))) / len(apart)  # NaN stays NaN

    return Interval(mean, mean - reach(value - ends[:, 0]), mean + reach(ends[:, 1] - value), undefined_share)


def _intervals(names: Sequence[str], value: Floats, replicates: Floats, level: float) -> dict[str, Interval]:
    low, high, undefined_share = percentile_interval(replicates, level)
    ends = np.stack([value, low, high, undefined_share], axis=1).tolist()
    return {name: Interval(*row) for name, row in zip(names, ends, strict=True)}


def _rank(row: Row, by: str) -> float:
    """What sorts the leaderboard, the smallest first; what is unknown comes last."""
    value = row.measures[by].value
    return math.inf if math.isnan(value) else value if by in LOWER_IS_BETTER else -value


# Pairs ----------------------------------------------------------------------------------------------------------------


def _differences(
    pairs: Sequence[tuple[_Judged, _Judged]],
    field: Field,
    group_index: Integers,
    names: Sequence[str],
    level: float,
    task: Task,
) -> tuple[Difference, ...]:
    """Every pair of one family, its p-values corrected for all of it."""
    tested = [dict(_tests(*pair, field, group_index, names)) for pair in pairs]
    corrected = iter(holm([p for verdicts in tested for _, _, _, p in verdicts.values()]))
    differences = []
    for (first, second), verdicts in zip(pairs, tested, strict=True):
        found = {}
        for measure, (test, p_films, p_trainings, p) in verdicts.items():
            p_corrected = next(corrected)
            found[measure] = Verdict(test, p_films, p_trainings, p, p_corrected, p_corrected <= ERROR)
        value = first.values.mean(axis=0) - second.values.mean(axis=0)
        intervals = _intervals(names, value, first.replicates - second.replicates, level)
        is_of_methods = min(len(first.values), len(second.values)) > 1
        class_p = dict(_class_tests(first, second, field, group_index, intervals))
        differences.append(Difference(first.row.name, second.row.name, is_of_methods, intervals, found, class_p))
        task.advance()
    return tuple(differences)


def _tests(
    first: _Judged, second: _Judged, field: Field, group_index: Integers, names: Sequence[str]
) -> Iterator[tuple[str, tuple[str, float, float | None, float]]]:
    """For each measure that is tested: the name of the test, its p over films, over trainings, and the larger."""
    is_by_film = len(np.unique(group_index)) == len(group_index)
    times = math.lcm(len(first.hits), len(second.hits))
    flips = sign_flip_test(
        first.hits.sum(axis=0) * (times // len(first.hits)) - second.hits.sum(axis=0) * (times // len(second.hits)),
        group_index,
    )
    exact = "exact McNemar test" if is_by_film and times == 1 else "exact sign-flip test over groups"
    area = names.index("macro_auroc")
    difference = float(first.values[:, area].mean() - second.values[:, area].mean())
    influence = first.macro_influence - second.macro_influence
    p_area = area_difference_p(difference, influence, field.label_index, group_index)
    for measure, test, p_films in (
        ("accuracy", exact if flips.is_exact else "sign-flip test over groups, sums taken for normal", flips.p),
        ("macro_auroc", "DeLong's test" if is_by_film else "DeLong's test over groups (Obuchowski)", p_area),
    ):
        column = names.index(measure)
        ours, theirs = first.values[:, column], second.values[:, column]
        if np.isnan(ours).any():
            continue
        p_trainings = welch_p(ours.tolist(), theirs.tolist()) if min(len(ours), len(theirs)) > 1 else None
        yield measure, (test, p_films, p_trainings, max(p_films, p_trainings or 0.0))


def _class_tests(
    first: _Judged, second: _Judged, field: Field, group_index: Integers, difference: dict[str, Interval]
) -> Iterator[tuple[str, float]]:
    for c, name in enumerate(field.classes):
        is_positive = (field.label_index == c).astype(np.int64)
        influence = first.influence[c] - second.influence[c]
        if not math.isnan(difference[f"auroc/{name}"].value):
            yield name, area_difference_p(difference[f"auroc/{name}"].value, influence, is_positive, group_index)

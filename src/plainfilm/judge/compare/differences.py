"""The differences of a comparison on its page: charts, verdicts, and the intervals of what is not tested."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from plainfilm.core.bootstrap import Interval
from plainfilm.core.chart import Guess, guesses
from plainfilm.core.html import breakable, element
from plainfilm.core.looks import BLUE
from plainfilm.core.page import (
    Html,
    drawing,
    drawings,
    folded,
    joined,
    number_and_ends,
    numbers,
    paragraph,
    strong,
    table,
    texts,
)
from plainfilm.judge.compare.comparison import ERROR, LOWER_IS_BETTER, MEASURES, TESTED, Comparison, Difference
from plainfilm.judge.compare.words import TITLES, p_words, signed, verdict_words

_DIGITS = 9
PAIRS_DRAWN = 12
_PAIRS_LISTED = 200
_OTHERS = tuple(name for name in MEASURES if name not in TESTED)


def differences_of(
    comparison: Comparison, pairs: Sequence[Difference], foremost: Sequence[Difference] | None = None
) -> Iterator[Html]:
    """The pairs of one family. foremost: those that stand before the others, which are folded; all where None."""
    place = {row.name: number for number, row in enumerate(comparison.rows, start=1)}
    tests = sum(len(pair.verdicts) for pair in pairs)
    yield paragraph(
        f"Each line is the first less the second, on the same films. Corrected is Holm's p-value for all {tests} tests of this "
        f"section; at most {ERROR:g} is called supported. The interval is that of one difference by itself, not corrected."
    )
    shown = pairs if foremost is None else foremost
    charts = (_difference_chart(shown[:PAIRS_DRAWN], measure, place) for measure in TESTED)
    yield drawings(*(chart for chart in charts if chart))
    yield _verdict_table(shown[:_PAIRS_LISTED], place)
    others = [pair for pair in pairs if pair not in shown]
    if others:
        yield folded(f"The other {len(others):,} pairs", _verdict_table(others[:_PAIRS_LISTED], place))
    if max(len(shown), len(others)) > _PAIRS_LISTED:
        yield paragraph(f"{_PAIRS_LISTED} pairs are listed; all are in compare.json.", soft=True)
    listed = pairs[:_PAIRS_LISTED]
    measures = [*texts("Pair"), *numbers(*(title_of(name) for name in _OTHERS))]
    cells = ([_pair(pair, place), *(_signed(pair.measures[name]) for name in _OTHERS)] for pair in listed)
    yield folded("Other measures: intervals, no tests", table("First less second", measures, cells))
    areas = ([_pair(pair, place), *(_area_cell(pair, name) for name in comparison.classes)] for pair in listed)
    by_class = [*texts("Pair"), *numbers(*comparison.classes)]
    yield folded(
        "AUROC of each class: for a closer look, p not corrected", table("First less second, and p", by_class, areas)
    )


def _verdict_table(pairs: Sequence[Difference], place: Mapping[str, int]) -> Html:
    has_trainings = any(verdict.p_trainings is not None for pair in pairs for verdict in pair.verdicts.values())
    seeds = ["p over trainings"] if has_trainings else []
    measured = numbers("Difference", "p over films", *seeds, "Corrected")
    columns = [*texts("Pair", "Measure"), *measured, *texts("Verdict")]
    rows = (row for pair in pairs for row in _rows(pair, place, has_trainings))
    return table("Is the difference supported?", columns, rows)


def _difference_chart(pairs: Sequence[Difference], measure: str, place: Mapping[str, int]) -> Html | None:
    tested = [pair for pair in pairs if measure in pair.verdicts]
    if not tested:
        return None
    rows = [
        Guess(
            f"{place[pair.first]} − {place[pair.second]}",
            BLUE if pair.verdicts[measure].is_supported else "var(--soft)",
            _without_rounding(pair.measures[measure]),
        )
        for pair in tested
    ]
    chart = guesses(
        f"Differences in {TITLES[measure]}",
        rows,
        f"difference in {TITLES[measure]}",
        **axis([row.interval for row in rows], 0.0),
        reference=0.0,
    )
    return drawing(
        f"Difference in {TITLES[measure]}",
        chart,
        "By place on the leaderboard. In colour: supported. Dotted: no difference.",
    )


def _without_rounding(interval: Interval) -> Interval:
    """A difference of -1e-17 is none, and is not to be written as -0.000."""
    value, low, high = (round(end, _DIGITS) + 0.0 for end in (interval.value, interval.low, interval.high))
    return Interval(value, low, high)


def _rows(pair: Difference, place: Mapping[str, int], has_trainings: bool) -> Iterator[Sequence[str]]:
    for measure, verdict in pair.verdicts.items():
        yield [
            _pair(pair, place),
            TITLES[measure],
            _signed(pair.measures[measure]),
            p_words(verdict.p_films),
            *([p_words(verdict.p_trainings)] if has_trainings else []),
            p_words(verdict.p_corrected),
            strong(verdict_words(pair, measure)) if verdict.is_supported else verdict_words(pair, measure),
        ]


def _area_cell(pair: Difference, name: str) -> Html:
    p = element("small", f"p {p_words(pair.auroc_p.get(name))}")
    return joined(_signed(pair.measures[f"auroc/{name}"]), Html("<br>"), p)


def _pair(pair: Difference, place: Mapping[str, int]) -> Html:
    first, second = (joined(f"{place[name]} ", breakable(name)) for name in (pair.first, pair.second))
    return joined(first, Html("<br>− "), second)


def _signed(interval: Interval) -> Html:
    return number_and_ends(signed(interval))


def axis(intervals: Sequence[Interval], *more: float) -> dict[str, float]:
    """The ends of an axis that holds all intervals and what else is drawn."""
    ends = [end for one in intervals for end in (one.value, one.low, one.high) if not math.isnan(end)] + [*more]
    return {"low": min(ends), "high": max(ends)}


def title_of(measure: str) -> str:
    """The measure as a heading."""
    return (
        TITLES[measure][0].upper() + TITLES[measure][1:] + (" (lower is better)" if measure in LOWER_IS_BETTER else "")
    )

"""The charts of an audit's page: what is known is drawn, what is not is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.chart import Branch, Guess, Line, forest
from plainfilm.core.page import Html, drawing, drawings, joined, legend
from plainfilm.judge.audit.reading import Evidence, interval_in, is_known, number_in, parts_of

SCORES = {"macro_auroc": "Macro AUROC", "accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy"}
DRAWN = ("macro_auroc", "accuracy")
ROWS_DRAWN = 16
WHOLE = (0.0, 1.0)
CHANCE = Line("chance", 0.5, "dotted")


def chart(
    title: str,
    branches: Sequence[Branch],
    axis: str,
    caption: str,
    *,
    ends: tuple[float, float] | None = None,
    lines: Sequence[Line] = (),
) -> Html:
    """A drawing of the rows that are known; nothing where none is. ends: of the axis; what the rows need where None."""
    rows = [row for row in branches if any(is_known(each.interval) for each in row.estimates)]
    if not rows:
        return Html()
    if ends is None:
        held = [each.interval for row in rows for each in row.estimates]
        points = [end for one in held for end in (one.value, one.low, one.high) if not math.isnan(end)]
        points += [line.value for line in lines]
        ends = min(points), max(points)
    return drawing(title, forest(title, rows, axis, low=ends[0], high=ends[1], lines=lines), caption)


def branch(name: str, colour: str, interval: Interval) -> Branch:
    """A row of one estimate, its number at its right."""
    return Branch(name, [Guess(name, colour, interval)], format_interval(interval))


def long_branch(name: str, colour: str, interval: Interval) -> Branch:
    """A row with a long name: at its right the value alone, since the table below has the interval in digits."""
    return Branch(name, [Guess(name, colour, interval)], f"{interval.value:.3f}" if is_known(interval) else "unknown")


def couple(name: str, first: tuple[str, str, Interval], second: tuple[str, str, Interval]) -> Branch:
    """A row of two estimates that are to be compared; each (word, colour, interval)."""
    estimates = [Guess(f"{name}, {word}", colour, interval) for word, colour, interval in (first, second)]
    text = " · ".join(
        f"{word} {interval.value:.3f}" if is_known(interval) else f"{word} unknown"
        for word, _, interval in (first, second)
    )
    return Branch(name, estimates, text)


def threshold_lines(evidence: Evidence) -> list[Line]:
    """Where the check warns and fails, on the scale of its number: evidence["thresholds"] = {"warns above": 0.7, ...}."""
    thresholds = parts_of(evidence, "thresholds")
    found = ((name, number_in(thresholds, name)) for name in thresholds)
    return [
        Line(str(name), value, "warning" if str(name).startswith("warn") else "failure")
        for name, value in found
        if value is not None
    ]


def run_lines(evidence: Evidence, key: str) -> list[Line]:
    """The run's own value, where it is known."""
    own = interval_in(parts_of(evidence, "run"), key)
    return [Line("the run itself", own.value, "solid")] if is_known(own) else []


def commonest_line(commonest: float | None) -> list[Line]:
    """What naming one class throughout reaches, where that is known."""
    return [] if commonest is None else [Line("always the commonest class", commonest, "dotted")]


def from_zero(branches: Sequence[Branch], lines: Sequence[Line]) -> tuple[float, float]:
    """An axis from 0 to what the rows need, at least a tenth, so that next to nothing looks like next to nothing."""
    held = [each.interval for row in branches for each in row.estimates if is_known(each.interval)]
    ends = [end for one in held for end in (one.value, one.high) if end == end]
    return 0.0, max([0.1, *ends, *(line.value for line in lines)])


def side_by_side(drawn: Sequence[Html]) -> Html:
    """Charts side by side; nothing where nothing is drawn."""
    found = [one for one in drawn if one]
    return drawings(*found, is_large=True) if found else Html()


def beside(first: tuple[str, str], second: tuple[str, str], drawn: Sequence[Html]) -> Html:
    """Charts side by side, with what their two colours mean; nothing where nothing is drawn."""
    charts = side_by_side(drawn)
    return joined(legend([first, second]), charts) if charts else Html()

"""Small charts drawn as SVG inside a page: they follow its light and dark colours, and no library is needed.

Each chart is as wide as a phone and grows a little where there is room. Names stand above their bar, not beside it, so that long
ones have a whole line. A chart says in words what it shows (`title`, `desc`), each of its marks its number (`title`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.html import Html, element, joined
from plainfilm.core.looks import shortened
from plainfilm.core.strokes import LEFT, RIGHT, WIDTH, Scale, mark, points, ring, rule, stroke, svg, text

UNKNOWN_COLOUR = "var(--unknown)"
# For what is no class: splits, views, sexes, sources (Paul Tol's "light" scheme, made for areas under dark or light text).
CATEGORY_COLOURS = ("#77aadd", "#ee8866", "#eedd88", "#44bb99", "#ffaabb", "#aaaa00", "#99ddff", "#bbcc33")

_LINE = 38  # from one row of a chart to the next
_NEXT = 13  # from one estimate of a row to the next
_BAR = 13
_LONGEST_NAME = 34
_LETTERS = 42  # in a line


class Part(NamedTuple):
    """One kind of films within bars, with its colour."""

    name: str
    colour: str


class Bar(NamedTuple):
    """A row of a chart of films. counts: films of each part, in order."""

    name: str
    counts: Sequence[int]


class Spread(NamedTuple):
    """A row that shows how a quantity is spread. quantiles: at 5, 25, 50, 75 and 95%; text: the numbers, set flush right."""

    name: str
    colour: str
    quantiles: Sequence[float]
    text: str


class Guess(NamedTuple):
    """A row that shows an estimate with its interval."""

    name: str
    colour: str
    interval: Interval


class Branch(NamedTuple):
    """A row that shows one estimate or several, each with its interval. text: what stands at its right.

    tick: a value without an interval that the row is held against, such as what somebody claimed; NaN for none.
    """

    name: str
    estimates: Sequence[Guess]
    text: str
    tick: float = math.nan


class Line(NamedTuple):
    """A value that all rows are held against: chance (dotted), the run itself (solid), a threshold (dashed, by its level)."""

    name: str
    value: float
    look: Literal["dotted", "solid", "warning", "failure"]


def bars(title: str, rows: Sequence[Bar], parts: Sequence[Part], *, as_shares: bool = False) -> Html:
    """Stacked bars, one a row. as_shares: every bar has the full length, and its parts are shares of the row's films."""
    longest = max([1, *(sum(row.counts) for row in rows)])
    drawn = []
    for place, row in enumerate(rows):
        films, top = sum(row.counts), place * _LINE
        scale = (RIGHT - LEFT) / (max(1, films) if as_shares else longest)
        drawn.append(_head(top, row.name, f"{films:,}"))
        drawn.append(mark(LEFT, RIGHT - LEFT, top + 19, _BAR, "var(--panel)", ""))
        start = float(LEFT)
        for part, count in zip(parts, row.counts, strict=True):
            if count:
                share = f" ({count / films:.0%})" if as_shares else ""
                told = f"{row.name}, {part.name}: {count:,} of {films:,} films{share}"
                drawn.append(mark(start, count * scale, top + 19, _BAR, part.colour, told))
                start += count * scale
    told = "; ".join(f"{row.name}: {_counted(row, parts)}" for row in rows)
    return svg(title, told, len(rows) * _LINE, drawn)


def spreads(title: str, rows: Sequence[Spread], unit: str, *, reference: float | None = None) -> Html:
    """How a quantity is spread, one line a row: thin from 5 to 95%, thick from 25 to 75%, a ring at the middle."""
    ends = [value for row in rows for value in (row.quantiles[0], row.quantiles[-1])] + _some(reference)
    scale = _Axis(min(ends), max(ends))
    bottom = len(rows) * _LINE
    drawn = [scale.grid(bottom, unit, reference)]
    for place, row in enumerate(rows):
        top, x = place * _LINE, [scale.x(value) for value in row.quantiles]
        told = f"{row.name}, {unit}: half of the films {row.quantiles[1]:g} to {row.quantiles[3]:g}, middle {row.quantiles[2]:g}"
        drawn += [
            _head(top, row.name, row.text),
            mark(x[0], x[4] - x[0], top + 24, 2, row.colour, ""),
            mark(x[1], x[3] - x[1], top + 20, 10, row.colour, told),
            ring(x[2], top + 25, row.colour),
        ]
    told = "; ".join(f"{row.name}: {row.text}" for row in rows)
    return svg(title, told, bottom + 30, drawn)


def guesses(title: str, rows: Sequence[Guess], axis: str, *, low: float, high: float, reference: float) -> Html:
    """Estimates with their intervals, one a row. low, high: ends of the axis; reference: what no knowledge at all gives."""
    branches = [Branch(row.name, [row], format_interval(row.interval)) for row in rows]
    return forest(title, branches, axis, low=low, high=high, lines=[Line("", reference, "dotted")])


def forest(
    title: str, rows: Sequence[Branch], axis: str, *, low: float, high: float, lines: Sequence[Line] = ()
) -> Html:
    """Estimates with their intervals, several a row where they are to be compared, and the values they are held against.

    low, high: ends of the axis. lines: drawn through all rows; those that have a name are explained below the axis.
    """
    scale = _Axis(low, high)
    tops = [0.0]
    for row in rows:
        tops.append(tops[-1] + _LINE + _NEXT * (len(row.estimates) - 1))
    bottom = tops.pop()
    drawn = [scale.grid(bottom, axis, None)]
    for top, end, row in zip(tops, [*tops[1:], bottom], rows, strict=True):
        drawn += [stroke(scale.x(line.value), top + 17, end, line.look) for line in lines]  # not through the words
        drawn.append(_head(top, row.name, row.text))
        drawn += [_estimate(scale, top + 25 + _NEXT * place, each) for place, each in enumerate(row.estimates)]
        if not math.isnan(row.tick):
            told = f"{row.name}: {row.text}"
            drawn.append(mark(scale.x(row.tick) - 1.5, 3, top + 18, end - top - 22, "currentColor", told))
    named = [line for line in lines if line.name]
    for place, line in enumerate(named):
        y = bottom + 44 + 15 * place
        drawn.append(stroke(LEFT, y - 4, y - 4, line.look, right=LEFT + 18))
        drawn.append(text(LEFT + 24, y, f"{line.name} {line.value:.3f}", "start", is_soft=True))
    told = "; ".join(f"{each.name}: {format_interval(each.interval)}" for row in rows for each in row.estimates)
    return svg(title, f"{axis}; {told}", bottom + 30 + 15 * len(named) + 4 * bool(named), drawn)


def grey_curve(
    title: str, bands: NDArray[np.float64], reference: NDArray[np.float64], highest: float, colour: str
) -> Html:
    """How often each grey level occurs in the films of one class.

    bands: (5, B) the share of the pixels in each of B equal steps from black to white, at 5, 25, 50, 75 and 95% of the films.
    reference: (B,) the middle of all films, dotted. highest: the share at the top of the chart; what is above is cut off.
    """
    height, steps = 120, bands.shape[1]
    x = np.linspace(LEFT, RIGHT, steps + 1)
    middles = (x[:-1] + x[1:]) / 2

    def y(shares: NDArray[np.float64]) -> NDArray[np.float64]:
        return height - height * np.clip(shares / max(highest, 1e-9), 0, 1)

    def area(low: NDArray[np.float64], high: NDArray[np.float64], opacity: str) -> Html:
        outline = [*zip(middles, y(high), strict=True), *reversed([*zip(middles, y(low), strict=True)])]
        return element("polygon", points=points(outline), fill=colour, fill_opacity=opacity)

    def line(shares: NDArray[np.float64], **look: str) -> Html:
        return element("polyline", points=points(zip(middles, y(shares), strict=True)), fill="none", **look)

    scale = [
        mark(left, x[1] - x[0] + 0.3, height + 4, 8, f"rgb({level:.0f},{level:.0f},{level:.0f})", "")
        for left, level in zip(x[:-1], np.linspace(0, 255, steps), strict=True)
    ]
    drawn = [
        *(rule(LEFT, RIGHT, height - height * part) for part in (0, 0.5, 1)),
        area(bands[0], bands[4], "0.18"),
        area(bands[1], bands[3], "0.38"),
        line(reference, class_="dotted"),
        line(bands[2], stroke=colour, stroke_width="2.2", stroke_linejoin="round"),
        *scale,
        text(LEFT, height + 25, "black", "start", is_soft=True),
        text(RIGHT, height + 25, "white", "end", is_soft=True),
        text(RIGHT, 11, f"{highest:.1%} of the pixels", "end", is_soft=True),
    ]
    peak = int(bands[2].argmax())
    told = f"The middle film has most pixels between {peak / steps:.0%} and {(peak + 1) / steps:.0%} of the way from black to white"
    return svg(title, told, height + 30, drawn)


class _Axis(Scale):
    """A horizontal axis below rows."""

    def x(self, value: float) -> float:
        return LEFT + 6 + self.share(value) * (RIGHT - LEFT - 12)

    def grid(self, bottom: float, unit: str, reference: float | None) -> Html:
        values, drawn = self.values, []
        for value in values:
            drawn.append(stroke(self.x(value), 0, bottom, "rule"))
            side = "start" if value == values[0] else "end" if value == values[-1] else "middle"
            drawn.append(text(self.x(value), bottom + 12, f"{value:,.10g}", side, is_soft=True))
        if reference is not None:
            drawn.append(stroke(self.x(reference), 0, bottom, "dotted"))
        drawn.append(text(WIDTH / 2, bottom + 26, unit, "middle", is_soft=True))
        return joined(*drawn)


def _head(top: float, name: str, numbers: str) -> Html:
    """The name of a row, and its numbers flush right."""
    fits = max(8, min(_LONGEST_NAME, _LETTERS - len(numbers)))
    return joined(
        text(LEFT, top + 13, shortened(name, fits), "start"), text(RIGHT, top + 13, numbers, "end", is_soft=True)
    )


def _estimate(scale: _Axis, y: float, guess: Guess) -> Html:
    """A ring at the value, a bar from end to end; nothing where the value is not known."""
    interval = guess.interval
    if math.isnan(interval.value):
        return Html()
    left, right = (scale.x(interval.value if math.isnan(end) else end) for end in (interval.low, interval.high))
    told = f"{guess.name}: {format_interval(interval)}"
    bar = mark(left, right - left, y - 2, 4, guess.colour, told)
    return joined(bar, ring(scale.x(interval.value), y, guess.colour))


def _counted(row: Bar, parts: Sequence[Part]) -> str:
    return ", ".join(f"{part.name} {count:,}" for part, count in zip(parts, row.counts, strict=True) if count) or "none"


def _some(value: float | None) -> list[float]:
    return [] if value is None else [value]

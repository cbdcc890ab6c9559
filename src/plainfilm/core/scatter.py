"""Points drawn as SVG inside a page: a score against a setting, whose axis is linear, logarithmic, or a row of choices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from plainfilm.core.html import Html, element
from plainfilm.core.looks import shortened
from plainfilm.core.strokes import LEFT, RIGHT, WIDTH, Scale, rule, svg, text

_TOP, _FIELD = 25, 150  # above the field: what its upright axis counts
_MARGIN = 40  # at its left, for the numbers of the upright axis
_LETTER = 6.2  # width of one below the axis
_LABELS = 6  # numbers below an axis, at most
_APART = 5  # from one point to the next of the same choice


class Dot(NamedTuple):
    """A point. x: the value, or the place of the choice. told: what it stands for, in words. is_hollow: it stands back."""

    x: float
    y: float
    colour: str
    told: str
    is_hollow: bool = False


class _Across(NamedTuple):
    """A horizontal axis: its ends, and what stands below it where."""

    low: float
    high: float
    labels: Sequence[tuple[float, str]]


def scatter(
    title: str,
    dots: Sequence[Dot],
    x_title: str,
    y_title: str,
    told: str,
    *,
    is_log: bool = False,
    choices: Sequence[str] = (),
) -> Html:
    """Points, one of them at least. told: what they show, in words. is_log: the level axis counts in factors.

    choices: names in a row below the axis, for points whose x is a place among them.
    """
    places = [math.log10(dot.x) if is_log else dot.x for dot in dots]
    up = Scale(min(dot.y for dot in dots), max(dot.y for dot in dots))
    across = _named(choices) if choices else _in_factors(places) if is_log else _numbers(places)
    bottom = _TOP + _FIELD

    def x_of(value: float) -> float:
        share = (value - across.low) / (across.high - across.low)
        return LEFT + _MARGIN + 8 + share * (RIGHT - LEFT - _MARGIN - 16)

    drawn = [text(LEFT, _TOP - 15, y_title, "start", is_soft=True)]
    for value in up.values:
        drawn += [
            rule(LEFT + _MARGIN, RIGHT, bottom - up.share(value) * _FIELD),
            text(LEFT + _MARGIN - 6, bottom - up.share(value) * _FIELD + 4, f"{value:,.10g}", "end", is_soft=True),
        ]
    drawn += [text(x_of(value), bottom + 15, label, "middle", is_soft=True) for value, label in across.labels]
    drawn.append(text(WIDTH / 2 + _MARGIN / 2, bottom + 30, x_title, "middle", is_soft=True))
    shifts = _shifts(places) if choices else [0.0] * len(dots)
    marks = [
        _mark(x_of(place) + shift, bottom - up.share(dot.y) * _FIELD, dot)
        for place, shift, dot in zip(places, shifts, dots, strict=True)
    ]
    return svg(title, told, bottom + 35, [*drawn, *sorted(marks, key=lambda drawn: 'class="hollow"' not in drawn)])


def _numbers(places: Sequence[float]) -> _Across:
    scale = Scale(min(places), max(places))
    step = math.ceil(len(scale.values) / _LABELS)
    return _Across(scale.low, scale.high, [(value, f"{value:,.10g}") for value in scale.values[::step]])


def _in_factors(places: Sequence[float]) -> _Across:
    """From one round number to another: 1, 2 or 5 times a power of ten; the powers alone are written where there are enough."""
    rounds = [
        power + math.log10(digit)
        for power in range(math.floor(min(places)), math.ceil(max(places)) + 1)
        for digit in (1, 2, 5)
    ]
    low = max(value for value in rounds if value <= min(places) + 1e-9)
    high = min((value for value in rounds if value >= max(places) - 1e-9 and value > low), default=low + 1)
    inside = [value for value in rounds if low - 1e-9 <= value <= high + 1e-9]
    tens = [value for value in inside if abs(value - round(value)) < 1e-9]
    written = inside if len(inside) <= 4 else tens if len(tens) > 1 else inside[:: math.ceil(len(inside) / 4)]
    return _Across(low, high, [(value, f"{10**value:.3g}") for value in written])


def _named(choices: Sequence[str]) -> _Across:
    letters = max(3, int((RIGHT - LEFT - _MARGIN) / len(choices) / _LETTER))
    return _Across(-0.5, len(choices) - 0.5, [(place, shortened(name, letters)) for place, name in enumerate(choices)])


def _shifts(places: Sequence[float]) -> Iterator[float]:
    """Points of one choice side by side, to and fro, so that none hides another."""
    seen: dict[float, int] = {}
    for place in places:
        count = seen[place] = seen.get(place, -1) + 1
        yield (1 if count % 2 else -1) * ((count + 1) // 2) % 4 * _APART if count else 0.0


def _mark(x: float, y: float, dot: Dot) -> Html:
    if dot.is_hollow:
        look = {"class_": "hollow", "fill": "none", "stroke": dot.colour, "stroke_width": "1.5"}
    else:
        look = {"fill": dot.colour, "fill_opacity": "0.85"}
    return element("circle", element("title", dot.told), cx=f"{x:.1f}", cy=f"{y:.1f}", r="4", **look)

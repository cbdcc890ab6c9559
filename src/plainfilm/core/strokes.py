"""What charts are drawn with: words, lines and areas in SVG, and axes with round numbers.

A chart is as wide as a phone and grows a little where there is room; places are in its own units, from the upper left corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from plainfilm.core.html import Html, element

WIDTH = 270
LEFT, RIGHT = 2, WIDTH - 2
_STEPS = (1, 2, 2.5, 5, 10)


class Scale:
    """An axis with round numbers. low, high: what must fit.

    counts: only whole numbers are written on it, and it ends where what must fit ends; else at the round numbers beyond.
    """

    def __init__(self, low: float, high: float, *, counts: bool = False) -> None:
        span = high - low or max(1.0, abs(high) * 0.2)
        least = max(span / 4, 1.0) if counts else span / 4
        power = math.pow(10, math.floor(math.log10(least)))
        steps = [step for step in _STEPS if not counts or (step * power).is_integer()]
        self.step = next(step * power for step in steps if step * power >= least * 0.999)
        below, above = math.floor(low / self.step + 1e-9), math.ceil(high / self.step - 1e-9)
        self.low = low if counts else below * self.step
        self.high = max(low + 1, high) if counts else max(below + 1, above) * self.step

    @property
    def values(self) -> list[float]:
        """The round numbers from end to end."""
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [place * self.step for place in range(first, last + 1)]

    def share(self, value: float) -> float:
        """How far along the axis a value lies, 0..1; what lies beyond an end is drawn at that end."""
        return (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def svg(title: str, told: str, height: float, drawn: Iterable[Html]) -> Html:
    """The whole chart. title, told: what it is and what it shows, for those who cannot see it."""
    words = element("title", title), element("desc", told)
    return element("svg", *words, *drawn, viewBox=f"0 0 {WIDTH} {height:g}", role="img", class_="chart")


def text(x: float, y: float, words: str, anchor: str, *, is_soft: bool = False) -> Html:
    """Words on the line y. anchor: which end of them lies at x: start, middle or end."""
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_="soft" if is_soft else "")


def mark(x: float, width: float, y: float, height: float, colour: str, told: str) -> Html:
    """A filled area. told: what it stands for; "" where others say it."""
    said = element("title", told) if told else ""
    return element(
        "rect", said, x=f"{x:.2f}", width=f"{max(width, 0.4):.2f}", y=f"{y:g}", height=f"{height:g}", fill=colour
    )


def ring(x: float, y: float, colour: str) -> Html:
    """A value."""
    return element("circle", cx=f"{x:.1f}", cy=f"{y:g}", r="4", fill="var(--paper)", stroke=colour, stroke_width="2.5")


def stroke(x: float, top: float, bottom: float, class_: str, *, right: float | None = None) -> Html:
    """A line straight down, or to `right`."""
    end = x if right is None else right
    return element("line", x1=f"{x:.1f}", x2=f"{end:.1f}", y1=f"{top:g}", y2=f"{bottom:g}", class_=class_)


def rule(left: float, right: float, y: float) -> Html:
    """A line that the eye goes along."""
    return element("line", x1=f"{left:g}", x2=f"{right:g}", y1=f"{y:g}", y2=f"{y:g}", class_="rule")


def points(places: Iterable[tuple[float, float]]) -> str:
    """Places as a line or an outline wants them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)

"""Samples of what is drawn in a chart, for its legend: a dot, a ring, a line, a line of dashes, an upright mark."""

from __future__ import annotations

from collections.abc import Iterable

from plainfilm.core.html import element
from plainfilm.core.page import Html

DASHES = "4 3"
FAINT = {"stroke_opacity": "0.45", "stroke_width": "1.5"}
BOLD = {"stroke_width": "2.2"}


def dot(colour: str) -> Html:
    """A filled point."""
    return _sample(element("circle", cx="10", cy="5", r="4", fill=colour, fill_opacity="0.85"))


def ring(colour: str) -> Html:
    """A hollow point."""
    return _sample(element("circle", cx="10", cy="5", r="4", fill="none", stroke=colour, stroke_width="1.5"))


def line(colour: str, look: dict[str, str] = BOLD, dashes: str = "") -> Html:
    """A line. look: BOLD or FAINT."""
    ends = {"x1": "0", "x2": "20", "y1": "5", "y2": "5"}
    return _sample(element("line", **ends, stroke=colour, stroke_dasharray=dashes, **look))


def tick() -> Html:
    """An upright mark."""
    return _sample(element("rect", x="8.5", y="0", width="3", height="10", fill="currentColor"))


def legend_of(entries: Iterable[tuple[Html, str]]) -> Html:
    """What is drawn in which way: (sample, name) each."""
    return element("p", *(element("span", sample, name, class_="swatch") for sample, name in entries), class_="legend")


def _sample(drawn: Html) -> Html:
    look = "flex:none;align-self:center;margin-right:0.4em"
    return element("svg", drawn, viewBox="0 0 20 10", width="20", height="10", aria_hidden="true", style=look)

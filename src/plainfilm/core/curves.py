"""Curves drawn as SVG inside a page, several in one chart: losses over epochs, sensitivity over the false-positive rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from plainfilm.core.html import Html, element
from plainfilm.core.strokes import LEFT, RIGHT, WIDTH, Scale, points, rule, svg, text

Ends = tuple[float, float]
Place = Callable[[float], float]

_LOW, _SQUARE = 150, 236  # heights of the field
_TOP = 7  # above it: half a number
_TITLE = 18  # for what the upright axis counts
_MARGIN = 36  # at its left, for the numbers of the upright axis
_NO_LINE = 1  # so few places in a row are dots


class Curve(NamedTuple):
    """A line. x, y: as many of each; a y that is NaN leaves a gap. dashes: as SVG writes them, "" for an unbroken line.

    is_faint: it stands back behind the others.
    """

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    dashes: str = ""
    is_faint: bool = False

    @property
    def known(self) -> list[tuple[float, float]]:
        """The places that are known."""
        return [(x, y) for x, y in zip(self.x, self.y, strict=True) if math.isfinite(y)]


def curves(
    title: str,
    lines: Sequence[Curve],
    x_title: str,
    told: str,
    *,
    y_title: str = "",
    counts_x: bool = False,
    across: Ends | None = None,
    ends: Ends | None = None,
    is_square: bool = False,
    has_diagonal: bool = False,
) -> Html:
    """Lines over one axis. lines: one of them at least has a place that is known; the first lie uppermost.

    told: what they show, in words. counts_x: x counts, so that only whole numbers stand below it.
    y_title: what the upright axis counts, above it. across, ends: of the level and of the upright axis; what the lines need where
    None. is_square: about as high as wide.
    has_diagonal: a dotted line from corner to corner, which is guessing.
    """
    known = [place for line in lines for place in line.known]
    level = Scale(*(across or (min(x for x, _ in known), max(x for x, _ in known))), counts=counts_x)
    up = Scale(*(ends or (min(y for _, y in known), max(y for _, y in known))))
    top = _TOP + (_TITLE if y_title else 0)
    bottom = top + (_SQUARE if is_square else _LOW)

    def x_of(value: float) -> float:
        return LEFT + _MARGIN + level.share(value) * (RIGHT - LEFT - _MARGIN - 6)

    def y_of(value: float) -> float:
        return bottom - up.share(value) * (bottom - top)

    drawn = [
        *_grid(level, up, x_of, y_of, bottom),
        text(WIDTH / 2 + _MARGIN / 2, bottom + 28, x_title, "middle", is_soft=True),
        *([text(LEFT, _TOP + 3, y_title, "start", is_soft=True)] if y_title else []),
    ]
    if has_diagonal:
        corners = points([(x_of(level.low), y_of(up.low)), (x_of(level.high), y_of(up.high))])
        drawn.append(element("polyline", points=corners, class_="dotted"))
    drawn += [piece for line in reversed(lines) for piece in _drawn(line, x_of, y_of)]
    return svg(title, told, bottom + 33, drawn)


def _grid(level: Scale, up: Scale, x_of: Place, y_of: Place, bottom: float) -> Iterator[Html]:
    """The round numbers of both axes, and a line at each height."""
    for value in up.values:
        yield rule(LEFT + _MARGIN, RIGHT, y_of(value))
        yield text(LEFT + _MARGIN - 6, y_of(value) + 4, f"{value:,.10g}", "end", is_soft=True)
    for value in level.values:
        yield text(x_of(value), bottom + 14, f"{value:,.10g}", "middle", is_soft=True)


def _drawn(line: Curve, x_of: Place, y_of: Place) -> Iterator[Html]:
    """The line, broken where it is not known."""
    look = {"stroke_opacity": "0.45", "stroke_width": "1.5"} if line.is_faint else {"stroke_width": "2.2"}
    places = zip(line.x, line.y, strict=True)
    for is_known, stretch in groupby(places, key=lambda place: math.isfinite(place[1])):
        drawn = [(x_of(x), y_of(y)) for x, y in stretch] if is_known else []
        if len(drawn) > _NO_LINE:
            dashes = {"stroke_dasharray": line.dashes}
            yield element(
                "polyline", element("title", line.name), points=points(drawn), fill="none", stroke=line.colour,
                stroke_linejoin="round", **look, **dashes,
            )  # fmt: skip
        for x, y in drawn if len(drawn) <= _NO_LINE else ():
            opacity = look.get("stroke_opacity", "")
            yield element(
                "circle",
                element("title", line.name),
                cx=f"{x:.1f}",
                cy=f"{y:.1f}",
                r="3",
                fill=line.colour,
                fill_opacity=opacity,
            )

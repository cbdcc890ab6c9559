"""One offline HTML page, built from small pieces: sections, tables, cards, alerts, figures.

    page(
        "resnet18",
        [section("Result", cards([Card("Accuracy", "0.946", "0.935 to 0.957")]), paragraph("On 1,474 films."))],
        lead="Four classes",
    )

Every piece is an `Html`. Any other text is escaped where it enters a piece, so nothing that a file holds becomes
markup. The page carries its style and its pictures, loads nothing and runs nothing; a content policy in its head
forbids both. What plainfilm is not for stays in sight on the screen and stands on every printed sheet.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.html import Html as Html
from plainfilm.core.html import breakable, element, escaped
from plainfilm.core.html import joined as joined
from plainfilm.core.words import NOTICE as NOTICE

Level = Literal["pass", "note", "warning", "failure"]
_LEVEL_WORDS: dict[Level, str] = {"pass": "Pass", "note": "Note", "warning": "Warning", "failure": "Alarm"}
_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg"}
_JPEG_QUALITY = 85
_CONTENT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Card:
    """A big number with what it is above it and what it rests on below."""

    title: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Column:
    """A table's column; numbers are set flush right."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading and its place in the contents."""

    title: str
    content: Html

    @property
    def anchor(self) -> str:
        """The name by which the contents link to it."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-") or "section"


# Text ----------------------------------------------------------------------------------------------------------------


def paragraph(*parts: str, soft: bool = False) -> Html:
    """A paragraph; `soft` ones stand back."""
    return element("p", *parts, class_="soft" if soft else "")


def heading(title: str) -> Html:
    """A heading inside a section."""
    return element("h3", title)


def strong(text: str) -> Html:
    """Text that stands out."""
    return element("strong", text)


def code(text: str) -> Html:
    """A command, a file name or a fingerprint."""
    return element("code", text)


def link(text: str, target: str) -> Html:
    """A link to a section (`#anchor`) or to a file beside the page."""
    return element("a", text, href=target)


def headline(level: Level, word: str, text: str, *content: str, is_long: bool = False) -> Html:
    """What one should know if one reads nothing else: a word, and one line in large letters. content: text, or blocks.

    is_long: the line is a whole sentence, in letters not quite as large.
    """
    body = [part if isinstance(part, Html) else paragraph(part) for part in content]
    head = element("p", mark(level, word), element("strong", text))
    return element("div", head, *body, class_=f"alert headline {level}{' long' if is_long else ''}", role="note")


def bullets(items: Iterable[str]) -> Html:
    """A list of points."""
    return element("ul", *(element("li", item) for item in items))


def folded(summary: str, *content: str, is_open: bool = False) -> Html:
    """Content that the reader unfolds; on paper it always shows."""
    mark = Html("<details open>") if is_open else Html("<details>")
    return joined(mark, element("summary", summary), *content, Html("</details>"))


def swatch(colour: str, label: str) -> Html:
    """A label beside a dot of its colour in the figures. colour: as CSS writes it, `#0072b2`."""
    dot = element("span", class_="dot", style=f"background:{colour}", aria_hidden="true")
    return element("span", dot, breakable(label), class_="swatch")


def estimate(interval: Interval, digits: int = 3) -> Html:
    """A number with its interval, the interval standing back: 0.946 (0.935 to 0.957)."""
    return number_and_ends(format_interval(interval, digits))


def number_and_ends(text: str) -> Html:
    """A number and what stands back behind it: `0.946 (0.935 to 0.957)`."""
    value, space, ends = text.partition(" ")
    behind = element("small", ends) if ends else ""
    return element("span", element("span", value, class_="value"), space, behind, class_="estimate")


# Blocks --------------------------------------------------------------------------------------------------------------


def cards(numbers: Iterable[Card]) -> Html:
    """The numbers that one should see first."""
    return element(
        "dl",
        *(
            element("div", element("dt", card.title), element("dd", strong(card.value), element("small", card.detail)))
            for card in numbers
        ),
        class_="cards",
    )


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """What is known, each under its name; where the numbers are not what one should see first."""
    named = (element("div", element("dt", name), element("dd", fact)) for name, fact in pairs)
    return element("dl", *named, class_="facts")


def mark(level: Level, word: str = "") -> Html:
    """How grave something is, in a word and in colour. word: instead of the level's own."""
    return element("span", word or _LEVEL_WORDS[level], class_=f"level {level}")


def alert(level: Level, title: str, *content: str, word: str = "") -> Html:
    """A box that says how grave it is in words and in colour. content: text, or blocks. word: instead of the level's own."""
    body = [part if isinstance(part, Html) else paragraph(part) for part in content]
    head = element("p", mark(level, word), " ", strong(title))
    return element("div", head, *body, class_=f"alert {level}", role="note")


def texts(*titles: str) -> list[Column]:
    """Columns of text."""
    return [Column(title) for title in titles]


def numbers(*titles: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(title, is_number=True) for title in titles]


def table(
    caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], footer: Iterable[Sequence[str]] = ()
) -> Html:
    """A table whose first column names the rows.

    rows, footer: one cell a column; the footer holds sums and means.
    Raises ValueError where a row has more or fewer cells than there are columns.
    """

    def line(cells: Sequence[str]) -> Html:
        if len(cells) != len(columns):
            raise ValueError(f'a row of the table "{caption}" has {len(cells)} cells, expected {len(columns)}')
        first = element("th", breakable(cells[0]), scope="row")
        return element("tr", first, *(_cell("td", *pair) for pair in zip(cells[1:], columns[1:], strict=True)))

    top = element("tr", *(_cell("th", breakable(column.title), column, scope="col") for column in columns))
    bottom = [line(cells) for cells in footer]
    whole = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", top),
        element("tbody", *(line(cells) for cells in rows)),
        element("tfoot", *bottom) if bottom else "",
    )
    return element("div", whole, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _cell(tag: str, content: str, column: Column, **attributes: str) -> Html:
    return element(tag, content, class_="number" if column.is_number else "", **attributes)


# Pictures ------------------------------------------------------------------------------------------------------------


def figure(picture: bytes, alt: str, caption: str, *, is_wide: bool = False) -> Html:
    """A drawing on a white card.

    picture: SVG or PNG. alt: what it shows, for those who cannot see it.
    is_wide: it has a row for itself, in its own size; others share a row.
    """
    canvas = element("div", _image(picture, alt), class_="canvas")
    return element("figure", canvas, element("figcaption", caption), class_="wide" if is_wide else "")


def drawing(title: str, chart: Html, caption: str) -> Html:
    """A chart out of `chart.py` in the page's own colours, with its name above and what it means below."""
    return element("figure", element("h4", title), chart, element("figcaption", caption))


def drawings(*pictures: Html, is_large: bool = False) -> Html:
    """Charts side by side where there is room. is_large: as large as charts get, so fewer a row."""
    return element("div", *pictures, class_="charts large" if is_large else "charts")


def legend(entries: Iterable[tuple[str, str]]) -> Html:
    """What the colours of a chart mean: (colour, name) each."""
    return element("p", *(swatch(colour, name) for colour, name in entries), class_="legend")


def figures(*pictures: Html) -> Html:
    """Figures side by side where there is room, one below the other where there is not."""
    return element("div", *pictures, class_="figures")


def colour_scale(colours: NDArray[np.uint8], low: str, high: str) -> Html:
    """A bar of colours between the values at its ends. colours: (N, 3) BGR, from low to high."""
    bar = _image(bytes(cv2.imencode(".png", colours[None])[1]), f"Colours from {low} to {high}")
    return element("div", element("span", low), bar, element("span", high), class_="scale")


def film(picture: bytes | str, alt: str, *lines: str) -> Html:
    """A film with its caption. picture: PNG or JPEG, or a text that stands in its place where there is none."""
    shown = element("div", picture, class_="missing") if isinstance(picture, str) else _image(picture, alt)
    return element("figure", shown, element("figcaption", *(element("div", line) for line in lines)))


def gallery(films: Iterable[Html]) -> Html:
    """Films in rows."""
    return element("div", *films, class_="gallery")


def large_gallery(films: Iterable[Html]) -> Html:
    """Films in rows of fewer, larger pictures."""
    return element("div", *films, class_="gallery large")


def strip(name: str, told: str, films: Iterable[Html]) -> Html:
    """One row of small films that belong together, six beside each other. told: what was done to them."""
    words = element("p", strong(name), " ", element("span", told, class_="soft"), class_="strip-name")
    return joined(words, element("div", *films, class_="strip"))


def pairs(couples: Iterable[tuple[Html, Html, Html]]) -> Html:
    """Films that are to be compared, two and two, each couple with its own line below."""
    return element(
        "div", *(element("div", first, second, line, class_="pair") for first, second, line in couples), class_="pairs"
    )


def film_jpeg(pixels: NDArray[np.uint8], largest_side: int) -> bytes:
    """A film as a JPEG file, a third of the PNG's size, shrunk as `film_png` does. pixels: (H, W) or (H, W, 3) BGR uint8."""
    return bytes(cv2.imencode(".jpg", _shrunk(pixels, largest_side), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def film_png(pixels: NDArray[np.uint8], largest_side: int) -> bytes:
    """A film as a PNG file, shrunk where its longer side has more than `largest_side` pixels. pixels: (H, W) uint8."""
    return bytes(cv2.imencode(".png", _shrunk(pixels, largest_side))[1])


def _shrunk(pixels: NDArray[np.uint8], largest_side: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = largest_side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _image(picture: bytes, alt: str) -> Html:
    kind = next((kind for start, kind in _KINDS.items() if picture.startswith(start)), "image/svg+xml")
    return Html(f'<img src="data:{kind};base64,{base64.b64encode(picture).decode()}" alt="{escaped(alt)}">')


# The whole -----------------------------------------------------------------------------------------------------------


def section(title: str, *content: str) -> Section:
    """A part of the page."""
    return Section(title, joined(*content))


def page(title: str, sections: Sequence[Section], *, lead: str = "", footer: str = "") -> str:
    """The page as one HTML document. lead: what it is about, below the title."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    on_paper = f'@page {{ @bottom-left {{ content: "{NOTICE}"; font: 8pt sans-serif; }} }}'
    links = (element("li", element("a", part.title, href=f"#{part.anchor}")) for part in sections)
    body = joined(
        element("p", NOTICE, class_="notice", role="note"),
        element("header", element("h1", title), element("p", lead, class_="lead") if lead else ""),
        element("nav", element("ul", *links), aria_label="Contents"),
        element(
            "main",
            *(
                element("section", element("h2", part.title), part.content, id=part.anchor, aria_label=part.title)
                for part in sections
            ),
        ),
        element("footer", footer) if footer else "",
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CONTENT_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{style}{on_paper}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )

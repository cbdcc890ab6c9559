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
import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, format_interval

Level = Literal["pass", "note", "warning", "failure"]
_LEVEL_WORDS: dict[Level, str] = {"pass": "Pass", "note": "Note", "warning": "Warning", "failure": "Alarm"}
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
NOTICE = "Research and education only. Not a medical device."
_CONTENT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Html(str):
    """A piece of page. Formatting it gives plain text again, which is escaped: a mistake shows, it does not run."""

    __slots__ = ()


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
    return _element("p", *parts, class_="soft" if soft else "")


def heading(title: str) -> Html:
    """A heading inside a section."""
    return _element("h3", title)


def strong(text: str) -> Html:
    """Text that stands out."""
    return _element("strong", text)


def code(text: str) -> Html:
    """A command, a file name or a fingerprint."""
    return _element("code", text)


def bullets(items: Iterable[str]) -> Html:
    """A list of points."""
    return _element("ul", *(_element("li", item) for item in items))


def joined(*parts: str) -> Html:
    """The parts one after the other."""
    return Html("".join(map(_escaped, parts)))


def folded(summary: str, *content: str, is_open: bool = False) -> Html:
    """Content that the reader unfolds; on paper it always shows."""
    mark = Html("<details open>") if is_open else Html("<details>")
    return joined(mark, _element("summary", summary), *content, Html("</details>"))


def swatch(colour: str, label: str) -> Html:
    """A label beside a dot of its colour in the figures. colour: as CSS writes it, `#0072b2`."""
    dot = _element("span", class_="dot", style=f"background:{colour}", aria_hidden="true")
    return _element("span", dot, _breakable(label), class_="swatch")


def estimate(interval: Interval, digits: int = 3) -> Html:
    """A number with its interval, the interval standing back: 0.946 (0.935 to 0.957)."""
    value, space, ends = format_interval(interval, digits).partition(" ")
    behind = _element("small", ends) if ends else ""
    return _element("span", _element("span", value, class_="value"), space, behind, class_="estimate")


# Blocks --------------------------------------------------------------------------------------------------------------


def cards(numbers: Iterable[Card]) -> Html:
    """The numbers that one should see first."""
    return _element(
        "dl",
        *(
            _element(
                "div", _element("dt", card.title), _element("dd", strong(card.value), _element("small", card.detail))
            )
            for card in numbers
        ),
        class_="cards",
    )


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """What is known, each under its name; where the numbers are not what one should see first."""
    named = (_element("div", _element("dt", name), _element("dd", fact)) for name, fact in pairs)
    return _element("dl", *named, class_="facts")


def alert(level: Level, title: str, *content: str) -> Html:
    """A box that says how grave it is in words and in colour. content: text, or blocks."""
    body = [part if isinstance(part, Html) else paragraph(part) for part in content]
    head = _element("p", _element("span", _LEVEL_WORDS[level], class_="level"), " ", strong(title))
    return _element("div", head, *body, class_=f"alert {level}", role="note")


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
        first = _element("th", _breakable(cells[0]), scope="row")
        return _element("tr", first, *(_cell("td", *pair) for pair in zip(cells[1:], columns[1:], strict=True)))

    top = _element("tr", *(_cell("th", _breakable(column.title), column, scope="col") for column in columns))
    bottom = [line(cells) for cells in footer]
    whole = _element(
        "table",
        _element("caption", _element("span", caption)),
        _element("thead", top),
        _element("tbody", *(line(cells) for cells in rows)),
        _element("tfoot", *bottom) if bottom else "",
    )
    return _element("div", whole, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _cell(tag: str, content: str, column: Column, **attributes: str) -> Html:
    return _element(tag, content, class_="number" if column.is_number else "", **attributes)


# Pictures ------------------------------------------------------------------------------------------------------------


def figure(picture: bytes, alt: str, caption: str, *, is_wide: bool = False) -> Html:
    """A drawing on a white card.

    picture: SVG or PNG. alt: what it shows, for those who cannot see it.
    is_wide: it has a row for itself, in its own size; others share a row.
    """
    canvas = _element("div", _image(picture, alt), class_="canvas")
    return _element("figure", canvas, _element("figcaption", caption), class_="wide" if is_wide else "")


def figures(*pictures: Html) -> Html:
    """Figures side by side where there is room, one below the other where there is not."""
    return _element("div", *pictures, class_="figures")


def film(picture: bytes | str, alt: str, *lines: str) -> Html:
    """A film with its caption. picture: PNG, or a text that stands in its place where there is none."""
    shown = _element("div", picture, class_="missing") if isinstance(picture, str) else _image(picture, alt)
    return _element("figure", shown, _element("figcaption", *(_element("div", line) for line in lines)))


def gallery(films: Iterable[Html]) -> Html:
    """Films in rows."""
    return _element("div", *films, class_="gallery")


def film_png(pixels: NDArray[np.uint8], largest_side: int) -> bytes:
    """A film as a PNG file, shrunk where its longer side has more than `largest_side` pixels. pixels: (H, W) uint8."""
    scale = largest_side / max(pixels.shape)
    if scale < 1:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


def _image(picture: bytes, alt: str) -> Html:
    kind = "image/png" if picture.startswith(b"\x89PNG") else "image/svg+xml"
    return Html(f'<img src="data:{kind};base64,{base64.b64encode(picture).decode()}" alt="{_escaped(alt)}">')


# The whole -----------------------------------------------------------------------------------------------------------


def section(title: str, *content: str) -> Section:
    """A part of the page."""
    return Section(title, joined(*content))


def page(title: str, sections: Sequence[Section], *, lead: str = "", footer: str = "") -> str:
    """The page as one HTML document. lead: what it is about, below the title."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    on_paper = f'@page {{ @bottom-left {{ content: "{NOTICE}"; font: 8pt sans-serif; }} }}'
    links = (_element("li", _element("a", part.title, href=f"#{part.anchor}")) for part in sections)
    body = joined(
        _element("p", NOTICE, class_="notice", role="note"),
        _element("header", _element("h1", title), _element("p", lead, class_="lead") if lead else ""),
        _element("nav", _element("ul", *links), aria_label="Contents"),
        _element(
            "main",
            *(
                _element("section", _element("h2", part.title), part.content, id=part.anchor, aria_label=part.title)
                for part in sections
            ),
        ),
        _element("footer", footer) if footer else "",
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CONTENT_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>\n{style}{on_paper}\n</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _element(tag: str, *content: str, **attributes: str) -> Html:
    """An element; an attribute's underscores become dashes, a last one falls away, an empty one is left out."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for name, value in attributes.items() if value
    )
    return Html(f"<{tag}{given}>{joined(*content)}</{tag}>")


def _breakable(text: str) -> Html:
    """The text, which a line may also break after an underscore or slash: class names are long."""
    return text if isinstance(text, Html) else Html(re.sub(r"([_/])(?=\w)", r"\1<wbr>", _escaped(text)))


def _escaped(text: str) -> Html:
    if isinstance(text, Html):
        return text
    return Html(html.escape(_CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)))

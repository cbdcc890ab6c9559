"""Pieces of a page: elements and escaped text, from which `page.py` builds pages and `chart.py` draws.

Every piece is an `Html`. Any other text is escaped where it enters a piece, so nothing that a file holds becomes markup.
"""

from __future__ import annotations

import html
import re

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_ENDLESS = re.compile(r"[^\s_/]{41,}")
_PIECE = re.compile(r".{1,20}", re.DOTALL)


class Html(str):
    """A piece of page. Formatting it gives plain text again, which is escaped: a mistake shows, it does not run."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: str) -> Html:
    """An element; an attribute's underscores become dashes, a last one falls away, an empty one is left out."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(value)}"' for name, value in attributes.items() if value
    )
    return Html(f"<{tag}{given}>{joined(*content)}</{tag}>")


def joined(*parts: str) -> Html:
    """The parts one after the other."""
    return Html("".join(map(escaped, parts)))


def escaped(text: str) -> Html:
    """The text as it may stand in a page; pieces stay as they are, control characters and broken ones are replaced."""
    if isinstance(text, Html):
        return text
    return Html(html.escape(_CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)))


def breakable(text: str) -> Html:
    """The text, which a line may also break after an underscore or slash, and anywhere in an endless word: names are long."""
    if isinstance(text, Html):
        return text
    words = _ENDLESS.sub(lambda word: "\N{ZERO WIDTH SPACE}".join(_PIECE.findall(word.group())), text)
    broken = re.sub(r"([_/])(?=\w)", r"\1<wbr>", escaped(words))
    return Html(broken.replace("\N{ZERO WIDTH SPACE}", "<wbr>"))

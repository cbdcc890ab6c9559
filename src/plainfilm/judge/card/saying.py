"""Sentences as a page and as Markdown show them: text stays text, and long words break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from plainfilm.core.page import Html, code, joined

_SPECIAL = re.compile(r"([\\`*\[\]|~#]|(?<!\w)_|_(?!\w))")
_BLANK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_LONG_WORD = re.compile(r"([^\s(),;]{27,}[^\s(),;.])")  # fingerprints and paths: wider than half a telephone


def sentence(text: str) -> Html:
    """The text for a page; words too long for a narrow screen are set so that they may break."""
    return joined(*(code(piece) if _LONG_WORD.fullmatch(piece) else piece for piece in _LONG_WORD.split(text)))


def escaped_markdown(text: str) -> str:
    """The text on one line, with everything that Markdown or HTML would take for markup made plain."""
    plain = _SPECIAL.sub(r"\\\1", _BLANK.sub(" ", text).strip())
    return plain.replace("&", "&amp;").replace("<", "&lt;")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table, line by line; the cells are escaped."""
    lines = [columns, ["---"] * len(columns), *([escaped_markdown(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines]

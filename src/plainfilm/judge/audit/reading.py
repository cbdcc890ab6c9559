"""A check's evidence as audit.json holds it, read so that what is missing is left out and never stops a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainfilm.core.bootstrap import Interval, interval_of
from plainfilm.core.page import Column, Html, estimate, table

Row = Mapping[str, Any]
Evidence = Mapping[str, Any]
Cell = Callable[[Row], str | None]
UNKNOWN = Interval(math.nan, math.nan, math.nan)
_ABSENT = "–"


@dataclass(frozen=True)
class Field:
    """A column of a table of evidence. cell: the text of a row, None where the row does not know it."""

    title: str
    cell: Cell
    is_number: bool = True


def rows_of(evidence: Mapping[str, Any], key: str = "rows") -> list[Row]:
    """The rows of the evidence; none where there are none."""
    found = evidence.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, Sequence) else []


def parts_of(evidence: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What the evidence holds by name under `key`; empty where there is nothing."""
    found = evidence.get(key)
    return found if isinstance(found, Mapping) else {}


def interval_in(row: Row, key: str) -> Interval:
    """The interval under `key`, UNKNOWN where there is none; a bare number is one without ends."""
    found = row.get(key)
    if isinstance(found, Mapping):
        return interval_of({end: number_in(found, end) for end in ("value", "low", "high")})
    value = number_in(row, key)
    return UNKNOWN if value is None else Interval(value, math.nan, math.nan)


def number_in(row: Row, key: str) -> float | None:
    """The number under `key`, None where there is none."""
    found = row.get(key)
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    return float(found) if is_number and found is not None else None


def text_in(row: Row, key: str) -> str:
    """The text under `key`; "" where there is none."""
    found = row.get(key)
    return "" if found is None else str(found)


def is_known(interval: Interval) -> bool:
    """Whether there is a value."""
    return not math.isnan(interval.value)


# Columns --------------------------------------------------------------------------------------------------------------


def words(title: str, key: str, names: Mapping[str, str] | None = None) -> Field:
    """A column of text. names: what is shown for a value, where that is not the value itself."""

    def cell(row: Row) -> str | None:
        text = text_in(row, key)
        return (names or {}).get(text, text) or None

    return Field(title, cell, is_number=False)


def intervals(title: str, key: str, digits: int = 3) -> Field:
    """A column of numbers with their intervals."""

    def cell(row: Row) -> str | None:
        found = interval_in(row, key)
        return estimate(found, digits) if is_known(found) else None

    return Field(title, cell)


def counts(title: str, key: str) -> Field:
    """A column of whole numbers."""

    def cell(row: Row) -> str | None:
        found = number_in(row, key)
        return None if found is None else f"{found:,.0f}"

    return Field(title, cell)


def shares(title: str, key: str) -> Field:
    """A column of shares without an interval, since nothing was drawn for them."""

    def cell(row: Row) -> str | None:
        found = number_in(row, key)
        return None if found is None else f"{found:.3f}"

    return Field(title, cell)


def names_in(title: str, key: str) -> Field:
    """A column of lists of names, or of names with how many films each has."""

    def cell(row: Row) -> str | None:
        found = row.get(key)
        if isinstance(found, Mapping):
            told = [f"{name} {_counted(films)}" for name, films in found.items()]
        elif isinstance(found, Sequence) and not isinstance(found, str):
            told = [str(name) for name in found]
        else:
            return None
        return ", ".join(told) or None

    return Field(title, cell, is_number=False)


def _counted(films: object) -> str:
    return f"{films:,}" if isinstance(films, int) else str(films)


def known_table(caption: str, first: Field, fields: Sequence[Field], rows: Sequence[Row]) -> Html:
    """A table of what the rows know: columns that no row knows fall away, and so does a table that has none left."""
    known = [field for field in fields if any(field.cell(row) is not None for row in rows)]
    if not known:
        return Html()
    columns = [Column(first.title), *(Column(field.title, field.is_number) for field in known)]
    cells = [[_shown(first.cell(row)), *(_shown(field.cell(row)) for field in known)] for row in rows]
    return table(caption, columns, cells)


def _shown(cell: str | None) -> str:
    return _ABSENT if cell is None else cell

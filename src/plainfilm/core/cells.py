"""Cells and lines of tables that people open in a spreadsheet: text stays text and never runs as a formula.

A film may be called "=HYPERLINK(...).png". So text that a spreadsheet would run gets an apostrophe before it, as one would type
it there; text that has one already gets another, so that `as_written` gives back every text.
Numbers are no business of this file: -1.5 is a number, "-1.5" is text.
Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_QUOTE = "'"
_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
    _QUOTE,
)  # the wide ones are taken for the narrow


def harmless(text: str) -> str:
    """The text as a cell of a CSV file that no spreadsheet runs."""
    return _QUOTE + text if text.startswith(_STARTS) else text


def as_written(cell: str) -> str:
    """The text that `harmless` made a cell of."""
    return cell.removeprefix(_QUOTE)


def csv_line(cells: Sequence[str]) -> str:
    """The cells as a line of a CSV file, which ends in a line feed; every cell with a line end of any kind in it is quoted.

    Python's writer quotes a carriage return only where its own lines end in one (before Python 3.13), and readers end a line there.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n") + "\n"


def table_csv(table: pd.DataFrame) -> str:
    """The table as a CSV file of harmless cells; an unknown number is an empty one. Its column names are ours."""
    lines = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return "".join(map(csv_line, [[*table.columns], *lines]))


def _cell(value: object) -> str:
    if isinstance(value, str):
        return harmless(value)
    return "" if value is None or value != value else str(value)

"""A cell never runs as a formula, and reads back as it was."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainfilm.core.cells import as_written, harmless, table_csv


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1+1", "=cmd|' /C calc'!A0"]
)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert harmless(text) == "'" + text


@pytest.mark.parametrize("text", ["", "film.png", "a=b.png", "folder/-film.png", "Größe.png", "1-2.png"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_every_text_reads_back_through_a_file(text: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow([harmless(text), "last"])
    file.seek(0)
    (row,) = csv.reader(file)
    assert as_written(row[0]) == text and not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_table_holds_text_that_is_harmless_and_numbers_as_they_are() -> None:
    table = pd.DataFrame({"film": ["=1", "a\r,b", ""], "similarity": [-0.5, 0.9952, float("nan")], "set": [1, 2, 3]})
    assert table_csv(table) == 'film,similarity,set\n\'=1,-0.5,1\n"a\r,b",0.9952,2\n,,3\n'
    assert table_csv(table[:0]) == "film,similarity,set\n"

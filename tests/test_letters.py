"""Letters on pictures: every script that a film's name is likely to be in, on one line, without a font to be found."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from plainfilm.core.letters import fitting, width, wrapped, write


def _written(words: str, *, is_bold: bool = False) -> NDArray[np.uint8]:
    picture = np.zeros((40, 400, 3), np.uint8)
    write(picture, words, 10, 5, 20, (255, 200, 0), is_bold=is_bold)
    return picture


@pytest.mark.parametrize("words", ["ä", "ß", "ł", "ş", "Ω", "Ж", "肺", "≥", "–", "0.98"])
def test_letters_of_many_scripts_are_drawn_and_not_replaced(words: str) -> None:
    drawn = _written(words)
    assert drawn.any() and (drawn != _written("?" * len(words))).any()
    assert (drawn[:, :, 2] == 0).all() and drawn[:, :, 0].max() == 255, "in the ink that was asked for"


def test_accents_are_seen() -> None:
    assert (_written("Grösse") != _written("Grosse")).any() and (
        _written("bold", is_bold=True) != _written("bold")
    ).any()


def test_the_width_is_what_is_drawn() -> None:
    for words in ("a map", "Größe 0.98", "Привет"):
        columns = np.flatnonzero(_written(words).any(axis=(0, 2)))
        assert columns[0] >= 9 and columns[-1] <= 10 + width(words, 20) + 1 and columns[-1] >= 10 + width(words, 20) - 4


def test_words_fit_where_they_are_to_fit() -> None:
    assert fitting("short", 14, 400) == "short"
    long = "begin " * 40 + "end"
    kept = fitting(long, 14, 300)
    assert width(kept, 14) <= 300 and kept.startswith("begin") and kept.endswith("end") and "…" in kept
    lines = wrapped(long, 14, 300)
    assert len(lines) > 3 and all(width(line, 14) <= 300 for line in lines) and " ".join(lines) == long


def test_what_is_no_letter_breaks_nothing() -> None:
    for words in ("\x1b[31m", "two\nlines", "\ud800", "\0", "", "😀", "x" * 5000):
        write(np.zeros((40, 400, 3), np.uint8), words, 10, 5, 14, (255, 255, 255))
        assert width(words, 14) >= 0


def test_letters_need_neither_matplotlib_nor_pillow() -> None:
    code = (
        "import sys; from plainfilm.core.letters import width; width('film', 14); "
        "sys.exit(any(name in sys.modules for name in ('matplotlib', 'PIL')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

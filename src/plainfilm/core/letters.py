"""Letters on pictures: those that OpenCV brings, so that every installation writes alike and no font has to be found.

They know Latin with all its accents, Greek, Cyrillic and Chinese; what they lack is drawn as a question mark. Sizes are in pixels.
"""

from __future__ import annotations

from functools import cache
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.looks import shortened

Ink = tuple[int, int, int]
_PLAIN, _BOLD = 400, 650  # weights, of 100 to 900
_ONE_AT_A_TIME = Lock()  # the font is one for all threads
_LEAST_LETTERS = 8  # of words that are shortened


def write(
    picture: NDArray[np.uint8], words: str, left: int, top: int, size: int, ink: Ink, *, is_bold: bool = False
) -> None:
    """Write one line into the picture, (H, W, 3) and contiguous; ink has the order of its channels."""
    with _ONE_AT_A_TIME:
        cv2.putText(picture, _printable(words), (left, top + size), ink, _font(), size, _weight(is_bold))


def width(words: str, size: int, *, is_bold: bool = False) -> int:
    """How wide a line is, pixels."""
    with _ONE_AT_A_TIME:
        box = cv2.getTextSize((1, 1), _printable(words), (0, 0), _font(), size, _weight(is_bold))
    return int(box[0] + box[2])


def fitting(words: str, size: int, most: int, *, is_bold: bool = False) -> str:
    """The words on one line of at most so many pixels, their middle left out where they are too long."""
    length = len(words)
    while length > _LEAST_LETTERS and width(shortened(words, length), size, is_bold=is_bold) > most:
        length -= max(1, length // 20)
    return shortened(words, length)


def wrapped(words: str, size: int, most: int, *, is_bold: bool = False) -> list[str]:
    """The words on as many lines as they need; a word that is too long has a line of its own and runs over."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or width(longer, size, is_bold=is_bold) <= most:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@cache
def _font() -> cv2.FontFace:
    return cv2.FontFace("sans")


def _weight(is_bold: bool) -> int:
    return _BOLD if is_bold else _PLAIN


def _printable(words: str) -> str:
    """What would break a line, or is no letter at all, is spelt as one that says so."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)

"""What people put into the upper corners of films: lead letters, words, an arrow with its lead ball, a white label of text.

Drawn four times as large and shrunk, so that they look alike at every size of input. Sizes and places are those of real films: a
letter is some 6% of the side high and stands a little off the edge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Films: TypeAlias = NDArray[np.uint8]
Corner: TypeAlias = Literal["upper left", "upper right"]
_Canvas: TypeAlias = NDArray[np.float32]

_FINER = 4  # times as large as the film, while it is drawn
_LEAD = 245.0  # grey level of what stops all rays
_MARGIN = 0.04  # share of the side between the film's edge and the stamp
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 21.0  # pixels of a capital letter at size 1


class Stamp(NamedTuple):
    """One sign in one corner, as one sees the film (its upper left is the patient's right side).

    name: for readers. corner: where. draw: (N, S, S) uint8 -> the same films with the stamp, anew.
    """

    name: str
    corner: Corner
    draw: Callable[[Films], Films]

    @property
    def key(self) -> str:
        """Its name in tables."""
        return f"{self.name}, {self.corner}"


class _Sign(NamedTuple):
    """opacity, lead: (H, W) float32, 0..1: how much of the film it covers, and how white it is there; finer than the film."""

    opacity: _Canvas
    lead: _Canvas


def _word(word: str, height: float, side: int) -> _Sign:
    """A word of letters of lead, so high a share of the side."""
    size = height * side / _FONT_HEIGHT
    thick = max(1, round(height * side * 0.14))
    (across, up), below = cv2.getTextSize(word, _FONT, size, thick)
    canvas = np.zeros((up + below + 2 * thick, across + 2 * thick), np.uint8)
    cv2.putText(canvas, word, (thick, up + thick), _FONT, size, 255, thick, cv2.LINE_AA)
    return _of_lead(canvas)


def _arrow_and_ball(side: int) -> _Sign:
    """An arrow upward, which says that the patient stood, and the ball beside it that rolls down when he did not."""
    high, wide = round(0.10 * side), round(0.075 * side)
    canvas = np.zeros((high, wide), np.uint8)
    thick = max(1, round(0.012 * side))
    foot, tip = (round(0.25 * wide), high - thick), (round(0.25 * wide), thick)
    cv2.arrowedLine(canvas, foot, tip, 255, thick, cv2.LINE_AA, tipLength=0.3)
    cv2.circle(canvas, (round(0.72 * wide), round(0.75 * high)), round(0.2 * wide), 255, -1, cv2.LINE_AA)
    return _of_lead(canvas)


def _of_lead(drawn: Films) -> _Sign:
    opacity = np.asarray(drawn / np.float32(255), np.float32)
    return _Sign(opacity, np.ones_like(opacity))


def _label(side: int) -> _Sign:
    """A small white label with three lines of dark hatching in place of a name."""
    high, wide = round(0.09 * side), round(0.18 * side)
    lead = np.ones((high, wide), np.float32)
    for line in range(3):
        top = round(high * (0.17 + 0.28 * line))
        for left in np.arange(0.08, 0.90 - 0.12 * line, 0.055):
            start = round(wide * left)
            lead[top : top + max(1, round(0.13 * high)), start : start + max(1, round(0.032 * wide))] = 0.1
    return _Sign(np.ones_like(lead), lead)


@cache
def _placed(sign: Callable[[int], _Sign], corner: Corner, size: int) -> tuple[_Canvas, _Canvas]:
    """(S, S) opacity 0..1, and (S, S) grey level times opacity."""
    side = size * _FINER
    drawn = sign(side)
    high, wide = drawn.opacity.shape
    margin = round(_MARGIN * side)
    left = margin if corner == "upper left" else side - margin - wide
    opacity, level = np.zeros((2, side, side), np.float32)
    place = (slice(margin, margin + high), slice(left, left + wide))
    opacity[place], level[place] = drawn.opacity, drawn.opacity * drawn.lead * _LEAD
    return _shrunk(opacity, size), _shrunk(level, size)


def _shrunk(canvas: _Canvas, size: int) -> _Canvas:
    return np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def _stamped(sign: Callable[[int], _Sign], corner: Corner, films: Films) -> Films:
    opacity, level = _placed(sign, corner, films.shape[-1])
    stamped = films.copy()
    rows, columns = (np.flatnonzero(opacity.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))  # the rest stays as it is
    stamped[:, *box] = np.rint(films[:, *box] * (1 - opacity[box]) + level[box]).astype(np.uint8)
    return stamped


_LETTER_HEIGHT = 0.055
_SIGNS: dict[str, Callable[[int], _Sign]] = {
    "the letter L": partial(_word, "L", _LETTER_HEIGHT),
    "the letter R": partial(_word, "R", _LETTER_HEIGHT),
    "the word PORTABLE": partial(_word, "PORTABLE", 0.03),
    "arrow and lead ball": _arrow_and_ball,
    "a label of text": _label,
}
_CORNERS: tuple[Corner, ...] = ("upper left", "upper right")

STAMPS = tuple(
    Stamp(name, corner, partial(_stamped, sign, corner)) for name, sign in _SIGNS.items() for corner in _CORNERS
)

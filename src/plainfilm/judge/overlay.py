"""Heatmaps laid over films, with what is known of each written beneath it, and a sheet of many.

A map is scaled by its own largest value for the eye and shows through where it is weak. Pictures are RGB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.explanation import LEAST_STABILITY, MOST_RESEMBLANCE, PASSES, Explanation, Trust
from plainfilm.core.letters import Ink, fitting, width, wrapped, write
from plainfilm.core.overlay import OPACITY, colours, film_picture, overlay
from plainfilm.core.page import NOTICE

PANEL_PX = 384
_GAP, _LINE, _TEXT, _HEAD = 16, 21, 14, 17
_PANELS_A_ROW = 5
_PAPER, _INK, _SOFT, _ALARM, _GOOD = (20, 24, 30), (228, 232, 238), (160, 171, 184), (179, 38, 30), (108, 197, 146)
_FAINT_ALARM, _NOTE, _WHITE = (242, 147, 140), (43, 52, 63), (255, 255, 255)  # the first for letters on the paper
_SHEET_PX, _SHEET_COLUMNS, _SHEET_TEXT = 208, 5, 12
MOST_ON_SHEET = 100


@dataclass(frozen=True)
class Shown:
    """One map to be shown. name: of its class; probability: 0..1, NaN where the film was turned away."""

    c: int
    name: str
    probability: float
    trust: Trust


def with_alarm(picture: NDArray[np.uint8], trust: Trust, letter: float = 1 / 22) -> NDArray[np.uint8]:
    """The picture with what its map fails in, or what kept it from being judged, written on its face; else as it is.

    letter: how tall, as a share of the side.
    """
    if not trust.alarm:
        return picture
    side = picture.shape[1]
    size = max(11, round(side * letter))
    lines = wrapped(trust.alarm[0].upper() + trust.alarm[1:], size, side - 16, is_bold=True)
    marked = picture.copy()
    marked[: 9 + len(lines) * (size + 5)] = _ALARM if trust.failures else _NOTE
    for place, line in enumerate(lines):
        write(marked, line, 8, 4 + place * (size + 5), size, _WHITE, is_bold=True)
    return marked


def explanation_png(
    explanation: Explanation, shown: Sequence[Shown], *, title: str, warning: str = "", opacity: float = OPACITY
) -> bytes:
    """The film beside its maps, as a PNG file. title: of the film. warning: what is to be known before looking, "" for nothing."""
    panels = 1 + len(shown)
    rows = math.ceil(panels / _PANELS_A_ROW)
    columns = math.ceil(panels / rows)
    block = PANEL_PX + 6 * _LINE + _GAP
    top = _GAP + _LINE * (2 if warning else 1) + 10
    across = _GAP + columns * (PANEL_PX + _GAP)
    sheet = _paper(top + rows * block + 2 * _LINE, across)
    for line, (words, ink) in enumerate([(title, _INK), (warning, _FAINT_ALARM)]):
        fits = fitting(words, _HEAD, across - 2 * _GAP, is_bold=True)
        write(sheet, fits, _GAP, _GAP + line * (_LINE + 4), _HEAD, ink, is_bold=True)
    for place in range(panels):
        left, head = _GAP + place % columns * (PANEL_PX + _GAP), top + place // columns * block
        if place == 0:
            picture = film_picture(explanation.fitted, PANEL_PX)
            lines = [("the film as the network sees it", _INK), *_film_lines(explanation)]
        else:
            one = shown[place - 1]
            drawn = overlay(explanation.fitted, explanation.strength[one.c], explanation.lungs, PANEL_PX, opacity)
            picture, lines = with_alarm(drawn, one.trust), _map_lines(one)
        _lay(sheet, picture, left, head)
        for number, (words, ink) in enumerate(lines):
            below, is_bold = head + PANEL_PX + 8 + number * _LINE, number == 0
            write(sheet, fitting(words, _TEXT, PANEL_PX, is_bold=is_bold), left, below, _TEXT, ink, is_bold=is_bold)
    bottom = top + rows * block
    _draw_scale(sheet, _GAP, bottom)
    write(sheet, fitting(NOTICE, _TEXT, across - 2 * _GAP), _GAP, bottom + _LINE, _TEXT, _SOFT)
    return _png(sheet)


def sheet_png(tiles: Sequence[tuple[NDArray[np.uint8], str, str]], note: str = "") -> bytes:
    """Small overlays in rows with two lines beneath each, as a PNG file.

    tiles: (picture, name, line), at most MOST_ON_SHEET. note: what is true of all of them, beside the notice.
    """
    columns = min(len(tiles), _SHEET_COLUMNS)
    rows = math.ceil(len(tiles) / columns)
    tall = _SHEET_PX + 2 * 18 + _GAP
    across = _GAP + columns * (_SHEET_PX + _GAP)
    feet = wrapped(f"{note} {NOTICE}", _SHEET_TEXT, across - 2 * _GAP)
    sheet = _paper(_GAP + rows * tall + 8 + 16 * len(feet), across)
    for place, (picture, name, line) in enumerate(tiles):
        left, top = _GAP + place % columns * (_SHEET_PX + _GAP), _GAP + place // columns * tall
        _lay(sheet, picture, left, top)
        for number, (words, ink) in enumerate([(name, _INK), (line, _SOFT)]):
            below = top + _SHEET_PX + 4 + 16 * number
            write(sheet, fitting(words, _SHEET_TEXT, _SHEET_PX), left, below, _SHEET_TEXT, ink)
    for number, words in enumerate(feet):
        write(sheet, words, _GAP, _GAP + rows * tall + 16 * number, _SHEET_TEXT, _SOFT)
    return _png(sheet)


def tile(explanation: Explanation, one: Shown, opacity: float = OPACITY) -> NDArray[np.uint8]:
    """One overlay of a sheet, what it fails in on its face."""
    drawn = overlay(explanation.fitted, explanation.strength[one.c], explanation.lungs, _SHEET_PX, opacity)
    return with_alarm(drawn, one.trust)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """A picture for a page."""
    return bytes(cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def number(value: float, digits: int = 2) -> str:
    """The number, or that it is unknown."""
    return "unknown" if math.isnan(value) else f"{value:z.{digits}f}"


def _film_lines(explanation: Explanation) -> list[tuple[str, Ink]]:
    height, width_ = explanation.strength.shape[1:]
    lungs = f"lungs, outlined: {explanation.lungs.mean():.2f} of the film"
    return [
        (lungs if explanation.lungs.any() else "no lungs were found in it", _SOFT),
        (f"its maps have {height} x {width_} places", _SOFT),
    ]


def _map_lines(one: Shown) -> list[tuple[str, Ink]]:
    trust = one.trust
    answer = "no answer" if math.isnan(one.probability) else f"probability {one.probability:.3f}"
    lines = [(f"{one.name}: {answer}", _INK)]
    if trust.is_empty:
        return [*lines, (trust.verdict, _SOFT)]
    return [
        *lines,
        (f"in the lungs {number(trust.share_in_lungs)}, by chance {number(trust.lungs_share)}", _SOFT),
        (f"stable under shifts {number(trust.stability)}, expected {LEAST_STABILITY} or more", _SOFT),
        (_shuffled_line(trust), _SOFT),
        *_verdict_lines(trust),
    ]


def _verdict_lines(trust: Trust) -> list[tuple[str, Ink]]:
    if trust.failures:
        return [("FAILS", _FAINT_ALARM)]  # its face says in what
    return [(line, _GOOD if trust.verdict == PASSES else _SOFT) for line in wrapped(trust.verdict, _TEXT, PANEL_PX)]


def _shuffled_line(trust: Trust) -> str:
    if math.isnan(trust.resemblance):
        return f"like shuffled networks': {'too few places' if trust.has_shuffled else 'not tried'}"
    return f"like shuffled networks' {number(trust.resemblance)}, at most {MOST_RESEMBLANCE}"


def _draw_scale(sheet: NDArray[np.uint8], left: int, top: int) -> None:
    weak, strong = "strength: 0", "the largest of each map"
    bar = np.repeat(colours()[None, ::2], 10, axis=0)
    start = left + width(weak, _TEXT) + 10
    write(sheet, weak, left, top - 1, _TEXT, _SOFT)
    _lay(sheet, bar, start, top + 2)
    write(sheet, strong, start + bar.shape[1] + 10, top - 1, _TEXT, _SOFT)


def _paper(height: int, across: int) -> NDArray[np.uint8]:
    return np.full((height, across, 3), _PAPER, np.uint8)


def _lay(sheet: NDArray[np.uint8], picture: NDArray[np.uint8], left: int, top: int) -> None:
    sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture


def _png(sheet: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", sheet[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1])

"""Heatmaps laid over films, with what is known of each written beneath it, and a sheet of many.

A map is scaled by its own largest value for the eye and shows through where it is weak. Letters are those that matplotlib brings;
a script that these lack is drawn as boxes, and the tables spell it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from plainfilm.core.explanation import LEAST_STABILITY, MOST_RESEMBLANCE, PASSES, Explanation, Trust
from plainfilm.core.looks import shortened
from plainfilm.core.maps import Floats, film_maps, scaled
from plainfilm.core.page import NOTICE

OPACITY = 0.6
PANEL_PX = 384
_GAP, _LINE, _TEXT, _HEAD = 16, 21, 14, 17
_PANELS_A_ROW = 5
_PAPER, _INK, _SOFT, _ALARM, _GOOD = (20, 24, 30), (228, 232, 238), (160, 171, 184), (179, 38, 30), (108, 197, 146)
_FAINT_ALARM = (242, 147, 140)  # for letters on the paper
_LUNGS = (86, 180, 233)  # light blue: on grey and on every colour of the map it stands out
_SHEET_PX, _SHEET_COLUMNS = 208, 5
MOST_ON_SHEET = 100


@dataclass(frozen=True)
class Shown:
    """One map to be shown. name: of its class; probability: 0..1, NaN where the film was turned away."""

    c: int
    name: str
    probability: float
    trust: Trust


def colours() -> NDArray[np.uint8]:
    """(256, 3) RGB from weak to strong: violet, red, orange, rising in brightness, as the colour-blind see it too."""
    ramp = cv2.applyColorMap(np.linspace(90, 215, 256).astype(np.uint8)[:, None], cv2.COLORMAP_INFERNO)
    return np.ascontiguousarray(ramp[:, 0, ::-1])


def film_picture(film: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The film as the network sees it, (side, side, 3) RGB."""
    grow = side >= film.shape[0]
    large = cv2.resize(film, (side, side), interpolation=cv2.INTER_CUBIC if grow else cv2.INTER_AREA)
    return np.repeat(np.asarray(large, np.uint8)[:, :, None], 3, axis=2)


def overlay(
    film: NDArray[np.uint8], strength: Floats, lungs: NDArray[np.bool_], side: int, opacity: float = OPACITY
) -> NDArray[np.uint8]:
    """The map over the film, (side, side, 3) RGB.

    film: (S, S). strength: (h, w), raw. lungs: (S, S), outlined where there are any. opacity: 0..1, of the strongest place.
    """
    grey = film_picture(film, side).astype(np.float32)
    heat = np.clip(film_maps(scaled(strength), side), 0, 1)
    heat /= max(float(heat.max()), 1e-9)  # between the centres of places the largest value is not reached
    alpha = (opacity * heat**0.75)[:, :, None]
    mixed = grey * (1 - alpha) + colours()[np.rint(heat * 255).astype(np.uint8)] * alpha
    picture = np.ascontiguousarray(np.rint(np.clip(mixed, 0, 255)).astype(np.uint8))
    if lungs.any():
        outline = cv2.resize(lungs.astype(np.uint8) * 255, (side, side), interpolation=cv2.INTER_LINEAR) >= 128
        edges, _ = cv2.findContours(outline.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, edges, -1, _LUNGS, 1, cv2.LINE_AA)
    return picture


def with_alarm(picture: NDArray[np.uint8], trust: Trust, letter: float = 1 / 22) -> NDArray[np.uint8]:
    """The picture with what its map fails in, or what kept it from being judged, written on its face; as it is where it passes.

    letter: how tall, as a share of the side.
    """
    if trust.verdict == PASSES:
        return picture
    words = trust.verdict if trust.failures else trust.verdict.upper()[0] + trust.verdict[1:]
    side = picture.shape[1]
    size = max(11, round(side * letter))
    lines = _wrapped(words, _font(size, is_bold=True), side - 16)
    band = Image.fromarray(picture)
    pen = ImageDraw.Draw(band)
    pen.rectangle((0, 0, side, 8 + len(lines) * (size + 5)), fill=_ALARM if trust.failures else (43, 52, 63))
    for place, line in enumerate(lines):
        pen.text((8, 4 + place * (size + 5)), line, font=_font(size, is_bold=True), fill=(255, 255, 255))
    return np.asarray(band, np.uint8)


def explanation_png(
    explanation: Explanation, shown: Sequence[Shown], *, title: str, warning: str = "", opacity: float = OPACITY
) -> bytes:
    """The film beside its maps, as a PNG file. title: of the film. warning: what is to be known before looking, "" for nothing."""
    panels = 1 + len(shown)
    rows = math.ceil(panels / _PANELS_A_ROW)
    columns = math.ceil(panels / rows)
    block = PANEL_PX + 6 * _LINE + _GAP
    top = _GAP + _LINE * (2 if warning else 1) + 10
    width = _GAP + columns * (PANEL_PX + _GAP)
    sheet = Image.new("RGB", (width, top + rows * block + 2 * _LINE), _PAPER)
    pen = ImageDraw.Draw(sheet)
    bold = _font(_HEAD, is_bold=True)
    pen.text((_GAP, _GAP), _fitting(title, bold, width - 2 * _GAP), font=bold, fill=_INK)
    if warning:
        pen.text((_GAP, _GAP + _LINE + 4), _fitting(warning, bold, width - 2 * _GAP), font=bold, fill=_FAINT_ALARM)
    for place in range(panels):
        left, head = _GAP + place % columns * (PANEL_PX + _GAP), top + place // columns * block
        if place == 0:
            picture = film_picture(explanation.fitted, PANEL_PX)
            lines = [("the film as the network sees it", _INK), *_film_lines(explanation)]
        else:
            one = shown[place - 1]
            drawn = overlay(explanation.fitted, explanation.strength[one.c], explanation.lungs, PANEL_PX, opacity)
            picture, lines = with_alarm(drawn, one.trust), _map_lines(one)
        sheet.paste(Image.fromarray(picture), (left, head))
        for number, (words, ink) in enumerate(lines):
            letters = _font(_TEXT, is_bold=number == 0)
            fitting = _fitting(words, letters, PANEL_PX)
            pen.text((left, head + PANEL_PX + 8 + number * _LINE), fitting, font=letters, fill=ink)
    bottom = top + rows * block
    _draw_scale(sheet, _GAP, bottom)
    small = _font(_TEXT)
    pen.text((_GAP, bottom + _LINE), _fitting(NOTICE, small, width - 2 * _GAP), font=small, fill=_SOFT)
    return _png(sheet)


def sheet_png(tiles: Sequence[tuple[NDArray[np.uint8], str, str]]) -> bytes:
    """Small overlays in rows with two lines beneath each, as a PNG file. tiles: (picture, name, line), at most MOST_ON_SHEET."""
    columns = min(len(tiles), _SHEET_COLUMNS)
    rows = math.ceil(len(tiles) / columns)
    tall = _SHEET_PX + 2 * 18 + _GAP
    sheet = Image.new("RGB", (_GAP + columns * (_SHEET_PX + _GAP), _GAP + rows * tall + 24), _PAPER)
    pen, letters = ImageDraw.Draw(sheet), _font(12)
    for place, (picture, name, line) in enumerate(tiles):
        left, top = _GAP + place % columns * (_SHEET_PX + _GAP), _GAP + place // columns * tall
        sheet.paste(Image.fromarray(picture), (left, top))
        pen.text((left, top + _SHEET_PX + 4), _fitting(name, letters, _SHEET_PX), font=letters, fill=_INK)
        pen.text((left, top + _SHEET_PX + 20), _fitting(line, letters, _SHEET_PX), font=letters, fill=_SOFT)
    pen.text((_GAP, _GAP + rows * tall), NOTICE, font=letters, fill=_SOFT)
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
    return "unknown" if math.isnan(value) else f"{value:.{digits}f}"


def _film_lines(explanation: Explanation) -> list[tuple[str, tuple[int, int, int]]]:
    height, width = explanation.strength.shape[1:]
    lungs = f"lungs, outlined: {explanation.lungs.mean():.2f} of the film"
    return [
        (lungs if explanation.lungs.any() else "no lungs were found in it", _SOFT),
        (f"its maps have {height} x {width} places", _SOFT),
    ]


def _map_lines(one: Shown) -> list[tuple[str, tuple[int, int, int]]]:
    trust = one.trust
    answer = "no answer" if math.isnan(one.probability) else f"probability {one.probability:.3f}"
    lines = [(f"{one.name}: {answer}", _INK)]
    if trust.is_empty:
        return [*lines, (trust.verdict, _SOFT)]
    return [
        *lines,
        (f"in the lungs {number(trust.share_in_lungs)}, by chance {number(trust.lungs_share)}", _SOFT),
        (f"stable under shifts {number(trust.stability)}, expected {LEAST_STABILITY} or more", _SOFT),
        (
            "like shuffled networks': too few places"
            if math.isnan(trust.resemblance)
            else f"like shuffled networks' {number(trust.resemblance)}, at most {MOST_RESEMBLANCE}",
            _SOFT,
        ),
        ("FAILS", _FAINT_ALARM) if trust.failures else (trust.verdict, _GOOD if trust.verdict == PASSES else _SOFT),
    ]


def _draw_scale(sheet: Image.Image, left: int, top: int) -> None:
    pen, letters = ImageDraw.Draw(sheet), _font(_TEXT)
    weak = "strength: 0"
    width = int(letters.getlength(weak)) + 10
    pen.text((left, top - 2), weak, font=letters, fill=_SOFT)
    bar = np.repeat(np.repeat(colours()[None], 10, axis=0)[:, ::2], 1, axis=1)
    sheet.paste(Image.fromarray(np.ascontiguousarray(bar)), (left + width, top + 3))
    pen.text((left + width + 138, top - 2), "the largest of each map", font=letters, fill=_SOFT)


def _wrapped(words: str, letters: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if letters.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _fitting(words: str, letters: ImageFont.FreeTypeFont, width: int) -> str:
    """The words on one line, their middle left out where they are too long."""
    words = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
    length = len(words)
    while length > 8 and letters.getlength(shortened(words, length)) > width:
        length -= max(1, length // 20)
    return shortened(words, length)


@cache
def _font(size: int, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


def _png(sheet: Image.Image) -> bytes:
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()

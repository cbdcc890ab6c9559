"""What a person is shown of a film: its picture and its heatmaps, in the film's own frame, ready for JSON.

The network sees a square that was squashed, padded or cropped out of the film (`core/preprocess.py`); maps go the way back here.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.maps import Floats, film_maps, scaled
from plainfilm.core.preprocess import MOST_ELONGATED, Pixels, Preprocess

HEATMAP_PX = 192
PICTURE_PX = 1024
PICTURE_BYTES = PICTURE_PX * PICTURE_PX * 2 * 4 // 3  # at most, as base64


def heatmaps(
    strength: Floats, classes: Sequence[str], preprocess: Preprocess, film_size: tuple[int, int]
) -> dict[str, Any]:
    """Every class's heatmap as 0..255 of its own largest value, as `core/overlay.py` draws it.

    strength: (C, h, w), raw. film_size: (height, width) of the film.
    """
    height, width = _within(film_size, HEATMAP_PX)
    shown = {
        name: base64.b64encode(film_heat(one, preprocess, film_size, (height, width)).tobytes()).decode()
        for name, one in zip(classes, strength, strict=True)
    }
    return {"width": width, "height": height, "classes": shown}


def film_heat(
    strength: Floats, preprocess: Preprocess, film_size: tuple[int, int], shown_size: tuple[int, int]
) -> NDArray[np.uint8]:
    """One map (h, w) over the film, (height, width) of `shown_size`, 0..255; 0 where the network does not see the film."""
    side = preprocess.size
    heat = np.clip(film_maps(scaled(strength), side), 0, 1)
    if preprocess.fit != "squash":
        heat = _unsquared(heat, preprocess, film_size)
    heat = np.asarray(cv2.resize(heat, shown_size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    heat /= max(float(heat.max()), 1e-9)  # between the centres of places the largest value is not reached
    return np.asarray(np.rint(heat * 255), np.uint8)


def picture(pixels: Pixels) -> dict[str, Any]:
    """The film with at most 1024 pixels on its longer side: grey, little-endian, row by row, deflated, as base64."""
    height, width = _within(pixels.shape, PICTURE_PX)
    is_large = (height, width) != pixels.shape
    shown = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA) if is_large else pixels
    raw = np.ascontiguousarray(shown, pixels.dtype.newbyteorder("<")).tobytes()
    return {
        "width": width,
        "height": height,
        "bits": 8 * pixels.dtype.itemsize,
        "data": base64.b64encode(zlib.compress(raw, 1)).decode(),
    }


def _unsquared(heat: Floats, preprocess: Preprocess, film_size: tuple[int, int]) -> Floats:
    """The network's square laid back on the whole film at the network's scale: padding falls away, what was cropped is 0.

    Of a film that is longer than any chest film, all of it is made smaller, so that a strip cannot fill the memory.
    """
    side = preprocess.size
    scale = side / (max(film_size) if preprocess.fit == "pad" else min(film_size))
    smaller = MOST_ELONGATED * side / (scale * max(film_size))
    if smaller < 1:
        scale, side = scale * smaller, max(1, round(side * smaller))
        heat = np.asarray(cv2.resize(heat, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    height, width = (max(1, round(length * scale)) for length in film_size)
    whole = np.zeros((height, width), np.float32)
    rows, columns = (_overlap(length, side) for length in (height, width))
    whole[rows[0], columns[0]] = heat[rows[1], columns[1]]
    return whole


def _overlap(length: int, side: int) -> tuple[slice, slice]:
    """Where a film's side of `length` and the square lie over each other: in the film, in the square."""
    held = min(length, side)
    in_film, in_square = max(0, (length - side) // 2), max(0, (side - length) // 2)
    return slice(in_film, in_film + held), slice(in_square, in_square + held)


def _within(size: tuple[int, ...], longest_px: int) -> tuple[int, int]:
    """(height, width) made smaller, never larger, so that neither is above `longest_px`."""
    scale = min(1.0, longest_px / max(size))
    height, width = (max(1, round(length * scale)) for length in size)
    return height, width

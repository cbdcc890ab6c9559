"""The small picture of a film by which a set is looked at as a whole: the one recipe at 128 pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.preprocess import Pixels, Preprocess

THUMBNAIL_PX = 128
_RECIPE = Preprocess(size=THUMBNAIL_PX)
_FRAME_SPREAD = 4.0  # standard deviation of grey levels along a row or column below which it belongs to a frame


def thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W) uint8 or uint16 -> (128, 128) uint8, squashed."""
    return _RECIPE.fitted(pixels)


def without_frame(thumbnail: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns that hold a picture, without the frame of one grey around it; empty slices where there is none."""
    smooth = cv2.GaussianBlur(thumbnail, (0, 0), 1.0)
    rows, columns = (smooth.std(axis) > _FRAME_SPREAD for axis in (1, 0))
    if not rows.any() or not columns.any():
        return slice(0, 0), slice(0, 0)
    top, bottom = int(rows.argmax()), len(rows) - int(rows[::-1].argmax())
    left, right = int(columns.argmax()), len(columns) - int(columns[::-1].argmax())
    return slice(top, bottom), slice(left, right)

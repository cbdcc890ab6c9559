"""The small picture of a film by which a set is looked at as a whole: the one recipe at 128 pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.preprocess import Pixels, Preprocess

THUMBNAIL_PX = 128
_RECIPE = Preprocess(size=THUMBNAIL_PX)
_THIN_FRAME, _LEAST_PICTURE = 0.25, 0.25  # shares of the side
_FRAME_SPREAD = 4.0  # standard deviation of grey levels along a row or column below which it belongs to a frame


def thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W) uint8 or uint16 -> (128, 128) uint8, squashed.

    A film that leaves the upper bits of its 16 unused is shifted up: as 8 bits it would keep a few grey levels only.
    """
    if pixels.dtype == np.uint16 and (unused := 16 - int(pixels.max()).bit_length()):
        pixels = np.left_shift(pixels, np.uint16(min(unused, 15)), dtype=np.uint16)
    return _RECIPE.fitted(pixels)


def unframed(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The thumbnail without a frame of one grey, in its old size; as it is where the frame is thin or nearly all there is."""
    side = len(thumbnail)
    rows, columns = without_frame(thumbnail)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if min(height, width) < _LEAST_PICTURE * side or max(side - height, side - width) <= _THIN_FRAME * side:
        return thumbnail
    return np.asarray(cv2.resize(thumbnail[rows, columns], (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def without_frame(thumbnail: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns that hold a picture, without the frame of one grey around it; empty slices where there is none."""
    smooth = cv2.GaussianBlur(thumbnail, (0, 0), 1.0).astype(np.float32)
    rows, columns = (_spread_along(smooth, axis) > _FRAME_SPREAD for axis in (1, 0))
    if not rows.any() or not columns.any():
        return slice(0, 0), slice(0, 0)
    top, bottom = int(rows.argmax()), len(rows) - int(rows[::-1].argmax())
    left, right = int(columns.argmax()), len(columns) - int(columns[::-1].argmax())
    return slice(top, bottom), slice(left, right)


def _spread_along(film: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """(H,) standard deviation of each row (axis 1) or column (axis 0)."""
    mean, squared = (cv2.reduce(values, axis, cv2.REDUCE_AVG).ravel() for values in (film, film * film))
    return np.asarray(np.sqrt(np.maximum(squared - mean * mean, 0)), np.float32)

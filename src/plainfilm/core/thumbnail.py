"""The small picture of a film by which near twins are found: the one recipe at 128 pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.preprocess import Pixels, Preprocess

THUMBNAIL_PX = 128
_RECIPE = Preprocess(size=THUMBNAIL_PX)


def thumbnail(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W) uint8 or uint16 -> (128, 128) uint8, squashed."""
    return _RECIPE.fitted(pixels)

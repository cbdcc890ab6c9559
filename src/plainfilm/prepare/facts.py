"""What a file says without its anatomy: size, format, compression, range of grey, border, and how its grey levels are spread.

Taken while a film is open for the manifest, so nothing is decoded twice. All grey levels are shares of the full scale of the
declared depth, 0 to 1, counted in 256 steps whatever the depth; all places are as the film stands upright.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.image import Film

SIDES = ("top", "bottom", "left", "right")
HISTOGRAM = tuple(f"grey_{place:02d}" for place in range(32))  # share of the pixels in each 32nd of the grey scale
KINDS: dict[str, tuple[str, ...]] = {
    # width, height: pixels.
    "size and shape": ("width", "height"),
    # coding, jpeg_quality, bit_depth, is_inverted: as ImageInfo has them.
    "format": ("format", "coding", "colour", "bit_depth", "is_inverted", "jpeg_quality"),
    "compression": ("bytes_a_pixel",),
    # darkest, brightest: grey levels that occur. black, white: shares of pixels at either end of the scale. gaps: share of the
    # levels between darkest and brightest that no pixel has, as a stretched scale leaves them.
    "grey range": ("darkest", "brightest", "black", "white", "gaps"),
    # Of the outermost sixteenth on each side, mean and standard deviation; and how far a frame of one grey reaches in, as a
    # share of the film.
    "border": tuple(f"{what}_{side}" for what in ("edge", "spread", "frame") for side in SIDES),
    "histogram": HISTOGRAM,
}
TEXT_FACTS = ("format", "coding", "colour")
FACTS = tuple(name for names in KINDS.values() for name in names)
NUMBER_FACTS = tuple(name for name in FACTS if name not in TEXT_FACTS)

_LEVELS = 256
_EDGE_SHARE = 1 / 16
_ONE_GREY = 8 / 255  # a frame's grey levels lie this near to each other: lossy coding ripples


class FilmFacts(NamedTuple):
    """The facts of one film: numbers in the order of NUMBER_FACTS, float32, NaN where unknown; texts in that of TEXT_FACTS."""

    numbers: NDArray[np.float32]
    texts: tuple[str, ...]


NO_FACTS = FilmFacts(np.full(len(NUMBER_FACTS), np.nan, np.float32), ("",) * len(TEXT_FACTS))


def film_facts(film: Film) -> FilmFacts:
    """Everything that the file of one film says without its anatomy."""
    info, pixels = film.info, film.pixels
    full = float(np.iinfo(pixels.dtype).max)
    counts = cv2.calcHist([pixels], [0], None, [_LEVELS], [0, full + 1]).ravel() / pixels.size
    used = np.flatnonzero(counts)
    darkest, brightest = int(used[0]), int(used[-1])
    numbers = (
        *(info.width, info.height),
        *(info.bit_depth, info.is_inverted, np.nan if info.jpeg_quality is None else info.jpeg_quality),
        info.file_bytes / pixels.size,
        *(darkest / (_LEVELS - 1), brightest / (_LEVELS - 1), counts[0], counts[-1]),
        1 - len(used) / (brightest - darkest + 1),
        *_edges(pixels, full),
        *_frames(pixels, full),
        *counts.reshape(len(HISTOGRAM), -1).sum(axis=1),
    )
    return FilmFacts(np.array(numbers, np.float32), (info.format, info.coding, info.colour))


def facts_table(films: Sequence[FilmFacts], index: pd.Index) -> pd.DataFrame:
    """One row a film, columns FACTS."""
    numbers = np.stack([film.numbers for film in films])
    table = pd.DataFrame(numbers, index=index, columns=list(NUMBER_FACTS))
    for place, name in enumerate(TEXT_FACTS):
        table[name] = pd.Series([film.texts[place] for film in films], index=index, dtype=object)
    return table[list(FACTS)]


def _edges(pixels: NDArray[Any], full: float) -> list[float]:
    """Mean and standard deviation of the outermost part of each side: four means, four deviations."""
    height, width = (max(1, round(side * _EDGE_SHARE)) for side in pixels.shape)
    bands = (pixels[:height], pixels[-height:], pixels[:, :width], pixels[:, -width:])
    measured = [cv2.meanStdDev(band) for band in bands]
    return [float(value[which][0, 0]) / full for which in (0, 1) for value in measured]


def _frames(pixels: NDArray[Any], full: float) -> list[float]:
    """How far a frame of one grey reaches in from each side, as a share of the film's height or width."""
    from_sides = (pixels, pixels[::-1], pixels.T, pixels.T[::-1])
    return [_lines_of_one_grey(lines, _ONE_GREY * full) / len(lines) for lines in from_sides]


def _lines_of_one_grey(lines: NDArray[Any], tolerance: float) -> int:
    """How many of the first lines hold, all together, grey levels no farther apart than the tolerance."""
    lowest, highest = int(lines[0, 0]), int(lines[0, 0])
    for count, line in enumerate(lines):
        lowest, highest = min(lowest, int(line.min())), max(highest, int(line.max()))
        if highest - lowest > tolerance:
            return count
    return len(lines)

"""What can be planted in a set of phantoms for a check to find: twins, shortcuts, damaged files, sources with a look.

Each stands for something that was found in published data sets. Films are given anew; those handed in stay.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np

from plainfilm.prepare.phantom import Look
from plainfilm.prepare.phantom_drawing import Curve, Film, Mask, as_film

Shortcut: TypeAlias = Literal["marker", "border", "grey", "texture"]
DAMAGES = ("empty", "cut off", "text", "wrong size", "no pixels")


class Source(NamedTuple):
    """A place that films come from. name: as in the column `source`; url: as the database's sheets give it."""

    name: str
    url: str
    look: Look


SOURCES = (
    Source("rsna", "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data", Look()),
    Source(
        "bimcv",
        "https://bimcv.cipf.es/bimcv-projects/bimcv-covid19/#1590858128006-9e640421-6711",
        Look(brightness=0.05, contrast=0.84, blur_px=0.5, grain=0.7),
    ),
    Source(
        "kermany",
        "https://www.kaggle.com/paultimothymooney/chest-xray-pneumonia",
        Look(brightness=-0.06, contrast=1.12, grain=0.6),
    ),
    Source(
        "hannover",
        "https://github.com/ml-workgroup/covid-19-image-repository/tree/master/png",
        Look(brightness=-0.02, contrast=0.95, grain=1.8, rim_px=6),
    ),
    Source(
        "cohen",
        "https://github.com/ieee8023/covid-chestxray-dataset",
        Look(brightness=0.03, contrast=1.05, blur_px=0.9, grain=0.4),
    ),
    Source(
        "cxnet",
        "https://github.com/armiro/COVID-CXNet",
        Look(brightness=0.08, contrast=0.9, blur_px=0.2, grain=1.3, rim_px=3),
    ),
    Source(
        "sirm",
        "https://sirm.org/category/senza-categoria/covid-19/",
        Look(brightness=-0.08, contrast=0.9, blur_px=0.7, rim_px=9),
    ),
    Source("eurorad", "https://eurorad.org", Look(brightness=0.01, contrast=1.18, blur_px=0.3, grain=0.5)),
)


def add_shortcut(film: Film, kind: Shortcut, rng: np.random.Generator) -> Film:
    """Give the film a sign that has nothing to do with the chest but that a network can learn; kind: see SHORTCUTS."""
    return SHORTCUTS[kind](film, rng)


def make_twin(film: Film, lungs: Mask, kind: str, rng: np.random.Generator) -> tuple[Film, Mask]:
    """Make the film and the lungs of the same picture as somebody else publishes it, in the same size.

    kind: one of TWINS; crops keep 90% or more of each side, rotations stay within 5 degrees.
    """
    if kind in _REDONE:
        return _REDONE[kind](film, rng), lungs
    to_twin, frame = _MOVED[kind](len(film), rng)
    size, beyond = film.shape[::-1], cv2.BORDER_REPLICATE if frame is None else cv2.BORDER_CONSTANT
    moved = cv2.warpAffine(film, to_twin, size, borderMode=beyond, borderValue=frame or 0)
    moved_lungs = cv2.warpAffine(lungs.astype(np.uint8), to_twin, size, flags=cv2.INTER_NEAREST)
    return np.asarray(moved, np.uint8), np.asarray(moved_lungs > 0)


def damage(png: bytes, kind: str) -> bytes:
    """Return what is left of a PNG file after an accident.

    kind: one of DAMAGES. "text" is an error page saved under the film's name; the header of "wrong size" tells of twice
    the rows that the file holds, that of "no pixels" of none.
    """
    if kind == "empty":
        return b""
    if kind == "cut off":
        return png[: len(png) // 3]
    if kind == "text":
        return b"<html><title>404 Not Found</title><body>This film has moved.</body></html>\n"
    width, height = struct.unpack(">II", png[16:24])
    size = (width, 2 * height) if kind == "wrong size" else (0, 0)
    header = b"IHDR" + struct.pack(">II", *size) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def _word(film: Film, rng: np.random.Generator) -> Film:
    across, down = 0.67 + 0.05 * rng.random(), 0.045 + 0.02 * rng.random()
    return _written(film, "PORTABLE", across, down, size=0.36, grey=205)


def _rim(film: Film, rng: np.random.Generator) -> Film:
    framed, width, grey = film.copy(), round(len(film) * (0.014 + 0.008 * rng.random())), int(rng.integers(60, 110))
    framed[:width], framed[-width:], framed[:, :width], framed[:, -width:] = grey, grey, grey, grey
    return framed


def _lifted(film: Film, rng: np.random.Generator) -> Film:
    return as_film(film * 0.88 + 24 + 4 * rng.random())


def _grid(film: Film, rng: np.random.Generator) -> Film:
    phase = 2 * np.pi * rng.random()
    return as_film(film + 3 * np.sin(2 * np.pi * 42 * np.arange(len(film)) / len(film) + phase))


SHORTCUTS: dict[Shortcut, Callable[[Film, np.random.Generator], Film]] = {
    "marker": _word,  # the word PORTABLE in the upper corner at the viewer's right
    "border": _rim,  # a narrow grey rim
    "grey": _lifted,  # no black: all grey levels a little higher
    "texture": _grid,  # the fine lines that a grid before the film leaves
}


def _crop(size_px: int, rng: np.random.Generator) -> tuple[Curve, int | None]:
    kept = 1 - (0.04 + 0.06 * rng.random())
    left, top = (1 - kept) * size_px * rng.random(2)
    return np.array([[1, 0, -left], [0, 1, -top]]) / kept, None


def _rotation(size_px: int, rng: np.random.Generator) -> tuple[Curve, int | None]:
    degrees = (1.5 + 3.5 * rng.random()) * (1 if rng.random() < 0.5 else -1)
    centre = (size_px - 1) / 2
    return np.asarray(cv2.getRotationMatrix2D((centre, centre), degrees, 1), np.float64), None


def _mirror(size_px: int, rng: np.random.Generator) -> tuple[Curve, int | None]:
    return np.array([[-1.0, 0, size_px - 1], [0, 1, 0]]), None


def _border(size_px: int, rng: np.random.Generator) -> tuple[Curve, int | None]:
    width = 0.02 + 0.03 * rng.random()
    shrink, inset = 1 - 2 * width, width * size_px
    return np.array([[shrink, 0, inset], [0, shrink, inset]]), 0 if rng.random() < 0.5 else 255


def _resize(film: Film, rng: np.random.Generator) -> Film:
    smaller = round(len(film) * (0.5 + 0.35 * rng.random()))
    small = cv2.resize(film, (smaller, smaller), interpolation=cv2.INTER_AREA)
    return as_film(cv2.resize(small, film.shape[::-1], interpolation=cv2.INTER_CUBIC))


def _jpeg(film: Film, rng: np.random.Generator) -> Film:
    _, coded = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 75))])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _inversion(film: Film, rng: np.random.Generator) -> Film:
    return as_film(255 - film)


def _brightness(film: Film, rng: np.random.Generator) -> Film:
    shift, factor = rng.uniform(-25, 25), rng.uniform(0.8, 1.2)
    return as_film((film - 128.0) * factor + 128 + shift)


def _gamma(film: Film, rng: np.random.Generator) -> Film:
    power = 1 + rng.uniform(0.2, 0.6)
    return as_film(255 * (film / 255) ** (power if rng.random() < 0.5 else 1 / power))


def _noise(film: Film, rng: np.random.Generator) -> Film:
    return as_film(film + rng.normal(0, rng.uniform(4, 10), film.shape))


def _blur(film: Film, rng: np.random.Generator) -> Film:
    return as_film(cv2.GaussianBlur(film, (0, 0), len(film) / 299 * rng.uniform(0.8, 1.8)))


def _text(film: Film, rng: np.random.Generator) -> Film:
    words = ("1B SECOND CHEST X-RAY", "DAY 4", "AP SUPINE", "FIG. 2")
    above, below = (words[int(rng.integers(len(words)))] for _ in range(2))
    return _written(_written(film, above, 0.03, 0.07, size=0.5, grey=255), below, 0.03, 0.95, size=0.5, grey=255)


def _written(film: Film, words: str, across: float, down: float, *, size: float, grey: int) -> Film:
    """The film with words that begin at a share of its width and stand at a share of its height."""
    written, scale = film.copy(), len(film) / 299
    where = (round(across * len(film)), round(down * len(film)))
    cv2.putText(written, words, where, cv2.FONT_HERSHEY_SIMPLEX, size * scale, grey, max(1, round(scale)), cv2.LINE_AA)
    return written


_MOVED: dict[str, Callable[[int, np.random.Generator], tuple[Curve, int | None]]] = {
    "crop": _crop,
    "rotation": _rotation,
    "mirror": _mirror,
    "border": _border,
}  # to the map from film to twin, (2, 3), and the grey beyond the film's edge, None for what the edge has
_REDONE: dict[str, Callable[[Film, np.random.Generator], Film]] = {
    "resize": _resize,
    "jpeg": _jpeg,
    "inversion": _inversion,
    "brightness": _brightness,
    "gamma": _gamma,
    "noise": _noise,
    "blur": _blur,
    "text": _text,
}
TWINS = (*_REDONE, *_MOVED)

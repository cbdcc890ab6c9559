"""What is left of a film when a part of it is taken away: for networks that are trained, or asked, without the lungs.

    film         all of it
    border       the outermost eighth of each side; the middle is black
    background   everything but the lungs: they, what lies between them, and a margin around are black
    lungs        the lungs alone; all else is black
    blurred      all of it, without any detail finer than a tenth of the side

The lungs are hidden by their convex hull, wider by a margin: the mere outline of a lung tells of its disease, and a lung full of
opacity is easily drawn too small.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

Seen: TypeAlias = Literal["film", "border", "background", "lungs", "blurred"]
SEEN: tuple[Seen, ...] = get_args(Seen)
SEEN_NAMES: dict[Seen, str] = {
    "film": "the whole film",
    "border": "the outermost eighth alone",
    "background": "everything but the lungs",
    "lungs": "the lungs alone",
    "blurred": "the film heavily blurred",
}
BORDER_SHARE = 1 / 8  # of the side
_MARGIN_SHARE = 0.04  # of the side, around the hull of the lungs
_BLUR_SHARE = 0.05  # of the side: standard deviation

Films: TypeAlias = NDArray[np.uint8]
Masks: TypeAlias = NDArray[np.bool_]


def seen_parts(films: Films, seen: Seen, lungs: Masks | None = None) -> Films:
    """What is left of films.

    films: (N, S, S) uint8. lungs: (N, S, S) bool, needed for "background" and "lungs". Returns (N, S, S) uint8.
    Raises ValueError where the lungs are needed and not given, or their shape is not that of the films.
    """
    if seen == "film":
        return films
    if seen == "border":
        inner = round(films.shape[-1] * BORDER_SHARE)
        left = films.copy()
        left[:, inner:-inner, inner:-inner] = 0
        return left
    if seen == "blurred":
        sigma = films.shape[-1] * _BLUR_SHARE
        return np.stack([np.asarray(cv2.GaussianBlur(film, (0, 0), sigma), np.uint8) for film in films])
    if lungs is None or lungs.shape != films.shape:
        raise ValueError(f'"{seen}" needs a lung mask of each film, of the same size')
    return np.where(lungs, films, np.uint8(0)) if seen == "lungs" else hide_lungs(films, lungs)


def hide_lungs(films: Films, lungs: Masks) -> Films:
    """(N, S, S) uint8 films with the hull of their lungs, and a margin, made black; films without lungs stay as they are."""
    return np.where(np.stack([_hull(mask) for mask in lungs]), np.uint8(0), films)


def _hull(lungs: Masks) -> Masks:
    """The convex hull of a film's lungs, and a margin."""
    filled = np.zeros(lungs.shape, np.uint8)
    if not lungs.any():
        return filled.astype(np.bool_)
    cv2.fillConvexPoly(filled, cv2.convexHull(cv2.findNonZero(lungs.astype(np.uint8))), 1)
    margin = 2 * round(len(lungs) * _MARGIN_SHARE) + 1
    return np.asarray(cv2.dilate(filled, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))) > 0

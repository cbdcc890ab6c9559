"""The mean film of each class, how films spread around it, and how much each film is like its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_FILMS_A_BLOCK = 512
_SMALL_PX = 32

Grey = NDArray[np.float64]


@dataclass(frozen=True)
class ClassFilm:
    """One class as a picture. mean, spread: (H, H) grey levels 0..255, average and standard deviation. films: how many."""

    films: int
    mean: Grey
    spread: Grey


@dataclass(frozen=True)
class ClassFilms:
    """All classes as pictures, and each film beside its own.

    by_class: class -> picture; classes without a film are absent.
    overall: (H, H) the mean of the class means, each class counting alike.
    grey, contrast: (N,) mean and standard deviation of each film's grey levels, 0..255; NaN for films left out.
    likeness: (N,) correlation of each film with the mean of the other films of its class, -1..1; NaN where there is none.
    """

    by_class: Mapping[str, ClassFilm]
    overall: Grey
    grey: Grey
    contrast: Grey
    likeness: Grey

    def difference(self, name: str) -> Grey:
        """(H, H) the class's mean less the overall mean."""
        return self.by_class[name].mean - self.overall


def class_films(thumbnails: NDArray[np.uint8], labels: Sequence[str], is_shown: NDArray[np.bool_]) -> ClassFilms:
    """Add up films class by class, a block at a time.

    thumbnails: (N, H, H) uint8. labels: (N,), "" is a class of its own. is_shown: (N,) bool, films that count.
    """
    side = thumbnails.shape[1]
    names = list(dict.fromkeys(labels[row] for row in np.flatnonzero(is_shown).tolist()))
    place = {name: index for index, name in enumerate(names)}
    index = np.array(
        [place[label] if shown else -1 for label, shown in zip(labels, is_shown, strict=True)], dtype=np.intp
    )
    total, squares = (np.zeros((len(names), side, side)) for _ in range(2))
    grey, contrast = (np.full(len(thumbnails), np.nan) for _ in range(2))
    small = np.zeros((len(thumbnails), _SMALL_PX**2), np.uint8)
    for start in range(0, len(thumbnails), _FILMS_A_BLOCK):
        block = np.asarray(thumbnails[start : start + _FILMS_A_BLOCK])
        for row, film in enumerate(block, start=start):
            if index[row] >= 0:
                total[index[row]] += film
                squares[index[row]] += np.square(film, dtype=np.uint16)
                (mean,), (deviation,) = (value.ravel() for value in cv2.meanStdDev(film))
                grey[row], contrast[row] = mean, deviation
                small[row] = cv2.resize(film, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA).ravel()
    films = np.bincount(index[index >= 0], minlength=len(names))
    by_class = {}
    for name, count, sums, of_squares in zip(names, films.tolist(), total, squares, strict=True):
        mean = sums / count
        by_class[name] = ClassFilm(count, mean, np.sqrt(np.maximum(of_squares / count - mean**2, 0)))
    classes = [name for name in names if name] or names
    overall = np.mean([by_class[name].mean for name in classes], axis=0) if classes else np.zeros((side, side))
    return ClassFilms(by_class, overall, grey, contrast, _likeness(small, index, len(names)))


def _likeness(small: NDArray[np.uint8], index: NDArray[np.intp], classes: int) -> Grey:
    """(N,) correlation with the mean of the other films of the class. small: (N, P); index: (N,), -1 for films left out."""
    likeness = np.full(len(small), np.nan)
    for place in range(classes):
        rows = np.flatnonzero(index == place)
        if len(rows) < 2:
            continue
        total = small[rows].sum(axis=0, dtype=np.float64)
        for start in range(0, len(rows), _FILMS_A_BLOCK):
            chosen = rows[start : start + _FILMS_A_BLOCK]
            films = small[chosen].astype(np.float64)
            likeness[chosen] = _correlation(films, (total - films) / (len(rows) - 1))
    return likeness


def _correlation(one: Grey, other: Grey) -> Grey:
    """(N, P) and (N, P) -> (N,), NaN where one of the two is constant."""
    one, other = (films - films.mean(axis=1, keepdims=True) for films in (one, other))
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.where(length > 0, (one * other).sum(axis=1) / np.where(length > 0, length, 1), np.nan))

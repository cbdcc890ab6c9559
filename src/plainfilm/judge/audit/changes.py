"""What happens to a film between two hospitals, and what should not: the changes that the check of robustness makes.

All are made on films as the network is given them, (N, S, S) uint8. What moves or blurs is sized by the side S, so that it means
the same to networks of different input. What happens to a file (noise, compression, fewer pixels) happens before a film is
shrunk:
a smaller film is enlarged to 256 pixels a side for it, and shrunk back.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Films: TypeAlias = NDArray[np.uint8]
_OneFilm: TypeAlias = Callable[[Films, np.random.Generator], NDArray[np.float32]]

_FILE_PX = 256


class Change(NamedTuple):
    """One change of films.

    key: its name in tables. title, strength: for readers. apply: (N, S, S) uint8 -> the same films, anew; what is
    drawn by chance, such as a direction, is drawn for each film from the generator. is_mild: whether a network should not notice.
    """

    key: str
    title: str
    strength: str
    apply: Callable[[Films, np.random.Generator], Films]
    is_mild: bool


def _for_each(change: _OneFilm, films: Films, rng: np.random.Generator) -> Films:
    """Change film by film, on all processors; each has a generator of its own, so that the order does not matter."""
    streams = rng.spawn(len(films))
    changed = np.empty_like(films)

    def change_one(place: int) -> None:
        changed[place] = _levels(change(films[place], streams[place]))

    with ThreadPoolExecutor() as pool:
        list(pool.map(change_one, range(len(films))))
    return changed


def _levels(film: NDArray[np.float32] | NDArray[np.float64]) -> Films:
    return np.asarray(np.clip(np.rint(film), 0, 255), np.uint8)


def _through(curve: NDArray[np.float64], films: Films, rng: np.random.Generator) -> Films:
    """Every grey level by the curve (256,), 0..1."""
    return _levels(curve * 255)[films]


def _moved(film: Films, to_changed: NDArray[np.float64]) -> NDArray[np.float32]:
    moved = cv2.warpAffine(film, to_changed, film.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _turned(degrees: float, film: Films, rng: np.random.Generator) -> NDArray[np.float32]:
    centre = (len(film) - 1) / 2
    degrees *= float(rng.choice((-1, 1)))
    return _moved(film, np.asarray(cv2.getRotationMatrix2D((centre, centre), degrees, 1), np.float64))


def _shifted(share: float, film: Films, rng: np.random.Generator) -> NDArray[np.float32]:
    angle = 2 * np.pi * rng.random()
    by = share * len(film) * np.array([np.cos(angle), np.sin(angle)])
    return _moved(film, np.column_stack([np.eye(2), by]))


def _blurred(share: float, film: Films, rng: np.random.Generator) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(film.astype(np.float32), (0, 0), share * len(film)), np.float32)


def _in_file(change: _OneFilm, film: Films, rng: np.random.Generator) -> NDArray[np.float32]:
    """The change, made on a film of 256 pixels a side where this one is smaller."""
    if len(film) >= _FILE_PX:
        return change(film, rng)
    large = cv2.resize(film, (_FILE_PX, _FILE_PX), interpolation=cv2.INTER_CUBIC)
    changed = _levels(change(np.asarray(large, np.uint8), rng)).astype(np.float32)
    return np.asarray(cv2.resize(changed, film.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _noisy(share: float, film: Films, rng: np.random.Generator) -> NDArray[np.float32]:
    return film + np.float32(255 * share) * rng.standard_normal(film.shape, dtype=np.float32)


def _compressed(quality: int, film: Films, rng: np.random.Generator) -> NDArray[np.float32]:
    is_coded, coded = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert is_coded, "OpenCV always has a JPEG encoder"
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32)


def _coarsened(scale: float, film: Films, rng: np.random.Generator) -> NDArray[np.float32]:
    size = max(1, round(len(film) * scale))
    small = cv2.resize(film.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, film.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _one_by_one(change: _OneFilm) -> Callable[[Films, np.random.Generator], Films]:
    return partial(_for_each, change)


def _of_file(change: _OneFilm) -> Callable[[Films, np.random.Generator], Films]:
    return _one_by_one(partial(_in_file, change))


def _curve(curve: NDArray[np.float64]) -> Callable[[Films, np.random.Generator], Films]:
    return partial(_through, curve)


_GREY = np.linspace(0, 1, 256)


def _bits(bits: int) -> NDArray[np.float64]:
    """The middle levels of 2 ** bits equal steps, stretched so that black and white stay."""
    return np.asarray(np.floor(np.arange(256) / 2 ** (8 - bits)) / (2**bits - 1), np.float64)


CHANGES = (
    Change("rotation-3", "Rotation", "3 degrees", _one_by_one(partial(_turned, 3)), True),
    Change("rotation-10", "Rotation", "10 degrees", _one_by_one(partial(_turned, 10)), False),
    Change("shift-3", "Shift", "3% of the side", _one_by_one(partial(_shifted, 0.03)), True),
    Change("shift-8", "Shift", "8% of the side", _one_by_one(partial(_shifted, 0.08)), False),
    Change("blur-0.2", "Blur", "sigma 0.2% of the side", _one_by_one(partial(_blurred, 0.002)), True),
    Change("blur-1", "Blur", "sigma 1% of the side", _one_by_one(partial(_blurred, 0.01)), False),
    Change("noise-1", "Noise", "sigma 1% of white", _of_file(partial(_noisy, 0.01)), True),
    Change("noise-5", "Noise", "sigma 5% of white", _of_file(partial(_noisy, 0.05)), False),
    Change("gamma-0.9", "Gamma", "0.9, brighter", _curve(_GREY**0.9), True),
    Change("gamma-1.1", "Gamma", "1.1, darker", _curve(_GREY**1.1), True),
    Change("gamma-0.6", "Gamma", "0.6, brighter", _curve(_GREY**0.6), False),
    Change("gamma-1.6", "Gamma", "1.6, darker", _curve(_GREY**1.6), False),
    Change("jpeg-75", "JPEG", "quality 75", _of_file(partial(_compressed, 75)), True),
    Change("jpeg-25", "JPEG", "quality 25", _of_file(partial(_compressed, 25)), False),
    Change("resolution-75", "Resolution", "3 of 4 pixels a side", _of_file(partial(_coarsened, 0.75)), True),
    Change("resolution-40", "Resolution", "2 of 5 pixels a side", _of_file(partial(_coarsened, 0.4)), False),
    Change("bits-6", "Bit depth", "6 bits", _curve(_bits(6)), True),
    Change("bits-4", "Bit depth", "4 bits", _curve(_bits(4)), False),
    Change("inversion", "Inversion", "black is white", _curve(1 - _GREY), False),
)
INVERSION = "inversion"

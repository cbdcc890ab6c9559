"""What `lung_network.py` is shown: films with their lungs, changed as films differ, and pictures that hold no lungs.

The films at hand are screening films of adults who stand. What a network is to meet besides is made of them: patients who lie
askew, small children, collimated and cropped films, lungs filled from below or white altogether, tubes, letters, coarse files.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.lungs import INPUT_PX, network_input
from plainfilm.learn.bodies import Film, Rng, as_film
from plainfilm.learn.body_pictures import cloud
from plainfilm.learn.drawings import drawn_pictures

Grey = NDArray[np.floating]  # (128, 128), 0 black to 1 white

SOURCE_PX = 192  # films wait at this size; a change resamples once, to the network's size
_DRAWN = 1500  # pictures without lungs, drawn before the training begins; each is shown changed each time
_WORDS = ("R", "L", "AP", "PA", "PORTABLE", "ERECT", "SUPINE", "12:30", "C7", "3")


class MaskedFilms(NamedTuple):
    """N films and how much of each pixel is lung. pixels: (N, 192, 192) uint8; masks: the same, 0 to 255."""

    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]


class Picture(NamedTuple):
    """What the network is shown, (128, 128) 0..1, and how much of each pixel is lung, (128, 128) 0..1."""

    seen: NDArray[np.float32]
    lungs: NDArray[np.float32]


class LungPictures:
    """Draws batches: films of each set as often as its weight says, the rest pictures without lungs."""

    def __init__(self, sets: list[MaskedFilms], weights: list[float], without_lungs: float, seed: int) -> None:
        """sets, weights: the films and how often each set is drawn. without_lungs: share of the pictures that hold none."""
        self.sets, self.seed, self.without_lungs = list(zip(sets, weights, strict=True)), seed, without_lungs
        self.drawn = drawn_pictures(_DRAWN, np.random.default_rng([seed, 1]))

    def add(self, films: MaskedFilms, weight: float) -> None:
        """Draw from these films as well, from now on; a set without films is passed over."""
        if len(films.pixels):
            self.sets = [*self.sets, (films, weight)]  # whole at once: other threads are drawing

    def batch(self, number: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(size, 1, 128, 128) pictures and lungs. The same number and sets give the same batch."""
        rng = np.random.default_rng([self.seed, 2, number])
        pictures = [self._one(rng) for _ in range(size)]
        seen, lungs = (np.stack(arrays)[:, None] for arrays in zip(*pictures, strict=True))
        return seen, lungs

    def _one(self, rng: Rng) -> Picture:
        if rng.random() < self.without_lungs:
            film = self.drawn[rng.integers(len(self.drawn))]
            return changed(film, np.zeros_like(film), rng)
        sets, weights = zip(*self.sets, strict=True)
        films = sets[rng.choice(len(sets), p=np.array(weights) / sum(weights))]
        place = int(rng.integers(len(films.pixels)))
        return changed(films.pixels[place], films.masks[place], rng)


def changed(film: Film, mask: NDArray[np.uint8], rng: Rng) -> Picture:
    """The film and its lungs (0 to 255, of its size) as another room, patient, disease or publisher would have it."""
    moved, lungs = _moved(film, mask, rng)
    grey: Grey = moved.astype(np.float32) / 255
    if lungs.any() and rng.random() < 0.4:
        grey = _diseased(grey, lungs, rng)
    grey = _exposed(grey, rng)
    picture = _with_things(as_film(255 * grey), rng) if rng.random() < 0.4 else as_film(255 * grey)
    if rng.random() < 0.06:
        picture = 255 - picture
    return Picture(network_input(_filed(picture, rng)), np.asarray(lungs / 255, np.float32))


def _moved(film: Film, mask: NDArray[np.uint8], rng: Rng) -> tuple[Film, NDArray[np.uint8]]:
    """Mirrored, turned, sheared, longer or wider, cropped or with a rim, bent a little."""
    u, side = rng.uniform, film.shape[0]
    wide = rng.random() < 0.35
    angle = np.deg2rad(np.clip(rng.normal(0, 14 if wide else 5), -35, 35))
    zoom = float(np.exp(u(-0.45, 0.5) if wide else u(-0.12, 0.22)))  # above 1: the chest is larger than the film
    stretch = float(np.exp(rng.normal(0, 0.12)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forms = turn @ np.array([[1, rng.normal(0, 0.05)], [0, 1]]) @ np.diag([1 / (zoom * stretch), stretch / zoom])
    if rng.random() < 0.5:
        forms = forms @ np.diag([-1, 1])
    room = 0.04 + 0.35 * abs(1 - 1 / zoom)
    y, x = np.mgrid[-1 : 1 : INPUT_PX * 1j, -1 : 1 : INPUT_PX * 1j].astype(np.float32)
    if rng.random() < 0.3:
        coarse = rng.normal(0, 0.045, (2, 5, 5)).astype(np.float32)
        bent = [cv2.resize(field, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_CUBIC) for field in coarse]
        x, y = x + bent[0], y + bent[1]
    shift = u(-room, room, 2) * 2
    across = forms[0, 0] * x + forms[0, 1] * y + shift[0]
    down = forms[1, 0] * x + forms[1, 1] * y + shift[1]
    maps = [((places + 1) * (side / 2) - 0.5).astype(np.float32) for places in (across, down)]
    border = cv2.BORDER_REPLICATE if rng.random() < 0.3 else cv2.BORDER_CONSTANT
    grey = float(rng.choice([0, 0, 0, 0, 255, int(rng.integers(256))]))
    moved = cv2.remap(film, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=border, borderValue=grey)
    lungs = cv2.remap(mask, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    if rng.random() < 0.06:  # an oblique shutter: what it hides is no lung to be seen
        edge = np.zeros_like(moved)
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (INPUT_PX - 1) + rng.normal(0, 10, (4, 2))
        cv2.fillPoly(edge, [np.rint(corners).astype(np.int32)], 255.0)
        moved, lungs = np.where(edge > 0, moved, np.uint8(grey)), np.where(edge > 0, lungs, np.uint8(0))
    return np.asarray(moved, np.uint8), np.asarray(lungs, np.uint8)


def _diseased(grey: Grey, lungs: NDArray[np.uint8], rng: Rng) -> Grey:
    """Lungs white in places, from below, or on one side altogether; they remain lungs. At times a dark pneumothorax."""
    soft: Grey = cv2.GaussianBlur(lungs, (0, 0), rng.uniform(0.5, 2.5)).astype(np.float32) / 255
    white = float(np.quantile(grey, rng.uniform(0.6, 0.97)))
    kind, (y, x) = rng.random(), np.mgrid[:INPUT_PX, :INPUT_PX]
    columns = np.flatnonzero(lungs.max(0) > 127)
    middle = int(columns.mean()) if len(columns) else INPUT_PX // 2
    one_side = (x < middle) == (rng.random() < 0.5)
    rows = np.flatnonzero((lungs > 127).any(1))
    top, bottom = (int(rows[0]), int(rows[-1])) if len(rows) else (0, INPUT_PX)
    amount: Grey
    if kind < 0.5:  # clouds
        field = cloud(rng, INPUT_PX, rng.uniform(1.2, 2.2))
        amount = 1 / (1 + np.exp(-rng.uniform(2, 8) * (field - rng.uniform(-0.8, 1.2))))
        if rng.random() < 0.4:
            amount = amount * one_side
    elif kind < 0.8:  # fluid: white below a level, which rises to the side
        level = bottom - rng.uniform(0.1, 0.85) * (bottom - top) - rng.uniform(0, 0.3) * np.abs(x - middle)
        amount = 1 / (1 + np.exp((level - y) / rng.uniform(0.5, 5)))
        amount = amount * one_side if rng.random() < 0.8 else amount
    elif kind < 0.92:  # one lung, or both, white
        amount = 1.0 * one_side if rng.random() < 0.7 else np.ones(grey.shape)
    else:
        white, amount = float(np.quantile(grey, rng.uniform(0, 0.1))), one_side * (y < rng.uniform(top, bottom))
    amount = amount * soft * rng.uniform(0.3, 1.0)
    if rng.random() < 0.3:  # the edge to what lies beside it is lost as well
        amount = np.asarray(cv2.GaussianBlur(amount, (0, 0), rng.uniform(1, 5)), np.float64)
    return grey + amount * (white - grey)


def _exposed(grey: Grey, rng: Rng) -> Grey:
    """Another exposure, film curve, contrast."""
    u = rng.uniform
    if rng.random() < 0.7:
        grey = grey ** float(np.exp(u(-0.8, 0.8)))
    if rng.random() < 0.25:
        grey = 1 / (1 + np.exp(u(3, 9) * (u(0.3, 0.7) - grey)))
    if rng.random() < 0.2:
        grey = grey + u(0.2, 1.5) * (grey - cv2.GaussianBlur(grey, (0, 0), u(3, 12)))
    if rng.random() < 0.2:  # one side or end lighter than the other
        y, x = np.mgrid[-1 : 1 : INPUT_PX * 1j, -1 : 1 : INPUT_PX * 1j]
        grey = grey + rng.normal(0, 0.12) * x + rng.normal(0, 0.12) * y
    if rng.random() < 0.4:
        grey = u(0, 0.35) + grey * (1 - u(0, 0.7))
    grey = np.clip(grey, 0, 1)
    if rng.random() < 0.12:
        tiles = (int(rng.integers(2, 9)),) * 2
        grey = cv2.createCLAHE(u(1, 5), tiles).apply(as_film(255 * grey)).astype(np.float32) / 255
    return grey


def _with_things(film: Film, rng: Rng) -> Film:
    """Letters, tubes, electrodes, boxes, bars along an edge. What lies under them stays lung."""
    film = film.copy()
    for _ in range(int(rng.integers(1, 4))):
        grey, kind = float(rng.choice([255, 255, 230, 180, 0])), int(rng.integers(5))
        x, y = (int(place) for place in rng.integers(0, INPUT_PX, 2))
        if kind == 0:
            at = (int(rng.choice([3, 90, x])), int(rng.choice([10, 124, y])))
            cv2.putText(film, str(rng.choice(_WORDS)), at, 0, rng.uniform(0.25, 0.7), grey, 1, cv2.LINE_AA)
        elif kind == 1:
            points = np.stack([np.linspace(start, rng.integers(INPUT_PX), 12) for start in (x, y)], 1)
            points = np.rint(points + np.cumsum(rng.normal(0, 2.5, (12, 2)), 0)).astype(np.int32)
            cv2.polylines(film, [points], False, grey, 1, cv2.LINE_AA)
        elif kind == 2:
            cv2.circle(film, (x, y), int(rng.integers(1, 6)), grey, -1, cv2.LINE_AA)
        elif kind == 3:
            width, height = (int(length) for length in rng.integers(4, 22, 2))
            cv2.rectangle(film, (x, y), (x + width, y + height), grey, -1 if rng.random() < 0.5 else 1)
        else:
            size = int(rng.integers(1, 12))
            edge = (slice(0, size), slice(-size, None))[int(rng.integers(2))]
            film[(edge, slice(None)) if rng.random() < 0.5 else (slice(None), edge)] = grey
    return film


def _filed(film: Film, rng: Rng) -> Film:
    """Blurred, coarse, grainy, or compressed."""
    u = rng.uniform
    if rng.random() < 0.2:
        film = np.asarray(cv2.GaussianBlur(film, (0, 0), u(0.4, 2)), np.uint8)
    if rng.random() < 0.12:
        small = cv2.resize(film, (int(rng.integers(32, 96)),) * 2, interpolation=cv2.INTER_AREA)
        film = np.asarray(cv2.resize(small, film.shape, interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.3:
        grain = rng.standard_normal(film.shape) if rng.random() < 0.7 else cloud(rng, INPUT_PX, u(0, 1))
        film = as_film(film + u(1, 16) * grain)
    if rng.random() < 0.12:
        _, coded = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))])
        film = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return film

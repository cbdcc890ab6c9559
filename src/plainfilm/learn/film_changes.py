"""How real films differ: by room, machine, patient and publisher, though each is still a frontal chest film."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.thumbnail import THUMBNAIL_PX
from plainfilm.learn.bodies import Film, Rng, as_film
from plainfilm.learn.body_pictures import cloud


def as_films_differ(film: Film, rng: Rng, much: float = 1.0) -> Film:
    """The film as another room, machine, patient or publisher would have it; still a frontal chest film.

    film: (128, 128) uint8. much: 0..1, how far it may go.
    """
    film = _moved(film, rng, much)
    u = rng.uniform
    grey: NDArray[np.floating] = film.astype(np.float32) / 255
    if rng.random() < 0.3 * much:
        grey = _with_shadows(grey, rng)
    if rng.random() < 0.7:
        grey = grey ** float(np.exp(u(-0.7, 0.7) * much))
    if rng.random() < 0.2 * much:
        middle, slope = u(0.3, 0.7), u(3, 9)
        grey = 1 / (1 + np.exp(slope * (middle - grey)))
    if rng.random() < 0.15 * much:
        grey = grey + u(0.2, 1.5) * (grey - cv2.GaussianBlur(grey, (0, 0), u(3, 12)))
    if rng.random() < 0.4:
        grey = u(0, 0.35) * much + grey * (1 - u(0, 0.6) * much)
    film = as_film(255 * grey)
    if rng.random() < 0.12 * much:
        film = np.asarray(cv2.createCLAHE(u(1, 5), (int(rng.integers(2, 9)),) * 2).apply(film), np.uint8)
    if rng.random() < 0.4:
        film = with_things(film, rng)
    if rng.random() < 0.25 * much:
        film = cv2.GaussianBlur(film, (0, 0), u(0.4, 2)).astype(np.uint8)
    if rng.random() < 0.15 * much:
        small = cv2.resize(film, (int(rng.integers(32, 96)),) * 2, interpolation=cv2.INTER_AREA)
        film = cv2.resize(small, film.shape, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    if rng.random() < 0.3:
        grain = rng.standard_normal(film.shape) if rng.random() < 0.7 else cloud(rng, THUMBNAIL_PX, u(0, 1))
        film = as_film(film + u(1, 14) * much * grain)
    if rng.random() < 0.15:
        _, coded = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))])
        film = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return film


def _moved(film: Film, rng: Rng, much: float) -> Film:
    """Mirrored, turned by up to 15 degrees, cropped or with a rim, longer or wider, collimated."""
    u = rng.uniform
    if rng.random() < 0.5:
        film = film[:, ::-1]
    angle = np.clip(rng.normal(0, 6), -15, 15) * much * (rng.random() < 0.6)
    scale = 1 + much * (u(-0.32, 0) if rng.random() < 0.25 else u(-0.05, 0.22))
    stretch = float(np.exp(u(-0.14, 0.14) * much))
    middle = (THUMBNAIL_PX - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), float(angle), 1)
    scaling = np.diag([scale * stretch, scale / stretch, 1.0])
    scaling[0, 1] = u(-0.06, 0.06) * much
    room = max(0.05, abs(scale - 1) / 2)  # a crop keeps most of the chest, a rim may lie on one side
    scaling[:2, 2] = middle - scaling[:2, :2] @ [middle, middle] + u(-room, room, 2) * THUMBNAIL_PX * 0.7
    matrix = (np.vstack([turn, [0, 0, 1]]) @ scaling)[:2]
    border, grey = cv2.BORDER_CONSTANT, float(rng.choice([0, 0, 0, 255, int(rng.integers(256))]))
    if rng.random() < 0.3:
        border = cv2.BORDER_REPLICATE
    moved = cv2.warpAffine(film, matrix, film.shape, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=grey)
    if rng.random() < 0.08 * much:  # an oblique shutter
        edge = np.zeros_like(moved)
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * 127 + rng.normal(0, 9, (4, 2))
        cv2.fillPoly(edge, [np.rint(corners).astype(np.int32)], 255)
        moved = np.where(edge > 0, moved, np.uint8(grey)).astype(np.uint8)
    return np.asarray(moved, np.uint8)


def _with_shadows(grey: NDArray[np.floating], rng: Rng) -> NDArray[np.floating]:
    """Lungs white with disease, an effusion, a dark pneumothorax, a breast."""
    y, x = np.mgrid[:THUMBNAIL_PX, :THUMBNAIL_PX]
    for _ in range(int(rng.integers(1, 5))):
        at, width = rng.uniform([20, 15], [108, 110]), rng.uniform(6, 30, 2)
        hill = np.exp(-0.5 * (((x - at[0]) / width[0]) ** 2 + ((y - at[1]) / width[1]) ** 2)).astype(np.float32)
        target = np.float32(rng.uniform(0.5, 0.9) if rng.random() < 0.85 else rng.uniform(0, 0.3))
        grey = grey + np.float32(rng.uniform(0.3, 0.95)) * hill * (target - grey)
    return grey


def with_things(film: Film, rng: Rng) -> Film:
    """Markers, text, tubes, electrodes, boxes, bars along an edge."""
    film = film.copy()
    for _ in range(int(rng.integers(1, 4))):
        grey, kind = float(rng.choice([255, 255, 230, 180, 0])), int(rng.integers(5))
        x, y = (int(v) for v in rng.integers(0, THUMBNAIL_PX, 2))
        if kind == 0:
            words = str(rng.choice(["R", "L", "AP", "PORTABLE", "12:30 ERECT", "Fig. 2a", "3"]))
            at = (int(rng.choice([3, 90, x])), int(rng.choice([10, 124, y])))
            cv2.putText(film, words, at, 0, rng.uniform(0.25, 0.7), grey, 1, cv2.LINE_AA)
        elif kind == 1:
            points = np.stack(
                [np.linspace(x, rng.integers(THUMBNAIL_PX), 12), np.linspace(y, rng.integers(128), 12)], 1
            )
            points += np.cumsum(rng.normal(0, 2.5, (12, 2)), 0)
            cv2.polylines(film, [np.rint(points).astype(np.int32)], False, grey, 1, cv2.LINE_AA)
        elif kind == 2:
            cv2.circle(film, (x, y), int(rng.integers(1, 6)), grey, -1, cv2.LINE_AA)
        elif kind == 3:
            w, h = (int(v) for v in rng.integers(4, 26, 2))
            cv2.rectangle(film, (x, y), (x + w, y + h), grey, -1 if rng.random() < 0.6 else 1)
        else:
            size = int(rng.integers(1, 14))
            edge = (slice(0, size), slice(-size, None))[int(rng.integers(2))]
            if rng.random() < 0.5:
                film[edge] = grey
            else:
                film[:, edge] = grey
    return film

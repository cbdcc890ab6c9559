"""Drawn pictures of many kinds that are no radiographs: texture, text, charts, screens, faces, landscapes.

They teach `chest_network.py` what a chest film is not. A picture is (128, 128) uint8.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.thumbnail import THUMBNAIL_PX
from plainfilm.learn.bodies import Film, Rng, as_film
from plainfilm.learn.body_pictures import MEDICAL, cloud

_WORDS = (
    "the",
    "of",
    "chest",
    "AP",
    "PORTABLE",
    "12.5",
    "mm",
    "Fig.",
    "report",
    "x-ray",
    "normal",
    "2021",
    "File",
    "Edit",
    "0.95",
)


def dead_leaves(rng: Rng) -> Film:
    """Discs, boxes and polygons over each other, with or without texture."""
    film = np.full((THUMBNAIL_PX, THUMBNAIL_PX), rng.integers(256), np.uint8)
    scale = rng.uniform(3, 45)
    for _ in range(int(rng.integers(4, 150))):
        size, grey = max(1.0, scale * float(rng.pareto(2) + 0.2)), float(rng.integers(256))
        at = rng.integers(-10, THUMBNAIL_PX + 10, 2)
        kind = rng.integers(3)
        if kind == 0:
            axes = (max(1, int(size)), max(1, int(size * rng.uniform(0.3, 1))))
            cv2.ellipse(film, (int(at[0]), int(at[1])), axes, float(rng.uniform(0, 180)), 0, 360, grey, -1, cv2.LINE_AA)
        elif kind == 1:
            box = cv2.boxPoints(((float(at[0]), float(at[1])), (size, size * rng.uniform(0.3, 2)), rng.uniform(0, 90)))
            cv2.fillPoly(film, [np.rint(box).astype(np.int32)], grey, cv2.LINE_AA)
        else:
            points = at + rng.normal(0, size, (int(rng.integers(3, 8)), 2))
            cv2.fillPoly(film, [np.rint(points).astype(np.int32)], grey, cv2.LINE_AA)
    return _textured(rng, film)


def noise(rng: Rng) -> Film:
    """Noise of any colour, one layer or two."""
    field = cloud(rng, THUMBNAIL_PX, rng.uniform(0, 3))
    if rng.random() < 0.5:
        field = field + rng.uniform(0, 1) * cloud(rng, THUMBNAIL_PX, rng.uniform(0, 2))
    if rng.random() < 0.3:
        field = np.abs(field)
    return as_film(128 + rng.uniform(20, 80) * field)


def gradients(rng: Rng) -> Film:
    """Soft slopes, hills and valleys, at times with chest-like symmetry."""
    y, x = np.mgrid[-1 : 1 : THUMBNAIL_PX * 1j, -1 : 1 : THUMBNAIL_PX * 1j]
    field = rng.normal() * x + rng.normal() * y
    for _ in range(int(rng.integers(0, 7))):
        at, width = rng.uniform(-1, 1, 2), rng.uniform(0.05, 0.8, 2)
        hill = rng.normal() * 2 * np.exp(-(((x - at[0]) / width[0]) ** 2) - ((y - at[1]) / width[1]) ** 2)
        field = field + hill + (hill[:, ::-1] if rng.random() < 0.4 else 0)
    field = field / max(float(np.ptp(field)), 1e-9)
    return _textured(rng, as_film(255 * (field - field.min())))


def text_page(rng: Rng) -> Film:
    """Lines of text in columns, a heading, a figure."""
    dark = rng.random() < 0.3
    film = np.full((256, 256), 20 if dark else 240, np.uint8)
    ink = 220 if dark else int(rng.integers(0, 90))
    size, columns = rng.uniform(0.22, 0.7), int(rng.integers(1, 4))
    for column in range(columns):
        x, y = 8 + column * 248 // columns, int(rng.integers(10, 50))
        while y < 250:
            words = " ".join(rng.choice(_WORDS, 8))[: int(230 / columns / (size * 19))]
            cv2.putText(film, words, (x, y), int(rng.integers(0, 5)), size, ink, 1, cv2.LINE_AA)
            y += int(rng.uniform(22, 34) * max(size, 0.3)) + (20 if rng.random() < 0.08 else 0)
    if rng.random() < 0.4:
        x, y, w, h = (int(v) for v in rng.integers(20, 130, 4))
        film[y : y + h, x : x + w] = cv2.resize(some_field(rng), (w, h))[: 256 - y, : 256 - x]
    return np.asarray(cv2.resize(film, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA), np.uint8)


def chart(rng: Rng) -> Film:
    """Axes with bars, lines, points, slices of a cake or cells of a table."""
    film = np.full((THUMBNAIL_PX, THUMBNAIL_PX), 255 if rng.random() < 0.75 else 15, np.uint8)
    ink, kind = int(rng.integers(0, 120)), int(rng.integers(5))
    if kind == 0:
        for x in np.linspace(20, 115, int(rng.integers(3, 14))):
            cv2.rectangle(film, (int(x), int(rng.integers(20, 108))), (int(x) + 6, 110), int(rng.integers(230)), -1)
    elif kind == 1:
        for _ in range(int(rng.integers(1, 6))):
            y = 60 + np.cumsum(rng.normal(0, 6, 20))
            cv2.polylines(
                film, [np.stack([np.linspace(18, 120, 20), y], 1).astype(np.int32)], False, ink, 1, cv2.LINE_AA
            )
    elif kind == 2:
        for at in rng.normal(65, 22, (int(rng.integers(10, 200)), 2)):
            cv2.circle(film, (int(at[0]), int(at[1])), int(rng.integers(1, 4)), ink, -1, cv2.LINE_AA)
    elif kind == 3:
        begin = 0.0
        while begin < 360:
            end = begin + rng.uniform(15, 140)
            cv2.ellipse(film, (64, 64), (45, 45), 0, begin, min(end, 360), int(rng.integers(230)), -1, cv2.LINE_AA)
            begin = end
    else:
        cells = rng.integers(0, 256, rng.integers(2, 16, 2)).astype(np.uint8)
        film[16:112, 16:112] = cv2.resize(cells, (96, 96), interpolation=cv2.INTER_NEAREST)
    cv2.line(film, (16, 112), (122, 112), ink, 1)
    cv2.line(film, (16, 10), (16, 112), ink, 1)
    cv2.putText(film, str(rng.choice(_WORDS)), (40, 124), 0, 0.35, ink, 1, cv2.LINE_AA)
    return film


def pattern(rng: Rng) -> Film:
    """Checks, stripes, rings, dots, codes."""
    y, x = np.mgrid[-1 : 1 : THUMBNAIL_PX * 1j, -1 : 1 : THUMBNAIL_PX * 1j]
    angle, count = rng.uniform(0, np.pi), rng.uniform(1, 24)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kind, phase = rng.integers(5), rng.uniform(0, 6, 2)
    wave = [
        np.sin(count * along + phase[0]),
        np.sin(count * along + phase[0]) * np.sin(count * across + phase[1]),
        np.sin(count * np.hypot(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)) + phase[0]),
        cv2.resize(
            rng.choice([-1.0, 1.0], rng.integers(2, 30, 2)),
            (THUMBNAIL_PX, THUMBNAIL_PX),
            interpolation=cv2.INTER_NEAREST,
        ),
        np.sin(count * along) + np.sin(count * rng.uniform(0.5, 2) * across + phase[1]),
    ][kind]
    if rng.random() < 0.5:
        wave = np.sign(wave)
    return _textured(rng, as_film(128 + rng.uniform(30, 127) * wave))


def line_drawing(rng: Rng) -> Film:
    """Outlines on paper: curves, circles, boxes, at times symmetrical as a body or a pair of lungs is."""
    film = np.full((THUMBNAIL_PX, THUMBNAIL_PX), rng.choice([255, 245, 0, 20]), np.uint8)
    ink, mirrored = 255 - int(film[0, 0]), rng.random() < 0.4
    for _ in range(int(rng.integers(2, 25))):
        at, size = rng.uniform(10, 118, 2), rng.uniform(3, 50)
        turn = np.linspace(0, rng.uniform(2, 6.4), 30)
        radius = size * (1 + rng.uniform(0, 0.5) * np.sin(rng.integers(1, 6) * turn + rng.uniform(0, 6)))
        stretch = rng.uniform(0.4, 1.6)
        points = np.stack([at[0] + radius * np.cos(turn), at[1] + stretch * radius * np.sin(turn)], 1)
        closed = rng.random() < 0.2
        for line in (points, np.stack([127 - points[:, 0], points[:, 1]], 1))[: 1 + mirrored]:
            if closed:
                cv2.fillPoly(film, [line.astype(np.int32)], float(rng.integers(256)), cv2.LINE_AA)
            cv2.polylines(film, [line.astype(np.int32)], closed, ink, int(rng.integers(1, 4)), cv2.LINE_AA)
    return film


def screen(rng: Rng) -> Film:
    """Windows with bars, text, buttons and pictures."""
    film = np.full((256, 256), rng.integers(256), np.uint8)
    for _ in range(int(rng.integers(1, 6))):
        x, y = (int(v) for v in rng.integers(0, 150, 2))
        w, h = (int(v) for v in rng.integers(60, 250, 2))
        paper = int(rng.choice([255, 250, 240, 30, 45]))
        cv2.rectangle(film, (x, y), (x + w, y + h), paper, -1)
        cv2.rectangle(film, (x, y), (x + w, y + 10), int(rng.integers(256)), -1)
        for line in range(y + 22, min(y + h, 250), int(rng.integers(9, 16))):
            words = " ".join(rng.choice(_WORDS, 6))[: int(rng.integers(1, max(2, w // 6)))]
            cv2.putText(film, words, (x + 6, line), 0, 0.3, 255 - paper, 1, cv2.LINE_AA)
        if rng.random() < 0.4:
            side = int(rng.integers(20, 90))
            picture = cv2.resize(some_field(rng), (side, side))
            top, left = int(rng.integers(0, 256 - side)), int(rng.integers(0, 256 - side))
            film[top : top + side, left : left + side] = picture
    return np.asarray(cv2.resize(film, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA), np.uint8)


def face(rng: Rng) -> Film:
    """A head with eyes, mouth and hair, on shoulders, before something."""
    film, at = some_field(rng), np.array([64, 55]) + rng.normal(0, 8, 2)
    size, skin = rng.uniform(15, 45), rng.uniform(60, 230)

    def oval(x: float, y: float, w: float, h: float, grey: float) -> None:
        where = (int(at[0] + x * size), int(at[1] + y * size))
        axes = (max(1, int(w * size)), max(1, int(h * size)))
        cv2.ellipse(film, where, axes, float(rng.normal(0, 4)), 0, 360, float(np.clip(grey, 0, 255)), -1, cv2.LINE_AA)

    oval(0, 2.6, rng.uniform(1.4, 2.4), 1.5, rng.uniform(0, 255))
    oval(0, -0.2, 0.9, 1.15, rng.uniform(0, 255))
    oval(0, 0, 0.75, 1, skin)
    for x in (-0.3, 0.3):
        oval(x, -0.2, 0.17, 0.1, skin + 60)
        oval(x, -0.2, 0.07, 0.08, 20)
    oval(0, 0.15, 0.1, 0.18, skin - 25)
    oval(0, 0.5, 0.3, 0.08, skin - 70)
    return _textured(rng, cv2.GaussianBlur(film, (0, 0), rng.uniform(0.3, 3)).astype(np.uint8))


def landscape(rng: Rng) -> Film:
    """Sky, hills, water, trees, houses."""
    film = np.tile(np.linspace(rng.uniform(120, 255), rng.uniform(120, 255), THUMBNAIL_PX)[:, None], (1, THUMBNAIL_PX))
    film += rng.uniform(0, 30) * cloud(rng, THUMBNAIL_PX, 1.6)
    for level in sorted(rng.uniform(30, 120, int(rng.integers(1, 6)))):
        edge = level + rng.uniform(2, 18) * cloud(rng, THUMBNAIL_PX, 1.5)[0]
        below = np.arange(THUMBNAIL_PX)[:, None] > edge
        ground = rng.uniform(10, 200) + rng.uniform(5, 45) * cloud(rng, THUMBNAIL_PX, rng.uniform(0.3, 1.5))
        film = np.where(below, ground, film)
    drawn = as_film(film)
    for _ in range(int(rng.integers(0, 8))):
        x, y, w, h = (
            int(v) for v in (rng.integers(128), rng.integers(40, 120), rng.integers(2, 30), rng.integers(5, 60))
        )
        cv2.rectangle(drawn, (x, y - h), (x + w, y), int(rng.integers(256)), -1)
    return drawn


def lung_shapes(rng: Rng) -> Film:
    """A mask of two lungs, or of one: flat shapes, no film."""
    film = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
    for side in (-1, 1)[: 1 if rng.random() < 0.1 else 2]:
        where = (int(64 + side * rng.uniform(20, 32)), int(rng.uniform(50, 70)))
        turn = np.linspace(0, 2 * np.pi, 40)
        radius = 1 + 0.12 * np.sin(2 * turn + rng.uniform(0, 6)) + 0.06 * np.sin(3 * turn + rng.uniform(0, 6))
        points = np.stack([rng.uniform(14, 26) * np.cos(turn) * radius, rng.uniform(32, 52) * np.sin(turn) * radius], 1)
        cv2.fillPoly(film, [np.rint(points + where).astype(np.int32)], 255.0, cv2.LINE_AA)
    return film


def some_field(rng: Rng) -> Film:
    """What a picture within a picture, or a background, may be."""
    return as_film(rng.uniform(40, 210) + rng.uniform(0, 60) * cloud(rng, THUMBNAIL_PX, rng.uniform(0.5, 2.5)))


def _textured(rng: Rng, film: Film) -> Film:
    """The picture, at times blurred or grained."""
    if rng.random() < 0.3:
        film = cv2.GaussianBlur(film, (0, 0), rng.uniform(0.5, 6)).astype(np.uint8)
    if rng.random() < 0.5:
        film = as_film(film + rng.uniform(2, 45) * cloud(rng, THUMBNAIL_PX, rng.uniform(0, 1.8)))
    return film


_OTHER: tuple[tuple[float, Callable[[Rng], Film]], ...] = (
    (1.5, dead_leaves),
    (1, noise),
    (1.5, gradients),
    (0.8, text_page),
    (0.8, chart),
    (0.7, pattern),
    (1, line_drawing),
    (0.8, screen),
    (1, face),
    (0.8, landscape),
    (0.3, lung_shapes),
)
DRAWN = (*MEDICAL, *_OTHER)


def drawn_pictures(count: int, rng: Rng) -> NDArray[np.uint8]:
    """(count, 128, 128) pictures of all kinds, as often as their weights say."""
    weights = np.array([weight for weight, _ in DRAWN])
    kinds = rng.choice(len(DRAWN), count, p=weights / weights.sum())
    return np.stack([DRAWN[kind][1](rng) for kind in kinds])

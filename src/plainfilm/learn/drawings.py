"""Drawn pictures of many kinds that are no radiographs: texture, text, charts, screens, faces, landscapes, spoiled chest films.

They teach `chest_network.py` what a chest film is not. A picture is (128, 128) uint8.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.learn.bodies import MEDICAL, Film, Rng, cloud

_SIDE_PX = 128
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
    film = np.full((_SIDE_PX, _SIDE_PX), rng.integers(256), np.uint8)
    scale = rng.uniform(3, 45)
    for _ in range(int(rng.integers(4, 150))):
        size, grey = max(1.0, scale * float(rng.pareto(2) + 0.2)), float(rng.integers(256))
        at = rng.integers(-10, _SIDE_PX + 10, 2)
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
    field = cloud(rng, _SIDE_PX, rng.uniform(0, 3))
    if rng.random() < 0.5:
        field = field + rng.uniform(0, 1) * cloud(rng, _SIDE_PX, rng.uniform(0, 2))
    if rng.random() < 0.3:
        field = np.abs(field)
    return _as_film(128 + rng.uniform(20, 80) * field)


def gradients(rng: Rng) -> Film:
    """Soft slopes, hills and valleys, at times with chest-like symmetry."""
    y, x = np.mgrid[-1 : 1 : _SIDE_PX * 1j, -1 : 1 : _SIDE_PX * 1j]
    field = rng.normal() * x + rng.normal() * y
    for _ in range(int(rng.integers(0, 7))):
        at, width = rng.uniform(-1, 1, 2), rng.uniform(0.05, 0.8, 2)
        hill = rng.normal() * 2 * np.exp(-(((x - at[0]) / width[0]) ** 2) - ((y - at[1]) / width[1]) ** 2)
        field = field + hill + (hill[:, ::-1] if rng.random() < 0.4 else 0)
    field = field / max(float(np.ptp(field)), 1e-9)
    return _textured(rng, _as_film(255 * (field - field.min())))


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
        film[y : y + h, x : x + w] = cv2.resize(_some_field(rng), (w, h))[: 256 - y, : 256 - x]
    return np.asarray(cv2.resize(film, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def chart(rng: Rng) -> Film:
    """Axes with bars, lines, points, slices of a cake or cells of a table."""
    film = np.full((_SIDE_PX, _SIDE_PX), 255 if rng.random() < 0.75 else 15, np.uint8)
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
    y, x = np.mgrid[-1 : 1 : _SIDE_PX * 1j, -1 : 1 : _SIDE_PX * 1j]
    angle, count = rng.uniform(0, np.pi), rng.uniform(1, 24)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kind, phase = rng.integers(5), rng.uniform(0, 6, 2)
    wave = [
        np.sin(count * along + phase[0]),
        np.sin(count * along + phase[0]) * np.sin(count * across + phase[1]),
        np.sin(count * np.hypot(x - rng.uniform(-1, 1), y - rng.uniform(-1, 1)) + phase[0]),
        cv2.resize(
            rng.choice([-1.0, 1.0], rng.integers(2, 30, 2)), (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_NEAREST
        ),
        np.sin(count * along) + np.sin(count * rng.uniform(0.5, 2) * across + phase[1]),
    ][kind]
    if rng.random() < 0.5:
        wave = np.sign(wave)
    return _textured(rng, _as_film(128 + rng.uniform(30, 127) * wave))


def line_drawing(rng: Rng) -> Film:
    """Outlines on paper: curves, circles, boxes, at times symmetrical as a body or a pair of lungs is."""
    film = np.full((_SIDE_PX, _SIDE_PX), rng.choice([255, 245, 0, 20]), np.uint8)
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
            picture = cv2.resize(_some_field(rng), (side, side))
            top, left = int(rng.integers(0, 256 - side)), int(rng.integers(0, 256 - side))
            film[top : top + side, left : left + side] = picture
    return np.asarray(cv2.resize(film, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def face(rng: Rng) -> Film:
    """A head with eyes, mouth and hair, on shoulders, before something."""
    film, at = _some_field(rng), np.array([64, 55]) + rng.normal(0, 8, 2)
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
    film = np.tile(np.linspace(rng.uniform(120, 255), rng.uniform(120, 255), _SIDE_PX)[:, None], (1, _SIDE_PX))
    film += rng.uniform(0, 30) * cloud(rng, _SIDE_PX, 1.6)
    for level in sorted(rng.uniform(30, 120, int(rng.integers(1, 6)))):
        edge = level + rng.uniform(2, 18) * cloud(rng, _SIDE_PX, 1.5)[0]
        below = np.arange(_SIDE_PX)[:, None] > edge
        ground = rng.uniform(10, 200) + rng.uniform(5, 45) * cloud(rng, _SIDE_PX, rng.uniform(0.3, 1.5))
        film = np.where(below, ground, film)
    drawn = _as_film(film)
    for _ in range(int(rng.integers(0, 8))):
        x, y, w, h = (
            int(v) for v in (rng.integers(128), rng.integers(40, 120), rng.integers(2, 30), rng.integers(5, 60))
        )
        cv2.rectangle(drawn, (x, y - h), (x + w, y), int(rng.integers(256)), -1)
    return drawn


def lung_shapes(rng: Rng) -> Film:
    """A mask of two lungs, or of one: flat shapes, no film."""
    film = np.zeros((_SIDE_PX, _SIDE_PX), np.uint8)
    for side in (-1, 1)[: 1 if rng.random() < 0.1 else 2]:
        where = (int(64 + side * rng.uniform(20, 32)), int(rng.uniform(50, 70)))
        turn = np.linspace(0, 2 * np.pi, 40)
        radius = 1 + 0.12 * np.sin(2 * turn + rng.uniform(0, 6)) + 0.06 * np.sin(3 * turn + rng.uniform(0, 6))
        points = np.stack([rng.uniform(14, 26) * np.cos(turn) * radius, rng.uniform(32, 52) * np.sin(turn) * radius], 1)
        cv2.fillPoly(film, [np.rint(points + where).astype(np.int32)], 255.0, cv2.LINE_AA)
    return film


def _some_field(rng: Rng) -> Film:
    """What a picture within a picture, or a background, may be."""
    return _as_film(rng.uniform(40, 210) + rng.uniform(0, 60) * cloud(rng, _SIDE_PX, rng.uniform(0.5, 2.5)))


def _textured(rng: Rng, film: Film) -> Film:
    """The picture, at times blurred or grained."""
    if rng.random() < 0.3:
        film = cv2.GaussianBlur(film, (0, 0), rng.uniform(0.5, 6)).astype(np.uint8)
    if rng.random() < 0.5:
        film = _as_film(film + rng.uniform(2, 45) * cloud(rng, _SIDE_PX, rng.uniform(0, 1.8)))
    return film


def _as_film(grey: NDArray[np.floating]) -> Film:
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)


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


# Spoiled chest films --------------------------------------------------------------------------------------------------


def no_longer_a_chest(film: Film, other: Film, rng: Rng) -> Film:
    """What is left of a chest film once its order is destroyed. other: another film, for those that need two."""
    return _SPOILINGS[int(rng.integers(len(_SPOILINGS)))](film, other, rng)


def _tiny_crop(film: Film, _: Film, rng: Rng) -> Film:
    """A window of 12 to 45% of each side."""
    height, width = (max(8, int(_SIDE_PX * share)) for share in rng.uniform(0.12, 0.45, 2))
    top, left = int(rng.integers(0, _SIDE_PX - height + 1)), int(rng.integers(0, _SIDE_PX - width + 1))
    return _fitted(film[top : top + height, left : left + width])


def _strip(film: Film, _: Film, rng: Rng) -> Film:
    """The left, right, upper or lower part, up to half of the film: one lung, a belly, a neck."""
    size = int(_SIDE_PX * rng.uniform(0.2, 0.5))
    start = 0 if rng.random() < 0.5 else _SIDE_PX - size
    return _fitted(film[:, start : start + size] if rng.random() < 0.5 else film[start : start + size])


def _folded(film: Film, other: Film, rng: Rng) -> Film:
    """One half laid on the other and drawn out: the spine at one edge, one field of lung, as in a film from the side."""
    shift = int(rng.integers(-10, 11))
    left, right = film[:, : 64 + shift], (film if rng.random() < 0.5 else other)[:, 64 + shift :][:, ::-1]
    share = rng.uniform(0.25, 0.75)
    folded = share * _fitted(left).astype(np.float32) + (1 - share) * _fitted(right)
    y, x = np.mgrid[-1 : 1 : _SIDE_PX * 1j, -1 : 1 : _SIDE_PX * 1j]
    if rng.random() < 0.6:  # a heart before the lungs, soft tissue above and below
        at, wide = rng.uniform([-0.7, -0.1], [0.0, 0.7]), rng.uniform(0.2, 0.5, 2)
        heart = np.exp(-(((x - at[0]) / wide[0]) ** 2) - ((y - at[1]) / wide[1]) ** 2)
        folded = folded + rng.uniform(0.2, 0.8) * heart * (rng.uniform(140, 230) - folded)
    if rng.random() < 0.5:
        slope = np.clip(rng.uniform(1, 3) * (y - rng.uniform(0.2, 0.9) + rng.uniform(-0.5, 0.5) * x), 0, 1)
        folded = folded + slope * (rng.uniform(150, 240) - folded)
    margin = int(rng.integers(0, 24))
    folded = np.pad(folded, ((0, 0), (margin, int(rng.integers(0, 24)))), constant_values=float(rng.integers(0, 40)))
    return _fitted(_as_film(folded[:, ::-1] if rng.random() < 0.5 else folded))


def _shuffled(film: Film, _: Film, rng: Rng) -> Film:
    """Tiles in another order."""
    tiles = int(rng.integers(2, 7))
    side = _SIDE_PX // tiles
    order = rng.permutation(tiles * tiles)
    if (order == np.arange(len(order))).mean() > 0.4:
        order = order[::-1]
    rows = []
    for row in order.reshape(tiles, tiles):
        places = [(tile // tiles * side, tile % tiles * side) for tile in row]
        rows.append(np.hstack([film[top : top + side, left : left + side] for top, left in places]))
    return _fitted(np.vstack(rows))


def _rolled(film: Film, _: Film, rng: Rng) -> Film:
    """What was in the middle lies at the edges."""
    across, down = (int(_SIDE_PX * share) for share in rng.uniform(0.3, 0.7, 2))
    kind = rng.integers(3)
    return np.roll(film, (down if kind else 0, across if kind != 1 else 0), (0, 1))


def _mirrored_halves(film: Film, _: Film, rng: Rng) -> Film:
    """The upper half and its mirror image below, or the lower half; a quarter four times."""
    half = film[:64] if rng.random() < 0.5 else film[64:]
    doubled = np.vstack([half, half[::-1]])
    if rng.random() < 0.3:
        side = doubled[:, :64] if rng.random() < 0.5 else doubled[:, 64:]
        doubled = np.hstack([side, side[:, ::-1]])
        return np.roll(doubled, 64, 1)
    return doubled


def _warped(film: Film, _: Film, rng: Rng) -> Film:
    """Bent beyond recognition."""
    y, x = np.mgrid[:_SIDE_PX, :_SIDE_PX].astype(np.float32)
    reach = rng.uniform(14, 45)
    power = rng.uniform(1.6, 3)
    dx, dy = (np.float32(reach) * cloud(rng, _SIDE_PX, power).astype(np.float32) for _ in range(2))
    return np.asarray(cv2.remap(film, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8)


def _askew(film: Film, _: Film, rng: Rng) -> Film:
    """Turned by 32 to 58 degrees from upright, in either direction."""
    angle = rng.uniform(32, 58) + 90 * rng.integers(4)
    matrix = cv2.getRotationMatrix2D((63.5, 63.5), angle, rng.uniform(0.7, 1.4))
    border = cv2.BORDER_CONSTANT if rng.random() < 0.6 else cv2.BORDER_REFLECT
    return np.asarray(cv2.warpAffine(film, matrix, film.shape, borderMode=border), np.uint8)


def _small(film: Film, other: Film, rng: Rng) -> Film:
    """Small on a large ground: collimation, a page, a screen, another film."""
    grounds = (
        lambda: np.full_like(film, int(rng.choice([0, 0, 0, 10, 60, 128, 255]))),
        lambda: _as_film(rng.uniform(0, 60) + rng.uniform(1, 12) * cloud(rng, _SIDE_PX, rng.uniform(0, 1))),
        lambda: screen(rng),
        lambda: text_page(rng),
        lambda: _some_field(rng),
        lambda: cv2.GaussianBlur(other, (0, 0), 6).astype(np.uint8),
    )
    ground = np.array(grounds[int(rng.choice(6, p=[0.35, 0.25, 0.1, 0.1, 0.1, 0.1]))]())
    height, width = (int(_SIDE_PX * share) for share in rng.uniform(0.12, 0.5, 2))
    if rng.random() < 0.25:
        width = int(_SIDE_PX * rng.uniform(0.5, 0.95))
        height = int(_SIDE_PX * rng.uniform(0.1, 0.3))
    if rng.random() < 0.5:
        height, width = width, height
    top, left = int(rng.integers(0, _SIDE_PX - height)), int(rng.integers(0, _SIDE_PX - width))
    if rng.random() < 0.4:  # collimated: only a window of the film is exposed
        ground[top : top + height, left : left + width] = film[top : top + height, left : left + width]
    else:
        ground[top : top + height, left : left + width] = cv2.resize(
            film, (width, height), interpolation=cv2.INTER_AREA
        )
    return ground


def _several(film: Film, other: Film, rng: Rng) -> Film:
    """Two films side by side or one above the other, or four, or nine."""
    kind = rng.integers(4)
    if kind == 0:
        return _fitted(np.hstack([film, other]))
    if kind == 1:
        return _fitted(np.vstack([film, other]))
    if kind == 2:
        return _fitted(np.vstack([np.hstack([film, other]), np.hstack([other, film])]))
    return _fitted(np.tile(film[::2, ::2], (3, 3)))


def _blended(film: Film, other: Film, rng: Rng) -> Film:
    """Two exposures on one film, the second turned; or with a drawn picture."""
    second = np.rot90(other, int(rng.integers(1, 4))) if rng.random() < 0.5 else drawn_pictures(1, rng)[0]
    share = rng.uniform(0.2, 0.45)
    return _as_film(share * film.astype(np.float32) + (1 - share) * second)


def _patched(film: Film, other: Film, rng: Rng) -> Film:
    """The middle of the film is something else."""
    patched = film.copy()
    picture = _shuffled(other, film, rng) if rng.random() < 0.4 else drawn_pictures(1, rng)[0]
    height, width = (int(_SIDE_PX * share) for share in rng.uniform(0.62, 0.9, 2))
    top, left = int(rng.integers(0, _SIDE_PX - height)), int(rng.integers(0, _SIDE_PX - width))
    patched[top : top + height, left : left + width] = cv2.resize(picture, (width, height))
    return patched


def _outlined(film: Film, _: Film, rng: Rng) -> Film:
    """A drawing of the film: edges, or two or three greys."""
    if rng.random() < 0.5:
        smooth = cv2.GaussianBlur(film, (0, 0), rng.uniform(1, 2.5))
        edges = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        grey = edges > np.quantile(edges, rng.uniform(0.75, 0.95)) if rng.random() < 0.6 else edges / edges.max()
        drawing = _as_film(255 * grey.astype(np.float32))
        return 255 - drawing if rng.random() < 0.5 else drawing
    return np.where(film > np.quantile(film, rng.uniform(0.3, 0.7)), np.uint8(255), np.uint8(0)).astype(np.uint8)


def _scrambled(film: Film, _: Film, rng: Rng) -> Film:
    """The film's own frequencies with phases of noise."""
    strength = np.abs(np.fft.rfft2(film.astype(np.float64) - film.mean()))
    phase = np.angle(np.fft.rfft2(rng.standard_normal(film.shape)))
    return _as_film(film.mean() + np.fft.irfft2(strength * np.exp(1j * phase), film.shape))


def _buried(film: Film, _: Film, rng: Rng) -> Film:
    """Hardly anything left but noise or blur."""
    if rng.random() < 0.6:
        grain = cloud(rng, _SIDE_PX, rng.uniform(0, 1.2))
        return _as_film(128 + 0.35 * (film.astype(np.float32) - 128) + rng.uniform(60, 120) * grain)
    return _as_film(
        cv2.GaussianBlur(film, (0, 0), rng.uniform(16, 30)).astype(np.float32) + rng.normal(0, 2, film.shape)
    )


def _stretched(film: Film, _: Film, rng: Rng) -> Film:
    """A band through the middle pulled to the whole film, or the whole film pressed into a band."""
    size = int(_SIDE_PX * rng.uniform(0.15, 0.4))
    start = int((_SIDE_PX - size) * rng.uniform(0.1, 0.9))
    return _fitted(film[:, start : start + size] if rng.random() < 0.5 else film[start : start + size])


_SPOILINGS = (
    _tiny_crop,
    _tiny_crop,
    _strip,
    _folded,
    _folded,
    _folded,
    _shuffled,
    _rolled,
    _mirrored_halves,
    _warped,
    _askew,
    _small,
    _small,
    _several,
    _blended,
    _patched,
    _outlined,
    _scrambled,
    _buried,
    _stretched,
)


def _fitted(picture: NDArray[np.uint8]) -> Film:
    return np.asarray(cv2.resize(picture, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_LINEAR), np.uint8)

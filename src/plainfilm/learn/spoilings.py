"""Chest films whose order is destroyed: cut to a strip, folded, shuffled, warped, laid into another, buried.

They teach `chest_network.py` what is no chest film any more. A film is (128, 128) uint8.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.thumbnail import THUMBNAIL_PX
from plainfilm.learn.bodies import Film, Rng, as_film
from plainfilm.learn.body_pictures import cloud
from plainfilm.learn.drawings import drawn_pictures, screen, some_field, text_page


def no_longer_a_chest(film: Film, other: Film, rng: Rng) -> Film:
    """What is left of a chest film once its order is destroyed. other: another film, for those that need two."""
    return _SPOILINGS[int(rng.integers(len(_SPOILINGS)))](film, other, rng)


def _tiny_crop(film: Film, _: Film, rng: Rng) -> Film:
    """A window of 12 to 45% of each side."""
    height, width = (max(8, int(THUMBNAIL_PX * share)) for share in rng.uniform(0.12, 0.45, 2))
    top, left = int(rng.integers(0, THUMBNAIL_PX - height + 1)), int(rng.integers(0, THUMBNAIL_PX - width + 1))
    return _fitted(film[top : top + height, left : left + width])


def _strip(film: Film, _: Film, rng: Rng) -> Film:
    """The left, right, upper or lower part, up to half of the film: one lung, a belly, a neck."""
    size = int(THUMBNAIL_PX * rng.uniform(0.2, 0.5))
    start = 0 if rng.random() < 0.5 else THUMBNAIL_PX - size
    return _fitted(film[:, start : start + size] if rng.random() < 0.5 else film[start : start + size])


def _folded(film: Film, other: Film, rng: Rng) -> Film:
    """One half laid on the other and drawn out: the spine at one edge, one field of lung, as in a film from the side."""
    shift = int(rng.integers(-10, 11))
    left, right = film[:, : 64 + shift], (film if rng.random() < 0.5 else other)[:, 64 + shift :][:, ::-1]
    share = rng.uniform(0.25, 0.75)
    folded = share * _fitted(left).astype(np.float32) + (1 - share) * _fitted(right)
    y, x = np.mgrid[-1 : 1 : THUMBNAIL_PX * 1j, -1 : 1 : THUMBNAIL_PX * 1j]
    if rng.random() < 0.6:  # a heart before the lungs, soft tissue above and below
        at, wide = rng.uniform([-0.7, -0.1], [0.0, 0.7]), rng.uniform(0.2, 0.5, 2)
        heart = np.exp(-(((x - at[0]) / wide[0]) ** 2) - ((y - at[1]) / wide[1]) ** 2)
        folded = folded + rng.uniform(0.2, 0.8) * heart * (rng.uniform(140, 230) - folded)
    if rng.random() < 0.5:
        slope = np.clip(rng.uniform(1, 3) * (y - rng.uniform(0.2, 0.9) + rng.uniform(-0.5, 0.5) * x), 0, 1)
        folded = folded + slope * (rng.uniform(150, 240) - folded)
    margin = int(rng.integers(0, 24))
    folded = np.pad(folded, ((0, 0), (margin, int(rng.integers(0, 24)))), constant_values=float(rng.integers(0, 40)))
    return _fitted(as_film(folded[:, ::-1] if rng.random() < 0.5 else folded))


def _shuffled(film: Film, _: Film, rng: Rng) -> Film:
    """Tiles in another order."""
    tiles = int(rng.integers(2, 7))
    side = THUMBNAIL_PX // tiles
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
    across, down = (int(THUMBNAIL_PX * share) for share in rng.uniform(0.3, 0.7, 2))
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
    y, x = np.mgrid[:THUMBNAIL_PX, :THUMBNAIL_PX].astype(np.float32)
    reach = rng.uniform(14, 45)
    power = rng.uniform(1.6, 3)
    dx, dy = (np.float32(reach) * cloud(rng, THUMBNAIL_PX, power).astype(np.float32) for _ in range(2))
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
        lambda: as_film(rng.uniform(0, 60) + rng.uniform(1, 12) * cloud(rng, THUMBNAIL_PX, rng.uniform(0, 1))),
        lambda: screen(rng),
        lambda: text_page(rng),
        lambda: some_field(rng),
        lambda: cv2.GaussianBlur(other, (0, 0), 6).astype(np.uint8),
    )
    ground = np.array(grounds[int(rng.choice(6, p=[0.35, 0.25, 0.1, 0.1, 0.1, 0.1]))]())
    height, width = (int(THUMBNAIL_PX * share) for share in rng.uniform(0.12, 0.5, 2))
    if rng.random() < 0.25:
        width = int(THUMBNAIL_PX * rng.uniform(0.5, 0.95))
        height = int(THUMBNAIL_PX * rng.uniform(0.1, 0.3))
    if rng.random() < 0.5:
        height, width = width, height
    top, left = int(rng.integers(0, THUMBNAIL_PX - height)), int(rng.integers(0, THUMBNAIL_PX - width))
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
    return as_film(share * film.astype(np.float32) + (1 - share) * second)


def _patched(film: Film, other: Film, rng: Rng) -> Film:
    """The middle of the film is something else."""
    patched = film.copy()
    picture = _shuffled(other, film, rng) if rng.random() < 0.4 else drawn_pictures(1, rng)[0]
    height, width = (int(THUMBNAIL_PX * share) for share in rng.uniform(0.62, 0.9, 2))
    top, left = int(rng.integers(0, THUMBNAIL_PX - height)), int(rng.integers(0, THUMBNAIL_PX - width))
    patched[top : top + height, left : left + width] = cv2.resize(picture, (width, height))
    return patched


def _outlined(film: Film, _: Film, rng: Rng) -> Film:
    """A drawing of the film: edges, or two or three greys."""
    if rng.random() < 0.5:
        smooth = cv2.GaussianBlur(film, (0, 0), rng.uniform(1, 2.5))
        edges = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        grey = edges > np.quantile(edges, rng.uniform(0.75, 0.95)) if rng.random() < 0.6 else edges / edges.max()
        drawing = as_film(255 * grey.astype(np.float32))
        return 255 - drawing if rng.random() < 0.5 else drawing
    return np.where(film > np.quantile(film, rng.uniform(0.3, 0.7)), np.uint8(255), np.uint8(0)).astype(np.uint8)


def _scrambled(film: Film, _: Film, rng: Rng) -> Film:
    """The film's own frequencies with phases of noise."""
    strength = np.abs(np.fft.rfft2(film.astype(np.float64) - film.mean()))
    phase = np.angle(np.fft.rfft2(rng.standard_normal(film.shape)))
    return as_film(film.mean() + np.fft.irfft2(strength * np.exp(1j * phase), film.shape))


def _buried(film: Film, _: Film, rng: Rng) -> Film:
    """Hardly anything left but noise or blur."""
    if rng.random() < 0.6:
        grain = cloud(rng, THUMBNAIL_PX, rng.uniform(0, 1.2))
        return as_film(128 + 0.35 * (film.astype(np.float32) - 128) + rng.uniform(60, 120) * grain)
    return as_film(
        cv2.GaussianBlur(film, (0, 0), rng.uniform(16, 30)).astype(np.float32) + rng.normal(0, 2, film.shape)
    )


def _stretched(film: Film, _: Film, rng: Rng) -> Film:
    """A band through the middle pulled to the whole film, or the whole film pressed into a band."""
    size = int(THUMBNAIL_PX * rng.uniform(0.15, 0.4))
    start = int((THUMBNAIL_PX - size) * rng.uniform(0.1, 0.9))
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
    return np.asarray(cv2.resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_LINEAR), np.uint8)

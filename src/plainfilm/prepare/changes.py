"""What was done to a picture: the difference between two films that lie on each other, in words."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.prepare.registration import Alignment, pose_of

FRAMED, SAVED = "cropped or framed", "saved anew"
_ANGLE = 0.7  # degrees that are a rotation
_MOVED = 0.015  # share of the side that is a crop or a frame
_TONE = 5.0  # mean change of grey levels that is another exposure
_WRITTEN = 45.0  # grey levels by which writing stands out
_WRITTEN_SHARE = (0.0008, 0.2)
_NOISE = 2.5  # grey levels of fine difference
_RESEMBLES = 0.3  # correlation
_SOFTER = 0.75  # share of the fine contrast that is left


def changes_between(first: NDArray[np.uint8], second: NDArray[np.uint8], alignment: Alignment) -> list[str]:
    """What tells two copies of one picture apart; either may be the original.

    first, second: (H, H) uint8 thumbnails. Returns words in a fixed order; "saved anew" where nothing else is seen.
    """
    found = []
    if alignment.is_mirrored:
        found.append("mirrored")
    if alignment.is_inverted:
        found.append("inverted")
    angle, across, down = pose_of(alignment.matrix)
    if abs(angle) > _ANGLE:
        found.append("rotated")
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    offset = np.abs(corners - np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
    if (abs(angle) <= _ANGLE and offset.max() > _MOVED) or max(abs(across - 1), abs(down - 1)) > 2 * _MOVED:
        found.append(FRAMED)
    one, two, overlap = _laid_on(first, second, alignment)
    if overlap.sum() < 100:
        return found or [SAVED]
    mapped, tone = _as_toned(one, two, overlap)
    if tone > _TONE:
        found.append("other exposure")
    difference = np.where(overlap, two - mapped, 0)
    written = cv2.morphologyEx(
        (np.abs(difference) > _WRITTEN).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)
    )
    share = written.sum() / overlap.sum()
    if _WRITTEN_SHARE[0] < share < _WRITTEN_SHARE[1]:
        found.append("written on")
    plain = overlap & (cv2.dilate(written, np.ones((5, 5), np.uint8)) == 0)
    if plain.sum() > 100:
        rest = _fine(difference)[plain]
        smoother, sharper = sorted((_fine(film)[plain] for film in (mapped, two)), key=np.std)
        # What a blur took away resembles what it left; noise resembles nothing in the cleaner film.
        is_of_the_film = abs(_correlation(rest, smoother)) > _RESEMBLES
        if not is_of_the_film and rest.std() > _NOISE:
            found.append("noise")
        elif is_of_the_film and smoother.std() < _SOFTER * sharper.std():
            found.append("softened or sharpened")
    return found or [SAVED]


def _laid_on(
    first: NDArray[np.uint8], second: NDArray[np.uint8], alignment: Alignment
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Both as float32 in the first film's place, and where both have pixels, away from the edges."""
    side = len(first)
    matrix = alignment.matrix.astype(np.float32).copy()
    matrix[:, 2] = alignment.matrix[:, 2] * side + (alignment.matrix[:, :2].sum(1) - 1) / 2
    moving = second[:, ::-1] if alignment.is_mirrored else second
    moving = np.ascontiguousarray(255 - moving if alignment.is_inverted else moving).astype(np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(moving, matrix, (side, side), flags=flags)
    inside = cv2.warpAffine(np.ones_like(moving), matrix, (side, side), flags=flags) > 0.99
    inside &= cv2.warpAffine((moving > 3).astype(np.float32), matrix, (side, side), flags=flags) > 0.5
    overlap = cv2.erode((inside & (first > 3)).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return first.astype(np.float32), np.asarray(moved, np.float32), overlap


def _as_toned(
    one: NDArray[np.float32], two: NDArray[np.float32], overlap: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], float]:
    """The first film in the tones of the second, by the median grey that each of its greys became, and how far they lie apart."""
    level = (one[overlap] / 8).astype(int)
    known = [grey for grey in range(32) if (level == grey).sum() >= 8]
    became = [float(np.median(two[overlap][level == grey])) for grey in known]
    mapped = np.interp(one, [grey * 8 + 4 for grey in known], became).astype(np.float32)
    return mapped, float(np.abs(mapped - one)[overlap].mean())


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean()) / spread if spread else 0.0


def _fine(film: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is finer than two pixels."""
    return np.asarray(film - cv2.GaussianBlur(film, (0, 0), 1.0), np.float32)

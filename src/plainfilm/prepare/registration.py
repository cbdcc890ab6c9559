"""Lay one film on another: is it the same picture, and what was done to it.

Two films of chests look alike as a whole; two copies of one picture agree in their fine structure once they lie on each other. So
one thumbnail is moved onto the other (mirrored or not, turned over or not, shifted, scaled, rotated), and what is compared is the
local contrast, window by window. Source of the refinement: Evangelidis & Psarakis 2008, the enhanced correlation coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.thumbnail import without_frame

Floats = NDArray[np.float32]

_COARSE_PX = 32
_MIDDLE_PX = 64
_SURROUNDINGS = 1 / 16  # sigma of what counts as a pixel's surroundings, share of the side
_SMOOTHING_PX = 0.8  # what is finer in a thumbnail is noise and compression
_STEEPEST = 4.0  # a grey level spread over at most so many, where levels are made equally frequent
_FLOOR = 4.0  # grey levels of an equalised thumbnail; weaker local contrast is no structure
_ANGLES = (-4.0, 0.0, 4.0)
_SCALES = (0.82, 1.0, 1.22)
_TRIED = 3  # coarse positions that are refined
# Agreement below which two films are different pictures: of 1,700 copies the least had 0.78 and 0.765.
_WORTH_ANOTHER_LOOK = 0.70  # at the coarse size
_WORTH_REFINING = 0.74  # at the middle size
_WINDOWS = 8  # a side
_COMPARED_AT_PX = 2.0  # sigma: what is finer is noise, compression, and the last error of registration
_DEVIATION_QUANTILE = 0.99
_STANDS_OUT = 1.5  # difference of local contrast that is writing rather than picture
_TRIMMED = 0.2  # of the structure, where two films agree least: a spoiled corner does not part two copies
_LEAST_STRUCTURE = 0.05  # variance of a window that has any
_FEWEST_WINDOWS = 8
_LEAST_OVERLAP = 0.3
_BLACK, _WHITE = 2, 253
_LARGEST_ANGLE, _LEAST_SCALE, _LARGEST_SCALE = 12.0, 0.65, 1.55


@dataclass(frozen=True)
class Alignment:
    """How the second film lies on the first.

    similarity: -1..1, how far the fine structure of the two agrees where they overlap: the mean correlation of their windows,
        weighted by structure, without the fifth that agrees least. -1 where too little overlaps or nothing agrees.
    coverage: share of windows whose correlation is above a half.
    deviation: the difference of local contrast that one pixel in a hundred exceeds, in standard deviations of the surroundings,
        0 to 6. A copy deviates nowhere by much, another exposure of the same chest where heart, gas or diaphragm have moved.
    matrix: (2, 3), from the first film's pixels to the second's, as shares of the side, after the mirroring.
    is_mirrored, is_inverted: left is right; black is white.
    """

    similarity: float
    coverage: float
    deviation: float
    matrix: NDArray[np.float64]
    is_mirrored: bool
    is_inverted: bool


@dataclass(frozen=True)
class Structure:
    """A thumbnail made ready: local contrast at three sizes, and where it holds a picture rather than a frame.

    film: (H, H) uint8. fine, middle, coarse: (H, H) float32. valid, middle_valid: (H, H) uint8, 1 where there is picture.
    """

    film: NDArray[np.uint8]
    fine: Floats
    middle: Floats
    coarse: Floats
    valid: NDArray[np.uint8]
    middle_valid: NDArray[np.uint8]

    @cached_property
    def posed(self) -> Floats:
        """(poses, pixels) `coarse` in every pose, made once: a film is laid on many."""
        return _posed_coarse(self.coarse)


def structure(thumbnail: NDArray[np.uint8]) -> Structure:
    """Local contrast of a thumbnail, free of exposure, contrast and gamma: (H, H) uint8."""
    valid = _picture(thumbnail)
    fine = _local_contrast(thumbnail, _window(valid))
    middle = _resized(fine, _MIDDLE_PX)
    middle_valid = np.asarray(cv2.resize(valid, (_MIDDLE_PX, _MIDDLE_PX), interpolation=cv2.INTER_NEAREST), np.uint8)
    return Structure(thumbnail, fine, middle, _resized(middle, _COARSE_PX), valid, middle_valid)


def _resized(film: Floats, side: int) -> Floats:
    return np.asarray(cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA), np.float32)


class _Window(NamedTuple):
    """Where there is picture, and what blurring makes of it: the same for all films that are looked at there."""

    valid: NDArray[np.uint8]
    weight: Floats
    smoothed: Floats
    share: Floats


def _window(valid: NDArray[np.uint8]) -> _Window:
    weight = valid.astype(np.float32)
    sigma = len(valid) * _SURROUNDINGS
    return _Window(
        valid, weight, _blurred(weight, _SMOOTHING_PX) + np.float32(1e-3), _blurred(weight, sigma) + np.float32(1e-3)
    )


def _blurred(film: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(film, (0, 0), sigma), np.float32)


def _local_contrast(film: NDArray[np.uint8], window: _Window) -> Floats:
    """How far each pixel lies from its surroundings, in their standard deviations, as if nothing were outside; -3..3."""
    counts = cv2.calcHist([film], [0], window.valid, [256], [0, 256]).ravel()
    counts = np.minimum(counts, _STEEPEST * counts.sum() / 256)  # else the noise of a black corner becomes structure
    below = np.cumsum(counts) - counts / 2
    grey = (255 * below / max(1.0, float(counts.sum()))).astype(np.float32)[film]
    sigma = len(film) * _SURROUNDINGS
    grey = _blurred(grey * window.weight, _SMOOTHING_PX) / window.smoothed
    centred = (grey - _blurred(grey * window.weight, sigma) / window.share) * window.weight
    spread = np.sqrt(_blurred(centred * centred, sigma) / window.share + _FLOOR**2)
    clipped: NDArray[np.float32] = np.clip(centred / spread, -3, 3)
    return clipped


_NOTHING_IN_COMMON = Alignment(-1.0, 0.0, 6.0, np.eye(2, 3), False, False)


def align(first: Structure, second: Structure) -> Alignment:
    """Move the second film onto the first, in the way in which they agree best."""
    best: tuple[float, NDArray[np.float32], bool, bool] | None = None
    for is_mirrored, is_inverted, start in _coarse(first, second):
        moving = _posed(second.coarse, is_mirrored, is_inverted)
        matrix = _refined(first.coarse, moving, start, 12, 1e-3)
        agreement = -1.0 if matrix is None else _agreement_at(first.coarse, moving, matrix)
        if matrix is not None and (best is None or agreement > best[0]):
            best = agreement, matrix, is_mirrored, is_inverted
    if best is None or best[0] < _WORTH_ANOTHER_LOOK:
        return _NOTHING_IN_COMMON
    _, start, is_mirrored, is_inverted = best
    moving, seen = _posed(second.middle, is_mirrored, is_inverted), _posed(second.middle_valid, is_mirrored, False)
    matrix = _refined(first.middle, moving, start, 16, 1e-3, first.middle_valid, seen)
    if matrix is None or _agreement_at(first.middle, moving, matrix) < _WORTH_REFINING:
        return _NOTHING_IN_COMMON
    side = len(first.fine)
    moving, seen = _posed(second.fine, is_mirrored, is_inverted), _posed(second.valid, is_mirrored, False)
    matrix = _refined(first.fine, moving, matrix, 40, 1e-4, first.valid, seen)
    if matrix is None:
        return _NOTHING_IN_COMMON
    pixels = _at_size(matrix, side)
    moved = _warped(_posed(second.film, is_mirrored, False).astype(np.float32), pixels)
    moved = 255 - moved if is_inverted else moved
    films = first.film, np.rint(moved).astype(np.uint8)
    inside = _warped(_posed(second.valid, is_mirrored, False).astype(np.float32), pixels) > 0.99
    both = (first.valid > 0) & inside
    unclipped = both & _unclipped(films[0]) & _unclipped(films[1])
    overlap = (unclipped if unclipped.mean() > _LEAST_OVERLAP else both).astype(np.uint8)
    window = _window(overlap)
    one, two = (_local_contrast(film, window) for film in films)
    written = cv2.dilate((np.abs(one - two) > _STANDS_OUT).astype(np.uint8), np.ones((5, 5), np.uint8))
    overlap &= np.asarray(1 - written, np.uint8)
    window = _window(overlap)
    one, two = (_local_contrast(film, window) for film in films)  # writing weighs on its surroundings too
    one, two = (_blurred(film, _COMPARED_AT_PX) for film in (one, two))
    similarity, coverage = _window_agreement(one, two, overlap)
    difference = np.abs(one - two)[overlap > 0]
    deviation = float(np.quantile(difference, _DEVIATION_QUANTILE)) if len(difference) else 6.0
    return Alignment(similarity, coverage, deviation, matrix.astype(np.float64), is_mirrored, is_inverted)


def _picture(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 inside, 0 on the constant frame around it, if there is one."""
    valid = np.zeros_like(thumbnail)
    valid[without_frame(thumbnail)] = 1
    return valid


def _unclipped(film: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a film is neither quite black nor quite white: what was there may have been cut off."""
    return (film > _BLACK) & (film < _WHITE)


def _ways() -> list[tuple[bool, NDArray[np.float32]]]:
    """The poses in which a film may lie before it is shifted, in one order for all films: mirrored or not, and a matrix."""
    centre = (_COARSE_PX - 1) / 2
    return [
        (is_mirrored, cv2.getRotationMatrix2D((centre, centre), angle, scale).astype(np.float32))
        for is_mirrored in (False, True)
        for angle in _ANGLES
        for scale in _SCALES
    ]


def _rolled() -> NDArray[np.int64]:
    """(shifts down and right, pixels) where each pixel of a coarse film comes from when it is shifted around."""
    pixels = np.arange(_COARSE_PX**2).reshape(_COARSE_PX, _COARSE_PX)
    return np.stack([np.roll(pixels, (down, right), (0, 1)).ravel() for down in _SHIFTS for right in _SHIFTS])


_POSES = _ways()
_SHIFTS = range(-(_COARSE_PX // 6), _COARSE_PX // 6 + 1)
_ROLLED = _rolled()


def _posed_coarse(film: Floats) -> Floats:
    """(poses, pixels) a coarse film in every pose, each of length 1."""
    as_seen = (film, _posed(film, True, False))
    posed = np.stack([_warped(as_seen[is_mirrored], matrix).ravel() for is_mirrored, matrix in _POSES])
    return np.asarray(posed / np.maximum(1e-6, np.linalg.norm(posed, axis=1, keepdims=True)), np.float32)


def _coarse(first: Structure, second: Structure) -> list[tuple[bool, bool, NDArray[np.float32]]]:
    """Where the two agree best at a few pixels, best first: mirrored, inverted, and a matrix in shares of the side."""
    agreement = second.posed @ first.coarse.ravel()[_ROLLED].T  # (poses, shifts)
    # (poses * 2): each pose as it is, then black for white
    places = np.stack([agreement.argmax(1), agreement.argmin(1)], axis=1).ravel()
    agreements = np.stack([agreement.max(1), -agreement.min(1)], axis=1).ravel()
    found = []
    for best in np.argsort(-agreements, kind="stable")[:_TRIED].tolist():
        pose, is_inverted = divmod(best, 2)
        down, right = divmod(int(places[best]), len(_SHIFTS))
        is_mirrored, matrix = _POSES[pose]
        shifted = matrix.copy()
        shifted[:, 2] += matrix[:, :2] @ np.array([_SHIFTS[right], _SHIFTS[down]], np.float32)
        found.append((is_mirrored, bool(is_inverted), _as_shares(shifted, _COARSE_PX)))
    return found


def _refined(
    template: Floats,
    moving: Floats,
    start: NDArray[np.float32],
    steps: int,
    least_gain: float,
    template_valid: NDArray[np.uint8] | None = None,
    moving_valid: NDArray[np.uint8] | None = None,
) -> NDArray[np.float32] | None:
    """The affine map between two films, in shares of the side; None where they have nothing in common or it is no small change."""
    side = len(template)
    everywhere = np.ones(template.shape, np.uint8)
    masks = [everywhere if mask is None else mask for mask in (template_valid, moving_valid)]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, least_gain)
    try:
        _, pixels = cv2.findTransformECCWithMask(
            template, moving, masks[0], masks[1], _at_size(start, side), cv2.MOTION_AFFINE, criteria, 3
        )
    except cv2.error:
        return None
    matrix = _as_shares(np.asarray(pixels, np.float32), side)
    return matrix if _is_plausible(matrix) else None


def _agreement_at(template: Floats, moving: Floats, matrix: NDArray[np.float32]) -> float:
    return _correlation(template, _warped(moving, _at_size(matrix, len(template))))


def _posed(film: NDArray[Any], is_mirrored: bool, is_inverted: bool) -> NDArray[Any]:
    posed = film[:, ::-1] if is_mirrored else film
    return np.ascontiguousarray(-posed if is_inverted else posed)


def _warped(film: Floats, matrix: NDArray[np.float32]) -> Floats:
    """The film as seen from the template: the matrix leads from the template's pixels to the film's."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(film, matrix, film.shape[::-1], flags=flags), np.float32)


def _at_size(shares: NDArray[np.floating], side: int) -> NDArray[np.float32]:
    """A matrix in shares of the side as one in pixels; pixel centres lie at halves."""
    matrix = shares.astype(np.float32).copy()
    matrix[:, 2] = shares[:, 2] * side + (shares[:, :2].sum(1) - 1) / 2
    return matrix


def _as_shares(pixels: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    matrix = pixels.copy()
    matrix[:, 2] = (pixels[:, 2] - (pixels[:, :2].sum(1) - 1) / 2) / side
    return matrix


def _is_plausible(matrix: NDArray[np.float32]) -> bool:
    angle, across, down = pose_of(matrix)
    return abs(angle) < _LARGEST_ANGLE and all(_LEAST_SCALE < scale < _LARGEST_SCALE for scale in (across, down))


def pose_of(matrix: NDArray[np.floating]) -> tuple[float, float, float]:
    """Rotation in degrees, and scale across and down, of a map between two films."""
    linear = matrix[:, :2]
    angle = np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    return float(angle), float(np.linalg.norm(linear[:, 0])), float(np.linalg.norm(linear[:, 1]))


def _correlation(first: Floats, second: Floats) -> float:
    product = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / product if product else 0.0


def _window_agreement(first: Floats, second: Floats, overlap: NDArray[np.uint8]) -> tuple[float, float]:
    """The mean correlation of windows, weighted by their structure, without the worst; and the share of windows that agree."""
    if overlap.mean() < _LEAST_OVERLAP:
        return -1.0, 0.0
    weight = overlap.astype(np.float32)
    inside = _window_sums(weight)
    sums = [_window_sums(values * weight) for values in (first, second, first * first, second * second, first * second)]
    one, two, one_squared, two_squared, both = (values / np.maximum(inside, 1) for values in sums)
    spread = np.sqrt(np.maximum(one_squared - one * one, 0) * np.maximum(two_squared - two * two, 0))
    counted = (inside > 0.5 * inside.max()) & (spread > _LEAST_STRUCTURE)
    if counted.sum() < _FEWEST_WINDOWS:
        return -1.0, 0.0
    agreement, structured = (both - one * two)[counted] / spread[counted], spread[counted]
    order = agreement.argsort()
    share = np.cumsum(structured[order]) / structured.sum()
    kept = order[share > _TRIMMED]
    return float(np.average(agreement[kept], weights=structured[kept])), float((agreement > 0.5).mean())


def _window_sums(values: Floats) -> Floats:
    """Sums over half-overlapping windows, a grid of 2 * _WINDOWS - 1 a side."""
    step = len(values) // (2 * _WINDOWS)
    cells = (
        values[: step * 2 * _WINDOWS, : step * 2 * _WINDOWS].reshape(2 * _WINDOWS, step, 2 * _WINDOWS, step).sum((1, 3))
    )
    pairs = cells[:-1] + cells[1:]
    return np.asarray(pairs[:, :-1] + pairs[:, 1:], np.float32)

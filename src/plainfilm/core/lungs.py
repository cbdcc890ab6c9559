"""Where the lungs are in a frontal chest film, and whether a picture holds any.

A small U-Net (`learn/lung_network.py` trained it, `models/lungs.onnx` holds it) says for each pixel of the film at 128 pixels how
likely it is lung, and for the picture as a whole whether it shows lungs. What follows is plain: a pixel is lung from one half on,
the two largest pieces stay, their holes are filled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from os import cpu_count
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from plainfilm.core.onnx_session import onnx_session
from plainfilm.core.progress import Progress, Silence

if TYPE_CHECKING:
    import onnxruntime

    from plainfilm.core.preprocess import Pixels

NO_LUNGS = "no lungs were found"
INPUT_PX = 128
_LEAST_LEVELS = 1e-3  # of the scale, between the 1st and 99th percentile; what has less is blank
_LEAST_PRESENCE = 0.95  # that the picture holds lungs; set on validation films and drawings, docs/results/lungs.md
_LEAST_SHARE = 0.01  # of the picture that must be lung
_LEAST_PIECE = 0.1  # of the larger lung, from which on a second piece is the other lung
_HALF = 128  # of 255
_BATCH = 32
_RULES = 1  # counts up when what is made of the network's answer changes


class Lungs(NamedTuple):
    """The lungs of a film.

    mask: (H, W) bool at the film's size, True inside the lungs, without heart and diaphragm; empty where none were found.
    share: 0..1, of the film.
    is_found: whether the picture holds lungs.
    """

    mask: NDArray[np.bool_]
    share: float
    is_found: bool


def find_lungs(pixels: Pixels) -> Lungs:
    """The lungs of one film, (H, W) uint8 or uint16, of any size. A blank picture, or one that is no chest film, holds none.

    Raises ValueError for pixels of another kind or shape.
    """
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16) or not pixels.size:
        raise ValueError(f"a film is (H, W) uint8 or uint16, and this is {pixels.shape} {pixels.dtype}")
    seen = network_input(pixels)
    outline = _outlines(seen[None])[0]
    height, width = pixels.shape
    mask = cv2.resize(outline, (width, height), interpolation=cv2.INTER_LINEAR) >= _HALF
    share = float(np.count_nonzero(mask) / mask.size)
    return Lungs(mask, share, share > 0)


def find_lungs_of(films: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.bool_]:
    """The lungs of many films of one size: (N, S, S) uint8 -> (N, S, S) bool, empty where none were found."""
    masks = np.zeros(films.shape, np.bool_)
    starts = range(0, len(films), _BATCH)

    def find(start: int) -> int:
        some = films[start : start + _BATCH]
        outlines = _outlines(np.stack([network_input(film) for film in some]))
        for place, outline in enumerate(outlines, start):
            masks[place] = cv2.resize(outline, films.shape[:0:-1], interpolation=cv2.INTER_LINEAR) >= _HALF
        return len(some)

    with (
        ThreadPoolExecutor(cpu_count() or 1) as pool,
        (progress or Silence()).task("Finding the lungs", len(films)) as task,
    ):
        for done in pool.map(find, starts):
            task.advance(done)
    return masks


def segmenter_version() -> str:
    """What decides where lungs are found: the network's bytes and the rules after it, as 12 hexadecimal digits."""
    return hashlib.sha256(b"%d" % _RULES + _model()).hexdigest()[:12]


def network_input(pixels: Pixels) -> NDArray[np.float32]:
    """(H, W) of any size and depth -> (128, 128) float32, 0..1 from its 1st to its 99th percentile; all 0 where it is blank."""
    side = (INPUT_PX, INPUT_PX)
    shrinks = pixels.size > INPUT_PX * INPUT_PX
    scale = np.float32(1 / np.iinfo(pixels.dtype).max)
    small = cv2.resize(pixels, side, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR).astype(np.float32)
    small = small * scale
    ordered = np.sort(small, axis=None)
    low, high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    if high - low < _LEAST_LEVELS:
        return np.zeros(side, np.float32)
    return np.asarray(np.clip((small - low) / (high - low), 0, 1), np.float32)


def probabilities(
    seen: NDArray[np.float32], session: onnxruntime.InferenceSession | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a network says of (N, 128, 128) of network_input(): (N, 128, 128) that a pixel is lung, (N,) that there are lungs.

    session: a network of one's own; without it the one that ships inside.
    """
    logit, presence = (session or _shipped()).run(["lungs", "presence"], {"films": seen[:, None]})
    return _logistic(logit[:, 0]), _logistic(presence)


def _logistic(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))), np.float32)


def _outlines(seen: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(N, 128, 128), 0 to 255: the probability of lung where lungs are, 0 elsewhere and where none were found."""
    lungs, presence = probabilities(seen)
    is_blank = ~seen.any(axis=(1, 2))
    outlines = np.zeros(lungs.shape, np.uint8)
    for place in np.flatnonzero((presence >= _LEAST_PRESENCE) & ~is_blank):
        outlines[place] = two_lungs(np.rint(lungs[place] * 255).astype(np.uint8))
    return outlines


def two_lungs(probability: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The two largest pieces of at least one half, without holes; 0 elsewhere, and everywhere where they are too small.

    probability: (H, W) 0 to 255. Around a piece the probability stays as it is, so that its edge can be drawn more finely.
    """
    is_lung = probability >= _HALF
    pieces = sorted(_pieces(is_lung), key=lambda piece: -int(piece.sum()))[:2]
    if not pieces or sum(int(piece.sum()) for piece in pieces) < _LEAST_SHARE * probability.size:
        return np.zeros_like(probability)
    kept = np.zeros_like(is_lung)
    for piece in pieces:
        if piece.sum() >= _LEAST_PIECE * pieces[0].sum():
            kept |= piece
    filled = kept | _enclosed(kept)
    rim = cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    outline = np.where(rim & ~(is_lung & ~kept), probability, np.uint8(0))
    return np.where(filled & ~kept, np.uint8(255), outline).astype(np.uint8)


def _pieces(is_set: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    count, label = cv2.connectedComponents(is_set.astype(np.uint8), connectivity=4)
    for piece in range(1, count):
        yield label == piece


def _enclosed(is_set: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where a way out to the edge of the picture is barred on all sides."""
    open_air = np.pad(~is_set, 1, constant_values=True).astype(np.uint8)
    _, label = cv2.connectedComponents(open_air, connectivity=8)
    return np.asarray((label != label[0, 0]) & (open_air > 0))[1:-1, 1:-1]


@cache
def _model() -> bytes:
    return files("plainfilm.models").joinpath("lungs.onnx").read_bytes()


@cache
def _shipped() -> onnxruntime.InferenceSession:
    return onnx_session(_model(), threads=1)  # whoever has many films has many threads

"""Which films may be twins: an embedding of every thumbnail, and for each film its nearest neighbours.

The network (`learn/twin_network.py` trained it, `models/twins.onnx` holds it) puts a film and its spoiled copies close together. It
only proposes; `registration.py` decides. The neighbours are exact: all pairs of 21,000 films take a second or two.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.onnx_session import onnx_session
from plainfilm.core.progress import Progress
from plainfilm.core.thumbnail import unframed

_BATCH = 256
_NEIGHBOURS = 12  # a film; a larger family of copies hangs together through its members
# The least cosine of a film's nearest neighbour, the second, and the others. Of 6,018 copies of films that the network never saw,
# 1 lies below 0.7 and 25 below 0.8; unrelated films lie between 0.6 and 0.85 from their nearest.
_LEAST_COSINE = (0.70, 0.70, 0.80)
_ROWS_A_BLOCK = 512  # whose cosines with all others are held at a time


def embed(thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], progress: Progress) -> NDArray[np.float32]:
    """Some rows of (N, H, H) uint8 thumbnails, without their frames -> (len(rows), D) float32 of length 1."""
    session = onnx_session(files("plainfilm.models").joinpath("twins.onnx").read_bytes())
    side = session.get_inputs()[0].shape[-1]
    factor = thumbnails.shape[1] // side
    found = []
    with progress.task("Looking for near twins", len(rows)) as task:
        for start in range(0, len(rows), _BATCH):
            films = np.stack([unframed(thumbnails[row]) for row in rows[start : start + _BATCH]])
            small = films.reshape(len(films), side, factor, side, factor).mean((2, 4), dtype=np.float32) / 255
            found.append(session.run(["embedding"], {"films": small[:, None]})[0])
            task.advance(len(films))
    return np.concatenate(found).astype(np.float32)


def candidates(embedding: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Pairs (first < second) of films that may be twins, with their cosine: of each film its nearest neighbour, and others if near.

    embedding: (N, D) float32 of length 1.
    """
    count = len(embedding)
    if count < 2:
        return []
    cosine, neighbour = _nearest(embedding, embedding, min(_NEIGHBOURS + 1, count))
    first = np.repeat(np.arange(count), neighbour.shape[1])
    second, alike = neighbour.ravel(), cosine.ravel()
    is_other = second != first
    rank = (np.cumsum(is_other.reshape(neighbour.shape), axis=1) - 1).ravel()
    kept = is_other & (alike >= np.array(_LEAST_COSINE)[np.clip(rank, 0, len(_LEAST_COSINE) - 1)])
    pairs = np.sort(np.stack([first[kept], second[kept]], 1), axis=1)
    pairs, places = np.unique(pairs, axis=0, return_index=True)
    return [(int(one), int(two), float(value)) for (one, two), value in zip(pairs, alike[kept][places], strict=True)]


def candidates_across(embedding: NDArray[np.float32], others: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Pairs of a row of `embedding` and a row of `others` that may be twins, with their cosine; sorted. Both (., D) of length 1."""
    if not len(embedding) or not len(others):
        return []
    cosine, neighbour = _nearest(embedding, others, min(_NEIGHBOURS, len(others)))
    rank = np.minimum(np.arange(neighbour.shape[1]), len(_LEAST_COSINE) - 1)
    is_near = cosine >= np.array(_LEAST_COSINE)[rank]
    return sorted(
        (int(row), int(neighbour[row, place]), float(cosine[row, place])) for row, place in np.argwhere(is_near)
    )


def _nearest(
    embedding: NDArray[np.float32], others: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cosine and place of the `count` nearest rows of `others` for each row of `embedding`, the nearest first: both (N, count)."""
    cosine = np.empty((len(embedding), count), np.float32)
    place = np.empty((len(embedding), count), np.int64)

    def search(start: int) -> None:
        rows = slice(start, start + _ROWS_A_BLOCK)
        alike = embedding[rows] @ others.T
        near = np.argpartition(alike, -count, axis=1)[:, -count:]
        near = np.take_along_axis(near, np.argsort(-np.take_along_axis(alike, near, 1), axis=1, kind="stable"), 1)
        cosine[rows], place[rows] = np.take_along_axis(alike, near, 1), near

    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        list(pool.map(search, range(0, len(embedding), _ROWS_A_BLOCK)))
    return cosine, place

"""Which films may be twins: an embedding of every thumbnail, and for each film its nearest neighbours.

The network (`learn/twin_network.py` trained it, `models/twins.onnx` holds it) puts a film and its spoiled copies close together. It
only proposes; `registration.py` decides. Neighbours come from a graph that is searched in logarithmic time (Malkov & Yashunin 2018,
HNSW), not from all pairs.
"""

from __future__ import annotations

from importlib.resources import files

import faiss
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from plainfilm.core.progress import Progress
from plainfilm.core.thumbnail import unframed

_BATCH = 256
_NEIGHBOURS = 12  # a film; a larger family of copies hangs together through its members
# The least cosine of a film's nearest neighbour, the second, and the others. Of 6,018 copies of films that the network never saw,
# 1 lies below 0.7 and 25 below 0.8; unrelated films lie between 0.6 and 0.85 from their nearest.
_LEAST_COSINE = (0.70, 0.70, 0.80)
_LINKS = 16  # HNSW: edges a node
_EXACT_BELOW = 3000  # films for which all pairs cost nothing


def embed(thumbnails: NDArray[np.uint8], rows: NDArray[np.int64], progress: Progress) -> NDArray[np.float32]:
    """Some rows of (N, H, H) uint8 thumbnails, without their frames -> (len(rows), D) float32 of length 1."""
    session = onnxruntime.InferenceSession(
        files("plainfilm.models").joinpath("twins.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
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
    cosine, neighbour = _index(embedding).search(embedding, min(_NEIGHBOURS + 1, count))
    first = np.repeat(np.arange(count), neighbour.shape[1])
    second, alike = neighbour.ravel(), cosine.ravel()
    is_other = (second >= 0) & (second != first)
    rank = (np.cumsum(is_other.reshape(neighbour.shape), axis=1) - 1).ravel()
    kept = is_other & (alike >= np.array(_LEAST_COSINE)[np.clip(rank, 0, len(_LEAST_COSINE) - 1)])
    pairs = np.sort(np.stack([first[kept], second[kept]], 1), axis=1)
    pairs, places = np.unique(pairs, axis=0, return_index=True)
    return [(int(one), int(two), float(value)) for (one, two), value in zip(pairs, alike[kept][places], strict=True)]


def candidates_across(embedding: NDArray[np.float32], others: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Pairs of a row of `embedding` and a row of `others` that may be twins, with their cosine; sorted. Both (., D) of length 1."""
    if not len(embedding) or not len(others):
        return []
    cosine, neighbour = _index(others).search(embedding, min(_NEIGHBOURS, len(others)))
    rank = np.minimum(np.arange(neighbour.shape[1]), len(_LEAST_COSINE) - 1)
    is_near = (neighbour >= 0) & (cosine >= np.array(_LEAST_COSINE)[rank])
    return sorted(
        (int(row), int(neighbour[row, place]), float(cosine[row, place])) for row, place in np.argwhere(is_near)
    )


def _index(embedding: NDArray[np.float32]) -> faiss.Index:
    """Finds the nearest of these rows: exactly where there are few, along a graph where there are many."""
    count, width = embedding.shape
    index: faiss.Index = faiss.IndexFlatIP(width)
    if count > _EXACT_BELOW:
        index = faiss.IndexHNSWFlat(width, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = 80, 64
    index.add(embedding)
    return index

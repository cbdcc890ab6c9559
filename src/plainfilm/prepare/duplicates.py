"""Near twins: the same radiograph again, resized, cropped, turned, mirrored, inverted, written on, saved anew.

    twins = find_twins(thumbnails, sha256)

Candidates come from an index of embeddings, each is confirmed by laying one film on the other. Two different films of one patient
are not twins: their ribs and vessels do not fall on each other everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.progress import Progress, Silence
from plainfilm.core.thumbnail import unframed
from plainfilm.prepare.changes import FRAMED, SAVED, changes_between
from plainfilm.prepare.registration import Alignment, Structure, align, structure
from plainfilm.prepare.twin_index import candidates, candidates_across, embed

IDENTICAL = "identical pixels"  # the kind of a pair that differs in nothing
# Two exposures of one chest in one posture reach a similarity of 0.995, where hard crops of a rescanned film have 0.991. What tells
# them apart is how far they deviate where they deviate most: heart, gas and diaphragm move, copies differ nowhere by much. Of 820
# pairs of films of one patient 1 passes; docs/results/twins.md.
_SURE = 0.997
_LEAST_SIMILARITY = 0.985
_MOST_DEVIATION = 0.38
_WORTH_THE_OTHER_WAY = 0.96  # registration may settle better the other way round
_PAIRS_A_BATCH = 256
_STRUCTURES_KEPT = 5120  # 1 GB


class Twin(NamedTuple):
    """Two films that hold one picture.

    first, second: rows. similarity: 0..1, 1 for identical pixels (see `registration.Alignment`). kind: what was done to one of
    them, several things joined by ", ".
    """

    first: int
    second: int
    similarity: float
    kind: str


def find_twins(thumbnails: NDArray[np.uint8], sha256: Sequence[str], progress: Progress | None = None) -> list[Twin]:
    """All near twins among films, and identical ones.

    thumbnails: (N, 128, 128) uint8, as `core.thumbnail.thumbnail` makes them. sha256: (N,) of the pixels, "" for a film that could
    not be read, which has no twin.
    """
    out: Progress = progress or Silence()
    first_of: dict[str, int] = {}
    twins = []
    for row, digest in enumerate(sha256):
        if digest and first_of.setdefault(digest, row) != row:
            twins.append(Twin(first_of[digest], row, 1.0, IDENTICAL))
    rows = np.array(sorted(first_of.values()), dtype=np.int64)
    if len(rows) > 1:
        pairs = candidates(embed(thumbnails, rows, out))
        found = _confirmed(thumbnails, [(int(rows[one]), int(rows[two])) for one, two, _ in pairs], out)
        twins += found
    return sorted(twins)


def find_twins_across(
    thumbnails: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64], progress: Progress | None = None
) -> list[Twin]:
    """All near twins of which the one film is among the rows `first` and the other among the rows `second`.

    thumbnails: (N, 128, 128) uint8, as for `find_twins`. first, second: rows of it without a row in common,
    readable films only. In each pair, `first` is a row of `first`; a kind says what was done to one of the two.
    """
    out: Progress = progress or Silence()
    if not len(first) or not len(second):
        return []
    embedding = embed(thumbnails, np.concatenate([first, second]), out)
    pairs = candidates_across(embedding[: len(first)], embedding[len(first) :])
    return _confirmed(thumbnails, [(int(first[one]), int(second[other])) for one, other, _ in pairs], out)


def _confirmed(thumbnails: NDArray[np.uint8], pairs: list[tuple[int, int]], progress: Progress) -> list[Twin]:
    """The pairs that are one picture."""
    ready: dict[int, Structure] = {}

    def of(row: int) -> Structure:
        known = ready.get(row)
        if known is None:
            known = ready[row] = structure(unframed(thumbnails[row]))
        return known

    def confirmed(pair: tuple[int, int]) -> Twin | None:
        for one, other in (pair, pair[::-1]):
            alignment = align(of(one), of(other))
            if is_one_picture(alignment):
                kinds = changes_between(of(one).film, of(other).film, alignment)
                is_framed = any(_differ(of(row), thumbnails[row]) for row in pair)
                kinds = (
                    [FRAMED, *(kind for kind in kinds if kind != SAVED)] if is_framed and FRAMED not in kinds else kinds
                )
                return Twin(*pair, round(float(alignment.similarity), 4), ", ".join(kinds))
            if alignment.similarity < _WORTH_THE_OTHER_WAY:
                return None
        return None

    twins = []
    workers = cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool, progress.task("Laying films on each other", len(pairs), "pairs") as task:
        for start in range(0, len(pairs), _PAIRS_A_BATCH):
            batch = pairs[start : start + _PAIRS_A_BATCH]
            twins += [twin for twin in pool.map(confirmed, batch) if twin is not None]
            task.advance(len(batch))
            done_with = batch[-1][0]  # pairs are sorted by their first film
            for row in [row for row in ready if row < done_with]:
                del ready[row]
            for row in list(ready)[: max(0, len(ready) - _STRUCTURES_KEPT)]:  # the oldest; they can be made again
                del ready[row]
    return twins


def _differ(made_ready: Structure, thumbnail: NDArray[np.uint8]) -> bool:
    """Whether a frame was taken off."""
    return not np.array_equal(made_ready.film, thumbnail)


def is_one_picture(alignment: Alignment) -> bool:
    """Whether two films that lie on each other are copies of one picture."""
    if alignment.similarity >= _SURE:
        return True
    return alignment.similarity >= _LEAST_SIMILARITY and alignment.deviation <= _MOST_DEVIATION


def twin_table(twins: Sequence[Twin], films: pd.DataFrame) -> pd.DataFrame:
    """One row a pair: image_id and twin, their labels, splits and patients, similarity, kind; the most alike first."""
    rows = pd.DataFrame(twins, columns=list(Twin._fields))
    table = pd.DataFrame({"image_id": films["image_id"].to_numpy()[rows["first"].to_numpy(dtype=int)]})
    table["twin"] = films["image_id"].to_numpy()[rows["second"].to_numpy(dtype=int)]
    for name in ("label", "split"):
        table[name] = films[name].to_numpy()[rows["first"].to_numpy(dtype=int)]
        table[f"twin_{name}"] = films[name].to_numpy()[rows["second"].to_numpy(dtype=int)]
    table["similarity"], table["kind"] = rows["similarity"].to_numpy(), rows["kind"].to_numpy()
    return table.sort_values("similarity", ascending=False, kind="stable").reset_index(drop=True)

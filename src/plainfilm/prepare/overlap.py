"""Films that two manifests have in common: the same pixels, the same patient, or near twins."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.image import read_film
from plainfilm.core.manifest import shown
from plainfilm.core.progress import Progress
from plainfilm.core.thumbnail import THUMBNAIL_PX, thumbnail
from plainfilm.errors import BadImage
from plainfilm.prepare.duplicates import find_twins_across
from plainfilm.prepare.scan import is_patient_hash

SAME_PIXELS, SAME_PATIENT, NEAR_TWIN, SAME_GROUP = (
    "same pixels",
    "same patient",
    "near twin",
    "in one group with such a film",
)
_FILMS_A_BATCH = 256


@dataclass(frozen=True)
class Overlap:
    """The films of one set that another has too.

    films: one row a film: image_id, why (one of the names above, the surest), of: the film of the other set, or the film of the
    same group that is one of these. notes: what could not be looked at or told, in sentences.
    """

    films: pd.DataFrame
    notes: tuple[str, ...]


class Thumbnails:
    """Small pictures of films on disk, each film read once. small: (N, 128, 128) uint8; is_readable: (N,)."""

    def __init__(self, paths: Sequence[Path], progress: Progress, label: str) -> None:
        self.small = np.zeros((len(paths), THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)
        self.is_readable = np.zeros(len(paths), np.bool_)
        with ThreadPoolExecutor(cpu_count() or 1) as pool, progress.task(label, len(paths)) as task:
            for start in range(0, len(paths), _FILMS_A_BATCH):
                for place, film in enumerate(pool.map(_thumbnail, paths[start : start + _FILMS_A_BATCH]), start):
                    if film is not None:
                        self.small[place], self.is_readable[place] = film, True
                    task.advance()


def find_overlap(
    films: pd.DataFrame, seen: pd.DataFrame, looks: Thumbnails, seen_looks: Thumbnails, progress: Progress
) -> Overlap:
    """Which of `films` are among `seen`, and which share a group with such a film.

    films, seen: readable rows of two manifests. looks, seen_looks: their thumbnails, the same rows. A patient_id of the one
    manifest means somebody in the other only where both films come from one source; where a source is unknown, that is noted,
    not judged.
    """
    found: dict[str, tuple[str, str]] = {}
    for pairs, why in (
        (_same(films, seen, ["sha256"]), SAME_PIXELS),
        (_same(films, seen, ["patient_id", "source"]), SAME_PATIENT),
        (_twins(films, seen, looks, seen_looks, progress), NEAR_TWIN),
    ):
        for image_id, other in pairs:
            found.setdefault(image_id, (why, other))
    group_of = dict(zip(films["image_id"], films["group"], strict=True))
    first_in = {group_of[image_id]: image_id for image_id in reversed(found) if group_of[image_id]}
    for image_id, group in group_of.items():
        if group in first_in:
            found.setdefault(image_id, (SAME_GROUP, first_in[group]))
    rows = [(image_id, *found[image_id]) for image_id in films["image_id"] if image_id in found]
    return Overlap(
        pd.DataFrame(rows, columns=["image_id", "why", "of"]), tuple(_notes(films, seen, found, looks, seen_looks))
    )


def _same(films: pd.DataFrame, seen: pd.DataFrame, keys: list[str]) -> list[tuple[str, str]]:
    """Films of both sets that agree in all of these columns, none of them unknown; the first of the seen for each."""
    one, other = (rows[(rows[keys] != "").all(axis=1)][["image_id", *keys]] for rows in (films, seen))
    joined = one.merge(other.drop_duplicates(keys), on=keys, suffixes=("", "_seen"))
    return list(zip(joined["image_id"], joined["image_id_seen"], strict=True))


def _twins(
    films: pd.DataFrame, seen: pd.DataFrame, looks: Thumbnails, seen_looks: Thumbnails, progress: Progress
) -> list[tuple[str, str]]:
    names = [*films["image_id"], *seen["image_id"]]
    ours, theirs = np.flatnonzero(looks.is_readable), len(films) + np.flatnonzero(seen_looks.is_readable)
    both: NDArray[np.uint8] = np.concatenate([looks.small, seen_looks.small])
    twins = sorted(find_twins_across(both, ours, theirs, progress), key=lambda twin: -twin.similarity)
    return [(names[twin.first], names[twin.second]) for twin in twins]


def _notes(
    films: pd.DataFrame,
    seen: pd.DataFrame,
    found: dict[str, tuple[str, str]],
    looks: Thumbnails,
    seen_looks: Thumbnails,
) -> list[str]:
    notes = []
    gone = int((~seen_looks.is_readable).sum())
    if gone:
        notes.append(
            f"{gone:,} of {len(seen):,} films of training and validation can no longer be read: near twins of these"
            " were not looked for"
        )
    hashed, seen_hashed = (
        {name for name in set(rows["patient_id"]) if is_patient_hash(name)} for rows in (films, seen)
    )
    if hashed and seen_hashed and not hashed & seen_hashed:
        notes.append(
            "both sets have patients from DICOM headers, and not one in common: if each was prepared with a key of its own,"
            " no patient can be known again. Prepare both with one --patient-key-file"
        )
    rest = films[~films["image_id"].isin(found) & (films["patient_id"] != "")]
    unknown = seen[seen["source"] == ""]
    doubtful = rest[
        rest["patient_id"].isin(unknown["patient_id"])
        | ((rest["source"] == "") & rest["patient_id"].isin(seen["patient_id"]))
    ]
    if len(doubtful):
        notes.append(
            f"{len(doubtful):,} films bear a patient_id that training films bear too, and a source is unknown: whether"
            f" it is one patient, nobody can tell, and they count ({shown(list(doubtful['image_id']))})"
        )
    return notes


def _thumbnail(path: Path) -> NDArray[np.uint8] | None:
    try:
        return thumbnail(read_film(path).pixels)
    except BadImage:
        return None

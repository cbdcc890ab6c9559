"""Open every film once: is it readable, how large is it, which pixels does it hold, what do header and file say."""

from __future__ import annotations

import hashlib
import hmac
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.files import cannot_write
from plainfilm.core.image import pixel_sha256, read_film
from plainfilm.core.progress import Progress
from plainfilm.core.thumbnail import THUMBNAIL_PX, thumbnail
from plainfilm.errors import BadImage
from plainfilm.prepare.facts import NO_FACTS, FilmFacts, facts_table, film_facts

_PATIENT_HASH = re.compile(r"p-[0-9a-f]{16}")
_FILMS_A_BATCH = 64
_FILMS_A_WRITE = 1024
_IN_MEMORY_BYTES = 1 << 29  # 32,768 thumbnails
_NOTHING = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX), np.uint8)


class Scan(NamedTuple):
    """What opening every film gave: the rows, filled in; with the same index what each file says without its anatomy; and
    (N, 128, 128) uint8 thumbnails, black where a film cannot be read.
    """

    films: pd.DataFrame
    facts: pd.DataFrame
    thumbnails: NDArray[np.uint8]


def scan_films(rows: pd.DataFrame, key: bytes, progress: Progress) -> Scan:
    """Fill width, height, sha256, status and error of each row; and patient, view, age, sex where only the header knows them.

    rows: with path (absolute), patient_id, view, age, sex as text.
    key: secret that a DICOM PatientID is hashed with, so that no name or number from a header reaches the manifest.
    A film that cannot be read becomes status `error` with the reason; the rest goes on. Two columns come on top, which the
    manifest does not keep: header_patient (the hashed PatientID) and oddities (what is odd about a readable file).
    """
    cells: list[dict[str, str]] = []
    facts: list[FilmFacts] = []
    thumbnails = _room_for(len(rows))
    with progress.task("Reading films", len(rows)) as task:
        for cells_of, facts_of, small in _read_in_order([Path(path) for path in rows["path"]], key):
            thumbnails[len(cells)] = small
            cells.append(cells_of)
            facts.append(facts_of)
            task.advance()
    found = pd.DataFrame(cells, index=rows.index, dtype=object)
    scanned = rows.copy()
    for name in ("width", "height", "sha256", "status", "error"):
        scanned[name] = found[name]
    for name in ("patient_id", "view", "age", "sex"):
        scanned[name] = rows[name].where(rows[name] != "", found[name])
    scanned["header_patient"], scanned["oddities"] = found["patient_id"], found["oddities"]
    return Scan(scanned, facts_table(facts, rows.index), thumbnails)


def patient_hash(patient_id: str, key: bytes) -> str:
    """A name for a patient that leads back to the PatientID only with the key (HMAC-SHA256, 16 hex digits)."""
    return (
        "p-" + hmac.new(key, patient_id.strip().encode(), hashlib.sha256).hexdigest()[:16] if patient_id.strip() else ""
    )


def is_patient_hash(patient_id: str) -> bool:
    """Whether a patient_id comes from a header, by whatever key, rather than from a table."""
    return _PATIENT_HASH.fullmatch(patient_id) is not None


def _room_for(films: int) -> NDArray[np.uint8]:
    """Thumbnails, all black; those of a large set in a nameless file of the temporary folder, not in memory.

    Raises CannotWrite where that folder is too full for them, before a film is read.
    """
    shape = (films, THUMBNAIL_PX, THUMBNAIL_PX)
    if films * _NOTHING.size <= _IN_MEMORY_BYTES:
        return np.zeros(shape, np.uint8)
    try:
        with tempfile.TemporaryFile() as file:
            for start in range(
                0, films, _FILMS_A_WRITE
            ):  # a file with holes would end the process when the disk fills up
                file.write(bytes(_NOTHING.size * min(_FILMS_A_WRITE, films - start)))
            file.flush()
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        raise cannot_write(Path(tempfile.gettempdir()), error) from error


def _read_in_order(paths: list[Path], key: bytes) -> Iterator[tuple[dict[str, str], FilmFacts, NDArray[np.uint8]]]:
    """Each film in order; decoding overlaps on all cores, and only a few batches are in memory at once."""
    workers = cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), _FILMS_A_BATCH * workers):
            yield from pool.map(lambda path: _read(path, key), paths[start : start + _FILMS_A_BATCH * workers])


def _read(path: Path, key: bytes) -> tuple[dict[str, str], FilmFacts, NDArray[np.uint8]]:
    """The cells of a film's row, the facts of its file, and its thumbnail."""
    try:
        film = read_film(path)
    except BadImage as error:
        blank = dict.fromkeys(("width", "height", "sha256", "patient_id", "view", "age", "sex", "oddities"), "")
        return {**blank, "status": "error", "error": error.message}, NO_FACTS, _NOTHING
    cells = {
        "width": str(film.info.width),
        "height": str(film.info.height),
        "sha256": pixel_sha256(film.pixels),
        "patient_id": patient_hash(film.info.patient_id, key),
        "view": film.info.view,
        "age": "" if film.info.age is None else f"{film.info.age:g}",
        "sex": film.info.sex,
        "oddities": "; ".join(film.info.notes),
        "status": "ok",
        "error": "",
    }
    return cells, film_facts(film), thumbnail(film.pixels)

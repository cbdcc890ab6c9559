"""Open every film once: is it readable, how large is it, which pixels does it hold, what does its header say."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path

import pandas as pd

from plainfilm.core.image import pixel_sha256, read_film
from plainfilm.core.progress import Progress
from plainfilm.errors import BadImage

_FILMS_A_BATCH = 64


def scan_films(rows: pd.DataFrame, key: bytes, progress: Progress) -> pd.DataFrame:
    """Fill width, height, sha256, status and error of each row; and patient, view, age, sex where only the header knows them.

    rows: with path (absolute), patient_id, view, age, sex as text.
    key: secret that a DICOM PatientID is hashed with, so that no name or number from a header reaches the manifest.
    A film that cannot be read becomes status `error` with the reason; the rest goes on. Two columns come on top, which the
    manifest does not keep: header_patient (the hashed PatientID) and oddities (what is odd about a readable file).
    """
    facts = []
    with progress.task("Reading films", len(rows)) as task:
        for fact in _facts_in_order([Path(path) for path in rows["path"]], key):
            facts.append(fact)
            task.advance()
    found = pd.DataFrame(facts, index=rows.index, dtype=object)
    scanned = rows.copy()
    for name in ("width", "height", "sha256", "status", "error"):
        scanned[name] = found[name]
    for name in ("patient_id", "view", "age", "sex"):
        scanned[name] = rows[name].where(rows[name] != "", found[name])
    scanned["header_patient"], scanned["oddities"] = found["patient_id"], found["oddities"]
    return scanned


def patient_hash(patient_id: str, key: bytes) -> str:
    """A name for a patient that leads back to the PatientID only with the key (HMAC-SHA256, 16 hex digits)."""
    return (
        "p-" + hmac.new(key, patient_id.strip().encode(), hashlib.sha256).hexdigest()[:16] if patient_id.strip() else ""
    )


def _facts_in_order(paths: list[Path], key: bytes) -> Iterator[dict[str, str]]:
    """Facts of each film, in order; decoding overlaps on all cores, and only a few batches are in memory at once."""
    workers = cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), _FILMS_A_BATCH * workers):
            yield from pool.map(lambda path: _facts(path, key), paths[start : start + _FILMS_A_BATCH * workers])


def _facts(path: Path, key: bytes) -> dict[str, str]:
    try:
        film = read_film(path)
    except BadImage as error:
        blank = dict.fromkeys(("width", "height", "sha256", "patient_id", "view", "age", "sex", "oddities"), "")
        return {**blank, "status": "error", "error": error.message}
    return {
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

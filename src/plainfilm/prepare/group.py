"""Which films belong together: those of one patient, and those that hold the same picture."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.prepare.scan import is_patient_hash


def group_films(films: pd.DataFrame, pairs: Iterable[tuple[int, int]] = ()) -> pd.Series[str]:
    """Name the group of each film: the closure over same patient, same pixels, and the given pairs.

    films: rows with patient_id and sha256, empty where unknown (an unknown patient is nobody else's); with header_patient, where
        it is known, a patient whom a table names on some films only is still one.
    pairs: further row positions that belong together, such as near twins.
    Returns g0000001 and so on, numbered by first appearance; "" for a film that could not be read.
    """
    parent = np.arange(len(films))
    for key in (films["patient_id"], half_named_patients(films), films["sha256"]):
        values = key.to_numpy(dtype=object)
        first: dict[str, int] = {}
        for row, value in enumerate(values):
            if value:
                _join(parent, row, first.setdefault(value, row))
    for one, other in pairs:
        _join(parent, one, other)
    roots = [_root(parent, row) for row in range(len(films))]
    numbers: dict[int, int] = {}
    names = []
    for root, status in zip(roots, films["status"], strict=True):
        names.append(f"g{numbers.setdefault(root, len(numbers) + 1):07d}" if status == "ok" else "")
    return pd.Series(names, index=films.index, dtype=object)


def what_joins(films: pd.DataFrame) -> str:
    """What makes films of a set one group, in a few words, as far as its patients are known. films: rows with patient_id."""
    is_known = films["patient_id"] != ""
    if is_known.all():
        return "same patient or same picture"
    return "same picture, or same patient where known" if is_known.any() else "same picture; no patient is known"


def half_named_patients(films: pd.DataFrame) -> pd.Series[str]:
    """The patient of each film by its DICOM header, where a table names that patient on some films and not on all; else "".

    films: rows with patient_id, and header_patient where headers were read. A PatientID that a table parts into several patients
    tells nobody: many a public set has one for all.
    """
    if "header_patient" not in films:
        return pd.Series("", index=films.index, dtype=object)
    header = films["header_patient"]
    names: dict[str, set[str]] = {}
    for patient, name in zip(header, films["patient_id"], strict=True):
        names.setdefault(patient, set()).add(name)
    half = [patient for patient, found in names.items() if len(found) == 2 and any(map(is_patient_hash, found))]
    return header.where(header.isin(half), "")


def _root(parent: NDArray[np.int64], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row


def _join(parent: NDArray[np.int64], one: int, other: int) -> None:
    low, high = sorted((_root(parent, one), _root(parent, other)))
    parent[high] = low

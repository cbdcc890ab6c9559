"""What a source holds before any film is opened: one row a film, in our columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from plainfilm.core.words import writable_name
from plainfilm.errors import BadSource

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
TABLE_COLUMNS = (
    "path",
    "image_id",
    "label",
    "source",
    "patient_id",
    "view",
    "age",
    "sex",
    "mask_path",
    "split",
    "side",
)


@dataclass(frozen=True)
class Listing:
    """The films that a source holds, before any is opened.

    layout: "database", "classes", "sides" (classes below sides of a split, or hospitals, of any name), "table" or "films".
    rows: path (absolute) and those of TABLE_COLUMNS that the layout tells; text, empty where unknown. `side` is the side of
        somebody's own split, in any words, and serves `check` alone.
    root: the folder that all paths lie under.
    has_split: whether the source came with its own train, val, test.
    notes: what a person should know (files passed over, sheet rows without a film).
    """

    layout: str
    rows: pd.DataFrame
    root: Path
    has_split: bool
    notes: list[str] = field(default_factory=list)


def listing(
    layout: str, rows: list[dict[str, str]], root: Path, notes: list[str], *, has_split: bool = False
) -> Listing:
    """A listing of rows that hold some of TABLE_COLUMNS."""
    table = pd.DataFrame(
        {name: [writable_name(row.get(name, "")) for row in rows] for name in TABLE_COLUMNS}, dtype=object
    )
    return Listing(layout, table, root, has_split, notes)


def common_folder(first: Path, others: Iterable[Path]) -> Path:
    """The deepest folder that they all lie under. All absolute."""
    for folder in others:
        while not folder.is_relative_to(first):
            first = first.parent
    return first


def known_split(name: str, path: Path) -> str:
    """train, val or test for one of their usual names, "" for none. Raises BadSource for any other."""
    if name and name.lower() not in SPLIT_FOLDERS:
        raise BadSource(f'has the split "{name}", expected train, val or test', path)
    return SPLIT_FOLDERS.get(name.lower(), "")

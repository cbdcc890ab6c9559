"""A set of films looked at as a whole: every film opened once, near twins found, groups closed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.chest import Likeness, likeness
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Progress
from plainfilm.prepare.duplicates import Twin, find_twins
from plainfilm.prepare.group import group_films
from plainfilm.prepare.scan import scan_films


@dataclass(frozen=True)
class Survey:
    """What was seen.

    films: one row a film: the manifest's columns as far as they are known, with `path` absolute, and group.
    facts: what each file says without its anatomy (`facts.facts_table`), the same rows.
    thumbnails: (N, 128, 128) uint8; black for a film that cannot be read.
    twins: pairs of rows that hold one picture.
    """

    films: pd.DataFrame
    facts: pd.DataFrame
    thumbnails: NDArray[np.uint8]
    twins: list[Twin]

    @cached_property
    def likeness(self) -> Likeness:
        """How much like a frontal chest film each looks."""
        return likeness(self.thumbnails)


def survey_films(rows: pd.DataFrame, key: bytes | None, progress: Progress, *, twins: bool = True) -> Survey:
    """Open every film, find the near twins, close the groups.

    rows: with path (absolute), patient_id, view, age, sex as text; a column `group` that is there already is kept together.
    key: secret for the hash of DICOM PatientIDs; drawn anew where None. twins: whether to look for near twins.
    """
    films, facts, thumbnails = scan_films(rows, key or secrets.token_bytes(32), progress)
    readable = films["sha256"].where(films["status"] == "ok", "")
    found = find_twins(thumbnails, list(readable), progress) if twins else []
    together = [(twin.first, twin.second) for twin in found]
    if "group" in rows:
        together += _kept_together(rows["group"])
    films["group"] = group_films(films, together)
    return Survey(films, facts, thumbnails, found)


def _kept_together(groups: pd.Series[str]) -> list[tuple[int, int]]:
    """Pairs of rows that chain each group."""
    pairs: list[tuple[int, int]] = []
    last: dict[str, int] = {}
    for row, name in enumerate(groups):
        if name:
            if name in last:
                pairs.append((last[name], row))
            last[name] = row
    return pairs


def survey_manifest(manifest: Manifest, progress: Progress) -> Survey:
    """Look at the films of a manifest again. A film that changed or vanished since becomes status `error` with the reason."""
    rows = manifest.films.reset_index(drop=True).astype({"age": object})
    rows["path"] = [str(Path(manifest.root) / path) for path in rows["path"]]
    before = rows[["sha256", "status", "error", "group"]].copy()
    surveyed = survey_films(rows, None, progress)
    films = surveyed.films
    changed = (before["status"] == "ok") & (films["status"] == "ok") & (before["sha256"] != films["sha256"])
    films.loc[changed, ["status", "error"]] = ["error", "holds other pixels than when the manifest was made"]
    return surveyed

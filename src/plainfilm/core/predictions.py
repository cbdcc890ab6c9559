"""The table of scores: one row a film, always logits, so that any rival model joins by handing in the same table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.files import written_whole
from plainfilm.core.manifest import shown
from plainfilm.core.tables import read_table
from plainfilm.errors import BadPredictions

LEADING_COLUMNS = ("image_id", "label", "split", "group", "source", "patient_id")
TRAILING_COLUMNS = ("status", "error", "model")
_LOGIT = "logit_"
# What a table from elsewhere may lack: each film then stands for itself, from nowhere, and was scored.
_WITHOUT = {"group": "", "source": "", "patient_id": "", "status": "ok", "error": ""}


@dataclass(frozen=True)
class Predictions:
    """Scores of one model on some films.

    table: one row a film; the columns image_id, label, split, group, source, patient_id (empty where unknown), one
        logit_<class> a class (NaN where the film could not be read), status, error, model. Where somebody asked whether the
        film may be answered at all, also turned_away: the reason why not, empty where it may.
    classes: in the order of the logit columns.
    embedding: (N, D) what the network's last layer was given, NaN where the film could not be read; kept in memory only.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    embedding: NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls,
        rows: pd.DataFrame,
        logit: NDArray[np.floating[Any]],
        classes: tuple[str, ...],
        model: str,
        embedding: NDArray[np.float32] | None = None,
    ) -> Predictions:
        """Scores for rows of a manifest.

        rows: N rows with image_id, status and error; the other leading columns are empty where absent.
        logit: (N, C), NaN for a film that could not be read. embedding: (N, D), likewise.
        """
        table = pd.DataFrame({name: rows[name].to_numpy() if name in rows else "" for name in LEADING_COLUMNS})
        for index, name in enumerate(classes):
            table[_LOGIT + name] = logit[:, index].astype(np.float32)
        table["status"], table["error"], table["model"] = rows["status"].to_numpy(), rows["error"].to_numpy(), model
        return cls(table, classes, embedding)

    @classmethod
    def open(cls, path: str | Path) -> Predictions:
        """Read a CSV or Parquet table of scores; a column that only a run would have may be absent (see _WITHOUT).

        Raises BadPredictions, naming the rows.
        """
        path = Path(path)
        table = read_table(path, BadPredictions)
        for column, value in {**_WITHOUT, "model": path.stem}.items():
            if column not in table:
                table[column] = value
        missing = [name for name in (*LEADING_COLUMNS, *TRAILING_COLUMNS) if name not in table]
        classes = tuple(str(name).removeprefix(_LOGIT) for name in table if str(name).startswith(_LOGIT))
        if missing or len(classes) < 2:
            raise BadPredictions(f"has no column {', '.join(missing) or 'logit_<class> for two classes'}", path)
        logit_columns = [_LOGIT + name for name in classes]
        for name in table:
            if name in logit_columns:
                text = table[name].astype(object)
                numbers = pd.to_numeric(text.where(text != "", None), errors="coerce").to_numpy(np.float64)
                with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused below
                    table[name] = numbers.astype(np.float32)
            else:
                table[name] = table[name].astype(object).where(table[name].notna(), "").astype(str)
        predictions = cls(table, classes)
        predictions._check(path)
        return predictions

    def write(self, path: str | Path) -> None:
        """Write as CSV, or as Parquet by its ending; float32 logits are written so that they read back bit for bit."""
        path = Path(path)
        with written_whole(path) as temporary:
            if path.suffix == ".parquet":
                self.table.to_parquet(temporary, index=False)
            else:
                self.table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.9g")

    @property
    def logit(self) -> NDArray[np.float64]:
        """(N, C) float64."""
        return self.table[[_LOGIT + name for name in self.classes]].to_numpy(np.float64)

    @property
    def has_score(self) -> NDArray[np.bool_]:
        """(N,) whether all logits of a row are finite."""
        return np.asarray(np.isfinite(self.logit).all(axis=1), dtype=np.bool_)

    @property
    def label_index(self) -> NDArray[np.int64]:
        """(N,) the label's place among the classes; -1 where the label is empty."""
        places = {name: index for index, name in enumerate(self.classes)}
        return np.array([places.get(label, -1) for label in self.table["label"]], dtype=np.int64)

    @property
    def group(self) -> NDArray[np.object_]:
        """(N,) the group of each film; a film without one stands for itself."""
        group = self.table["group"].where(self.table["group"] != "", "film " + self.table["image_id"])
        return np.asarray(group.to_numpy(object), np.object_)

    @property
    def turned_away(self) -> NDArray[np.object_]:
        """(N,) the reason why a film is not answered; "" where it is, or where nobody asked."""
        known = self.table.get("turned_away")
        return np.full(len(self.table), "", object) if known is None else np.asarray(known.to_numpy(object), np.object_)

    def where(self, chosen: pd.Series[bool] | NDArray[np.bool_]) -> Predictions:
        """The rows that `chosen` marks."""
        chosen = np.asarray(chosen)
        embedding = None if self.embedding is None else self.embedding[chosen]
        return Predictions(self.table[chosen].reset_index(drop=True), self.classes, embedding)

    def with_reasons(self, turned_away: Sequence[str]) -> Predictions:
        """The same scores with the reason, for each row, why the film is turned away; "" where it is not."""
        return replace(self, table=self.table.assign(turned_away=list(turned_away)))

    @property
    def judged(self) -> Predictions:
        """The rows with a label and a score: those that metrics are computed on."""
        return self.where((self.table["status"] == "ok") & (self.table["label"] != ""))

    def _check(self, path: Path) -> None:
        problems = []
        table = self.table
        scored = table["status"] == "ok"
        for rows, what in (
            (table[table["image_id"].duplicated()], "repeat an image_id"),
            (table[~table["status"].isin(["ok", "error"])], "have a status other than ok or error"),
            (
                table[~table["label"].isin([*self.classes, ""])],
                f"have a label that is none of {', '.join(self.classes)}",
            ),
            (table[scored & ~self.has_score], "are ok and have no finite logits"),
        ):
            if len(rows):
                names = shown([str(name) for name in rows["image_id"]])
                problems.append(f"rows that {what}: {names} ({len(rows)} in all)")
        given = self.logit[scored.to_numpy() & self.has_score]
        if len(given) > 1 and (given >= 0).all() and np.allclose(given.sum(axis=1), 1, atol=1e-3):
            problems.append("the columns logit_... hold probabilities: write their logarithms, which are logits")
        if problems:
            raise BadPredictions("; ".join(problems), path)

"""From a table of scores to everything that metrics.json holds.

    {
      "format_version": 1, "model": NAME, "classes": [...],
      "bootstrap": {"repeats", "level", "seed", "unit": "group"},
      "splits": {SPLIT: {
        "films", "groups", "ungrouped", "unreadable", "unlabelled": counts,
        "metrics": {NAME: interval, NAME/CLASS: interval, "support/CLASS": count},
        "confusion": {"counts": [truth][predicted], "share": [truth][predicted] intervals},
        "subgroups": {"source", "view", "sex", "age": as `plainfilm.judge.subgroups` says},
        "curves": {"roc": {CLASS: {"fpr", "value", "low", "high"}}, "pr": {CLASS: {"recall", "value", "low", "high"}}},
        "trust": of validation and test, as `plainfilm.judge.trust` says,
      }},
    }

Beside them, "file_alone": {"accuracy", "balanced_accuracy", "macro_auroc": interval}, what `prepare` reached on all films
by guessing from the file alone; empty where it did not measure that.

An interval is {"value", "low", "high"}; what is not known is None. Only splits with a film to judge are there. `films`
counts those that are judged: readable and with a label. To the measures of `plainfilm.core.metrics` come the averages
that a classification report shows: macro_specificity, and precision, recall and specificity weighted by films. All of them
rest on the calibrated probabilities, which are what the network's users are given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from plainfilm.core.bootstrap import (
    Band,
    bootstrap,
    curve_bands,
    interval_json,
)
from plainfilm.core.calibration import Calibration
from plainfilm.core.manifest import SPLITS
from plainfilm.core.predictions import Predictions
from plainfilm.errors import BadPredictions
from plainfilm.judge.judged import JudgedFilms, Resampling
from plainfilm.judge.subgroups import subgroups
from plainfilm.judge.trust import trust

FORMAT_VERSION = 1
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
_CURVE_DIGITS = 5  # of a height in 0..1: finer than any screen, a third of the file


def evaluate_predictions(
    predictions: Predictions,
    calibration: Calibration | None = None,
    films: pd.DataFrame | None = None,
    *,
    prevalence: Mapping[str, float] | None = None,
    repeats: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """Every measure of every split with its interval, from a bootstrap over groups, as the top of this file says.

    predictions: of one model; rows outside train, val and test are left out.
    calibration: what turns its logits into answers; plain softmax where None.
    films: the manifest's table, for subgroups by view, sex and age; by source alone where None.
    prevalence: class -> how common it is where the network is to be used, 0..1, for predictive values.
    repeats, seed, level: how the bootstrap is drawn.
    Raises BadPredictions where the table mixes models or leaves nothing to judge; ValueError as `bootstrap` does.
    """
    models = sorted(set(predictions.table["model"]))
    if len(models) > 1:
        raise BadPredictions(f"holds the scores of {len(models)} models ({', '.join(models)}): judge them one by one")
    splits = {name: predictions.where(predictions.table["split"] == name) for name in SPLITS}
    splits = {name: rows for name, rows in splits.items() if len(rows.judged.table)}
    if not splits:
        raise BadPredictions("has no film with a score, a label and a split (train, val or test): nothing to judge")
    calibration = calibration or Calibration.none(predictions.classes)
    resampling = Resampling(repeats, level, seed)
    found = {name: _split(rows, calibration, films, resampling) for name, rows in splits.items()}
    for name in ("val", "test"):
        if name in splits:
            found[name]["trust"] = trust(splits[name], calibration, prevalence or {}, resampling)
    return {
        "format_version": FORMAT_VERSION,
        "model": models[0],
        "classes": list(predictions.classes),
        "bootstrap": {**asdict(resampling), "unit": "group"},
        "splits": found,
    }


def shown_split(metrics: Mapping[str, Any]) -> str:
    """The split whose numbers stand first: test where it was read, else validation, else training."""
    return next(name for name in reversed(SPLITS) if name in metrics["splits"])


def _split(
    predictions: Predictions, calibration: Calibration, films: pd.DataFrame | None, resampling: Resampling
) -> dict[str, Any]:
    status, label, group = (predictions.table[name] for name in ("status", "label", "group"))
    is_readable, is_labelled = status == "ok", label != ""
    judged = JudgedFilms.of(predictions, calibration)
    measured = bootstrap(
        judged.probability, judged.label_index, judged.group, predictions.classes, **asdict(resampling)
    )
    support = np.bincount(judged.label_index, minlength=len(predictions.classes))
    return {
        "films": measured.films,
        "groups": measured.groups,
        "ungrouped": int((is_readable & is_labelled & (group == "")).sum()),
        "unreadable": int((~is_readable).sum()),
        "unlabelled": int((is_readable & ~is_labelled).sum()),
        "metrics": {
            **{name: interval_json(interval) for name, interval in measured.measures.items()},
            **{f"support/{name}": int(films) for name, films in zip(predictions.classes, support, strict=True)},
        },
        "confusion": {
            "counts": [[int(cell.value) for cell in row] for row in measured.confusion],
            "share": [[interval_json(cell) for cell in row] for row in measured.confusion_share],
        },
        "subgroups": subgroups(predictions, films, calibration, resampling),
        "curves": _curves(judged, predictions.classes, resampling),
    }


def _curves(judged: JudgedFilms, classes: tuple[str, ...], resampling: Resampling) -> dict[str, Any]:
    bands = curve_bands(judged.probability, judged.label_index, judged.group, classes, **asdict(resampling))
    return {
        "roc": {name: _band("fpr", both.roc) for name, both in bands.items()},
        "pr": {name: _band("recall", both.precision_recall) for name, both in bands.items()},
    }


def _band(along: str, band: Band) -> dict[str, list[float | None]]:
    columns = {along: band.x, "value": band.value, "low": band.low, "high": band.high}
    return {
        name: [_known(round(height, _CURVE_DIGITS)) for height in column.tolist()] for name, column in columns.items()
    }


def _known(number: float) -> float | None:
    return None if math.isnan(number) else float(number)

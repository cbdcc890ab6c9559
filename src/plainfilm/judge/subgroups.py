"""How films fare by what is known of them: source, view, sex, age band; what is unknown is a group of its own.

What `by_subgroup` gives of one column, the largest subgroup first, the unknown one ("") last; an interval is
{"value", "low", "high"}:

    [{"value": which subgroup, "films", "groups", "classes": {CLASS: films}, "predicted": {CLASS: films}, "accuracy": interval,
      "recall": {CLASS: interval}, "auroc": {CLASS: interval or None}, "turned_away": interval,
      "difference": its accuracy less that of all other films of the column, "p": of that difference, or None}]

`recall` knows the classes that the subgroup supplies; `auroc` is None where it supplies no other class to tell from. A difference
is tested only where both sides are large enough for the test to hold, and `differences` corrects for how many were tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.bootstrap import bootstrap, index_groups, interval_json
from plainfilm.core.calibration import Calibration
from plainfilm.core.paired import holm, two_sided
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Booleans
from plainfilm.judge.judged import JudgedFilms, Resampling
from plainfilm.judge.trust import shares

COLUMNS = {"source": "source", "view": "view", "sex": "sex", "age": "age band"}
AGE_BANDS = ("under 18", "18 to 39", "40 to 59", "60 to 79", "80 and over")
_LOWER_EDGES = (18, 40, 60, 80)
_EXPECTED = (
    5.0  # right and wrong answers that either side must lead one to expect, for the normal distribution to serve
)
_LEVEL = 0.05


def subgroups(
    predictions: Predictions, films: pd.DataFrame | None, calibration: Calibration, resampling: Resampling
) -> dict[str, list[dict[str, Any]]]:
    """All four columns of COLUMNS, each as `by_subgroup` gives it.

    films: the manifest's table; view, sex and age come from its row of the same image_id. Where None, the source alone.
    """
    judged = JudgedFilms.of(predictions, calibration)
    values = subgroup_values(predictions.judged.table, films)
    return {
        name: by_subgroup(judged, value, predictions.classes, resampling, order=AGE_BANDS if name == "age" else ())
        for name, value in values.items()
    }


def subgroup_values(table: pd.DataFrame, films: pd.DataFrame | None) -> dict[str, NDArray[np.object_]]:
    """For each of COLUMNS the value of each row of a table of scores, "" where unknown; films: as for `subgroups`."""
    if films is None:
        return {"source": table["source"].to_numpy(object)}
    known = films.drop_duplicates("image_id").set_index("image_id").reindex(table["image_id"])
    found = {"source": table["source"].to_numpy(object)}
    for name in ("view", "sex"):
        found[name] = np.array(["" if pd.isna(value) else str(value) for value in known[name]], object)
    found["age"] = age_bands(known["age"])
    return found


def age_bands(age: Sequence[Any] | pd.Series[Any]) -> NDArray[np.object_]:
    """(N,) ages in years, missing or "" where unknown -> (N,) one of AGE_BANDS, or ""."""
    years = pd.to_numeric(pd.Series(list(age), dtype=object), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    band = np.searchsorted(_LOWER_EDGES, years, side="right")
    return np.array([AGE_BANDS[place] if year >= 0 else "" for place, year in zip(band, years, strict=True)], object)


def by_subgroup(
    judged: JudgedFilms,
    values: NDArray[np.object_],
    classes: Sequence[str],
    resampling: Resampling,
    *,
    order: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """What holds within each subgroup, as the top of this file says.

    values: (N,) the subgroup of each film, "" where it is unknown. order: of the values; the largest first where empty.
    """
    films = pd.Series(values, dtype=object).value_counts()
    rank = {name: place for place, name in enumerate(order)}
    names = sorted(films.index, key=lambda name: (name == "", rank.get(name, 0), -films[name], name))
    return [_one(name, values == name, judged, classes, resampling) for name in names]


def _one(
    value: str, is_inside: Booleans, judged: JudgedFilms, classes: Sequence[str], resampling: Resampling
) -> dict[str, Any]:
    inside = judged.where(is_inside)
    measured = bootstrap(inside.probability, inside.label_index, inside.group, classes, **asdict(resampling)).measures
    supplied = [name for index, name in enumerate(classes) if (inside.label_index == index).any()]
    predicted = inside.probability.argmax(axis=1)
    is_away = (inside.turned_away != "")[:, None]
    difference, p = accuracy_difference(judged.is_right, is_inside, judged.group)
    return {
        "value": value,
        "films": len(inside.label_index),
        "groups": index_groups(inside.group)[1],
        "classes": {name: int((inside.label_index == classes.index(name)).sum()) for name in supplied},
        "predicted": {name: int((predicted == index).sum()) for index, name in enumerate(classes)},
        "accuracy": interval_json(measured["accuracy"]),
        "recall": {name: interval_json(measured[f"recall/{name}"]) for name in supplied},
        "auroc": {name: interval_json(measured[f"auroc/{name}"]) if len(supplied) > 1 else None for name in supplied},
        "turned_away": interval_json(shares(is_away, np.ones_like(is_away), inside.group, resampling)[0]),
        "difference": difference,
        "p": p,
    }


# Differences ----------------------------------------------------------------------------------------------------------


def accuracy_difference(
    is_right: Booleans, is_inside: Booleans, group: NDArray[np.object_]
) -> tuple[float | None, float | None]:
    """The accuracy of the films inside less that of the others, and its two-sided p-value.

    A score test: under the hypothesis that both are equally accurate, each group of films adds its deviations from the common
    accuracy, and groups are independent. p is None where either side leads one to expect fewer than five right or wrong answers, or
    has fewer than ten groups; both are None where one side is empty.
    Source: Cochran 1954, doi:10.2307/3001616 (five expected); Liang & Zeger 1986, doi:10.1093/biomet/73.1.13 (sums over groups).
    """
    inside, outside = int(is_inside.sum()), int((~is_inside).sum())
    if not inside or not outside:
        return None, None
    difference = float(is_right[is_inside].mean() - is_right[~is_inside].mean())
    accuracy = float(is_right.mean())
    place, groups = index_groups(group)
    is_large = all(
        min(accuracy, 1 - accuracy) * len(group[side]) >= _EXPECTED and index_groups(group[side])[1] >= 2 * _EXPECTED
        for side in (is_inside, ~is_inside)
    )
    if not is_large:
        return difference, None
    deviation = (is_right - accuracy) * np.where(is_inside, 1 / inside, -1 / outside)
    spread = math.sqrt(float((np.bincount(place, deviation, groups) ** 2).sum()) * groups / (groups - 1))
    return difference, two_sided(difference / spread) if spread > 0 else None


def differences(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Which subgroups' accuracy differs from that of all others beyond chance.

    found: as `subgroups` gives it. Unknown is no subgroup to speak of, and of two that share a column one says it all.
    Returns {"tested": how many, "names": which, "level", "supported": [{"column", "value", "films", "accuracy", "difference",
    "p"}]}, p corrected for all that were tested (Holm), the largest difference first.
    """
    tested = []
    for column, rows in found.items():
        candidates = [row for row in rows if row["p"] is not None and row["value"]]
        if len(rows) == 2 and len(candidates) == 2:
            candidates = [min(candidates, key=lambda row: row["difference"])]
        tested += [(column, row) for row in candidates]
    corrected = holm([row["p"] for _, row in tested])
    supported = [
        {"column": column, **{key: row[key] for key in ("value", "films", "accuracy", "difference")}, "p": p}
        for (column, row), p in zip(tested, corrected, strict=True)
        if p < _LEVEL
    ]
    return {
        "tested": len(tested),
        "names": [f"{COLUMNS[column]} {row['value']}" for column, row in tested],
        "level": _LEVEL,
        "supported": sorted(supported, key=lambda row: -abs(row["difference"])),
    }

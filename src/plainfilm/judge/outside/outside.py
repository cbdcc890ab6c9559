"""What a run is worth on films of another manifest: from a table of scores to everything that on/NAME/metrics.json holds.

    {
      "format_version": 1, "model", "classes", "bootstrap": as in metrics.json of a run,
      "vocabulary": {"matched": {THEIRS: OURS}, "missing": [OURS], "foreign": [THEIRS], "near": {THEIRS: OURS}, "stated": [THEIRS]},
      "counts": {"films", "unreadable", "left_out", "judged", "foreign", "unlabelled"},
      "scores": as a split of a run's metrics.json but for "subgroups", of the judged films; null where no film can be judged,
      "called": [{"label": THEIRS or "", "ours": OURS or null, "films", "groups", "predicted": {OURS: films},
                  "turned_away": interval, "single_set": interval or null}],   what the run calls the films of each label there
      "pairwise_auroc": [{"source": a source or null for all films, "classes": [A, B], "films": [a, b], "auroc": interval}],
      "foreign_auroc": [{"class": OURS, "label": THEIRS that the run does not know, "films": [a, b], "auroc": interval of p(OURS)}],
      "subgroups": {COLUMN: as `judge.subgroups.by_subgroup` says}, "differences": as `judge.subgroups.differences` says,
      "gap": {"own": the split held against, "parts": [{"sources": "unseen" | "unknown" | "seen" | "all", "names": [...], "films",
              "groups", "classes": [OURS], "own_films", "own_groups", "alike": {SOURCE: seen source of a like name},
              MEASURE: {"own" (the accuracy at the mix of classes of "there"), "there", "loss": interval}}]},
      "negatives": [{"label": OURS, "is_sure": whether the labels exclude it, "films", "groups", "called": interval,
                     "above": [{"aim", "wanted", "threshold", "share": interval}]}],
      "left_out": [{"image_id", "label", "why", "of": training film}], "notes": [...],
    }

Films that are among the run's own, in any split, never count. A label of theirs that is none of ours never enters a score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, index_groups, interval_json
from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Booleans
from plainfilm.judge.evaluate import evaluate_predictions
from plainfilm.judge.judged import Resampling
from plainfilm.judge.outside.contrasts import against_foreign, pairwise
from plainfilm.judge.outside.gap import Own, gaps
from plainfilm.judge.outside.vocabulary import Vocabulary
from plainfilm.judge.subgroups import differences
from plainfilm.judge.trust import shares

FORMAT_VERSION = 1
_ALL_AS_ONE = "test"  # evaluate_predictions judges splits; outside there is one


@dataclass(frozen=True)
class Acquaintance:
    """What the run has seen before.

    sources: those of its training films; None where nobody knows them. left_out: one row a film that it may know, with
    image_id, why and of. notes: what could not be looked for.
    """

    sources: frozenset[str] | None
    left_out: pd.DataFrame
    notes: tuple[str, ...] = ()


def relabelled(predictions: Predictions, vocabulary: Vocabulary) -> Predictions:
    """The same scores with our classes as `label`, "" where we have none, and their word as `label_there`."""
    theirs = predictions.table["label"]
    ours = theirs.map(lambda label: vocabulary.ours.get(label, ""))
    table = predictions.table.assign(label=ours, split="", label_there=theirs)
    return Predictions(table, predictions.classes, predictions.embedding)


def judge_outside(
    predictions: Predictions,
    films: pd.DataFrame,
    vocabulary: Vocabulary,
    calibration: Calibration,
    own: Own | None,
    known: Acquaintance,
    prevalence: Mapping[str, float] | None = None,
    resampling: Resampling | None = None,
) -> dict[str, Any]:
    """Everything that the top of this file lists.

    predictions: as `relabelled` gives them, with the reasons for which films are turned away. films: their manifest's table.
    prevalence: class -> how common it is where the run is to be used, 0..1.
    """
    drawing = resampling or Resampling()
    rows = predictions.where(~predictions.table["image_id"].isin(known.left_out["image_id"]))
    readable = rows.where(rows.table["status"] == "ok")
    judged = readable.judged
    table = predictions.table
    is_left_out = table["image_id"].isin(known.left_out["image_id"])
    label_of = dict(zip(table["image_id"], table["label_there"], strict=True))
    has_films = len(judged.table) > 0
    scores = _scores(judged, films, calibration, prevalence, drawing) if has_films else None
    found = scores.pop("subgroups") if scores else {}
    return {
        "format_version": FORMAT_VERSION,
        "model": str(table["model"].iloc[0]),
        "classes": list(predictions.classes),
        "bootstrap": {**asdict(drawing), "unit": "group"},
        "vocabulary": vocabulary.to_dict(),
        "counts": {
            "films": len(table),
            "unreadable": int((table["status"] != "ok").sum()),
            "left_out": int(is_left_out.sum()),
            "judged": len(judged.table),
            "foreign": int(((readable.table["label"] == "") & (readable.table["label_there"] != "")).sum()),
            "unlabelled": int((readable.table["label_there"] == "").sum()),
        },
        "scores": scores,
        "called": [
            _called(readable, label, vocabulary, calibration, drawing) for label in _labels(readable, vocabulary)
        ],
        "pairwise_auroc": list(pairwise(judged, calibration, drawing)) if has_films else [],
        "foreign_auroc": list(against_foreign(readable, calibration, drawing)),
        "subgroups": found,
        "differences": differences(found),
        "gap": {
            "own": own.split if own else None,
            "parts": list(gaps(judged, calibration, own, known.sources, drawing)) if has_films else [],
        },
        "negatives": (
            [_negatives(readable, name, calibration, drawing) for name in vocabulary.missing]
            if (readable.table["label_there"] != "").any()
            else []
        ),
        "left_out": [{**row, "label": label_of.get(row["image_id"], "")} for row in known.left_out.to_dict("records")],
        "notes": list(known.notes),
    }


def _scores(
    judged: Predictions,
    films: pd.DataFrame,
    calibration: Calibration,
    prevalence: Mapping[str, float] | None,
    drawing: Resampling,
) -> dict[str, Any]:
    as_split = Predictions(judged.table.assign(split=_ALL_AS_ONE), judged.classes, judged.embedding)
    metrics = evaluate_predictions(as_split, calibration, films, prevalence=prevalence, **asdict(drawing))
    scores: dict[str, Any] = metrics["splits"][_ALL_AS_ONE]
    return scores


# What the run calls them ----------------------------------------------------------------------------------------------


def _labels(rows: Predictions, vocabulary: Vocabulary) -> list[str]:
    """The labels there: those that are ours in our order, then the others, the most frequent first, none at the end."""
    films = rows.table["label_there"].value_counts()
    ours = [label for name in rows.classes for label, our in vocabulary.ours.items() if our == name and label in films]
    others = sorted(
        (label for label in films.index if label not in ours), key=lambda label: (label == "", -films[label])
    )
    return [*ours, *others]


def _called(
    rows: Predictions, label: str, vocabulary: Vocabulary, calibration: Calibration, drawing: Resampling
) -> dict[str, Any]:
    inside = rows.where(rows.table["label_there"] == label)
    predicted = calibration.probability(inside.logit).argmax(axis=1)
    is_away = inside.turned_away != ""
    is_single = calibration.prediction_set(inside.logit).sum(axis=1) == 1
    away, single = _shares(np.stack([is_away, is_single], axis=1), inside.group, drawing)
    return {
        "label": label,
        "ours": vocabulary.ours.get(label),
        "films": len(predicted),
        "groups": index_groups(inside.group)[1],
        "predicted": {name: int((predicted == index).sum()) for index, name in enumerate(rows.classes)},
        "turned_away": interval_json(away),
        "single_set": None if calibration.conformal is None else interval_json(single),
    }


def _negatives(rows: Predictions, label: str, calibration: Calibration, drawing: Resampling) -> dict[str, Any]:
    """How often films of the run's other classes, which are negative for sure, are taken for a class that has no film here.

    Where there is none of those: films of the labels that the run does not know, if their labels exclude the class.
    """
    is_sure = bool((rows.table["label"] != "").any())
    labelled = rows.where(rows.table["label" if is_sure else "label_there"] != "")
    probability = calibration.probability(labelled.logit)
    place = rows.classes.index(label)
    points = [point for point in calibration.operating_points if point.label == label]
    is_called = [probability.argmax(axis=1) == place, *(probability[:, place] >= point.threshold for point in points)]
    called, *above = _shares(np.stack(is_called, axis=1), labelled.group, drawing)
    return {
        "label": label,
        "is_sure": is_sure,
        "films": len(labelled.table),
        "groups": index_groups(labelled.group)[1],
        "called": interval_json(called),
        "above": [
            {"aim": point.aim, "wanted": point.wanted, "threshold": point.threshold, "share": interval_json(share)}
            for point, share in zip(points, above, strict=True)
        ],
    }


def _shares(is_so: Booleans, group: NDArray[np.object_], drawing: Resampling) -> list[Interval]:
    """(N, K) facts of films -> the share of films for which each holds."""
    return shares(is_so, np.ones_like(is_so), group, drawing)

"""How far answers can be trusted: are probabilities what they say, do thresholds, prediction sets and refusals keep their word?

What `trust` gives of one split, for metrics.json; an interval is {"value", "low", "high"}:

    "calibration": {"before": {"ece", "classwise_ece", "brier", "log_loss": interval}, "after": the same,
        "reliability": {"before": bins, "after": bins}}   bins: {"lower", "upper", "films", "probability", "share": lists}
    "operating_points": [{"label", "aim", "wanted", "threshold", "reached", "rests_on", "sensitivity", "specificity", "ppv", "npv":
        interval, "prevalence": share here, "at_prevalence": [{"prevalence", "ppv", "npv"}], "curve": {"prevalence", "ppv", "npv"}}]
    "prediction_sets": {"error", "coverage": interval, "size": interval, "single", "empty", "several": interval,
        "single_accuracy": interval, "by_class": {CLASS: {"films", "coverage", "size"}}}
    "selective": {"area": interval, "coverage": [..], "value": [..], "low": [..], "high": [..]}   error against share answered
    "turned_away": {"share": interval, "films", "reasons": {REASON: films}, "accuracy_of_the_rest": interval}
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.bootstrap import Interval, bootstrap, index_groups, interval_json, percentile_interval, resample
from plainfilm.core.calibration import Calibration, OperatingPoint
from plainfilm.core.intervals import effective_groups, share_ends, standard_error
from plainfilm.core.metrics import reliability
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Floats, Integers, each_once, share_of
from plainfilm.judge.judged import JudgedFilms, Resampling

CALIBRATION_MEASURES = ("ece", "classwise_ece", "brier", "log_loss")
_CURVE_PREVALENCES = np.geomspace(0.001, 0.5, 41)
_COVERAGES = np.linspace(0.02, 1, 50)
_DIGITS = 5


def trust(
    predictions: Predictions, calibration: Calibration, prevalence: Mapping[str, float], drawing: Resampling
) -> dict[str, Any]:
    """All of the above for the judged films of a table.

    prevalence: class -> the share of people who have it where the network is to be used, 0..1.
    """
    films = JudgedFilms.of(predictions, calibration)
    found: dict[str, Any] = {"calibration": _calibration(films, predictions.classes, calibration, drawing)}
    found["operating_points"] = [
        _operating_point(point, films, predictions.classes, prevalence.get(point.label), drawing)
        for point in calibration.operating_points
    ]
    if calibration.conformal is not None:
        found["prediction_sets"] = _prediction_sets(films, predictions.classes, calibration, drawing)
    found["selective"] = _selective(films, drawing)
    if calibration.familiarity is not None or calibration.gate:
        found["turned_away"] = _turned_away(films, drawing)
    return found


def shares(
    part: NDArray[np.bool_], whole: NDArray[np.bool_], group: NDArray[np.object_], drawing: Resampling
) -> list[Interval]:
    """K shares of films, each with its interval over groups. part, whole: (N, K); the films of a part belong to its whole."""
    place, groups = index_groups(group)
    value, replicate = _replicates(part, whole, group, drawing)
    if groups < 2:
        return [Interval(one, math.nan, math.nan) for one in value.tolist()]
    error = standard_error(replicate, groups)
    low, high = share_ends(
        value, error, effective_groups(place, whole), whole.sum(axis=0).astype(np.float64), drawing.level
    )
    return [Interval(*row) for row in np.stack([value, low, high], axis=1).tolist()]


def _replicates(
    part: NDArray[Any], whole: NDArray[Any], group: NDArray[np.object_], drawing: Resampling
) -> tuple[Floats, Floats]:
    """(K,) ratios of sums over films, and (R, K) the same in every replicate. part, whole: (N, K)."""
    place, groups = index_groups(group)
    count = part.shape[1]
    of_groups = np.zeros((groups, 2 * count))
    np.add.at(of_groups, place, np.hstack([part, whole]))

    def statistic(weight: Integers) -> Floats:
        sums = weight.astype(np.float64) @ of_groups
        return share_of(sums[:, :count], sums[:, count:])

    replicate = resample(statistic, range(groups), repeats=drawing.repeats, seed=drawing.seed)
    return statistic(each_once(groups))[0], replicate


# Probabilities --------------------------------------------------------------------------------------------------------


def _calibration(
    films: JudgedFilms, classes: Sequence[str], calibration: Calibration, drawing: Resampling
) -> dict[str, Any]:
    raw = Calibration.none(classes).probability(films.logit)
    found: dict[str, Any] = {"reliability": {}}
    for when, probability in (("before", raw), ("after", films.probability)):
        measured = bootstrap(
            probability,
            films.label_index,
            films.group,
            classes,
            repeats=drawing.repeats,
            seed=drawing.seed,
            level=drawing.level,
        ).measures
        found[when] = {name: interval_json(measured[name]) for name in CALIBRATION_MEASURES}
        bins = asdict(reliability(probability, films.label_index, classes))
        found["reliability"][when] = {
            name: [_rounded(number) for number in column.tolist()] for name, column in bins.items()
        }
    return found


# Thresholds -----------------------------------------------------------------------------------------------------------


def _operating_point(
    point: OperatingPoint, films: JudgedFilms, classes: Sequence[str], prevalence: float | None, drawing: Resampling
) -> dict[str, Any]:
    c = list(classes).index(point.label)
    is_positive, is_called = films.label_index == c, films.probability[:, c] >= point.threshold
    right = [is_positive & is_called, ~is_positive & ~is_called]
    part = np.stack([*right, *right], axis=1)
    whole = np.stack([is_positive, ~is_positive, is_called, ~is_called], axis=1)
    sensitivity, specificity, ppv, npv = shares(part, whole, films.group, drawing)
    asked = [] if prevalence is None else [prevalence]
    curve = [predictive_values(sensitivity, specificity, share) for share in (*_CURVE_PREVALENCES.tolist(), *asked)]
    along = len(_CURVE_PREVALENCES)
    return {
        "label": point.label,
        "aim": point.aim,
        "wanted": point.wanted,
        "threshold": point.threshold,
        "reached": point.reached,
        "rests_on": point.films,
        "sensitivity": interval_json(sensitivity),
        "specificity": interval_json(specificity),
        "ppv": interval_json(ppv),
        "npv": interval_json(npv),
        "prevalence": float(is_positive.mean()),
        "at_prevalence": [
            {"prevalence": share, "ppv": interval_json(both[0]), "npv": interval_json(both[1])}
            for share, both in zip(asked, curve[along:], strict=True)
        ],
        "curve": {
            "prevalence": [round(float(share), _DIGITS) for share in _CURVE_PREVALENCES],
            "ppv": _columns([both[0] for both in curve[:along]]),
            "npv": _columns([both[1] for both in curve[:along]]),
        },
    }


def predictive_values(sensitivity: Interval, specificity: Interval, prevalence: float) -> tuple[Interval, Interval]:
    """PPV and NPV where the class is as common as the prevalence, 0..1, says.

    The odds of a positive film are those of the prevalence times sensitivity / (1 - specificity), and their ends come from the ends
    of both (MOVER for a ratio; Zou & Donner 2008, doi:10.1002/sim.3095); NPV likewise.
    """
    odds = prevalence / (1 - prevalence)
    return _after_ratio(sensitivity, specificity, odds), _after_ratio(specificity, sensitivity, 1 / odds)


def _after_ratio(of: Interval, against: Interval, odds: float) -> Interval:
    """The probability whose odds are `odds * of / (1 - against)`."""
    above, below = (
        _logarithms(of.value, of.low, of.high),
        _logarithms(1 - against.value, 1 - against.high, 1 - against.low),
    )
    middle = above[0] - below[0]
    low = middle - math.hypot(above[0] - above[1], below[2] - below[0])
    high = middle + math.hypot(above[2] - above[0], below[0] - below[1])
    if below[0] == -math.inf:  # nothing was called falsely: what is known is how much could have been
        low, high = above[1] - below[2], math.inf
    if above[0] == -math.inf:
        low, high = -math.inf, above[2] - below[1]
    return Interval(*(_probability(math.log(odds) + one) for one in (middle, low, high)))


def _logarithms(*numbers: float) -> list[float]:
    return [math.log(one) if one > 0 else -math.inf if one <= 0 else math.nan for one in numbers]


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0 if log_odds <= -700 else math.nan


# Refusing to answer ---------------------------------------------------------------------------------------------------


def _prediction_sets(
    films: JudgedFilms, classes: Sequence[str], calibration: Calibration, drawing: Resampling
) -> dict[str, Any]:
    assert calibration.conformal is not None
    held = calibration.conformal.prediction_set(films.probability, calibration.error)
    rows = np.arange(len(held))
    is_covered, size = held[rows, films.label_index], held.sum(axis=1)
    everyone = np.ones(len(held), np.bool_)
    is_class = films.label_index[:, None] == np.arange(len(classes))
    is_single = size == 1
    columns = [
        (is_covered, everyone), (is_single, everyone), (size == 0, everyone), (size > 1, everyone),
        (is_single & is_covered, is_single), *((is_class[:, c] & is_covered, is_class[:, c]) for c in range(len(classes))),
    ]  # fmt: skip
    part, whole = (np.stack(side, axis=1) for side in zip(*columns, strict=True))
    found = [interval_json(one) for one in shares(part, whole, films.group, drawing)]
    names = ("coverage", "single", "empty", "several", "single_accuracy")
    sizes = _mean_sizes(size, np.column_stack([everyone, is_class]), films.group, drawing)
    of_class = found[len(names) :]
    return {
        "error": calibration.error,
        **dict(zip(names, found, strict=False)),
        "size": interval_json(sizes[0]),
        "by_class": {
            name: {
                "films": int(is_class[:, c].sum()),
                "coverage": of_class[c],
                "size": interval_json(sizes[1 + c]),
                "least_error": calibration.conformal.least_error()[c],
            }
            for c, name in enumerate(classes)
        },
    }


def _mean_sizes(
    size: Integers, whole: NDArray[np.bool_], group: NDArray[np.object_], drawing: Resampling
) -> list[Interval]:
    """The mean number of classes in the sets of the films of each column of whole (N, K)."""
    value, replicate = _replicates(size[:, None] * whole, whole, group, drawing)
    low, high, undefined_share = percentile_interval(replicate, drawing.level)
    return [Interval(*row) for row in np.stack([value, low, high, undefined_share], axis=1).tolist()]


def _selective(films: JudgedFilms, drawing: Resampling) -> dict[str, Any]:
    """The share of wrong answers among those of which the network is surest, over the share that is answered.

    Films that are turned away come last. Source: Geifman & El-Yaniv 2017, arXiv:1705.08500.
    """
    confidence = films.probability.max(axis=1) - (films.turned_away != "")
    order = np.argsort(-confidence, kind="stable")
    is_wrong = (~films.is_right[order]).astype(np.int64)

    def statistic(weight: Integers) -> Floats:
        answered = np.cumsum(weight[:, order], axis=1, dtype=np.int64)  # (W, N)
        wrong = np.cumsum(weight[:, order] * is_wrong, axis=1, dtype=np.int64)
        total = answered[:, -1:]
        risk = wrong / np.maximum(answered, 1)
        area = share_of((risk * weight[:, order]).sum(axis=1, keepdims=True), total)
        places = np.stack([np.searchsorted(row, np.ceil(_COVERAGES * row[-1] - 1e-9)) for row in answered])
        return np.hstack([area, np.take_along_axis(risk, places, axis=1)])

    place, groups = index_groups(films.group)
    value = statistic(each_once(len(order)))[0]
    replicate = resample(statistic, films.group, repeats=drawing.repeats, seed=drawing.seed)
    error = standard_error(replicate, groups) if groups > 1 else np.zeros(len(value))
    reached = np.append(1, _COVERAGES)  # the area is a mean over all films
    of_groups = effective_groups(place, np.ones((len(order), 1), np.bool_)) * reached
    error[(value == 0) | (value == 1)] = (
        0  # who is among the surest changes from draw to draw; that none of them is wrong is known
    )
    low, high = share_ends(value, error, of_groups, len(order) * reached, drawing.level)
    area, *along = (Interval(*row) for row in np.stack([value, low, high], axis=1).tolist())
    return {"area": interval_json(area), "coverage": [round(float(x), _DIGITS) for x in _COVERAGES], **_columns(along)}


def _turned_away(films: JudgedFilms, drawing: Resampling) -> dict[str, Any]:
    is_away = films.turned_away != ""
    part = np.stack([is_away, ~is_away & films.is_right], axis=1)
    whole = np.stack([np.ones(len(is_away), np.bool_), ~is_away], axis=1)
    share, accuracy = shares(part, whole, films.group, drawing)
    return {
        "share": interval_json(share),
        "films": int(is_away.sum()),
        "reasons": dict(Counter(films.turned_away[is_away].tolist()).most_common()),
        "accuracy_of_the_rest": interval_json(accuracy),
    }


def _columns(intervals: Sequence[Interval]) -> dict[str, list[float | None]]:
    return {end: [_rounded(getattr(one, end)) for one in intervals] for end in ("value", "low", "high")}


def _rounded(number: float) -> float | None:
    return None if math.isnan(number) else round(number, _DIGITS)

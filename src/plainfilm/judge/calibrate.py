"""Fit what turns logits into answers: probabilities that mean something, thresholds, prediction sets, the limit of the familiar.

Training films tell what the network's embedding looks like; everything else is fitted on validation films. The test split is not
looked at.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import log_softmax
from scipy.stats import t as student

from plainfilm.core.bootstrap import index_groups
from plainfilm.core.calibration import (
    Aim,
    Calibration,
    Conformal,
    Familiarity,
    OperatingPoint,
    Scaling,
    Wishes,
    rooted,
)
from plainfilm.core.manifest import shown
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Floats, Integers
from plainfilm.core.words import counted

_LEAST_WEIGHT, _MOST_WEIGHT = 1e-3, 1e3  # of logits of unit spread; below the first, they hardly tell anything apart
_FEWEST_GROUPS = 10  # for a temperature
_FOLDS = 5
_RIDGE = 1e-4  # of vector scaling, a film: keeps biases that nothing tells apart near 0
_SURELY = 1.645  # standard errors by which vector scaling must be better than a temperature on films that neither saw
_DIRECTIONS = 64  # of the embedding that are measured one by one
_FILMS_A_DIRECTION = 10
_TURNED_AWAY = 0.01  # share of validation films that may be turned away altogether
_GATE_ERRS = 0.02  # a reason that more of the validation films give says more of the set than of the films
_FEW = 30


def calibrate(train: Predictions, validation: Predictions, wishes: Wishes, gate: Sequence[str] = ()) -> Calibration:
    """Fit everything.

    train, validation: the scores on those splits, with embeddings where the films are to be told from unfamiliar ones.
    gate: (N,) what the gate says of each row of `validation`; empty where it was not asked.
    Raises BadConfig where a wish cannot be meant.
    """
    wishes.check(validation.classes)
    is_judged = (validation.table["status"] == "ok").to_numpy() & (validation.table["label"] != "").to_numpy()
    judged, said = validation.judged, np.array(gate, dtype=object)[is_judged] if len(gate) else None
    notes: list[str] = []
    if not len(judged.table):
        return replace(Calibration.none(validation.classes), notes=("no validation film: nothing was fitted",))
    group = judged.group
    scaling = fit_scaling(judged.logit, judged.label_index, group, notes)
    probability = scaling.probability(judged.logit)
    allowed = _reasons_kept(said, notes) if said is not None else ()
    is_past_gate = np.ones(len(judged.table), np.bool_) if said is None else ~np.isin(said, allowed)
    return Calibration(
        validation.classes,
        scaling,
        fit_conformal(probability, judged.label_index, validation.classes, wishes.error, notes),
        wishes.error,
        tuple(fit_operating_points(probability, judged.label_index, validation.classes, wishes, notes)),
        _fit_familiarity(train.judged, judged, is_past_gate, notes),
        allowed,
        len(judged.table),
        index_groups(group)[1],
        tuple(notes),
    )


# Probabilities --------------------------------------------------------------------------------------------------------


def fit_scaling(
    logit: Floats, label_index: Integers, group: Sequence[str] | NDArray[np.object_], notes: list[str]
) -> Scaling:
    """The temperature, or the vector scaling where that is surely better on films that it was not fitted on.

    logit (N, C), label_index (N,), group (N,): validation. notes: what a reader should know is added to it.
    """
    place, groups = index_groups(group)
    if groups < _FEWEST_GROUPS:
        notes.append(f"probabilities are not rescaled: {counted(groups, 'validation group')} cannot tell a temperature")
        return Scaling.none(logit.shape[1])
    temperature = fit_temperature(logit, label_index)
    if temperature.kind == "none":
        notes.append(
            "probabilities are not rescaled: any temperature suits validation films that are all answered rightly or alike"
        )
        return temperature
    if temperature.weight[0] * logit.std() <= _LEAST_WEIGHT * 1.01:
        notes.append(
            "the temperature is as high as it may be: on validation films the network's sureness means nothing"
        )
    if groups < _FEW * 2:
        return temperature
    fold = np.random.default_rng(0).permutation(groups)[place] % _FOLDS
    gain = np.zeros(len(logit))
    for one in range(_FOLDS):
        rest, here = fold != one, fold == one
        losses = [
            _losses(scaling, logit[here], label_index[here])
            for scaling in (fit_temperature(logit[rest], label_index[rest]), fit_vector(logit[rest], label_index[rest]))
        ]
        gain[here] = losses[0] - losses[1]
    of_group = np.bincount(place, gain - gain.mean(), groups)
    error = math.sqrt((of_group**2).sum()) / len(gain)
    return fit_vector(logit, label_index) if gain.mean() > _SURELY * error else temperature


def fit_temperature(logit: Floats, label_index: Integers) -> Scaling:
    """The one temperature of the smallest log loss, no higher than flattens the probabilities altogether.

    No scaling where the loss falls for ever: films that are all answered rightly would be told ever more surely.
    logit: (N, C) finite; label_index: (N,) in 0..C-1. Source: Guo et al. 2017, arXiv:1706.04599.
    """
    classes, spread = logit.shape[1], float(logit.std())
    rows = np.arange(len(logit))

    def slope(weight: float) -> float:
        probability = np.exp(log_softmax(logit * weight, axis=1))
        return float(((probability * logit).sum(axis=1) - logit[rows, label_index]).mean())

    if spread == 0:
        return Scaling.none(classes)
    low, high = _LEAST_WEIGHT / spread, _MOST_WEIGHT / spread
    if slope(high) <= 0:
        return Scaling.none(classes)
    weight = low if slope(low) >= 0 else float(brentq(slope, low, high, xtol=1e-14 / spread, rtol=8.9e-16))
    return Scaling("temperature", (weight,) * classes, (0.0,) * classes)


def fit_vector(logit: Floats, label_index: Integers) -> Scaling:
    """A weight and a bias a class, of the smallest log loss, drawn very slightly to the temperature.

    Takes what `fit_temperature` takes. Biases sum to 0. Source: Guo et al. 2017, arXiv:1706.04599.
    """
    films, classes = logit.shape
    start = np.concatenate([fit_temperature(logit, label_index).weight, np.zeros(classes)])
    is_label = np.eye(classes)[label_index]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weight, bias = parameters[:classes], parameters[classes:]
        log_probability = log_softmax(logit * weight + bias, axis=1)
        away = parameters - start
        off = (np.exp(log_probability) - is_label) / films
        gradient = np.concatenate([(off * logit).sum(axis=0), off.sum(axis=0)]) + 2 * _RIDGE * away
        return float(-(log_probability * is_label).sum() / films + _RIDGE * (away**2).sum()), gradient

    bounds = [(start[0] / 100, start[0] * 100)] * classes + [(None, None)] * classes
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000, "ftol": 1e-15}
    ).x
    weight, bias = found[:classes], found[classes:] - found[classes:].mean()
    return Scaling("vector", tuple(map(float, weight)), tuple(map(float, bias)))


def _losses(scaling: Scaling, logit: Floats, label_index: Integers) -> Floats:
    """(N,) log loss of each film."""
    probability = scaling.probability(logit)[np.arange(len(logit)), label_index]
    return np.asarray(-np.log(np.maximum(probability, np.finfo(np.float64).tiny)), np.float64)


# Sets and thresholds --------------------------------------------------------------------------------------------------


def fit_conformal(
    probability: Floats, label_index: Integers, classes: Sequence[str], error: float, notes: list[str]
) -> Conformal:
    """What the validation films of each class were given for it. probability: (N, C) calibrated; error: the wanted one."""
    fitted = Conformal(tuple(tuple(np.sort(probability[label_index == c, c]).tolist()) for c in range(len(classes))))
    lost = [name for name, least in zip(classes, fitted.least_error(), strict=True) if least > error]
    if lost:
        notes.append(
            f"in every prediction set, for want of validation films (an error of {error:g} needs {math.ceil(1 / error) - 1}): "
            f"{shown(lost)}"
        )
    return fitted


def fit_operating_points(
    probability: Floats, label_index: Integers, classes: Sequence[str], wishes: Wishes, notes: list[str]
) -> list[OperatingPoint]:
    """For each class, the highest threshold that reaches the wanted sensitivity, and the lowest for the wanted specificity.

    probability: (N, C) calibrated. A class without positive or negative films in validation has none.
    """
    points = []
    for c, label in enumerate(classes):
        is_positive = label_index == c
        asked: tuple[tuple[Aim, Mapping[str, float], NDArray[np.bool_]], ...] = (
            ("sensitivity", wishes.sensitivity, is_positive),
            ("specificity", wishes.specificity, ~is_positive),
        )
        for aim, wanted, chosen in asked:
            share = wanted.get(label, wanted.get(""))
            if share is not None and chosen.any():
                points.append(
                    _operating_point(label, aim, share, np.sort(probability[chosen, c]), np.unique(probability[:, c]))
                )
    lost = [name for name in wishes.prevalence if name not in {point.label for point in points}]
    if lost:
        notes.append(
            f"no predictive values for want of a threshold, since validation has no film of the class: {shown(lost)}"
        )
    few = sorted({point.label for point in points if point.films < _FEW})
    if few:
        notes.append(f"thresholds rest on fewer than {_FEW} validation films: {shown(few)}")
    return points


def _operating_point(label: str, aim: Aim, wanted: float, score: Floats, known: Floats) -> OperatingPoint:
    """score: (N,) of the films that are to be on the right side of the threshold, known: of all films, each value once; ascending.

    The threshold lies in the middle between two scores, so that no rounding carries a film across it.
    """
    films = len(score)
    needed = math.ceil(wanted * films - 1e-9)
    if aim == "sensitivity":  # needed films lie above the threshold
        above = score[films - needed]
        threshold = _between(known[known < above].max(initial=0), above)
        return OperatingPoint(label, aim, wanted, threshold, float((score >= threshold).mean()), films)
    below = score[needed - 1]
    threshold = _between(below, known[known > below].min(initial=1 + 1e-9))
    return OperatingPoint(label, aim, wanted, threshold, float((score < threshold).mean()), films)


def _between(low: float, high: float) -> float:
    """The middle, or the upper of two numbers that have none between them."""
    middle = (float(low) + float(high)) / 2
    return middle if middle > low else float(high)


# The limit of the familiar --------------------------------------------------------------------------------------------


def _reasons_kept(said: NDArray[np.object_], notes: list[str]) -> tuple[str, ...]:
    """The gate's reasons that this set of films allows."""
    from plainfilm.core.chest import REASONS

    count = Counter(said[said != ""].tolist())
    dropped = [reason for reason in REASONS if count[reason] > max(1, _GATE_ERRS * len(said))]
    for reason in dropped:
        notes.append(f'"{reason}" turns no film away: it is said of {count[reason]} of {len(said)} validation films')
    return tuple(reason for reason in REASONS if reason not in dropped)


def _fit_familiarity(
    train: Predictions, validation: Predictions, is_past_gate: NDArray[np.bool_], notes: list[str]
) -> Familiarity | None:
    if train.embedding is None or validation.embedding is None or len(train.table) < 2 * _FILMS_A_DIRECTION:
        return None
    cloud = fit_cloud(train.embedding, train.label_index)
    distance = cloud.distance(validation.embedding)[is_past_gate]
    gated = 1 - len(distance) / len(validation.table)
    limit, is_extrapolated = limit_of(distance, max(_TURNED_AWAY - gated, _TURNED_AWAY / 4))
    if is_extrapolated:
        notes.append(f"the limit of the familiar is extrapolated from {len(distance)} validation films")
    return Familiarity(cloud.mean, cloud.direction, cloud.variance, cloud.rest, limit)


def fit_cloud(embedding: npt.ArrayLike, label_index: Integers) -> Familiarity:
    """The clouds of the training films, without a limit (infinity).

    embedding: (N, D); label_index: (N,) of any classes; those without a film have no cloud.
    """
    from sklearn.utils.extmath import randomized_svd

    present, root = np.unique(label_index), rooted(embedding)
    mean = np.stack([root[label_index == c].mean(axis=0) for c in present])
    inside = root - mean[np.searchsorted(present, label_index)]
    films, width = inside.shape
    directions = max(1, min(_DIRECTIONS, films // _FILMS_A_DIRECTION, width - 1))
    _, strength, direction = randomized_svd(inside, directions, random_state=0)
    freedom = max(1, films - len(present))
    variance = strength**2 / freedom
    rest = max(
        ((inside**2).sum() / freedom - variance.sum()) / max(1, width - directions), 1e-12 * (inside**2).mean(), 1e-30
    )
    variance = np.maximum(variance, rest)
    mean, direction, variance = (array.astype(np.float32) for array in (mean, direction, variance))
    return Familiarity(mean, direction, variance, float(rest), math.inf)


def limit_of(distance: Floats, share: float) -> tuple[float, bool]:
    """The distance that a new film exceeds with the probability `share`, and whether it lies beyond all that were seen.

    distance: (N,) of films like those to come. Where N is too small for the share, logarithms of distances are taken for normal.
    """
    films = len(distance)
    rank = math.ceil((films + 1) * (1 - share))
    if rank <= films:
        return float(np.sort(distance)[rank - 1]), False
    logarithm = np.log(np.maximum(distance, 1e-12))
    spread = float(logarithm.std(ddof=1)) if films > 2 else math.log(2)
    reach = float(student.ppf(1 - share, max(1, films - 1))) * math.sqrt(1 + 1 / max(1, films))
    middle = float(logarithm.mean()) if films else 0.0
    return max(float(distance.max(initial=0)), math.exp(middle + reach * spread)), True

"""The charts of a reproduction: claimed and measured, learning curves, ROC; the three ways in the same three colours throughout."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.chart import Branch, Guess, forest
from plainfilm.core.curves import Curve, curves
from plainfilm.core.looks import BLUE, PURPLE, VERMILION
from plainfilm.core.page import Html, drawing, drawings, joined, legend
from plainfilm.core.reproduction import WAYS, Reproduction, Way
from plainfilm.judge.reproduce.words import MEASURES, WAY_WORDS, claimed_of, commonest_share, score_of

COLOURS: dict[Way, str] = {"own": VERMILION, "leak-free": BLUE, "no-lungs": PURPLE}
DASHES: dict[Way, str] = {"own": "7 3", "leak-free": "", "no-lungs": "2 3"}
_DRAWN = ("accuracy", "macro_f1", "macro_auroc")
_COURSES = {
    "loss": ("Loss", ("val_loss", "train_loss")),
    "accuracy": ("Accuracy", ("val_accuracy", "train_accuracy")),
    "macro_auroc": ("Macro AUROC", ("val_macro_auroc",)),
}

History = Sequence[Mapping[str, Any]]


def ways_legend(ways: Sequence[Way] = WAYS) -> Html:
    """What the three colours mean."""
    return legend((COLOURS[way], WAY_WORDS[way]) for way in ways)


def title_of(measure: str) -> str:
    """A measure at the head of something."""
    words = MEASURES[measure]
    return words[:1].upper() + words[1:]


# Claimed and measured -------------------------------------------------------------------------------------------------


def claimed_and_measured(reproduction: Reproduction) -> Html:
    """One chart a measure, one row a network: what was claimed as a stroke, the three ways with their intervals."""
    charts = [chart for measure in _DRAWN if (chart := _of_measure(reproduction, measure))]
    return joined(ways_legend(), drawings(*charts, is_large=True)) if charts else Html()


def _of_measure(reproduction: Reproduction, measure: str) -> Html | None:
    rows = []
    for network in reproduction.recipe.networks:
        scores = {way: score for way in WAYS if (score := score_of(reproduction, network.name, way, measure))}
        claim = claimed_of(network.claimed, measure)
        if scores or claim is not None:
            estimates = [_guess(network.name, way, scores.get(way)) for way in WAYS]
            said = "no claim" if claim is None else f"claimed {claim:.3f}"
            rows.append(Branch(network.name, estimates, said, math.nan if claim is None else claim))
    ends = [end for row in rows for each in row.estimates for end in _ends(each.interval)]
    if not ends:
        return None
    ends += [row.tick for row in rows if not math.isnan(row.tick)]
    title = title_of(measure)
    chart = forest(f"{title}, claimed and measured", rows, measure_axis(measure), low=min(ends), high=max(ends))
    has_claim = any(not math.isnan(row.tick) for row in rows)
    told = ["Upright stroke: what was claimed." if has_claim else "Nothing was claimed of this measure."]
    commonest = commonest_share(reproduction) if measure == "accuracy" else None
    if commonest is not None:
        told.append(f"Always answering the commonest class would reach {commonest:.3f}.")
    return drawing(title, chart, " ".join(told))


def measure_axis(measure: str) -> str:
    """What stands below the axis of a measure."""
    return f"{MEASURES[measure]} on the test films, 95% interval"


def _guess(network: str, way: Way, score: Interval | None) -> Guess:
    return Guess(f"{network}, {WAY_WORDS[way]}", COLOURS[way], score or Interval(math.nan, math.nan, math.nan))


def _ends(interval: Interval) -> list[float]:
    return [end for end in (interval.value, interval.low, interval.high) if not math.isnan(end)]


# Learning -------------------------------------------------------------------------------------------------------------


def learning_curves(histories: Mapping[Way, History], is_augmented: bool) -> Html:
    """Loss and scores epoch by epoch, the ways in one chart; nothing where no epoch is recorded.

    is_augmented: whether films are varied in training, so that its scores are of varied films.
    """
    charts = [chart for title, keys in _COURSES.values() if (chart := _course(title, keys, histories, is_augmented))]
    return drawings(*charts, is_large=True) if charts else Html()


def _course(title: str, keys: Sequence[str], histories: Mapping[Way, History], is_augmented: bool) -> Html | None:
    lines = [
        Curve(
            f"{WAY_WORDS[way]}, {'validation' if place == 0 else 'training'}",
            COLOURS[way],
            [_number(epoch.get("epoch", count)) for count, epoch in enumerate(history, start=1)],
            [_number(epoch.get(key)) for epoch in history],
            DASHES[way],
            is_faint=place > 0,
        )
        for place, key in enumerate(keys)
        for way, history in histories.items()
    ]
    lines = [line for line in lines if line.known]
    if not lines:
        return None
    told = "; ".join(f"{line.name}: at the end {line.known[-1][1]:.3f}" for line in lines)
    varied = " as they were augmented," if is_augmented else ""
    faint = (
        f" Faint: training films,{varied} while the network still learnt."
        if any(line.is_faint for line in lines)
        else ""
    )
    return drawing(
        title, curves(f"{title} by epoch", lines, "epoch", told, counts_x=True), f"On validation films.{faint}"
    )


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


# ROC ------------------------------------------------------------------------------------------------------------------


def roc_curves(
    classes: Sequence[str], found: Mapping[Way, Mapping[str, Any]], areas: Mapping[Way, Mapping[str, Interval]]
) -> Iterator[Html]:
    """One chart a class, the ways in it. found: way -> class -> {"fpr", "value"}; areas: way -> class -> AUROC."""
    for name in classes:
        lines = []
        for way, curve in found.items():
            if name in curve:
                x, y = ([_number(place) for place in curve[name][column]] for column in ("fpr", "value"))
                lines.append(Curve(WAY_WORDS[way], COLOURS[way], x, y, DASHES[way]))
        lines = [line for line in lines if line.known]
        if lines:
            told = "; ".join(
                f"{WAY_WORDS[way]} {format_interval(areas[way][name])}" for way in found if name in areas.get(way, {})
            )
            chart = curves(
                f"ROC of {name}",
                lines,
                "false-positive rate",
                f"AUROC: {told}",
                ends=(0, 1),
                is_square=True,
                has_diagonal=True,
            )
            yield drawing(name, chart, f"AUROC: {told}. Upwards: sensitivity. Dotted: guessing.")

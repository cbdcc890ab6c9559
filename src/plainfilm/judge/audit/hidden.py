"""Check 2: the run itself, asked about films whose lungs, whose background, or whose middle is hidden.

evidence: {"rows": [{"hidden": "nothing" | "lungs" | "background" | "middle", "accuracy", "balanced_accuracy", "macro_auroc",
"kept"}]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import Interval, format_interval, interval_json, interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.core.words import counted
from plainfilm.judge.audit.less import (
    FAIL_AUROC,
    FEWEST_GROUPS,
    THRESHOLDS,
    WARN_AUROC,
    aurocs,
    commonest_share,
    groups_by_class,
    how_much_is_possible,
    level_of,
    measured,
)
from plainfilm.judge.judged import Resampling
from plainfilm.judge.trust import shares

_MEASURE = "highest AUROC of a class with the lungs hidden"
_THRESHOLD = f"warn where its interval begins at {WARN_AUROC:.2f} or above, fail from {FAIL_AUROC:.2f}"
_ADVICE: dict[Verdict, str] = {
    "pass": "",
    "warn": "Look at the heatmaps of films whose lungs are hidden (plainfilm explain), and at what they rest on.",
    "fail": "This network answers without seeing a lung: train with erasing or with region = lungs, and audit it again.",
    "unknown": "",
}


def judge_hidden(
    scores: Mapping[str, Predictions],
    drawing: Resampling,
    *,
    calibration: Calibration | None = None,
    without_lungs: int = 0,
) -> Finding:
    """What the run still says. scores: "nothing", "lungs", "background" and, where it was asked, "middle" (all but
    the border) -> its scores with that hidden, of the same films: those in which lungs were found.

    calibration: the run's, which makes its answers out of scores; plain probabilities where None.
    without_lungs: how many more films there were, in which no lungs were found and so nothing can be hidden.
    The interval of the number holds for all classes at once.
    """
    plain = scores["nothing"]
    films = len(plain.judged.table)
    without = _without_lungs(films + without_lungs, films)
    if not films:
        return Finding("hidden", "unknown", _MEASURE, None, _THRESHOLD, without or ("There is no film to judge.",))
    fit = calibration or Calibration.none(plain.classes)
    answer = fit.probability(plain.logit).argmax(1)
    group = plain.judged.group
    rows = []
    for hidden, table in scores.items():
        is_kept = (fit.probability(table.logit).argmax(1) == answer)[:, None]
        (kept,) = shares(is_kept, np.ones_like(is_kept), group, drawing)
        rows.append({"hidden": hidden, **measured(table, drawing, fit), "kept": interval_json(kept)})
    commonest = commonest_share(plain)
    evidence = {"rows": rows, "commonest": commonest, "thresholds": THRESHOLDS}
    strict = replace(drawing, level=1 - (1 - drawing.level) / len(plain.classes))
    many = groups_by_class(plain)
    areas = {
        name: area
        for name, area in aurocs(scores["lungs"], strict, fit).items()
        if not math.isnan(area.low) and many.get(name, 0) >= FEWEST_GROUPS
    }
    why_unknown = _why_unknown(scores, areas, rows)
    if why_unknown:
        return Finding("hidden", "unknown", _MEASURE, None, _THRESHOLD, (why_unknown, *without), "", evidence)
    name, highest = max(areas.items(), key=lambda item: item[1].low)
    verdict = level_of(highest.low)
    by_hidden = {row["hidden"]: row for row in rows}
    told = (
        f"With the lungs hidden, the run tells {name} from the rest with AUROC {format_interval(highest)}, where 0.5 is chance;"
        f" it gives the answer that it gave before for {_text(by_hidden['lungs']['kept'])} of the films.",
        *how_much_is_possible(verdict, highest),
        f"With everything but the lungs hidden, its accuracy goes from {_text(by_hidden['nothing']['accuracy'])} to"
        f" {_text(by_hidden['background']['accuracy'])}. A hidden part is black, which few runs saw in training, so a drop"
        " alone proves nothing; what remains does.",
        *_by_the_border(by_hidden, commonest),
        *without,
    )
    return Finding("hidden", verdict, _MEASURE, highest, _THRESHOLD, told, _ADVICE[verdict], evidence)


def _without_lungs(drawn: int, films: int) -> tuple[str, ...]:
    """How many of the drawn films were left out; nothing where none was."""
    if drawn == films:
        return ()
    return (
        f"In {drawn - films:,} of {counted(drawn, 'film')} no lungs were found, so they could not be hidden: all that is said here"
        " is of the others.",
    )


def _by_the_border(by_hidden: Mapping[str, Mapping[str, Any]], commonest: float) -> tuple[str, ...]:
    """What the run makes of the outermost ring alone; nothing where it was not asked."""
    ring = by_hidden.get("middle")
    if ring is None:
        return ()
    return (
        f"Where only the outermost eighth of each side is in sight, its accuracy is {_text(ring['accuracy'])} (the commonest"
        f" class alone: {commonest:.3f}) and its macro AUROC {_text(ring['macro_auroc'])}.",
    )


def _why_unknown(
    scores: Mapping[str, Predictions], areas: Mapping[str, Interval], rows: Sequence[Mapping[str, Any]]
) -> str:
    """Why nothing can be said; "" where something can."""
    if not areas:
        return f"No class has films of {FEWEST_GROUPS} groups: too few to tell."
    if np.ptp(scores["lungs"].logit, axis=0).max() == 0:
        return (
            "With the lungs hidden nothing is left that the run sees (region = lungs): every film gets the same scores, so this"
            " says nothing."
        )
    accuracy, commonest = interval_of(rows[0]["accuracy"]), commonest_share(scores["nothing"])
    if accuracy.low <= commonest:
        return (
            f"With nothing hidden the run names {format_interval(accuracy)} of the films rightly, and always naming the commonest"
            f" class {commonest:.3f}: there is nothing to hide."
        )
    return ""


def _text(value: Mapping[str, float | None]) -> str:
    return format_interval(interval_of(value))

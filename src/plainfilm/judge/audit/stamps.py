"""Check 6: a letter, a word or a label in an upper corner says nothing of the lungs; how many answers change when one is put there?

Evidence: {"rows": [{"stamp", "corner", "flipped": interval, "toward": CLASS or None}], "thresholds"}, the rows in the order of
STAMPS. `toward` is the class that most of the changed answers became, None where none changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import format_interval, interval_json
from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.core.words import counted
from plainfilm.judge.audit.answers import Twice
from plainfilm.judge.audit.stamp_drawing import STAMPS, Stamp
from plainfilm.judge.judged import Resampling

__all__ = ["FAILING_FLIPS", "STAMPS", "WARNING_FLIPS", "Stamp", "judge_stamps"]

# Shares of films, at the lower end of an interval that allows for the number of stamps. On phantoms, four runs without a shortcut
# change 0.04 to 0.14 of their answers by the worst stamp, lower ends 0.02 to 0.05; one whose class carries the word PORTABLE 0.41
# (0.28 to 0.54) by that word.
FAILING_FLIPS, WARNING_FLIPS = 0.20, 0.10
_MEASURE = "share of answers that the worst stamp changes"
_THRESHOLD = (
    f"warns where a stamp surely changes more than {WARNING_FLIPS:.0%} of the answers, fails above {FAILING_FLIPS:.0%}:"
    " where the lower end lies above, of an interval that allows for having looked at all stamps"
)


def judge_stamps(
    plain: Predictions,
    stamped: Mapping[str, Predictions],
    drawing: Resampling,
    *,
    calibration: Calibration | None = None,
) -> Finding:
    """How many answers change.

    plain: scores of films as they are. stamped: key of a stamp of STAMPS -> scores of the same films, in the same order, with it.
    calibration: the run's, which makes its answers out of scores; the highest logit where None.
    Raises ValueError for a key that is none, and for tables that are not of the same films.
    """
    made = [stamp for stamp in STAMPS if stamp.key in stamped]
    if unknown := set(stamped) - {stamp.key for stamp in made}:
        raise ValueError(f"unknown stamps: {', '.join(sorted(unknown))}")
    twice = Twice.of(plain, [stamped[stamp.key] for stamp in made], calibration)
    if twice is None:
        reason = "No film has a label and a score with and without a stamp, so nothing can be said."
        return Finding("stamps", "unknown", _MEASURE, None, _THRESHOLD, (reason,))
    toward = [_toward(twice, place, plain.classes) for place in range(len(made))]
    rows: list[dict[str, Any]] = [
        {"stamp": stamp.name, "corner": stamp.corner, "flipped": interval_json(flipped), "toward": name}
        for stamp, flipped, name in zip(made, twice.flipped(drawing), toward, strict=True)
    ]
    surely = twice.flipped(replace(drawing, level=1 - (1 - drawing.level) / len(made)))
    worst = max(
        range(len(made)), key=lambda place: (max(np.nan_to_num(surely[place].low), WARNING_FLIPS), surely[place].value)
    )
    verdict, why_unknown = twice.verdict_on(surely[worst], WARNING_FLIPS, FAILING_FLIPS, drawing)
    if twice.is_flipped.any():
        told = (
            f"{_named(made[worst])[0].upper()}{_named(made[worst])[1:]} changes the answer for {format_interval(surely[worst])} of"
            f" {counted(len(twice.group), 'film')}, mostly to {toward[worst]}; none of the {len(made)} stamps changes more."
        )
    else:
        told = f"None of {counted(len(twice.group), 'film')} gets another answer by any of the {len(made)} stamps."
    return Finding(
        "stamps",
        verdict,
        _MEASURE,
        surely[worst],
        _THRESHOLD,
        (why_unknown, told) if why_unknown else (told,),
        _advice(verdict, made[worst], toward[worst]),
        {"rows": rows, "thresholds": {"warns above": WARNING_FLIPS, "fails above": FAILING_FLIPS}},
    )


def _toward(twice: Twice, place: int, classes: tuple[str, ...]) -> str | None:
    changed = twice.after[twice.is_flipped[:, place], place]
    return classes[int(np.bincount(changed, minlength=len(classes)).argmax())] if len(changed) else None


def _named(stamp: Stamp) -> str:
    return f"{stamp.name} ({stamp.corner})"


def _advice(verdict: Verdict, stamp: Stamp, toward: str | None) -> str:
    if verdict in ("pass", "unknown"):
        return ""
    return (
        f'Look with "plainfilm explore" whether {toward} films carry writing that others lack. Cover the corners in all films'
        f" before preparing them, or train with --region lungs, and audit again; {stamp.name} must not decide."
    )

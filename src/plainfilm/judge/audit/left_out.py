"""Check 4: small networks, each trained without one source and tried on it.

evidence: {"rows": [{"source", "films", "classes", "own", "there", "loss"}], "refused": {SOURCE: why}}

A source that was left out and whose loss cannot be judged stands in neither: its reason is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.judge.judged import Resampling
from plainfilm.judge.outside.left_out import judge_left_out, why_not_judged

WARN_LOSS, FAIL_LOSS = 0.05, 0.20
FEWEST_FILMS = 30  # on either side; a loss on fewer is told and not judged
_MEASURE = "largest loss of accuracy on a source never seen, at the same mix of classes"
_THRESHOLD = (
    f"where class and source are tied, warn where its interval begins at {WARN_LOSS:.2f} or above, fail from"
    f" {FAIL_LOSS:.2f}; where they are not, a network's own frailty is to be expected, and it warns from {FAIL_LOSS:.2f}"
)
_ADVICE: dict[Verdict, str] = {
    "pass": "",
    "warn": "Expect to lose this much at a place that supplied no training film; judge on outside films (plainfilm evaluate --on).",
    "fail": (
        "The score does not carry over to another place. Take each class from several sources, and judge on outside films"
        " (plainfilm evaluate --on, plainfilm train --leave-one-source-out)."
    ),
    "unknown": "Name the source of each film (plainfilm prepare --metadata), and take each class from two or more.",
}

_TAKE_MORE = "Take each class from two or more sources, and more films, of several patients, from each."


def judge_sources_left_out(
    scores: Mapping[str, Predictions],
    notes: Mapping[str, str],
    refused: Mapping[str, str],
    is_tied: bool,
    drawing: Resampling,
) -> Finding:
    """What is lost on sources never seen.

    scores: source -> scores of the network that was trained without it, on its films ("test") and on films of the others that
    it never saw either ("val"). notes: source -> what to know of it. refused: source -> why it could not be left out.
    is_tied: whether source and class are tied in the whole set. Intervals hold for all sources at once.
    """
    reasons = tuple(f"{source} was not left out: {why}." for source, why in refused.items())
    strict = replace(drawing, level=1 - (1 - drawing.level) / max(1, len(scores)))
    rows: list[dict[str, Any]] = []
    unjudged: list[str] = []
    for source, table in scores.items():
        found = judge_left_out(table, Calibration.none(table.classes), source, notes.get(source, ""), strict)
        if why := why_not_judged(found):
            unjudged.append(f"Without {source}, a small network was trained, and its loss cannot be judged: {why}.")
        else:
            facts = {name: found[name] for name in ("source", "films", "own_films", "classes", "note")}
            rows.append({**facts, **found["accuracy"]})
    reasons = (*unjudged, *reasons)
    evidence = {"rows": rows, "refused": dict(refused), "measure": "accuracy"}
    losses = {
        row["source"]: interval_of(row["loss"]) for row in rows if min(row["films"], row["own_films"]) >= FEWEST_FILMS
    }
    if not losses:
        return Finding(
            "left_out",
            "unknown",
            _MEASURE,
            None,
            _THRESHOLD,
            _why_unknown(rows, reasons),
            _TAKE_MORE if scores else _ADVICE["unknown"],
            evidence,
        )
    source, worst = max(losses.items(), key=lambda item: item[1].low)
    verdict = _verdict(worst.low, is_tied)
    told = [
        f"Without {row['source']}, a small network loses {format_interval(interval_of(row['loss']))} of accuracy on its"
        f" {row['films']:,} films, against {row['own_films']:,} of other sources that it did not see either, at the same mix of"
        " classes"
        f" ({'; '.join(part for part in (', '.join(row['classes']), row['note']) if part)})."
        for row in sorted(rows, key=lambda row: row["source"] != source)
    ]
    return Finding("left_out", verdict, _MEASURE, worst, _THRESHOLD, (*told, *reasons), _ADVICE[verdict], evidence)


def _verdict(low: float, is_tied: bool) -> Verdict:
    """Of the lower end of the largest loss. Sources that each supply every class are no shortcut, however different they look."""
    if is_tied:
        return "fail" if low >= FAIL_LOSS else "warn" if low >= WARN_LOSS else "pass"
    return "warn" if low >= FAIL_LOSS else "pass"


def _why_unknown(rows: list[dict[str, Any]], reasons: tuple[str, ...]) -> tuple[str, ...]:
    few = (
        f"Without {row['source']}, too few films are left to judge by: {row['films']:,} of its own and {row['own_films']:,} of"
        f" others, {FEWEST_FILMS} of each are needed."
        for row in rows
    )
    return (*few, *reasons) or ("No source is known.",)

"""Check 3: does what the run makes of a film tell which source it is from, among films of one class?

Hospitals differ, and a network that sees fine structure sees their scanners too; that alone does no harm. It does where the
source also foretells the class: then the network had two ways to be right, and nobody knows which it took. So this fails only
where both hold.

Evidence: {"rows": [{"label", "sources": {SOURCE: films}, "auroc", "accuracy": interval, "commonest": share of the commonest
source}], "tied": interval (Cramér's V of source and class) or None, "most_tied": {"label", "v": interval of that class against
the rest} or None, "skipped": {CLASS: why}, "thresholds"}.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import Interval, format_interval, interval_json, interval_of
from plainfilm.core.ranking import refuse_lengths
from plainfilm.core.words import counted
from plainfilm.judge.audit.source_guess import FEWEST_FILMS, FEWEST_GROUPS, Guessed, Names, Tie, guess_source, tie_of
from plainfilm.judge.judged import Resampling

__all__ = ["judge_source"]

# Lower ends. A tie of 0.3 and 0.2 is what `plainfilm prepare` alarms and warns at; 0.7 is called acceptable for a test.
_CLEARLY, _NOTABLY = 0.7, 0.6
_TIED, _SOMEWHAT_TIED = 0.3, 0.2
_LINES = {"warns above": _NOTABLY, "fails above": _CLEARLY}
_MEASURE = "highest AUROC of telling a film's source within its class, from what the run makes of it"
_THRESHOLD = (
    f"fails where it surely reaches {_CLEARLY}, and a class, against the rest, is surely tied to the sources by a Cramér's V of"
    f" {_TIED}, both in intervals that allow for having picked the highest; warns from {_NOTABLY} and"
    f" {_SOMEWHAT_TIED}; passes where no class is tied to the sources, however well they are told apart"
)


def judge_source(
    embedding: npt.ArrayLike,
    label: Sequence[str] | Names,
    source: Sequence[str] | Names,
    group: Sequence[str] | Names,
    classes: Sequence[str],
    drawing: Resampling,
) -> Finding:
    """Guess the source from the embedding, class by class, cross-validated over groups.

    embedding: (N, D) what the run's last layer is given; rows that are not finite are left out.
    label, source, group: (N,) of the films; "" is unknown and left out.
    Take films that the run was not trained on. Raises ValueError where the lengths differ.
    """
    seen = np.asarray(embedding, np.float64)
    labels, sources, groups = (np.asarray(column, object) for column in (label, source, group))
    refuse_lengths(embedding=seen, label=labels, source=sources, group=groups)
    is_usable = np.isfinite(seen).all(axis=1) & (sources != "") & (groups != "") & np.isin(labels, list(classes))
    seen, labels, sources, groups = (column[is_usable] for column in (seen, labels, sources, groups))
    tie = tie_of(labels, sources, groups, classes, drawing)
    guesses = {}
    for name in classes:
        chosen = labels == name
        guesses[name] = guess_source(seen[chosen], sources[chosen], groups[chosen], drawing.seed)
    measured = {name: found for name, found in guesses.items() if isinstance(found, Guessed)}
    skipped = {name: found for name, found in guesses.items() if isinstance(found, str)}
    rows = [_row(name, found, drawing) for name, found in measured.items()]
    tied = None if tie.whole is None else interval_json(tie.whole)
    most_tied = None if tie.of_label is None else {"label": tie.label, "v": interval_json(tie.of_label)}
    evidence = {"rows": rows, "tied": tied, "most_tied": most_tied, "skipped": skipped, "thresholds": _LINES}
    if not rows:
        return _not_measured(tie, len(seen), evidence)
    level = 1 - (1 - drawing.level) / len(measured)
    surely = {name: found.measures(drawing, level)["macro_auroc"] for name, found in measured.items()}
    name, highest = max(surely.items(), key=lambda item: (np.nan_to_num(item[1].low), item[1].value))
    verdict = _verdict(highest, tie)
    told = tuple(_told(name, highest, tie, rows, skipped))
    advice = _LEAVE_OUT if verdict in ("fail", "warn") else ""
    return Finding("source", verdict, _MEASURE, highest, _THRESHOLD, told, advice, evidence)


def _row(name: str, found: Guessed, drawing: Resampling) -> dict[str, Any]:
    measures, films = found.measures(drawing, drawing.level), np.bincount(found.index)
    return {
        "label": name,
        "sources": dict(zip(found.sources, films.tolist(), strict=True)),
        "auroc": interval_json(measures["macro_auroc"]),
        "accuracy": interval_json(measures["accuracy"]),
        "commonest": float(films.max() / films.sum()),
    }


def _verdict(told_apart: Interval, tie: Tie) -> Verdict:
    if math.isnan(told_apart.low):
        return "unknown"
    if told_apart.low >= _CLEARLY and tie.low >= _TIED:
        return "fail"
    return "warn" if told_apart.low >= _NOTABLY and tie.low >= _SOMEWHAT_TIED else "pass"


def _not_measured(tie: Tie, films: int, evidence: dict[str, Any]) -> Finding:
    """No class has two sources. Where each class has its own, that is the very reason to be on guard."""
    if not films:
        told = "No film has a known source, so nobody can say whether the run tells sources apart."
        return Finding("source", "unknown", _MEASURE, None, _THRESHOLD, (told,), _GIVE_SOURCES, evidence)
    told = (
        f"In no class do two sources have {FEWEST_FILMS} films of {FEWEST_GROUPS} groups each, of {counted(films, 'film')}"
        " of known source: whether the run tells sources apart cannot be measured."
    )
    if tie.whole is None or not tie.low >= _TIED:
        return Finding("source", "unknown", _MEASURE, None, _THRESHOLD, (told,), "", evidence)
    but = (
        f"But source and class are tied, by a Cramér's V of {format_interval(tie.whole)}{_most(tie)}: whoever knows the source"
        " knows much of the class."
    )
    return Finding("source", "warn", _MEASURE, None, _THRESHOLD, (told, but), _LEAVE_OUT, evidence)


def _told(
    name: str, highest: Interval, tie: Tie, rows: Sequence[dict[str, Any]], skipped: dict[str, str]
) -> Iterator[str]:
    films = sum(sum(row["sources"].values()) for row in rows)
    yield (
        f"Among films of {name}, the source is told from what the run makes of them with an AUROC of"
        f" {format_interval(highest)}, where 0.5 is chance; the highest of {counted(len(rows), 'class', 'classes')}"
        f" ({counted(films, 'film')} in all)."
    )
    for row in rows:
        yield (
            f"{row['label']}: AUROC {format_interval(interval_of(row['auroc']))} between {', '.join(row['sources'])}; named"
            f" rightly {format_interval(interval_of(row['accuracy']))}, by always saying the commonest"
            f" {row['commonest']:.3f}."
        )
    if tie.whole is None:
        yield "How closely source and class are tied cannot be known."
    else:
        yield (
            f"Source and class are tied by a Cramér's V of {format_interval(tie.whole)}, where 0 is no tie and 1 settles the"
            f" class{_most(tie)}."
        )
    if skipped:
        yield f"Left out: {'; '.join(f'{name} ({why})' for name, why in skipped.items())}."


def _most(tie: Tie) -> str:
    """`; Normal against the rest: V 0.400 (0.350 to 0.450)`; "" where it is unknown."""
    return "" if tie.of_label is None else f"; {tie.label} against the rest: V {format_interval(tie.of_label)}"


_GIVE_SOURCES = 'Give the films\' sources by "plainfilm prepare --metadata", and audit again.'
_LEAVE_OUT = (
    'Score each source by itself ("plainfilm evaluate" has a table by source), leave each out in turn with "plainfilm train'
    ' --leave-one-source-out", and collect films of every class from every source; do not trust a score over all sources.'
)

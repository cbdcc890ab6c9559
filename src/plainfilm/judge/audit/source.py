"""Check 3: does what the run makes of a film tell which source it is from, among films of one class?

Hospitals differ, and a network that sees fine structure sees their scanners too; that alone does no harm. It does where the
source also foretells the class: then the network had two ways to be right, and nobody knows which it took. So this fails only
where both hold.

Evidence: {"rows": [{"label", "sources": {SOURCE: films}, "auroc", "accuracy": interval, "commonest": share of the commonest
source}], "tied": interval (Cramér's V of source and class) or None, "skipped": {CLASS: why}, "thresholds"}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from plainfilm.core.association import associate
from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import Interval, bootstrap, format_interval, interval_json, interval_of
from plainfilm.core.guess import guess_out_of_fold
from plainfilm.core.intervals import mean_ends
from plainfilm.core.ranking import Floats, refuse_lengths
from plainfilm.core.words import counted
from plainfilm.judge.judged import Resampling

__all__ = ["judge_source"]

FEWEST_FILMS, FEWEST_GROUPS = 20, 5  # of a source within a class
_MOST_FILMS = 1500  # of a class; more would only take longer
_FOLDS = 5
_DIMENSIONS = 32
_FILMS_A_DIMENSION = 8
# Lower ends. A tie of 0.3 and 0.2 is what `plainfilm prepare` alarms and warns at; 0.7 is called acceptable for a test.
_CLEARLY, _NOTABLY = 0.7, 0.6
_TIED, _SOMEWHAT_TIED = 0.3, 0.2
_LINES = {"warns above": _NOTABLY, "fails above": _CLEARLY}
_MEASURE = "AUROC of telling a film's source within its class, from what the run makes of it"
_THRESHOLD = (
    f"fails where it surely reaches {_CLEARLY} and source and class are surely tied by a Cramér's V of {_TIED}; warns from"
    f" {_NOTABLY} and {_SOMEWHAT_TIED}; passes where sources are not tied to classes, however well they are told apart"
)

Names = npt.NDArray[np.object_]


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
    tied, tied_of = _tie(labels, sources, groups, classes, drawing)
    rows, skipped = [], {}
    for name in classes:
        chosen = labels == name
        found = _of_class(name, seen[chosen], sources[chosen], groups[chosen], drawing)
        if isinstance(found, str):
            skipped[name] = found
        else:
            rows.append(found)
    evidence = {"rows": rows, "tied": tied and interval_json(tied), "skipped": skipped, "thresholds": _LINES}
    if not rows:
        return _not_measured(tied, tied_of, len(seen), evidence)
    known = [interval_of(row["auroc"]) for row in rows]
    value, low, high = np.array([[one.value, one.low, one.high] for one in known]).T
    number = Interval(float(value.mean()), *mean_ends(value, low, high, np.eye(len(rows))))
    verdict = _verdict(number, tied_of)
    return Finding(
        "source", verdict, _MEASURE, number, _THRESHOLD, _told(number, tied, rows, skipped), _advice(verdict), evidence
    )


class _Tie(NamedTuple):
    """How closely source and class are tied at the class that is tied most; NaN where unknown."""

    label: str
    low: float


def _tie(
    label: Names, source: Names, group: Names, classes: Sequence[str], drawing: Resampling
) -> tuple[Interval | None, _Tie]:
    """Cramér's V of the whole table, None where it cannot be known; and the class against the rest that is tied most."""
    unknown = _Tie("", math.nan)
    if len(set(label)) < 2 or len(set(source)) < 2:
        return None, unknown
    places = {name: place for place, name in enumerate(classes)}
    of_source = np.unique(source.astype(str), return_inverse=True)[1]
    found = associate(
        of_source, [places[name] for name in label], _folds(source, group, drawing.seed), group, classes,
        repeats=drawing.repeats, seed=drawing.seed, level=drawing.level,
    )  # fmt: skip
    known = [_Tie(name, one.low) for name, one in found.cramers_v_of.items() if not math.isnan(one.low)]
    whole = None if math.isnan(found.cramers_v.value) else found.cramers_v
    return whole, max(known, key=lambda one: one.low, default=unknown)


def _of_class(name: str, embedding: Floats, source: Names, group: Names, drawing: Resampling) -> dict[str, Any] | str:
    """A row of the evidence, or why there is none."""
    enough = [
        one
        for one in sorted(set(source))
        if (source == one).sum() >= FEWEST_FILMS and len(set(group[source == one])) >= FEWEST_GROUPS
    ]
    if len(enough) < 2:
        return (
            f"{'no source has' if not enough else f'only {enough[0]} has'} {FEWEST_FILMS} films of {FEWEST_GROUPS} groups,"
            " and two are needed"
        )
    kept = np.flatnonzero(np.isin(source, enough))
    if len(kept) > _MOST_FILMS:
        kept = np.sort(np.random.default_rng(drawing.seed).permutation(kept)[:_MOST_FILMS])
    embedding, source, group = embedding[kept], source[kept], group[kept]
    enough = [one for one in enough if (source == one).any()]
    index = np.array([enough.index(one) for one in source])
    columns = _reduced(embedding, min(_DIMENSIONS, len(kept) // _FILMS_A_DIMENSION))
    probability = guess_out_of_fold(columns, index, _folds(source, group, drawing.seed), len(enough), seed=drawing.seed)
    measured = bootstrap(
        probability, index, group, enough, repeats=drawing.repeats, seed=drawing.seed, level=drawing.level
    ).measures
    return {
        "label": name,
        "sources": {one: int((source == one).sum()) for one in enough},
        "auroc": interval_json(measured["macro_auroc"]),
        "accuracy": interval_json(measured["accuracy"]),
        "commonest": float(np.bincount(index).max() / len(index)),
    }


def _folds(source: Names, group: Names, seed: int) -> npt.NDArray[np.intp]:
    """(N,) the fold of each film: groups as a whole, those of each source dealt out evenly."""
    source_of = dict(zip(group.tolist(), source.tolist(), strict=True))
    names = np.array(sorted(source_of), object)
    shuffled = names[np.random.default_rng(seed).permutation(len(names))].tolist()
    dealt = sorted(shuffled, key=lambda name: source_of[name])
    fold_of = {name: place % _FOLDS for place, name in enumerate(dealt)}
    return np.array([fold_of[name] for name in group], np.intp)


def _reduced(embedding: Floats, dimensions: int) -> Floats:
    """(N, D) -> (N, K): the principal components of its columns, each of which has the same spread beforehand."""
    spread = embedding.std(axis=0)
    varies = spread > 1e-12 * max(1.0, float(np.abs(embedding).max()))
    if not varies.any():
        return np.zeros((len(embedding), 1))
    columns = (embedding[:, varies] - embedding[:, varies].mean(axis=0)) / spread[varies]
    left, strength, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, :dimensions] * strength[:dimensions], np.float64)


def _verdict(told_apart: Interval, tied: _Tie) -> Verdict:
    if math.isnan(told_apart.low):
        return "unknown"
    if told_apart.low >= _CLEARLY and tied.low >= _TIED:
        return "fail"
    return "warn" if told_apart.low >= _NOTABLY and tied.low >= _SOMEWHAT_TIED else "pass"


def _not_measured(tied: Interval | None, tied_of: _Tie, films: int, evidence: dict[str, Any]) -> Finding:
    """No class has two sources. Where each class has its own, that is the very reason to be on guard."""
    if not films:
        told = "No film has a known source, so nobody can say whether the run tells sources apart."
        return Finding("source", "unknown", _MEASURE, None, _THRESHOLD, (told,), _GIVE_SOURCES, evidence)
    told = (
        f"In no class do two sources have {FEWEST_FILMS} films of {FEWEST_GROUPS} groups each, of {counted(films, 'film')}"
        " of known source: whether the run tells sources apart cannot be measured."
    )
    if tied is None or not tied_of.low >= _TIED:
        return Finding("source", "unknown", _MEASURE, None, _THRESHOLD, (told,), "", evidence)
    tie = (
        f"But source and class are tied, by a Cramér's V of {format_interval(tied)}, {tied_of.label} most: whoever knows the"
        " source knows much of the class."
    )
    return Finding("source", "warn", _MEASURE, None, _THRESHOLD, (told, tie), _LEAVE_OUT, evidence)


def _told(
    number: Interval, tied: Interval | None, rows: Sequence[dict[str, Any]], skipped: dict[str, str]
) -> tuple[str, ...]:
    films = sum(sum(row["sources"].values()) for row in rows)
    told = [
        f"Within {counted(len(rows), 'class', 'classes')} ({counted(films, 'film')}), the source of a film is told from what"
        f" the run makes of it with an AUROC of {format_interval(number)}; 0.5 is chance."
    ]
    for row in rows:
        told.append(
            f"{row['label']}: AUROC {format_interval(interval_of(row['auroc']))} between {', '.join(row['sources'])}; named"
            f" rightly {format_interval(interval_of(row['accuracy']))}, by always saying the commonest"
            f" {row['commonest']:.3f}."
        )
    if tied is None:
        told.append("How closely source and class are tied cannot be known.")
    else:
        told.append(
            f"Source and class are tied by a Cramér's V of {format_interval(tied)}, where 0 is no tie and 1 settles the class."
        )
    if skipped:
        told.append(f"Left out: {'; '.join(f'{name} ({why})' for name, why in skipped.items())}.")
    return tuple(told)


_GIVE_SOURCES = 'Give the films\' sources by "plainfilm prepare --metadata", and audit again.'
_LEAVE_OUT = (
    'Score each source by itself ("plainfilm evaluate" has a table by source), leave each out in turn with "plainfilm train'
    ' --leave-one-source-out", and collect films of every class from every source; do not trust a score over all sources.'
)


def _advice(verdict: Verdict) -> str:
    return _LEAVE_OUT if verdict in ("fail", "warn") else ""

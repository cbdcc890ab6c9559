"""What a run is worth on films from elsewhere, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.judge.outside.headlines import headlines
from plainfilm.judge.subgroup_tables import commonest_answers

_WORDS = {"failure": "ALARM", "warning": "WARNING", "note": "note", "pass": "pass"}
_NAMED = 10


def outside_text(metrics: Mapping[str, Any]) -> str:
    """The headlines, the scores by class, what the run calls each label there, and what is missing there."""
    told = [f"{_WORDS[doubt.level]}: {doubt.title}. {' '.join(doubt.sentences)}" for doubt in headlines(metrics)]
    return "\n".join([*told, "", *_scores(metrics), *_called(metrics)])


def _scores(metrics: Mapping[str, Any]) -> list[str]:
    scores, missing = metrics["scores"], metrics["vocabulary"]["missing"]
    absent = [f"No film there is of {', '.join(missing)}."] if missing else []
    if scores is None:
        return [*absent, ""]

    def text(measure: str) -> str:
        return format_interval(interval_of(scores["metrics"][measure]))

    rows = [["", "precision", "sensitivity", "AUROC", "films"]]
    for label in metrics["classes"]:
        if scores["metrics"][f"support/{label}"]:
            cells = (text(f"{measure}/{label}") for measure in ("precision", "recall", "auroc"))
            rows.append([label, *cells, f"{scores['metrics'][f'support/{label}']:,}"])
    drawn = metrics["bootstrap"]
    return [
        f"Judged: {scores['films']:,} films in {scores['groups']:,} groups",
        *(
            f"{title:<18} {text(name)}"
            for name, title in (
                ("accuracy", "accuracy"),
                ("balanced_accuracy", "balanced accuracy"),
                ("macro_auroc", "macro AUROC"),
            )
        ),
        "",
        *_aligned(rows),
        "",
        f"In brackets: {drawn['level']:.0%} interval, {drawn['repeats']:,} bootstraps over groups.",
        *absent,
        *_against_foreign(metrics),
        "",
    ]


def _against_foreign(metrics: Mapping[str, Any]) -> list[str]:
    """A line for each class that has films there, against the commonest label that is none of ours."""
    told: dict[str, str] = {}
    for one in metrics["foreign_auroc"]:
        told.setdefault(
            one["class"],
            f"{one['class']} against {one['label']} ({one['films'][0]:,} and {one['films'][1]:,} films): AUROC"
            f" {format_interval(interval_of(one['auroc']))}.",
        )
    return list(told.values())


def _called(metrics: Mapping[str, Any]) -> list[str]:
    found = metrics["called"]
    rows = [["label there", "ours", "films", "called"]]
    rows += [
        [one["label"] or "(no label)", one["ours"] or "-", f"{one['films']:,}", commonest_answers(one["predicted"])]
        for one in found[:_NAMED]
    ]
    more = [f"and {len(found) - _NAMED} more labels"] if len(found) > _NAMED else []
    return [*_aligned(rows), *more]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

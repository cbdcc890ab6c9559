"""What a run is worth on the films that judged it, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.judge.evaluate import SPLIT_NAMES, shown_split


def report_text(metrics: Mapping[str, Any]) -> str:
    """The short classification report for a terminal: of the test split, or of validation where test was not read."""
    name = shown_split(metrics)
    split = metrics["splits"][name]

    def text(measure: str) -> str:
        return format_interval(interval_of(split["metrics"][measure]))

    rows = [["", "precision", "sensitivity", "F1", "films"]]
    for label in metrics["classes"]:
        cells = (text(f"{measure}/{label}") for measure in ("precision", "recall", "f1"))
        rows.append([label, *cells, f"{split['metrics'][f'support/{label}']:,}"])
    rows.append(["macro", text("macro_precision"), text("macro_recall"), text("macro_f1"), f"{split['films']:,}"])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    drawn = metrics["bootstrap"]
    return "\n".join(
        [
            f"{SPLIT_NAMES[name].capitalize()} split: {split['films']:,} films in {split['groups']:,} groups",
            f"accuracy     {text('accuracy')}",
            f"macro AUROC  {text('macro_auroc')}",
            "",
            *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
            "",
            f"In brackets: {drawn['level']:.0%} interval, {drawn['repeats']:,} bootstraps over groups.",
            *filter(None, [_file_alone_text(metrics), *_trust_lines(split.get("trust"), name)]),
        ]
    )


def _trust_lines(trust: Mapping[str, Any] | None, split: str) -> Iterator[str]:
    """What the calibration came to, in a few lines. split: whose films they are."""
    if trust is None:
        return
    ece = format_interval(interval_of(trust["calibration"]["after"]["ece"]))
    yield f"Calibration error (ECE) of the calibrated probabilities: {ece}."
    if "prediction_sets" in trust:
        sets = trust["prediction_sets"]
        held, single = (format_interval(interval_of(sets[name])) for name in ("coverage", "single"))
        yield f"Prediction sets hold the truth for {held} of the films (wanted {1 - sets['error']:g}); {single} name one class."
    if "turned_away" in trust:
        yield f"Turned away as no film of the kind it knows: {format_interval(interval_of(trust['turned_away']['share']))}."
    if split == "val" and "prediction_sets" in trust:
        yield "Calibration, prediction sets and refusals were fitted on these very films, and say nothing of new ones."


def _file_alone_text(metrics: Mapping[str, Any]) -> str:
    guess = metrics.get("file_alone")
    if not guess:
        return ""
    reached = {name: format_interval(interval_of(value)) for name, value in guess.items()}
    return (
        f"From the file alone (its size, compression and grey levels): accuracy {reached['accuracy']}, macro AUROC"
        f" {reached['macro_auroc']}."
    )

"""What the commands print: a manifest, the scores of a run, the spread over runs, the answers for films."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from plainfilm.core.calibration import Calibration
from plainfilm.core.manifest import SPLITS, Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.words import counted
from plainfilm.prepare.hints import hint_lines

_LONGEST_NAME = 60  # of a film in a table for people; CSV and JSON have all of it
DISCLAIMER = "Research and education only. Not a medical device."


class TableFormat(StrEnum):
    """How scores are printed."""

    table = "table"
    csv = "csv"
    json = "json"


class ComparedSplit(StrEnum):
    """On which films runs are compared."""

    test = "test"
    val = "val"


class Measure(StrEnum):
    """What sorts a leaderboard."""

    accuracy = "accuracy"
    balanced_accuracy = "balanced_accuracy"
    macro_auroc = "macro_auroc"
    macro_f1 = "macro_f1"
    log_loss = "log_loss"
    brier = "brier"


def printable(text: str) -> str:
    """The text with what would move a terminal (escapes, line ends) spelt out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _short(name: str) -> str:
    """A long path by its end."""
    return name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}"


def print_manifest(manifest: Manifest) -> None:
    """Films by class and split, notes, unreadable films, problems, and where the manifest and its card are."""
    counts = manifest.counts()
    is_split = bool((manifest.ok["split"] != "").any())
    columns = [name for name in counts if any(counts[name].values()) or (name in SPLITS and is_split)]
    width = max([*(len(name) for name in manifest.classes), 5])
    print(" " * width + "".join(f"{name:>11}" for name in columns))
    for name in manifest.classes:
        print(f"{name:<{width}}" + "".join(f"{counts[column][name]:>11,}" for column in columns))
    print(f"{'all':<{width}}" + "".join(f"{sum(counts[column].values()):>11,}" for column in columns))
    ok = manifest.ok
    print(
        f"{counted(len(ok), 'film')} in {counted(ok['group'].nunique(), 'group')} (same patient or same picture; a group lies "
        "whole in one split)"
    )
    for note in manifest.info.get("notes", []):
        print(f"note: {note}")
    if "hints" in manifest.info:
        print("\n".join(hint_lines(manifest.info["hints"])))
    failed = manifest.films[manifest.films["status"] == "error"]
    if len(failed):
        print(
            f"{counted(len(failed), 'film')} cannot be read; rows are kept. "
            f"The first: {printable(failed['path'].iloc[0])}: {failed['error'].iloc[0]}"
        )
    for problem in manifest.check() if is_split else ():
        print(f"{problem.kind.upper()}: {problem.text}")
    assert manifest.path is not None
    print(f"manifest: {manifest.path}    card: {manifest.path.with_name('dataset.md')}")


def print_inspection(inspection: Any, page: Path) -> None:
    """What a check found, the worst first, and the verdict."""
    words = {"failure": "LEAK", "warning": "look at", "note": "note"}
    for finding in inspection.findings:
        print(f"{words[finding.level]}: {finding.title}: {finding.text}")
    print(f"verdict: {inspection.verdict}")
    print(f"page: {page}    table: {page.with_name('check.csv')}")


def print_evaluation(evaluation: Any) -> None:
    """The scores of a run, what its audit says of them, and where its report is."""
    from plainfilm.judge.audit.standing import standing_text
    from plainfilm.judge.report import report_text

    print(report_text(evaluation.metrics))
    print(printable(standing_text(evaluation.run)))
    print(f"report: {evaluation.report}")


def print_outside(evaluation: Any) -> None:
    """What a run is worth on films from elsewhere, and where the page is."""
    from plainfilm.judge.outside.text import outside_text

    print(outside_text(evaluation.metrics))
    times = evaluation.metrics["readings"]
    print(f"These films were read {'once' if times == 1 else f'{times} times'} for this run.")
    print(f"report: {evaluation.report}")


def print_spread(evaluations: list[Any]) -> None:
    """Mean, standard deviation and range of the scores of several runs, each on its own split."""
    for split in ("val", "test"):
        held = [e.metrics["splits"][split]["metrics"] for e in evaluations if split in e.metrics["splits"]]
        for name in ("accuracy", "macro_auroc"):
            values = [metrics[name]["value"] for metrics in held if metrics[name]["value"] is not None]
            if len(values) > 1:
                print(
                    f"{split} {name.replace('_', ' ')} over {len(values)} runs: mean {statistics.mean(values):.4f}, "
                    f"standard deviation {statistics.stdev(values):.4f}, {min(values):.4f} to {max(values):.4f}"
                )


def print_comparison(compared: Any) -> None:
    """The leaderboard, the verdict on each pair, what the test split was read for, and where the page is."""
    from plainfilm.judge.compare.words import comparison_text

    for line in comparison_text(compared.comparison).splitlines():
        print(printable(line))
    if compared.test_readings:
        counts = sorted(set(compared.test_readings.values()))
        times = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        print(
            f"Readings of the test split, this one counted in {counted(len(compared.test_readings), 'run')}: {times} each."
        )
    print(f"page: {compared.page}    table: {compared.page.with_name('leaderboard.csv')}")


def print_audit(audited: Any) -> None:
    """The verdict of each check, what failed and what to do, the headline, and where the page is."""
    from plainfilm.judge.audit.text import audit_text

    for line in audit_text(audited.audit).splitlines():
        print(printable(line))
    if audited.test_readings:
        times = "once" if audited.test_readings == 1 else f"{audited.test_readings} times"
        print(f"The test split was read {times} for this run.")
    print(f"page: {audited.page}")


def print_explained(explained: Any) -> bool:
    """Each map with its checks, the films without one, and where all of it lies. Returns whether any film could be read."""
    table = explained.table
    mapped = table[table["class"] != ""]
    header = ["film", "class", "probability", "in lungs", "by chance", "stable", "like shuffled", "verdict"]
    named = ["probability", "share_in_lungs", "lungs_share", "stability", "randomisation"]
    lines = [
        [
            _short(printable(row["film"])),
            printable(row["class"]),
            *("" if math.isnan(row[name]) else f"{row[name]:.2f}" for name in named),
            row["verdict"],
        ]
        for row in mapped.to_dict("records")
    ]
    if lines:
        widths = [max(len(line[column]) for line in [header, *lines]) for column in range(len(header))]
        for line in [header, *lines]:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    failing = int(mapped["verdict"].str.startswith("FAILS").sum())
    if failing:
        print(f"{failing} of {counted(len(mapped), 'map')} cannot be trusted; each says so on its face.")
    untried = int(mapped["verdict"].str.startswith("not all tried").sum())
    if untried:
        print(f"{untried} of {counted(len(mapped), 'map')} could not be tried in everything.")
    for row in table[table["class"] == ""].to_dict("records"):
        print(
            f"{_short(printable(row['film']))}: "
            + (
                f"turned away: {printable(row['turned_away'])}"
                if row["turned_away"]
                else f"error: {printable(row['error'])}"
            )
        )
    print(
        f"page: {explained.page}    overlays: {explained.directory / 'overlays'}    table: {explained.directory / 'explain.csv'}"
    )
    return bool((table["status"] != "error").any())


def scores_text(predictions: Predictions, calibration: Calibration, format: TableFormat) -> str:
    """The answers, one film a row, as an aligned table, CSV or JSON.

    A film that is turned away has the reason, and neither class nor set nor probabilities, which would mean nothing.
    """
    rows = _answers(predictions, calibration)
    if format is TableFormat.json:
        return (
            json.dumps(
                {"model": predictions.table["model"].iloc[0], "note": DISCLAIMER, "films": rows},
                indent=2,
                ensure_ascii=False,
            )
            + "\n"
        )
    header = ["film", "class", "set", *(f"p_{name}" for name in predictions.classes), "status", "turned_away", "error"]
    cells = [
        [
            row["film"],
            row["class"] or "",
            "" if row["set"] is None else " or ".join(row["set"]) or "none",
            *(
                ""
                if p is None
                else f"{p:.6f}"
                if format is TableFormat.csv
                else ""
                if row["turned_away"]
                else f"{p:.3f}"
                for p in row["probability"].values()
            ),
            row["status"],
            row["turned_away"],
            row["error"],
        ]
        for row in rows
    ]
    if format is TableFormat.csv:
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([header, *cells])
        return lines.getvalue()
    cells = [[_short(printable(line[0])), *(printable(cell) for cell in line[1:])] for line in cells]
    widths = [max(len(line[column]) for line in [header, *cells]) for column in range(len(header))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in [header, *cells]
    )


def _answers(predictions: Predictions, calibration: Calibration) -> list[dict[str, Any]]:
    """One mapping a film; what is not known is None."""
    is_ok, classes = predictions.has_score, predictions.classes
    probability = np.full(predictions.logit.shape, np.nan)
    held = np.zeros(probability.shape, np.bool_)
    if is_ok.any():
        probability[is_ok] = calibration.probability(predictions.logit[is_ok])
        held[is_ok] = calibration.prediction_set(predictions.logit[is_ok])
    rows = []
    for place, (row, reason) in enumerate(zip(predictions.table.itertuples(), predictions.turned_away, strict=True)):
        is_answered = is_ok[place] and not reason
        rows.append(
            {
                "film": row.image_id,
                "status": row.status,
                "error": row.error,
                "turned_away": reason,
                "class": classes[int(probability[place].argmax())] if is_answered else None,
                "set": [name for c, name in enumerate(classes) if held[place, c]] if is_answered else None,
                "probability": {
                    name: round(float(probability[place, c]), 6) if is_answered else None
                    for c, name in enumerate(classes)
                },
            }
        )
    return rows

"""What the commands print: a manifest, the scores of a run, the spread over runs, heatmaps, a bundle."""

from __future__ import annotations

import math
import shlex
import statistics
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainfilm.core.words import counted, printable, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plainfilm.core.manifest import Manifest
    from plainfilm.core.recipe import Recipe


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


def print_manifest(manifest: Manifest) -> None:
    """Films by class and split, notes, unreadable films, problems, and where the manifest and its card are."""
    from plainfilm.core.manifest import SPLITS
    from plainfilm.prepare.group import what_joins
    from plainfilm.prepare.hints import hint_lines

    counts = manifest.counts()
    is_split = bool((manifest.ok["split"] != "").any())
    columns = [name for name in counts if any(counts[name].values()) or (name in SPLITS and is_split)]
    if manifest.classes:
        width = max([*(len(name) for name in manifest.classes), 5])
        print(" " * width + "".join(f"{name:>11}" for name in columns))
        for name in manifest.classes:
            print(f"{name:<{width}}" + "".join(f"{counts[column][name]:>11,}" for column in columns))
        print(f"{'all':<{width}}" + "".join(f"{sum(counts[column].values()):>11,}" for column in columns))
    ok = manifest.ok
    whole = "; a group lies whole in one split" if is_split else ""
    print(f"{counted(len(ok), 'film')} in {counted(ok['group'].nunique(), 'group')} ({what_joins(ok)}{whole})")
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
    from plainfilm.judge.report_text import report_text

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


def print_recipes(recipes: Sequence[Recipe]) -> None:
    """The published recipes that ship inside."""
    from plainfilm.judge.reproduce.text import recipes_text

    print(recipes_text(recipes))


def print_reproduction(reproduced: Any) -> None:
    """Claimed against measured, network by network, and where the page is."""
    from plainfilm.judge.reproduce.text import reproduction_text

    for line in reproduction_text(reproduced.reproduction).splitlines():
        print(printable(line))
    print(f"page: {reproduced.page}    numbers: {reproduced.page.with_suffix('.json')}")


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


def print_tuning(tuning: Any, manifest: Path) -> None:
    """The best settings and what to think of their score, which settings mattered, and what to do next. manifest: as typed."""
    from plainfilm.judge.tune.words import tuning_text

    for line in tuning_text(tuning.tuned):
        print(printable(line))
    print(f"Ended, since {tuning.ended}.")
    place = tuning.study.directory
    if tuning.tuned.best is not None:
        command = ["plainfilm", "train", str(manifest), "-o", "RUN", "--recipe", str(place / "best.toml")]
        print(f"next: {shlex.join(command)}")
    print(f"page: {tuning.page}    table: {place / 'trials.csv'}    numbers: {place / 'tune.json'}")


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
    numbers = {
        "probability": "probability",
        "share_in_lungs": "in lungs",
        "lungs_share": "by chance",
        "stability": "stable",
        "randomisation": "like shuffled",
    }
    known = {
        name: title for name, title in numbers.items() if mapped[name].notna().any()
    }  # a bundle's are not compared
    header = ["film", "class", *known.values(), "verdict"]
    lines = [
        [
            short(printable(row["film"])),
            printable(row["class"]),
            *("" if math.isnan(row[name]) else f"{row[name]:z.2f}" for name in known),
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
            f"{short(printable(row['film']))}: "
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


def print_exported(exported: Any) -> None:
    """What was shown before the bundle was written, and where it is."""
    found = exported.parity
    apart = f"logits differ by at most {found.logit:.2g}" + (
        "" if found.strength is None else f", heatmaps by {found.strength:.2g} of their largest value"
    )
    print(
        f"On {counted(found.films, 'validation film')} the bundle gives the run's label for {found.labels:.2%}, its prediction set "
        f"for {found.sets:.2%}, and answers or turns away as it does for {found.turned_away:.2%}."
    )
    print(
        f"{apart[0].upper()}{apart[1:]}; macro AUROC {found.macro_auroc_before:.4f} before, {found.macro_auroc_after:.4f} after."
    )
    if exported.why_no_maps:
        print(f"note: no heatmaps: {exported.why_no_maps}")
    print(f"bundle: {exported.path} ({exported.path.stat().st_size / 1e6:.1f} MB, {exported.precision})")

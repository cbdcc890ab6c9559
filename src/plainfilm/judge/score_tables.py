"""The tables of scores in a report: from metrics.json to pieces of page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.manifest import SPLITS
from plainfilm.core.page import Html, estimate, joined, numbers, swatch, table, texts
from plainfilm.judge.evaluate import SPLIT_NAMES

SOURCES_SHOWN = 40  # as many as a reader may look through
_ANSWERS_SHOWN = 4
_OVERALL = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_auroc": "Macro AUROC",
    "macro_average_precision": "Macro average precision",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "log_loss": "Log loss (lower is better)",
    "brier": "Brier score (lower is better)",
}
_BY_CLASS = {
    "precision": "Precision",
    "recall": "Sensitivity (recall)",
    "specificity": "Specificity",
    "f1": "F1",
    "auroc": "AUROC",
    "average_precision": "Average precision",
}


def overall_table(metrics: Mapping[str, Any]) -> Html:
    """The measures of the whole table, the splits side by side."""
    splits = [name for name in SPLITS if name in metrics["splits"]]
    rows = (
        [title, *(_cell(metrics["splits"][split]["metrics"], name) for split in splits)]
        for name, title in _OVERALL.items()
    )
    films = ["Films", *(f"{metrics['splits'][split]['films']:,}" for split in splits)]
    groups = ["Groups", *(f"{metrics['splits'][split]['groups']:,}" for split in splits)]
    columns = [*texts("Measure"), *numbers(*(SPLIT_NAMES[split].capitalize() for split in splits))]
    return table("The whole table of films, by split", columns, rows, footer=[films, groups])


def classification_report(metrics: Mapping[str, Any], split: str, colours: Mapping[str, str]) -> Html:
    """One split's measures of every class against the rest, and their means over the classes."""
    of_split = metrics["splits"][split]
    measured = of_split["metrics"]
    columns = [*texts("Class"), *numbers(*_BY_CLASS.values(), "Films")]
    rows = (
        [
            swatch(colours[name], name),
            *(_cell(measured, f"{measure}/{name}") for measure in _BY_CLASS),
            f"{measured[f'support/{name}']:,}",
        ]
        for name in metrics["classes"]
    )
    means = (
        [title, *(_cell(measured, f"{kind}_{measure}") for measure in _BY_CLASS), f"{of_split['films']:,}"]
        for title, kind in (("Macro mean", "macro"), ("Weighted mean", "weighted"))
    )
    title = "Each class against the rest; means over the classes, plain and weighted by films"
    return table(title, columns, rows, footer=means)


def confusion_table(split: Mapping[str, Any], classes: Sequence[str]) -> Html:
    """The confusion matrix as a table, for those who copy numbers or cannot see the figure."""
    cells = zip(classes, split["confusion"]["counts"], split["confusion"]["share"], strict=True)
    rows = (
        [truth, *(_count_and_share(*both) for both in zip(counts, shares, strict=True))]
        for truth, counts, shares in cells
    )
    columns = [*texts("True class"), *numbers(*(f"taken for {name}" for name in classes))]
    return table("Films, and share of the films of the true class", columns, rows)


def _cell(measured: Mapping[str, Any], name: str) -> Html | str:
    return estimate(interval_of(measured[name])) if name in measured else "–"


def _count_and_share(count: int, share: Mapping[str, float | None]) -> Html:
    return joined(f"{count:,}", Html("<br>"), estimate(interval_of(share)))

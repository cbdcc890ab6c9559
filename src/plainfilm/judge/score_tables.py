"""The tables of scores in a report: from metrics.json to pieces of page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.manifest import SPLITS
from plainfilm.core.page import Html, estimate, joined, numbers, paragraph, swatch, table, texts
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


def source_table(split: Mapping[str, Any], colours: Mapping[str, str]) -> Html:
    """What holds within each source."""
    measured = numbers("Films", "Correct", "AUROC within the source")
    columns = [*texts("Source", "Class"), *measured, *texts("Taken for")]
    of_sources = split["by_source"]
    rows = (row for one in of_sources[:SOURCES_SHOWN] for row in _source_rows(one, colours))
    more = len(of_sources) - SOURCES_SHOWN
    rest = paragraph(f"{more} smaller sources are in metrics.json.", soft=True) if more > 0 else ""
    return joined(table("Each source by itself", columns, rows), rest)


def _source_rows(one: Mapping[str, Any], colours: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """One row for the source, and one for each of its classes where it supplies several."""
    source = one["source"] or "unknown"
    said = _commonest_answers(one["predicted"])
    supplied = list(one["classes"])
    is_single = len(supplied) == 1
    what = swatch(colours[supplied[0]], supplied[0]) if is_single else "all"
    no_area = "one class only" if is_single else "–"
    yield [source, what, f"{one['films']:,}", estimate(interval_of(one["accuracy"])), no_area, said]
    for name in () if is_single else supplied:
        area = one["auroc"][name]
        yield [
            source,
            swatch(colours[name], name),
            f"{one['classes'][name]:,}",
            estimate(interval_of(one["recall"][name])),
            estimate(interval_of(area)) if area else "–",
            "",
        ]


def _commonest_answers(predicted: Mapping[str, int]) -> str:
    given = sorted((name for name in predicted if predicted[name]), key=lambda name: -predicted[name])
    others = sum(predicted[name] for name in given[_ANSWERS_SHOWN:])
    listed = [f"{name} {predicted[name]:,}" for name in given[:_ANSWERS_SHOWN]]
    return ", ".join([*listed, *([f"others {others:,}"] if others else [])])


def on_perfection(metrics: Mapping[str, Any], split: str) -> str:
    """Why an interval of 1.000 to 1.000 is no certainty: the limit after n films without a miss (Clopper & Pearson).

    Empty where no class was found without a miss.
    """
    measured, level = metrics["splits"][split]["metrics"], metrics["bootstrap"]["level"]
    perfect = [name for name in metrics["classes"] if measured[f"recall/{name}"]["low"] == 1]
    if not perfect:
        return ""
    limits = (f"{name} {(1 - level) ** (1 / measured[f'support/{name}']):.3f}" for name in perfect)
    return (
        "Where no film was missed, the bootstrap cannot see that some could have been. By their number alone, the "
        f"sensitivity may be as low as: {', '.join(limits)} (one side, {level:.0%}; lower where films share a group)."
    )


def _cell(measured: Mapping[str, Any], name: str) -> Html | str:
    return estimate(interval_of(measured[name])) if name in measured else "–"


def _count_and_share(count: int, share: Mapping[str, float | None]) -> Html:
    return joined(f"{count:,}", Html("<br>"), estimate(interval_of(share)))

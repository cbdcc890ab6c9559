"""Tables of subgroups, from what `judge.subgroups` found to pieces of page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.page import Html, estimate, joined, numbers, paragraph, swatch, table, texts

_ROWS_SHOWN = 40
_ANSWERS_SHOWN = 4


def subgroup_table(title: str, found: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> Html:
    """One table a column. title: what the column is called; found: as `judge.subgroups.by_subgroup` gives it."""
    measured = numbers("Films", "Groups", "Correct", f"AUROC within the {title}", "Turned away")
    columns = [*texts(title.capitalize(), "Class"), *measured, *texts("Taken for")]
    rows = [row for one in found for row in _rows(one, title, colours)]
    more = len(rows) - _ROWS_SHOWN
    rest = paragraph(f"{more:,} more rows are in metrics.json.", soft=True) if more > 0 else ""
    return joined(table(f"Each {title} by itself", columns, rows[:_ROWS_SHOWN]), rest)


def _rows(one: Mapping[str, Any], title: str, colours: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """One row for the subgroup, and one for each of its classes where it supplies several."""
    value, supplied = one["value"] or f"unknown {title}", list(one["classes"])
    is_single = len(supplied) == 1
    away = interval_of(one["turned_away"])
    yield [
        value,
        swatch(colours[supplied[0]], supplied[0]) if is_single else "all",
        f"{one['films']:,}",
        f"{one['groups']:,}",
        estimate(interval_of(one["accuracy"])),
        "one class only" if is_single else "–",
        f"{away.value:.2f}",
        commonest_answers(one["predicted"]),
    ]
    for name in () if is_single else supplied:
        area = estimate(interval_of(one["auroc"][name])) if one["auroc"][name] else "–"
        correct = estimate(interval_of(one["recall"][name]))
        yield ["", swatch(colours[name], name), f"{one['classes'][name]:,}", "", correct, area, "", ""]


def commonest_answers(predicted: Mapping[str, int]) -> str:
    """`COVID 12, Normal 3`: the classes that were named most often, the others counted together."""
    given = sorted((name for name in predicted if predicted[name]), key=lambda name: -predicted[name])
    others = sum(predicted[name] for name in given[_ANSWERS_SHOWN:])
    listed = [f"{name} {predicted[name]:,}" for name in given[:_ANSWERS_SHOWN]]
    return ", ".join([*listed, *([f"others {others:,}"] if others else [])])

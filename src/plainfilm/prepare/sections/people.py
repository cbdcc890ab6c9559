"""Of whom the films are and how they were taken: views, sexes, ages, sources; what is unknown counts as unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from plainfilm.core.chart import CATEGORY_COLOURS, UNKNOWN_COLOUR, Bar, Part, Spread, bars, spreads
from plainfilm.core.page import (
    Html,
    Section,
    drawing,
    drawings,
    folded,
    joined,
    legend,
    numbers,
    paragraph,
    section,
    table,
    texts,
)
from plainfilm.core.words import counted
from plainfilm.prepare.sections.seen import Seen, named

_KINDS = {"source": "Sources", "view": "Views", "sex": "Sexes"}
_VALUES_SHOWN = len(CATEGORY_COLOURS) - 1
_VALUES_LISTED = 40
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_OTHERS_COLOUR = "#a9a18f"
_UNKNOWN = "unknown"


def people_section(seen: Seen) -> Section:
    """One chart for each that is known of any film; a sentence for each that is not."""
    ok = seen.films[(seen.films["status"] == "ok").to_numpy()]
    drawn, tables, silent = [], [], []
    for column, title in _KINDS.items():
        if (ok[column] == "").all():
            silent.append(column)
            continue
        drawn.append(_shares(seen, ok, column, title))
        tables.append(_counts(seen, ok, column, title))
    if ok["age"].isna().all():
        silent.append("age")
    else:
        drawn.append(_ages(seen, ok))
    unknown = f"Unknown for every film: {', '.join(silent)}." if silent else ""
    return section(
        "Sources, views, sexes, ages",
        paragraph("As the manifest has them, readable films only. ", unknown),
        drawings(*drawn) if drawn else "",
        folded("The same in numbers", *tables) if tables else "",
    )


def _shares(seen: Seen, ok: pd.DataFrame, column: str, title: str) -> Html:
    counts = ok.loc[ok[column] != "", column].value_counts()
    shown = list(counts.index[:_VALUES_SHOWN])
    parts = [Part(str(value), colour) for value, colour in zip(shown, CATEGORY_COLOURS, strict=False)]
    if len(counts) > len(shown):
        parts.append(Part(f"{len(counts) - len(shown)} others", _OTHERS_COLOUR))
    known = int((ok[column] != "").sum())
    if known < len(ok):
        parts.append(Part(_UNKNOWN, UNKNOWN_COLOUR))
    rows = []
    for name in seen.labels:
        inside = ok.loc[ok["label"] == name, column]
        films = [int((inside == value).sum()) for value in shown]
        others = int((inside != "").sum()) - sum(films)
        films += [others] if len(counts) > len(shown) else []
        films += [int((inside == "").sum())] if known < len(ok) else []
        rows.append(Bar(named(name), films))
    caption = f"Known for {known:,} of {counted(len(ok), 'film')}."
    chart = joined(
        bars(f"{title} by class", rows, parts, as_shares=True), legend((part.colour, part.name) for part in parts)
    )
    return drawing(title, chart, caption)


def _ages(seen: Seen, ok: pd.DataFrame) -> Html:
    known = ok[ok["age"].notna()]
    rows, without = [], []
    for name in seen.labels:
        ages = known.loc[known["label"] == name, "age"].to_numpy(np.float64)
        films = int((ok["label"] == name).sum())
        if len(ages):
            quantiles = np.quantile(ages, _QUANTILES)
            text = f"{quantiles[2]:.0f} ({quantiles[0]:.0f} to {quantiles[4]:.0f}), {len(ages):,} of {films:,}"
            rows.append(Spread(named(name), seen.colours[name], quantiles.tolist(), text))
        elif films:
            without.append(named(name))
    unknown = f" Unknown for all films of {', '.join(without)}." if without else ""
    caption = (
        f"Known for {len(known):,} of {counted(len(ok), 'film')}: the middle, half of the films, nine in ten (in "
        f"brackets), and of how many films of the class it is known.{unknown}"
    )
    return drawing("Ages", spreads("Ages by class", rows, "years"), caption)


def _counts(seen: Seen, ok: pd.DataFrame, column: str, title: str) -> Html:
    counts = ok[column].value_counts()
    values = [value for value in counts.index if value][:_VALUES_LISTED]
    hidden = int((counts.index != "").sum()) - len(values)
    rows = [
        [str(value) or _UNKNOWN, *(_count(ok, column, value, name) for name in seen.labels), f"{counts[value]:,}"]
        for value in [*values, *([""] if "" in counts.index else [])]
    ]
    more = f"; {hidden:,} rarer ones are in the manifest" if hidden else ""
    return table(f"{title} by class{more}", [*texts(title), *numbers(*map(named, seen.labels), "All")], rows)


def _count(ok: pd.DataFrame, column: str, value: str, label: str) -> str:
    films = int(((ok[column] == value) & (ok["label"] == label)).sum())
    return f"{films:,}" if films else "–"

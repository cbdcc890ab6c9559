"""How many films there are, of which class, in which split; and what one should know before anything else."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from plainfilm.core.chart import CATEGORY_COLOURS, UNKNOWN_COLOUR, Bar, Part, bars
from plainfilm.core.manifest import SPLITS
from plainfilm.core.page import (
    Card,
    Html,
    Section,
    alert,
    cards,
    drawing,
    drawings,
    joined,
    legend,
    numbers,
    section,
    table,
    texts,
)
from plainfilm.core.words import counted
from plainfilm.prepare.group import what_joins
from plainfilm.prepare.sections.seen import Seen, named
from plainfilm.prepare.sections.twins import Twins

_PLACES = {
    "train": ("training", CATEGORY_COLOURS[0]),
    "val": ("validation", CATEGORY_COLOURS[3]),
    "test": ("test", CATEGORY_COLOURS[1]),
    "": ("no split", UNKNOWN_COLOUR),
}
_GROUP_SIZES = (
    ("alone", "#c6dbef"), ("2 films", "#9ecae1"), ("3 to 5", "#6baed6"), ("6 to 20", "#3182bd"), ("more than 20", "#08519c"),
)  # fmt: skip
_CLASSES_TOLD_APART = 8
_UNREADABLE = Part("unreadable", "var(--failure)")


def glance_section(seen: Seen, twins: Twins) -> Section:
    """The numbers that one should see first, and every alarm."""
    films, ok = seen.films, seen.manifest.ok
    patients = ok.loc[ok["patient_id"] != "", "patient_id"]
    sources = ok.loc[ok["source"] != "", "source"]
    near = len(twins.pairs)
    return section(
        "At a glance",
        cards(
            [
                Card("Films", f"{len(films):,}", _readable(len(films) - int(seen.is_shown.sum()))),
                Card("Classes", f"{len(seen.manifest.classes):,}", _largest(ok)),
                Card("Groups", f"{ok['group'].nunique():,}", what_joins(ok)),
                Card(
                    "Patients",
                    f"{patients.nunique():,}" if len(patients) else "unknown",
                    _known(len(patients), len(ok)),
                ),
                Card("Sources", f"{sources.nunique():,}" if len(sources) else "unknown", _known(len(sources), len(ok))),
                Card("Twins", f"{near:,}", twins.told),
            ]
        ),
        *_alerts(seen, twins),
    )


def counts_section(seen: Seen) -> Section:
    """Films by class and split."""
    films = seen.films
    places = [name for name in (*SPLITS, "") if name or (films.loc[films["status"] == "ok", "split"] == "").any()]
    ok = films[films["status"] == "ok"]
    has_errors = len(ok) < len(films)
    parts = [Part(*_PLACES[name]) for name in places] + ([_UNREADABLE] if has_errors else [])
    counts = {
        name: [int(((ok["label"] == name) & (ok["split"] == place)).sum()) for place in places] for name in seen.labels
    }
    errors = {name: int(((films["status"] == "error") & (films["label"] == name)).sum()) for name in seen.labels}
    rows = [Bar(named(name), [*counts[name], *([errors[name]] if has_errors else [])]) for name in seen.labels]
    sums = [
        *(sum(counts[name][place] for name in seen.labels) for place in range(len(places))),
        *([sum(errors.values())] * has_errors),
    ]
    by_place = [ok[ok["split"] == place] for place in places]
    blank = [""] if has_errors else []
    footer = [
        ["All", *(f"{count:,}" for count in sums), f"{len(films):,}"],
        ["Groups", *(f"{part['group'].nunique():,}" for part in by_place), *blank, f"{ok['group'].nunique():,}"],
        ["Patients known", *(f"{_patients(part):,}" for part in by_place), *blank, f"{_patients(ok):,}"],
    ]
    others = [name for name in seen.manifest.split_columns if name != "split"]
    more = f" The manifest holds further splits ({counted(len(others), 'column')})." if others else ""
    return section(
        "Classes and splits",
        drawings(
            _drawn("Films of each class", rows, parts, f"By split.{more}", as_shares=False),
            *_classes_of_splits(seen, ok, [place for place in places if (ok["split"] == place).any()]),
            _group_sizes(seen, ok),
        ),
        table(
            "Films by class and split; a group lies whole in one split",
            [*texts("Class"), *numbers(*(part.name.capitalize() for part in parts), "All")],
            ([row.name, *(f"{count:,}" for count in row.counts), f"{sum(row.counts):,}"] for row in rows),
            footer,
        ),
    )


def _classes_of_splits(seen: Seen, ok: pd.DataFrame, places: list[str]) -> Iterator[Html]:
    """The classes within each split, where they are few enough to be told apart."""
    if len(seen.labels) > _CLASSES_TOLD_APART:
        return
    parts = [Part(named(name), seen.colours[name]) for name in seen.labels]
    rows = [
        Bar(_PLACES[place][0], [int(((ok["split"] == place) & (ok["label"] == name)).sum()) for name in seen.labels])
        for place in places
    ]
    yield _drawn("Classes in each split", rows, parts, "As shares of the split's readable films.", as_shares=True)


def _group_sizes(seen: Seen, ok: pd.DataFrame) -> Html:
    """How far the films of a class stand alone: alone in their group, or with others of the same patient or picture."""
    size = ok["group"].map(ok["group"].value_counts())
    kinds = pd.cut(size, [0, 1, 2, 5, 20, float("inf")], labels=False)
    parts = [Part(*kind) for kind in _GROUP_SIZES]
    rows = [
        Bar(named(name), [int(((ok["label"] == name) & (kinds == place)).sum()) for place in range(len(parts))])
        for name in seen.labels
    ]
    is_there = [any(row.counts[place] for row in rows) for place in range(len(parts))]
    parts = [part for part, there in zip(parts, is_there, strict=True) if there]
    rows = [Bar(row.name, [count for count, there in zip(row.counts, is_there, strict=True) if there]) for row in rows]
    told = "Films by the size of their group. Films of a group are no independent evidence."
    return _drawn("Films that stand alone", rows, parts, told, as_shares=True)


def _drawn(title: str, rows: list[Bar], parts: list[Part], told: str, *, as_shares: bool) -> Html:
    chart = bars(title, rows, parts, as_shares=as_shares)
    return drawing(title, joined(chart, legend((part.colour, part.name) for part in parts)), told)


def _alerts(seen: Seen, twins: Twins) -> Iterator[Html]:
    problems = seen.manifest.check()
    leaks = [problem.text for problem in problems if problem.kind == "leak"]
    if leaks:
        yield alert(
            "failure",
            "The split leaks",
            *(f"{text}." for text in leaks),
            'Scores would be too good: "plainfilm check" says more.',
        )
    for finding in seen.manifest.info.get("hints", {}).get("findings", []):
        title = f"The {finding['by']} foretells the class: {', '.join(finding['classes'])}"
        yield alert(finding["level"], title, f"{_sentence(finding['text'])}")
    if twins.across_splits:
        yield alert(
            "failure",
            f"{counted(twins.across_splits, 'pair')} of twins in two splits",
            "The same picture is learnt from and judged on.",
        )
    if twins.across_labels:
        yield alert(
            "warning",
            f"{counted(twins.across_labels, 'pair')} of twins under two labels",
            "Of each, at least one label is wrong.",
        )
    gaps = [problem.text for problem in problems if problem.kind == "split"]
    if gaps and any(seen.films["split"] != ""):
        yield alert("note", "A split lacks a class", *(f"{text}." for text in gaps))
    lost = int((seen.films["lost"] != "").sum())
    if lost:
        of_all = f"{lost:,} of {counted(len(seen.manifest.ok), 'film')} that the manifest calls readable"
        yield alert(
            "warning",
            f"{of_all} cannot be read any more, or have changed",
            "They are left out of all pictures and curves; the reasons are under Oddities.",
        )


def _readable(errors: int) -> str:
    return f"{errors:,} of them unreadable" if errors else "all readable"


def _largest(ok: pd.DataFrame) -> str:
    counts = ok.loc[ok["label"] != "", "label"].value_counts()
    return f"the largest holds {counts.iloc[0] / len(ok):.0%} of the films" if len(counts) else "no film has a label"


def _known(known: int, films: int) -> str:
    return (
        "known for no film"
        if not known
        else "known for all films"
        if known == films
        else f"known for {known:,} of {films:,} films"
    )


def _patients(films: pd.DataFrame) -> int:
    return int(films.loc[films["patient_id"] != "", "patient_id"].nunique())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

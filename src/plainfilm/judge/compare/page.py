"""The page of a comparison: which differences are real, the leaderboard, how far trainings lie apart, what was compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import Interval
from plainfilm.core.chart import Guess, guesses
from plainfilm.core.html import breakable, element
from plainfilm.core.looks import BLUE, GREEN, VERMILION, shortened
from plainfilm.core.page import (
    Card,
    Html,
    Section,
    alert,
    bullets,
    cards,
    code,
    drawing,
    drawings,
    estimate,
    folded,
    joined,
    legend,
    number_and_ends,
    numbers,
    page,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.judge.compare.audits import audit_cells
from plainfilm.judge.compare.comparison import ERROR, LOWER_IS_BETTER, MEASURES, TESTED, Comparison, Difference, Row
from plainfilm.judge.compare.contestants import Contestant
from plainfilm.judge.compare.differences import PAIRS_DRAWN, axis, differences_of, title_of
from plainfilm.judge.compare.words import (
    KIND_WORDS,
    NETWORKS_ONLY,
    SPLIT_WORDS,
    TITLES,
    headline,
    is_about_networks,
)

_COLOURS = {"method": BLUE, "table": VERMILION, "ensemble": GREEN}
_NAME_LETTERS = 17
_ROWS_DRAWN = 20
_NAMES_IN_TITLE = 3


def compare_page(comparison: Comparison, contestants: Sequence[Contestant], made: Mapping[str, Any]) -> str:
    """One offline page. contestants: what was compared. made: as `provenance` gives it."""
    names = [row.name for row in comparison.rows if row.kind != "ensemble"]
    title = ", ".join(names) if len(names) <= _NAMES_IN_TITLE else f"{len(names)} networks and methods"
    split = SPLIT_WORDS.get(comparison.split, comparison.split)
    lead = f"{comparison.films:,} {split} films in {comparison.groups:,} groups, {len(comparison.classes)} classes"
    footer = f"Made by {made['command']} at {made['made_at']}, plainfilm {made['versions'].get('plainfilm', '')}"
    return page(f"Comparison: {title}", list(_sections(comparison, contestants)), lead=lead, footer=footer)


def _sections(comparison: Comparison, contestants: Sequence[Contestant]) -> Iterator[Section]:
    yield section("Verdict", *_verdict(comparison))
    yield section("Leaderboard", *_leaderboard(comparison, contestants))
    if comparison.differences:
        yield section("Differences", *differences_of(comparison, comparison.differences))
    if comparison.ensemble_differences:
        yield section(
            "Ensembles",
            paragraph(
                "An ensemble answers with the mean of the probabilities of its networks; in the one of all, each contestant "
                "counts alike. It costs as much time as all of them together. Its tests are a family of their own, so that they do "
                "not make those of the contestants weaker. Each is first set against the best contestant."
            ),
            *differences_of(comparison, comparison.ensemble_differences, comparison.foremost_ensemble_differences),
        )
    yield section("Spread over trainings", *_spread(comparison))
    yield section("What was compared", *_compared(comparison, contestants))
    yield section("How to read this", *_reading(comparison))


# Verdict --------------------------------------------------------------------------------------------------------------


def _verdict(comparison: Comparison) -> Iterator[Html]:
    pairs = comparison.differences
    told = [
        f"{pair.better(measure)} is better than {pair.second if pair.better(measure) == pair.first else pair.first} in "
        f"{TITLES[measure]}, by {_size(pair.measures[measure])}"
        for pair in pairs
        for measure, verdict in pair.verdicts.items()
        if verdict.is_supported
    ]
    if told:
        more = [f"and {len(told) - PAIRS_DRAWN} more, below"] if len(told) > PAIRS_DRAWN else []
        yield alert("note", headline(comparison), bullets([*told[:PAIRS_DRAWN], *more]))
    elif pairs:
        yield alert(
            "note",
            headline(comparison),
            f"These {comparison.films:,} films cannot tell the contestants apart. That does not show that they are equal: the "
            "intervals below hold the differences that are still possible.",
        )
    lead = _unsupported_lead(comparison)
    if lead is not None and told:
        yield alert(
            "note",
            "The first place is not settled",
            f"{lead.first} stands first in {TITLES[comparison.by]}, but its lead over {lead.second} is not supported.",
        )
    if is_about_networks(comparison):
        yield alert("warning", "These networks, not these methods", NETWORKS_ONLY)
    for note in comparison.notes:
        yield alert("note", "Films", f"{note}.")
    first = comparison.rows[0]
    ends = "Lowest" if comparison.by in LOWER_IS_BETTER else "Highest"
    ensembles = sum(row.kind == "ensemble" for row in comparison.rows)
    yield cards(
        [
            Card(f"{ends} {TITLES[comparison.by]}", _number(first.measures[comparison.by].value), first.name),
            Card("Films", f"{comparison.films:,}", f"in {comparison.groups:,} groups (patients)"),
            Card("Rows", f"{len(comparison.rows)}", f"{ensembles} of them ensembles"),
            Card("Tests", f"{comparison.tests}", f"at most {ERROR:.0%} chance of even one false “supported”"),
        ]
    )


def _unsupported_lead(comparison: Comparison) -> Difference | None:
    """The difference of the first two contestants, where it is tested and not supported."""
    if not comparison.differences or comparison.by not in TESTED:
        return None
    names = [row.name for row in comparison.rows if row.kind != "ensemble"][:2]
    pair = next(each for each in comparison.differences if [each.first, each.second] == names)
    verdict = pair.verdicts.get(comparison.by)
    return None if verdict is None or verdict.is_supported else pair


# Leaderboard ----------------------------------------------------------------------------------------------------------


def _leaderboard(comparison: Comparison, contestants: Sequence[Contestant]) -> Iterator[Html]:
    yield paragraph(
        f"Sorted by {TITLES[comparison.by]}, the best first. The interval says how far the number would move with other films of "
        f"the same kind ({comparison.level:.0%}, {comparison.repeats:,} bootstraps over groups). Whether two rows differ cannot be "
        "read from intervals that overlap: that is what the differences are for."
    )
    rows = comparison.rows[:_ROWS_DRAWN]
    yield legend((_COLOURS[kind], KIND_WORDS[kind]) for kind in _COLOURS if any(row.kind == kind for row in rows))
    drawn = dict.fromkeys([comparison.by, *TESTED])
    yield drawings(*(chart for name in drawn if (chart := _chart(rows, name))))
    places = list(enumerate(comparison.rows, start=1))
    audits = audit_cells(contestants)
    audit_title = texts("Audit") if audits else []
    columns = [*texts("Row"), *audit_title, *numbers(*(title_of(name) for name in MEASURES), "Trainings")]
    cells = (
        [
            _named(place, row),
            *([audits.get(row.name, "–")] if audits else []),
            *(estimate(row.measures[name]) for name in MEASURES),
            _trainings(row),
        ]
        for place, row in places
    )
    yield table("All measures, mean over trainings, with the interval over groups of films", columns, cells)
    by_class = [*texts("Row"), *numbers(*comparison.classes)]
    areas = (
        [_named(place, row), *(estimate(row.measures[f"auroc/{name}"]) for name in comparison.classes)]
        for place, row in places
    )
    yield folded("AUROC of each class against the rest", table("AUROC, class against the rest", by_class, areas))


def _chart(rows: Sequence[Row], measure: str) -> Html | None:
    intervals = [row.measures[measure] for row in rows]
    if all(math.isnan(interval.value) for interval in intervals):
        return None
    leader = next(interval.value for interval in intervals if not math.isnan(interval.value))
    shown = [
        Guess(f"{place} {shortened(row.name, _NAME_LETTERS)}", _COLOURS[row.kind], row.measures[measure])
        for place, row in enumerate(rows, start=1)
    ]
    chart = guesses(TITLES[measure], shown, title_of(measure), **axis(intervals), reference=leader)
    return drawing(title_of(measure), chart, "Dotted: the value of the row that stands first.")


def _named(place: int, row: Row) -> Html:
    return joined(f"{place} ", breakable(row.name), Html("<br>"), element("small", KIND_WORDS[row.kind]))


def _trainings(row: Row) -> str:
    return "–" if row.kind == "ensemble" else f"{row.trainings}"


def _size(interval: Interval) -> str:
    low, high = sorted((abs(interval.low), abs(interval.high)))
    crosses = interval.low < 0 < interval.high
    return f"{abs(interval.value):.4f}" + ("" if crosses or math.isnan(low) else f" ({low:.4f} to {high:.4f})")


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3f}"


# Trainings ------------------------------------------------------------------------------------------------------------


def _spread(comparison: Comparison) -> Iterator[Html]:
    several = [row for row in comparison.rows if row.spread]
    if not several:
        yield paragraph(
            "Every contestant was trained once, or is a table of scores, so it is not known how far another training of the same "
            "method would lie from it. On the same films, seeds alone often make a point of accuracy."
        )
        return
    yield paragraph(
        "How far trainings of one method lie apart on the same films. This is another thing than the intervals of the leaderboard: "
        "those are about other films, this is about other seeds (and other draws of the folds). A difference of two methods that "
        "were each trained twice or more counts as supported only if it stands out from both."
    )
    columns = [*texts("Method"), *numbers("Trainings", *(title_of(name) for name in MEASURES))]
    rows = ([row.name, f"{row.trainings}", *(_spread_cell(row, name) for name in MEASURES)] for row in several)
    yield table("Standard deviation over trainings, and the lowest and highest", columns, rows)


def _spread_cell(row: Row, measure: str) -> Html:
    spread = row.spread[measure]
    if math.isnan(spread.sd):
        return joined("unknown")
    return number_and_ends(f"{spread.sd:.4f} ({spread.low:.3f} to {spread.high:.3f})")


# What was compared ----------------------------------------------------------------------------------------------------


def _compared(comparison: Comparison, contestants: Sequence[Contestant]) -> Iterator[Html]:
    columns = texts("Row", "Where it lies", "Trained as", "On the manifest", "Probabilities")
    yield table("The contestants", columns, (_contestant_row(each) for each in contestants))
    counts = ((name, f"{films:,}") for name, films in comparison.class_films.items())
    yield table("Films of each class", [*texts("Class"), *numbers("Films")], counts)
    readings = [
        f"{run.directory}: the test split was read {run.test_readings} times, this one included"
        for contestant in contestants
        for run in contestant.runs
        if comparison.split == "test"
    ]
    if readings:
        yield folded("How often the test split was read", bullets(readings))
        yield paragraph(
            "Who compares many runs on the test split and keeps the best, reports too good a number. Choose on validation "
            "(--split val), then read the test split once.",
            soft=True,
        )


def _contestant_row(contestant: Contestant) -> Sequence[str]:
    places = [str(run.directory) for run in contestant.runs] or [sheet.place for sheet in contestant.sheets]
    listed = joined(*(part for place in places for part in (code(place), Html("<br>"))))
    if not contestant.runs:
        return [contestant.name, listed, "not known here", "not known here", "softmax of its logits"]
    config = contestant.runs[0].config
    seeds = ", ".join(contestant.trainings)
    how = f"{config.model}, {config.weights}, {config.size} px; {seeds}"
    scaled = "calibrated on validation" if contestant.is_scaled else "softmax of its logits"
    return [contestant.name, listed, how, code(contestant.runs[0].fingerprint[:12]), scaled]


# How to read it -------------------------------------------------------------------------------------------------------


def _reading(comparison: Comparison) -> Iterator[Html]:
    used = sorted(
        {
            verdict.test
            for pair in (*comparison.differences, *comparison.ensemble_differences)
            for verdict in pair.verdicts.values()
        }
    )
    told = {
        "Supported": "Had the two the same accuracy (or macro AUROC) on all films of this kind, so large a difference would be "
        "rare, even allowing for all other tests of its family: over all of them, the chance of a single false “supported” is at "
        f"most {ERROR:.0%} (Holm 1979).",
        "Not supported": "This does not mean equal. These films do not settle it.",
        "Groups, not films": "Films of one patient resemble each other. Intervals and tests count whole groups; where every film "
        "is its own group, they are the textbook tests.",
        "Accuracy": "Tested by flipping the sign of each group’s difference: exact, and the McNemar test where groups are single "
        "films.",
        "Macro AUROC": "Tested by DeLong’s covariance, summed over groups as Obuchowski (1997) does; placements by midranks "
        "(Sun & Xu 2014).",
        "Trainings": "Where both methods were trained twice or more, Welch’s t-test over trainings must agree; the larger p-value "
        "counts. With two trainings each that test can hardly agree: three to five are worth their time.",
        "Folds": "They are pooled: each film is scored by the network that did not train on it. AUROCs over pooled folds also feel "
        "how well the networks of the folds agree in scale.",
    }
    yield bullets(joined(strong(f"{word}."), " ", meaning) for word, meaning in told.items())
    yield paragraph(f"Used here: {'; '.join(used) or 'no test'}.", soft=True)

"""What each check's evidence looks like on the page: its charts and its tables.

The evidence is what a check wrote into its finding (`core/audit.py`); `reading.py` says how what is missing is left out. Blue
stands for films on which the lungs can be seen, orange for films without them, and for what else should not foretell a class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import format_interval
from plainfilm.core.chart import Branch, Line
from plainfilm.core.looks import BLUE, GREEN, VERMILION
from plainfilm.core.page import Html, Level, bullets, drawings, folded, joined, legend, mark, paragraph
from plainfilm.judge.audit.reading import (
    Field,
    Row,
    branch,
    chart,
    counts,
    couple,
    interval_in,
    intervals,
    is_known,
    known_table,
    long_branch,
    names_in,
    number_in,
    parts_of,
    rows_of,
    run_lines,
    shares,
    text_in,
    threshold_lines,
    words,
)

Evidence = Mapping[str, Any]
SEES = {
    "film": "The whole film",
    "border": "Border ring only",
    "background": "All but the lungs",
    "lungs": "Lungs only",
    "blurred": "Heavily blurred",
}
HIDES = {"nothing": "Nothing hidden", "lungs": "Lungs hidden", "background": "All but lungs hidden"}
_WITHOUT_LUNGS = ("border", "background")
_SCORES = {"macro_auroc": "Macro AUROC", "accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy"}
_DRAWN = ("macro_auroc", "accuracy")
_WHOLE = (0.0, 1.0)
_ROWS_DRAWN = 16
_CHANCE = Line("chance", 0.5, "dotted")
_SOFT = "var(--soft)"
_LEVELS: Mapping[str, Level] = {"failure": "failure", "warning": "warning", "note": "note", "pass": "pass"}


def evidence_of(check: str, evidence: Evidence) -> Html:
    """The charts and tables of a check; nothing where the evidence holds nothing to show."""
    show = _SHOWN.get(check)
    return joined(*show(evidence)) if show and evidence else Html()


# Networks and answers without lungs -----------------------------------------------------------------------------------


def _less(evidence: Evidence) -> Iterator[Html]:
    rows = rows_of(evidence)
    seen = [(SEES.get(text_in(row, "sees"), text_in(row, "sees")), row) for row in rows]
    colours = [VERMILION if text_in(row, "sees") in _WITHOUT_LUNGS else BLUE for row in rows]
    commonest = number_in(evidence, "commonest")
    guess = {"macro_auroc": [_CHANCE], "accuracy": _commonest_line(commonest)}
    drawn = [
        chart(
            _SCORES[key],
            [branch(name, colour, interval_in(row, key)) for (name, row), colour in zip(seen, colours, strict=True)],
            _SCORES[key].lower().replace("auroc", "AUROC"),
            "Each row a small network, trained and tested on films that show no more than this.",
            ends=_WHOLE,
            lines=[*guess[key], *run_lines(evidence, key), *_thresholds_of(evidence, key)],
        )
        for key in _DRAWN
    ]
    yield _beside((VERMILION, "no lungs in sight"), (BLUE, "lungs in sight"), drawn)
    first = words("It sees", "sees", SEES)
    yield known_table("Networks trained on less", first, [intervals(_SCORES[key], key) for key in _SCORES], rows)
    areas = known_table("AUROC, class against the rest", first, _areas(evidence, rows), rows)
    yield folded("AUROC of each class", areas) if areas else Html()


def _thresholds_of(evidence: Evidence, key: str) -> list[Line]:
    """Thresholds are on the scale of the check's number, which is the AUROC unless the evidence says otherwise."""
    return threshold_lines(evidence) if evidence.get("threshold_of", "macro_auroc") == key else []


def _areas(evidence: Evidence, rows: Sequence[Row]) -> list[Field]:
    named = evidence.get("classes")
    classes = [str(name) for name in named] if isinstance(named, Sequence) and not isinstance(named, str) else []
    classes = classes or list(dict.fromkeys(name for row in rows for name in parts_of(row, "auroc")))
    return [_area(name) for name in classes]


def _area(name: str) -> Field:
    of_class = intervals(name, name)
    return Field(name, lambda row: of_class.cell(parts_of(row, "auroc")))


def _hidden(evidence: Evidence) -> Iterator[Html]:
    rows = rows_of(evidence)
    named = [(text_in(row, "hidden"), row) for row in rows]
    titles = {
        "accuracy": ("Accuracy", "accuracy", "The run itself, asked about the same films."),
        "macro_auroc": ("Macro AUROC", "macro AUROC", "The run itself, asked about the same films."),
        "kept": ("Answers that stay", "share of the films", "Films whose answer is the one that the whole film got."),
    }
    lines = {"accuracy": _commonest_line(number_in(evidence, "commonest")), "macro_auroc": [_CHANCE], "kept": []}
    drawn = [
        chart(
            title,
            [
                branch(HIDES.get(what, what), VERMILION if what == "lungs" else BLUE, interval_in(row, key))
                for what, row in named
                if not (key == "kept" and what == "nothing")
            ],
            axis,
            caption,
            ends=_WHOLE,
            lines=lines[key],
        )
        for key, (title, axis, caption) in titles.items()
    ]
    yield _beside((VERMILION, "lungs hidden"), (BLUE, "lungs in sight"), drawn)
    fields = [*(intervals(_SCORES[key], key) for key in _SCORES), intervals("Answers that stay", "kept")]
    yield known_table("The run with parts hidden", words("Hidden", "hidden", HIDES), fields, rows)


def _commonest_line(commonest: float | None) -> list[Line]:
    return [] if commonest is None else [Line("always the commonest class", commonest, "dotted")]


# Sources and files ----------------------------------------------------------------------------------------------------


def _source(evidence: Evidence) -> Iterator[Html]:
    rows = rows_of(evidence)
    branches = [branch(text_in(row, "label"), VERMILION, interval_in(row, "auroc")) for row in rows]
    yield _charts(
        [
            chart(
                "The source, foretold within a class",
                branches[:_ROWS_DRAWN],
                "AUROC of the source",
                "From what the run makes of a film just before it answers.",
                ends=_WHOLE,
                lines=[_CHANCE, *threshold_lines(evidence)],
            )
        ]
    )
    tied = interval_in(evidence, "tied")
    if is_known(tied):
        yield paragraph(f"Tie of source and class, Cramér's V: {format_interval(tied)}; 0 is no tie, 1 a full one.")
    fields = [
        names_in("Sources, films", "sources"),
        intervals("AUROC", "auroc"),
        intervals("Accuracy", "accuracy"),
        shares("Commonest source", "commonest"),
    ]
    yield known_table("The source, foretold within each class", words("Class", "label"), fields, rows)
    yield _reasons("Not asked", parts_of(evidence, "skipped"))


def _left_out(evidence: Evidence) -> Iterator[Html]:
    rows = rows_of(evidence)
    branches = [
        couple(
            text_in(row, "source"),
            ("own", BLUE, interval_in(row, "own")),
            ("there", VERMILION, interval_in(row, "there")),
        )
        for row in rows
    ]
    name = text_in(evidence, "measure") or "score"
    drawn = chart(
        "Own films, and films of the source left out",
        branches[:_ROWS_DRAWN],
        name,
        "Each row: trained without that source, then asked about it.",
        ends=_WHOLE,
    )
    yield _beside((BLUE, "own films"), (VERMILION, "films of the source left out"), [drawn])
    fields = [
        counts("Films", "films"),
        names_in("Classes", "classes"),
        intervals("Own films", "own"),
        intervals("There", "there"),
        intervals("Loss", "loss"),
    ]
    yield known_table("One source left out", words("Source", "source"), fields, rows)
    yield _reasons("Cannot be left out", parts_of(evidence, "refused"))


def _file(evidence: Evidence) -> Iterator[Html]:
    run = parts_of(evidence, "run")
    drawn = [
        chart(
            _SCORES[key],
            [
                branch("The file alone", VERMILION, interval_in(evidence, key)),
                branch("The run", BLUE, interval_in(run, key)),
            ],
            _SCORES[key].lower().replace("auroc", "AUROC"),
            "The file alone: size, format, compression, border, grey levels.",
            ends=_WHOLE,
            lines=[*([_CHANCE] if key == "macro_auroc" else []), *_thresholds_of(evidence, key)],
        )
        for key in _DRAWN
    ]
    yield _charts(drawn)
    rows = [{"who": "The file alone", **evidence}, *([{"who": "The run", **run}] if run else [])]
    first = words("Known by", "who")
    yield known_table("The file alone, and the run", first, [intervals(_SCORES[key], key) for key in _SCORES], rows)
    areas = [{"label": name, "auroc": value} for name, value in parts_of(evidence, "auroc").items()]
    by_class = known_table(
        "From the file alone, class against the rest", words("Class", "label"), [intervals("AUROC", "auroc")], areas
    )
    yield folded("AUROC of each class, from the file alone", by_class) if by_class else Html()


# Films changed on purpose ---------------------------------------------------------------------------------------------


def _stamps(evidence: Evidence) -> Iterator[Html]:
    rows = sorted(rows_of(evidence), key=lambda row: -(number_in(parts_of(row, "flipped"), "value") or 0.0))
    branches = [long_branch(_named(row, "stamp", "corner"), VERMILION, interval_in(row, "flipped")) for row in rows]
    yield _charts(
        [
            chart(
                "Answers that a stamp changes",
                branches[:_ROWS_DRAWN],
                "share of the films",
                "The same films, with a small mark drawn into one corner.",
                ends=_from_zero(branches[:_ROWS_DRAWN], threshold_lines(evidence)),
                lines=threshold_lines(evidence),
            )
        ]
    )
    fields = [
        words("Corner", "corner"),
        intervals("Answers changed", "flipped", 4),
        words("Mostly towards", "toward"),
    ]
    yield _folded_table("Stamps, the worst first", words("Stamp", "stamp"), fields, rows)


def _robustness(evidence: Evidence) -> Iterator[Html]:
    rows = rows_of(evidence)
    thresholds = threshold_lines(evidence)
    kinds = {
        True: ("Mild changes", "What happens to a film between any two hospitals.", BLUE),
        False: ("Stronger changes", "What should not happen to a film, and sometimes does.", GREEN),
    }
    drawn = []
    for is_mild, (title, caption, colour) in kinds.items():
        branches = [
            long_branch(_named(row, "change", "strength"), colour, interval_in(row, "loss"))
            for row in rows
            if bool(row.get("is_mild")) is is_mild
        ]
        lines = [Line("", 0.0, "dotted"), *(thresholds if is_mild else [])]
        drawn.append(chart(title, branches, "accuracy lost", caption, lines=lines))
    yield _charts(drawn)
    first = Field("Change", lambda row: _named(row, "change", "strength") or None, is_number=False)
    fields = [
        Field("Kind", lambda row: None if "is_mild" not in row else "mild" if row["is_mild"] else "strong", False),
        intervals("Accuracy", "accuracy"),
        intervals("Accuracy lost", "loss", 4),
        intervals("Answers changed", "flipped"),
    ]
    yield _folded_table("Films that are changed on purpose", first, fields, rows)


def _heatmaps(evidence: Evidence) -> Iterator[Html]:
    rows = rows_of(evidence)
    inside = [
        couple(
            text_in(row, "label"),
            ("map", BLUE, interval_in(row, "share")),
            ("lungs", _SOFT, interval_in(row, "lungs_share")),
        )
        for row in rows
    ]
    gains = [branch(text_in(row, "label"), BLUE, interval_in(row, "gain")) for row in rows]
    drawn = [
        chart(
            "Share of the heatmap inside the lungs",
            inside[:_ROWS_DRAWN],
            "share",
            "Grey: the lungs' share of the film, which a map that looks at nothing would reach.",
            ends=_WHOLE,
        ),
        chart(
            "Gain over a map that looks at nothing",
            gains[:_ROWS_DRAWN],
            "share inside, less the lungs' share of the film",
            "Dotted: no gain. Left of it, the network looks beside the lungs.",
            lines=[Line("", 0.0, "dotted"), *threshold_lines(evidence)],
        ),
    ]
    yield _charts(drawn)
    fields = [
        counts("Films", "films"),
        intervals("Inside the lungs", "share"),
        intervals("Lungs' share of the film", "lungs_share"),
        intervals("Gain", "gain"),
    ]
    yield known_table("Heatmaps inside the lungs", words("Class", "label"), fields, rows)


def _leaks(evidence: Evidence) -> Iterator[Html]:
    level = Field("", _level_of, is_number=False)
    yield known_table("What was found", words("Found", "title"), [level, words("In detail", "text")], rows_of(evidence))


def _level_of(row: Row) -> Html | None:
    level = _LEVELS.get(text_in(row, "level"))
    return mark(level) if level else None


# Parts ----------------------------------------------------------------------------------------------------------------


def _charts(drawn: Sequence[Html]) -> Html:
    """Charts side by side; nothing where nothing is drawn."""
    found = [one for one in drawn if one]
    return drawings(*found, is_large=True) if found else Html()


def _beside(first: tuple[str, str], second: tuple[str, str], drawn: Sequence[Html]) -> Html:
    """Charts side by side, with what their two colours mean; nothing where nothing is drawn."""
    charts = _charts(drawn)
    return joined(legend([first, second]), charts) if charts else Html()


def _folded_table(caption: str, first: Field, fields: Sequence[Field], rows: Sequence[Row]) -> Html:
    """A long table, of which the chart above shows most."""
    found = known_table(caption, first, fields, rows)
    return folded("The same as a table, with intervals", found) if found else Html()


def _named(row: Row, what: str, how: str) -> str:
    """`rotation, 3 degrees`."""
    return ", ".join(filter(None, (text_in(row, what), text_in(row, how))))


def _from_zero(branches: Sequence[Branch], lines: Sequence[Line]) -> tuple[float, float]:
    """An axis from 0 to what the rows need, at least a tenth, so that next to nothing looks like next to nothing."""
    held = [each.interval for row in branches for each in row.estimates if is_known(each.interval)]
    ends = [end for one in held for end in (one.value, one.high) if end == end]
    return 0.0, max([0.1, *ends, *(line.value for line in lines)])


def _reasons(title: str, reasons: Mapping[str, Any]) -> Html:
    return (
        joined(paragraph(f"{title}:"), bullets(f"{name}: {why}" for name, why in reasons.items()))
        if reasons
        else Html()
    )


_SHOWN: Mapping[str, Callable[[Evidence], Iterator[Html]]] = {
    "less": _less,
    "hidden": _hidden,
    "source": _source,
    "left_out": _left_out,
    "file": _file,
    "stamps": _stamps,
    "heatmaps": _heatmaps,
    "robustness": _robustness,
    "leaks": _leaks,
}

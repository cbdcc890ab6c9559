"""What the evidence on sources and files looks like: what foretells a class, or a score, without the disease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plainfilm.core.bootstrap import format_interval
from plainfilm.core.looks import BLUE, VERMILION
from plainfilm.core.page import Html, Level, bullets, folded, joined, mark, paragraph
from plainfilm.judge.audit.charts import (
    CHANCE,
    DRAWN,
    ROWS_DRAWN,
    SCORES,
    WHOLE,
    beside,
    branch,
    chart,
    couple,
    side_by_side,
    threshold_lines,
)
from plainfilm.judge.audit.reading import (
    Evidence,
    Field,
    Row,
    counts,
    interval_in,
    intervals,
    is_known,
    known_table,
    names_in,
    parts_of,
    rows_of,
    shares,
    text_in,
    words,
)

_LEVELS: Mapping[str, Level] = {"failure": "failure", "warning": "warning", "note": "note", "pass": "pass"}


def show_source(evidence: Evidence, told: str) -> Iterator[Html]:
    """How surely the source is foretold within each class. told: what the finding says already."""
    rows = rows_of(evidence)
    branches = [branch(text_in(row, "label"), VERMILION, interval_in(row, "auroc")) for row in rows]
    yield side_by_side(
        [
            chart(
                "The source, foretold within a class",
                branches[:ROWS_DRAWN],
                "AUROC of the source",
                "From what the run makes of a film just before it answers.",
                ends=WHOLE,
                lines=[CHANCE, *threshold_lines(evidence)],
            )
        ]
    )
    tied = interval_in(evidence, "tied")
    if is_known(tied):
        most = parts_of(evidence, "most_tied")
        of_label = interval_in(most, "v")
        of_one = (
            f"; {text_in(most, 'label')} against the rest {format_interval(of_label)}" if is_known(of_label) else ""
        )
        yield paragraph(
            f"Tie of source and class, Cramér's V: {format_interval(tied)}{of_one}; 0 is no tie, 1 a full one."
        )
    fields = [
        names_in("Sources, films", "sources"),
        intervals("AUROC", "auroc"),
        intervals("Accuracy", "accuracy"),
        shares("Commonest source", "commonest"),
    ]
    yield known_table("The source, foretold within each class", words("Class", "label"), fields, rows)
    yield _reasons("Not asked", parts_of(evidence, "skipped"), told)


def show_left_out(evidence: Evidence, told: str) -> Iterator[Html]:
    """What is lost on each source left out. told: what the finding says already."""
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
        branches[:ROWS_DRAWN],
        name,
        "Each row: trained without that source, then asked about it; own films at its mix of classes.",
        ends=WHOLE,
    )
    yield beside((BLUE, "own films"), (VERMILION, "films of the source left out"), [drawn])
    fields = [
        counts("Films", "films"),
        names_in("Classes", "classes"),
        intervals("Own films", "own"),
        intervals("There", "there"),
        intervals("Loss", "loss"),
    ]
    yield known_table("One source left out", words("Source", "source"), fields, rows)
    yield _reasons("Not left out", parts_of(evidence, "refused"), told)


def show_file(evidence: Evidence, _told: str) -> Iterator[Html]:
    """What the file alone reaches, beside the run."""
    run = parts_of(evidence, "run")
    drawn = [
        chart(
            SCORES[key],
            [
                branch("The file alone", VERMILION, interval_in(evidence, key)),
                branch("The run", BLUE, interval_in(run, key)),
            ],
            SCORES[key].lower().replace("auroc", "AUROC"),
            "The file alone: size and shape, format, grey range, border.",
            ends=WHOLE,
            lines=[
                *([CHANCE] if key == "macro_auroc" else []),
                *(threshold_lines(evidence) if key == "macro_auroc" else []),
            ],
        )
        for key in DRAWN
    ]
    yield side_by_side(drawn)
    rows = [{"who": "The file alone", **evidence}, *([{"who": "The run", **run}] if run else [])]
    first = words("Known by", "who")
    yield known_table("The file alone, and the run", first, [intervals(SCORES[key], key) for key in SCORES], rows)
    areas = [{"label": name, "auroc": value} for name, value in parts_of(evidence, "auroc").items()]
    by_class = known_table(
        "From the file alone, class against the rest", words("Class", "label"), [intervals("AUROC", "auroc")], areas
    )
    yield folded("AUROC of each class, from the file alone", by_class) if by_class else Html()


def show_leaks(evidence: Evidence, told: str) -> Iterator[Html]:
    """What was found, as far as it was not told."""
    rows = [row for row in rows_of(evidence) if not text_in(row, "text") or text_in(row, "text") not in told]
    level = Field("", _level_of, is_number=False)
    yield known_table("What was found", words("Found", "title"), [level, words("In detail", "text")], rows)


def _level_of(row: Row) -> Html | None:
    level = _LEVELS.get(text_in(row, "level"))
    return mark(level) if level else None


def _reasons(title: str, reasons: Mapping[str, Any], told: str) -> Html:
    """Why something was not asked, as far as the finding has not told it."""
    new = [f"{name}: {why}" for name, why in reasons.items() if str(why) not in told]
    return joined(paragraph(f"{title}:"), bullets(new)) if new else Html()

"""What the evidence on films that are changed on purpose looks like: stamps, and what happens to films between hospitals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plainfilm.core.chart import Line
from plainfilm.core.looks import BLUE, GREEN, VERMILION
from plainfilm.core.page import Html, folded
from plainfilm.judge.audit.charts import ROWS_DRAWN, chart, from_zero, long_branch, side_by_side, threshold_lines
from plainfilm.judge.audit.reading import (
    Evidence,
    Field,
    Row,
    interval_in,
    intervals,
    known_table,
    number_in,
    parts_of,
    rows_of,
    text_in,
    words,
)

_EACH_ALONE = "Each interval is of its row alone; the verdict's allows for having looked at all rows."


def show_stamps(evidence: Evidence, _told: str) -> Iterator[Html]:
    """How many answers each stamp changes, the worst first."""
    rows = sorted(rows_of(evidence), key=lambda row: -(number_in(parts_of(row, "flipped"), "value") or 0.0))
    branches = [long_branch(_named(row, "stamp", "corner"), VERMILION, interval_in(row, "flipped")) for row in rows]
    yield side_by_side(
        [
            chart(
                "Answers that a stamp changes",
                branches[:ROWS_DRAWN],
                "share of the films",
                f"The same films, with a small mark drawn into one corner. {_EACH_ALONE}",
                ends=from_zero(branches[:ROWS_DRAWN], threshold_lines(evidence)),
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


def show_robustness(evidence: Evidence, _told: str) -> Iterator[Html]:
    """What each change costs, mild ones and stronger ones apart."""
    rows = rows_of(evidence)
    thresholds = threshold_lines(evidence)
    kinds = {
        True: ("Mild changes", f"What happens to a film between any two hospitals. {_EACH_ALONE}", BLUE),
        False: ("Stronger changes", f"What should not happen to a film, and sometimes does. {_EACH_ALONE}", GREEN),
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
    yield side_by_side(drawn)
    first = Field("Change", lambda row: _named(row, "change", "strength") or None, is_number=False)
    fields = [
        Field("Kind", lambda row: None if "is_mild" not in row else "mild" if row["is_mild"] else "strong", False),
        intervals("Accuracy", "accuracy"),
        intervals("Accuracy lost", "loss", 4),
        intervals("Answers changed", "flipped"),
        intervals("Turned away", "turned_away"),
    ]
    yield _folded_table("Films that are changed on purpose", first, fields, rows)


def _folded_table(caption: str, first: Field, fields: Sequence[Field], rows: Sequence[Row]) -> Html:
    """A long table, of which the chart above shows most."""
    found = known_table(caption, first, fields, rows)
    return folded("The same as a table, with intervals", found) if found else Html()


def _named(row: Row, what: str, how: str) -> str:
    """`rotation, 3 degrees`."""
    return ", ".join(filter(None, (text_in(row, what), text_in(row, how))))

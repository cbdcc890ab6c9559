"""What the evidence on lungs looks like: networks retrained on less, the run with parts hidden, heatmaps inside the lungs.

Blue stands for films on which the lungs can be seen, orange for films without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plainfilm.core.bootstrap import Interval
from plainfilm.core.chart import Branch, Guess, Line
from plainfilm.core.looks import BLUE, VERMILION
from plainfilm.core.page import Html, folded
from plainfilm.core.regions import SEEN_NAMES
from plainfilm.judge.audit.charts import (
    CHANCE,
    DRAWN,
    ROWS_DRAWN,
    SCORES,
    WHOLE,
    beside,
    branch,
    chart,
    commonest_line,
    couple,
    run_lines,
    side_by_side,
    threshold_lines,
)
from plainfilm.judge.audit.less import WITHOUT_LUNGS
from plainfilm.judge.audit.reading import (
    Evidence,
    Field,
    Row,
    counts,
    interval_in,
    intervals,
    is_known,
    known_table,
    number_in,
    parts_of,
    rows_of,
    text_in,
    words,
)

SEES: dict[str, str] = {seen: f"{name[:1].upper()}{name[1:]}" for seen, name in SEEN_NAMES.items()}
HIDES = {
    "nothing": "Nothing hidden",
    "lungs": "Lungs hidden",
    "background": "All but lungs hidden",
    "middle": "All but border hidden",
}
_LUNGS_IN_SIGHT = ("nothing", "background")
_SOFT = "var(--soft)"


def show_less(evidence: Evidence, _told: str) -> Iterator[Html]:
    """What networks reach that never saw more than this."""
    rows = rows_of(evidence)
    seen = [(SEES.get(text_in(row, "sees"), text_in(row, "sees")), row) for row in rows]
    colours = [VERMILION if text_in(row, "sees") in WITHOUT_LUNGS else BLUE for row in rows]
    commonest = number_in(evidence, "commonest")
    guess = {"macro_auroc": [CHANCE], "accuracy": commonest_line(commonest)}
    drawn = [
        chart(
            SCORES[key],
            [branch(name, colour, interval_in(row, key)) for (name, row), colour in zip(seen, colours, strict=True)],
            SCORES[key].lower().replace("auroc", "AUROC"),
            "Each row a small network, trained and tested on films that show no more than this.",
            ends=WHOLE,
            lines=[*guess[key], *run_lines(evidence, key)],
        )
        for key in DRAWN
    ]
    without = {text_in(row, "sees"): row for row in rows}
    parts = [(SEES[part], without[part]) for part in WITHOUT_LUNGS if part in without]
    drawn.append(_by_class(evidence, parts, "Each class, from films without the lungs"))
    yield beside((VERMILION, "no lungs in sight"), (BLUE, "lungs in sight"), drawn)
    first = words("It sees", "sees", SEES)
    yield known_table("Networks trained on less", first, [intervals(SCORES[key], key) for key in SCORES], rows)
    by_class = known_table("AUROC, class against the rest", first, _areas(evidence, rows), rows)
    yield folded("AUROC of each class", by_class) if by_class else Html()


def show_hidden(evidence: Evidence, _told: str) -> Iterator[Html]:
    """What the run still says where a part is hidden."""
    rows = rows_of(evidence)
    named = [(text_in(row, "hidden"), row) for row in rows]
    titles = {
        "accuracy": ("Accuracy", "accuracy", "The run itself, asked about the same films."),
        "macro_auroc": ("Macro AUROC", "macro AUROC", "The run itself, asked about the same films."),
        "kept": ("Answers that stay", "share of the films", "Films whose answer is the one that the whole film got."),
    }
    lines = {"accuracy": commonest_line(number_in(evidence, "commonest")), "macro_auroc": [CHANCE], "kept": []}
    drawn = [
        chart(
            title,
            [
                branch(HIDES.get(what, what), BLUE if what in _LUNGS_IN_SIGHT else VERMILION, interval_in(row, key))
                for what, row in named
                if not (key == "kept" and what == "nothing")
            ],
            axis,
            caption,
            ends=WHOLE,
            lines=lines[key],
        )
        for key, (title, axis, caption) in titles.items()
    ]
    without = [("lungs hidden", row) for what, row in named if what == "lungs"]
    drawn.append(_by_class(evidence, without, "Each class, with the lungs hidden"))
    yield beside((VERMILION, "lungs hidden"), (BLUE, "lungs in sight"), drawn)
    fields = [*(intervals(SCORES[key], key) for key in SCORES), intervals("Answers that stay", "kept")]
    first = words("Hidden", "hidden", HIDES)
    yield known_table("The run with parts hidden", first, fields, rows)
    by_class = known_table("AUROC, class against the rest", first, _areas(evidence, rows), rows)
    yield folded("AUROC of each class", by_class) if by_class else Html()


def show_heatmaps(evidence: Evidence, _told: str) -> Iterator[Html]:
    """How much of each class\'s heatmap lies in the lungs, and how large these are."""
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
            inside[:ROWS_DRAWN],
            "share",
            "Grey: the lungs' share of the film, which a map that looks at nothing would reach.",
            ends=WHOLE,
        ),
        chart(
            "Gain over a map that looks at nothing",
            gains[:ROWS_DRAWN],
            "share inside, less the lungs' share of the film",
            "Dotted: no gain. Left of it, the network looks beside the lungs.",
            lines=[Line("", 0.0, "dotted"), *threshold_lines(evidence)],
        ),
    ]
    yield side_by_side(drawn)
    fields = [
        counts("Films", "films"),
        intervals("Inside the lungs", "share"),
        intervals("Lungs' share of the film", "lungs_share"),
        intervals("Gain", "gain"),
    ]
    yield known_table("Heatmaps inside the lungs", words("Class", "label"), fields, rows)


def _by_class(evidence: Evidence, parts: Sequence[tuple[str, Row]], title: str) -> Html:
    """The AUROC of each class on films without lungs: what the verdict rests on. parts: what is seen, and its row."""
    rows = [row for _, row in parts]
    branches = [
        Branch(
            name,
            [Guess(f"{name}, {seen}", VERMILION, interval_in(parts_of(row, "auroc"), name)) for seen, row in parts],
            " · ".join(_value(interval_in(parts_of(row, "auroc"), name)) for row in rows),
        )
        for name in _classes(evidence, rows)
    ]
    above = f"Above: {parts[0][0].lower()}; below: {parts[1][0].lower()}. " if len(parts) == 2 else ""
    return chart(
        title,
        branches[:ROWS_DRAWN],
        "AUROC, class against the rest",
        f"{above}The verdict rests on the highest.",
        ends=WHOLE,
        lines=[CHANCE, *threshold_lines(evidence)],
    )


def _value(interval: Interval) -> str:
    return f"{interval.value:.3f}" if is_known(interval) else "unknown"


def _classes(evidence: Evidence, rows: Sequence[Row]) -> list[str]:
    named = evidence.get("classes")
    classes = [str(name) for name in named] if isinstance(named, Sequence) and not isinstance(named, str) else []
    return classes or list(dict.fromkeys(name for row in rows for name in parts_of(row, "auroc")))


def _areas(evidence: Evidence, rows: Sequence[Row]) -> list[Field]:
    return [_area(name) for name in _classes(evidence, rows)]


def _area(name: str) -> Field:
    of_class = intervals(name, name)
    return Field(name, lambda row: of_class.cell(parts_of(row, "auroc")))

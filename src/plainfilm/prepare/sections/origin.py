"""Does the source, or the file alone, foretell the class? What `prepare` measured, and the table behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plainfilm.core.association import classes_tied_to_source, films_by_source
from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.chart import Guess, guesses
from plainfilm.core.looks import BLUE, VERMILION
from plainfilm.core.page import (
    Card,
    Html,
    Section,
    alert,
    cards,
    drawing,
    drawings,
    joined,
    numbers,
    paragraph,
    section,
    table,
    texts,
)
from plainfilm.core.words import counted
from plainfilm.prepare.sections.seen import Seen, named

_SOURCES_SHOWN = 40
_GUESSING = 0.5  # AUROC of knowing nothing


def origin_section(seen: Seen) -> Section:
    """Films by source and class, how far the source settles the class, and how far the file alone does."""
    hints = seen.manifest.info.get("hints")
    return section(
        "Class against source, class against file",
        paragraph(
            "Where the films of one class come from places that supply no other, a network may learn the place and not "
            "the disease, and no score on these films shows which it did. Hold every accuracy against what source and "
            "file alone foretell."
        ),
        *(_measured(seen, hints) if hints else (_without_hints(seen), _source_table(seen))),
    )


def _measured(seen: Seen, hints: Mapping[str, Any]) -> tuple[Html, ...]:
    reason = hints["source"].get("reason")
    if reason and reason == hints["file"].get("reason"):
        return paragraph(f"How far they do is not known: {reason}."), _source_table(seen)
    return _source_cards(hints["source"], hints["level"]), _source_table(seen), _file(hints)


def _without_hints(seen: Seen) -> Html:
    tied = classes_tied_to_source(seen.manifest.ok, seen.manifest.classes)
    alarm = [
        alert("failure", f"No source of {name} supplies another class", f"Its sources: {', '.join(sources)}.")
        for name, sources in tied.items()
    ]
    note = 'How far the file alone foretells the class is unknown: "plainfilm prepare" measures it for the manifests it makes.'
    return joined(*alarm, paragraph(note))


def _source_cards(found: Mapping[str, Any], level: float) -> Html:
    if "reason" in found:
        return paragraph(f"From the source to the class: {found['reason']}.")
    value, ends = _parts(found["cramers_v"])
    share, share_ends = _parts(found["accuracy"])
    unknown = f"; {found['unknown']:,} films of unknown source left out" if found["unknown"] else ""
    return cards(
        [
            Card("Cramér's V of source and class", value, f"{ends}; 0 is no tie, 1 a full one"),
            Card("Right class from the source alone", share, f"{share_ends}{unknown}"),
            Card(
                f"Always saying {found['commonest']}",
                f"{found['commonest_accuracy']['value']:.3f}",
                f"accuracy without knowing anything; {level:.0%} intervals over groups",
            ),
        ]
    )


def _source_table(seen: Seen) -> Html:
    ok = seen.manifest.ok
    if (ok["source"] == "").all():
        return paragraph("The sources of the films are unknown.")
    counts = films_by_source(ok, seen.labels)
    rows = [
        [source or "unknown", *(f"{films:,}" if films else "–" for films in films_of), f"{sum(films_of):,}"]
        for source, films_of in zip(counts.index, counts.to_numpy().tolist(), strict=True)
    ]
    more = len(rows) - _SOURCES_SHOWN
    caption = "Readable films by source and class" + (
        f"; {more:,} smaller sources are in the manifest" if more > 0 else ""
    )
    return table(caption, [*texts("Source"), *numbers(*map(named, seen.labels), "All")], rows[:_SOURCES_SHOWN])


def _file(hints: Mapping[str, Any]) -> Html:
    """What a guess from the file alone reaches, by what it looks at."""
    found = hints["file"]
    if "reason" in found:
        return paragraph(f"From the file to the class: {found['reason']}.")
    if found["all"] is None:
        return paragraph("From the file to the class: all files are alike.")
    scores = {"everything": found["all"], "hardly any lung": found["without_lungs"], **found["kinds"]}
    known = {kind: score for kind, score in scores.items() if score}
    alike = [kind for kind, score in found["kinds"].items() if not score]
    colours = [VERMILION if kind in ("everything", "hardly any lung") else BLUE for kind in known]
    by_kind = [
        Guess(kind, colour, interval_of(score["macro_auroc"]))
        for (kind, score), colour in zip(known.items(), colours, strict=True)
    ]
    by_class = [Guess(name, BLUE, interval_of(value)) for name, value in found["all"]["auroc"].items()]
    lowest = min(
        [
            _GUESSING,
            *(guess.interval.low for guess in (*by_kind, *by_class) if guess.interval.low == guess.interval.low),
        ]
    )
    accuracy, ends = _parts(found["all"]["accuracy"])
    same = f" The same in every film: {', '.join(alike)}." if alike else ""
    left_out = ", ".join(f"{name} ({counted(groups, 'group')})" for name, groups in hints["left_out"].items())
    caption = f"Macro AUROC; dotted: guessing blindly.{same}"
    return joined(
        paragraph(
            f"A small model that sees nothing but the file names the right class for {accuracy} ({ends}) of "
            f"{counted(found['films'], 'film')}{_without_lungs(found)}, where always saying {found['commonest']} is right for "
            f"{found['commonest_accuracy']:.3f}. Measured in {hints['folds']} folds of whole groups; {hints['level']:.0%} "
            f"intervals, {hints['repeats']:,} bootstraps over groups.",
            f" Too few films to judge, left out: {left_out}." if left_out else "",
        ),
        drawings(
            drawing(
                "What in the file foretells the class",
                _axis("What in the file foretells the class", by_kind, lowest),
                caption,
            ),
            drawing(
                "Which class the file foretells",
                _axis("Which class the file foretells", by_class, lowest),
                "AUROC of each class against the rest.",
            ),
        ),
    )


def _without_lungs(found: Mapping[str, Any]) -> str:
    bare = found["without_lungs"]
    if not bare:
        return ""
    value, ends = _parts(bare["accuracy"])
    return f" (without compression and histogram, which change with the disease, too, for {value}, {ends})"


def _axis(title: str, rows: list[Guess], lowest: float) -> Html:
    return guesses(title, rows, "AUROC", low=lowest, high=1.0, reference=_GUESSING)


def _parts(value: Mapping[str, float | None]) -> tuple[str, str]:
    """The value and the two ends of an interval, as text."""
    number, _, ends = format_interval(interval_of(value)).partition(" ")
    return number, ends.strip("()")

"""The page of an audit: the verdict and all checks in the first screen, then a section a check with the picture that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.audit import CHECKS, Audit, Finding
from plainfilm.core.bootstrap import Interval
from plainfilm.core.files import write_text
from plainfilm.core.html import element
from plainfilm.core.page import (
    Html,
    Section,
    alert,
    bullets,
    code,
    estimate,
    facts,
    film,
    film_jpeg,
    gallery,
    headline,
    joined,
    large_gallery,
    link,
    mark,
    numbers,
    page,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.judge.audit.evidence import evidence_of
from plainfilm.judge.audit.words import LEVELS, WORDS, interval_words, number_words, tally, why_absent

_SIDE_PX = 288
_FEW_FILMS = 8
_FOREMOST = "Verdict"


@dataclass(frozen=True)
class Shown:
    """A film for the page. picture: (H, W) or (H, W, 3) BGR uint8. caption: what one sees, in a few words."""

    picture: NDArray[np.uint8]
    caption: str


def write_audit_page(audit: Audit, path: Path, films: Mapping[str, Sequence[Shown]], *, lead: str = "") -> Path:
    """Write the page, one offline file; returns its path.

    films: by check, what shows best what it did: the films that the networks saw, stamps, changes, heatmaps.
    lead: what was audited, below the title. Raises CannotWrite where the disk refuses.
    """
    write_text(path, audit_page(audit, films, lead=lead))
    return path


def audit_page(audit: Audit, films: Mapping[str, Sequence[Shown]], *, lead: str = "") -> str:
    """The page as one HTML document; see write_audit_page."""
    of = "the run" if audit.of == "run" else "the films of"
    about = (
        lead or f"What the score of {of} {audit.name} is worth, once shortcuts, leaks and weak points were looked for"
    )
    return page(f"Audit of {audit.name}", list(_sections(audit, films)), lead=about)


def verdict_block(audit: Audit, *content: str) -> Html:
    """The verdict and the headline in large letters, wherever an audit is spoken of. content: what stands below."""
    return headline(LEVELS[audit.verdict], f"Audit: {WORDS[audit.verdict]}", audit.headline, *content)


def _sections(audit: Audit, films: Mapping[str, Sequence[Shown]]) -> Iterator[Section]:
    yield section(_FOREMOST, verdict_block(audit, tally(audit)), _overview(audit))
    for check, title in CHECKS.items():
        finding = audit.found(check)
        shown = _gallery(films.get(check, ()))
        if finding is None:
            yield section(title, paragraph(why_absent(check, audit)), shown)
        else:
            yield section(title, *_finding(finding), shown, evidence_of(finding))
    yield section("How to read this", *_reading(audit))


# The first screen -----------------------------------------------------------------------------------------------------


def _overview(audit: Audit) -> Html:
    rows = [_line(check, audit) for check in CHECKS]
    columns = [
        *texts("Check", "Verdict"),
        *numbers("Number"),
        *texts("What the number is, and when it warns and fails"),
    ]
    return table("All checks", columns, rows)


def _line(check: str, audit: Audit) -> Sequence[str]:
    title, finding = CHECKS[check], audit.found(check)
    named = link(title, f"#{Section(title, Html()).anchor}")
    if finding is None:
        return [named, element("span", "Not made", class_="soft"), "–", why_absent(check, audit)]
    number = _number(finding.number)
    threshold = element("small", finding.threshold)
    means = joined(finding.measure, Html("<br>"), threshold) if finding.measure else threshold
    return [named, mark(LEVELS[finding.verdict], WORDS[finding.verdict]), number, means]


def _number(number: Interval | None) -> str:
    """The number with its interval; alone where it was counted and has none."""
    if number is None:
        return "–"
    return interval_words(number) if number.low == number.high else estimate(number)


# A section a check ----------------------------------------------------------------------------------------------------


def _finding(finding: Finding) -> Iterator[Html]:
    """What was found, against which threshold, and what to do."""
    said = list(finding.told)
    number = number_words(finding)
    title = number[:1].upper() + number[1:] if number else said.pop(0) if said else finding.title
    yield alert(LEVELS[finding.verdict], title, *said, word=WORDS[finding.verdict])
    if finding.advice:
        yield paragraph(strong("What to do:"), " ", finding.advice)
    if finding.threshold:
        yield paragraph(f"Threshold: {finding.threshold}", soft=True)


def _gallery(films: Sequence[Shown]) -> Html:
    """Films side by side; smaller where they are many."""
    if not films:
        return Html()
    show = large_gallery if len(films) <= _FEW_FILMS else gallery
    return show(film(film_jpeg(one.picture, _SIDE_PX), one.caption, one.caption) for one in films)


# Reading --------------------------------------------------------------------------------------------------------------


def _reading(audit: Audit) -> Iterator[Html]:
    told = {
        "Fail": "the score rests, in part, on what is not the disease, or the films do not allow it to be believed.",
        "Warn": "there is a sign of it, which these films cannot settle or which is small.",
        "Pass": "this check found nothing. What it does not look for may still be there.",
        "Unknown": "the check could not be made, or its number says nothing either way.",
    }
    yield bullets(joined(strong(word), ": ", meaning) for word, meaning in told.items())
    yield paragraph(
        "The verdict of the whole is that of the gravest check. Numbers in brackets are intervals over groups of films"
        " (patients, copies of one picture)."
    )
    known = _provenance(audit.made)
    if known:
        yield facts(known)
    if audit.made.get("command"):
        yield paragraph("Made by ", code(str(audit.made["command"])), soft=True)


def _provenance(made: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the audit says of how it came to be."""
    versions = made.get("versions")
    version = versions.get("plainfilm") if isinstance(versions, Mapping) else None
    weights = str(made.get("weights_sha256") or "")
    made_at = str(made.get("made_at") or "").replace("T", " ").replace("+00:00", " UTC")
    known = {
        "Made at": made_at,
        "Seed": made.get("seed"),
        "plainfilm": version,
        "Weights": weights[:12],
        "Lungs": made.get("lungs"),
    }
    return [(name, str(value)) for name, value in known.items() if value not in (None, "")]

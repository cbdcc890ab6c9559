"""The page of a check: the verdict, what was found, and the films concerned, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from plainfilm.core.image import read_film
from plainfilm.core.page import (
    Card,
    Html,
    Level,
    Section,
    alert,
    cards,
    film,
    film_png,
    gallery,
    joined,
    page,
    pairs,
    paragraph,
    section,
    strong,
)
from plainfilm.errors import BadImage
from plainfilm.prepare.check import Finding, has_leak
from plainfilm.prepare.duplicates import IDENTICAL
from plainfilm.prepare.group import what_joins
from plainfilm.prepare.survey import Survey

_SETS_SHOWN = 12  # of each finding; the table has all
_FILMS_OF_A_SET = 4
_SIDE_PX = 224
_LEVELS: dict[str, Level] = {"failure": "failure", "warning": "warning", "note": "note"}


def check_page(findings: Sequence[Finding], survey: Survey, name: str, sides: Sequence[str] | None) -> str:
    """One offline page. name: what was checked. sides: where each film stands in the split; None where there is no split."""
    return page(f"Check of {name}", list(_sections(findings, survey, sides)), lead=verdict(findings, sides))


def verdict(findings: Sequence[Finding], sides: Sequence[str] | None) -> str:
    """One sentence."""
    leaks = [finding for finding in findings if finding.kind == "leak"]
    others = sum(finding.level == "warning" for finding in findings)
    rest = f"; {others} more {'thing' if others == 1 else 'things'} to look at" if others else ""
    if leaks:
        return f"LEAKS: {'; '.join(finding.text.partition(';')[0] for finding in leaks)}{rest}"
    named = sorted(set(sides or ()) - {""})
    if len(named) < 2:
        why = f": all films are in {named[0]}" if named else ""
        return f"no split to check{why}{rest or '; nothing odd was found'}"
    return f"no leak was found{rest}"


def _sections(findings: Sequence[Finding], survey: Survey, sides: Sequence[str] | None) -> Iterator[Section]:
    films = survey.films
    ok = films[films["status"] == "ok"]
    readable = len(ok)
    near = [twin for twin in survey.twins if twin.kind != IDENTICAL]
    counted = cards(
        [
            Card("Films", f"{len(films):,}", f"{readable:,} readable"),
            Card("Groups", f"{ok['group'].nunique():,}", what_joins(ok)),
            Card("Identical pairs", f"{len(survey.twins) - len(near):,}", "the same pixels in several files"),
            Card("Near twins", f"{len(near):,}", "pairs that hold one picture, changed"),
        ]
    )
    patients = ok[ok["patient_id"] != ""]
    known = f"for {len(patients):,} of {readable:,} films" if len(patients) else "for no film"
    if has_leak(findings):
        box = alert(
            "failure",
            "This split leaks",
            "The same picture or patient stands on two sides of it: scores measured on it are too good.",
        )
    elif len(set(sides or ()) - {""}) < 2:
        box = alert(
            "note", "No split", "The films do not stand on two sides of a split: leaks could not be looked for."
        )
    else:
        box = alert(
            "pass",
            "No leak was found",
            f"No picture and no near twin stands on two sides of the split, and no patient, as far as they are known: {known}.",
        )
    yield section("Verdict", box, counted)
    for finding in findings:
        shown = finding.rows[:_SETS_SHOWN]
        more = len(finding.rows) - len(shown)
        note = paragraph(f"{more:,} more are in the table.", soft=True) if more > 0 else Html()
        pictures = _pictures(finding, len(shown), survey, sides) if shown else Html()
        yield section(finding.title, alert(_LEVELS[finding.level], finding.text), pictures, note)


def _pictures(finding: Finding, count: int, survey: Survey, sides: Sequence[str] | None) -> Html:
    """The first sets of a finding: single films in a row, pairs side by side, larger sets one below the other."""
    reasons = finding.reasons or ("",) * count
    sizes = {len(rows) for rows in finding.rows[:count]}
    if sizes == {2}:
        sheets = [_sheet(finding, place, survey, sides, "") for place in range(count)]
        return pairs((one, other, paragraph(reasons[place])) for place, (one, other) in enumerate(sheets))
    sheets = [_sheet(finding, place, survey, sides, reasons[place]) for place in range(count)]
    return gallery(one for sheet in sheets for one in sheet) if sizes == {1} else joined(*map(gallery, sheets))


def _sheet(finding: Finding, place: int, survey: Survey, sides: Sequence[str] | None, reason: str) -> list[Html]:
    """The films of one set, each with where it stands."""
    pictures = []
    for row in finding.rows[place][:_FILMS_OF_A_SET]:
        known = survey.films.iloc[row]
        where = " · ".join(part for part in (str(known["label"]), sides[row] if sides else "", reason) if part)
        picture = _picture(survey, row) if known["status"] == "ok" else "cannot be read"
        pictures.append(film(picture, f"Film {known['image_id']}", strong(str(known["image_id"])), where))
    return pictures


def _picture(survey: Survey, row: int) -> bytes:
    """The film as a small PNG in its own shape; its thumbnail where the file is gone (it came out of an archive)."""
    try:
        pixels = read_film(str(survey.films["path"].iloc[row])).pixels
    except BadImage:
        return film_png(survey.thumbnails[row], _SIDE_PX)
    return film_png((pixels if pixels.dtype == np.uint8 else pixels >> 8).astype(np.uint8), _SIDE_PX)

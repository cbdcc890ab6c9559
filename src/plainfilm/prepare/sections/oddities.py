"""Films that one should look at: what is known to be wrong, and what a number only makes one suspect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.page import (
    Html,
    Section,
    folded,
    gallery,
    heading,
    joined,
    numbers,
    paragraph,
    section,
    table,
    texts,
)
from plainfilm.core.words import counted
from plainfilm.prepare.check import check_films
from plainfilm.prepare.sections.seen import Seen, named

_SHOWN = 12  # a kind: two rows of the page
_LISTED = 40
_SIDE_PX = 192
_FLAT = 12.0  # standard deviation of a film's grey levels, of 255; what is below 4 is blank
_COMMON_SHARE = 0.95  # where so many films have one size, another size is unusual
_FAR_SIZE = 2.0  # times the median of the longer side, or less than one part of so many
_NEAREST = 24  # films in all, shared by the classes
_A_ROW = 6


class Odd(NamedTuple):
    """One kind of oddity. what: what is known of these films, or suspected. rows: the worst first. reasons: for each row."""

    title: str
    what: str
    rows: Sequence[int]
    reasons: Sequence[str]


def oddities_section(seen: Seen) -> Section:
    """A table of all that was looked for, then the films."""
    kinds = [*_of_check(seen), *_of_set(seen)]
    listed = ([kind.title, kind.what, f"{len(kind.rows):,}"] for kind in kinds)
    return section(
        "Oddities",
        paragraph(
            "Things to look at, not verdicts: a question mark says that a number made one suspect it. Looked for were "
            "blank, flat, inverted, turned, framed, small and oddly shaped films, unusual sizes, colour, odd files, and pictures "
            "that look like no chest film; what was found is listed."
        ),
        table("What was found", [*texts("Oddity", "What it means"), *numbers("Films")], listed)
        if kinds
        else paragraph("Nothing odd was found."),
        _unreadable(seen),
        *(piece for kind in kinds for piece in _films(seen, kind)),
        *_likest(seen),
    )


def _unreadable(seen: Seen) -> Html:
    films = seen.films
    failed = films[films["status"] == "error"]
    lost = films[films["lost"] != ""]
    pieces = []
    for rows, reason, what, when in (
        (failed, "error", "unreadable when the manifest was made", "Films that could not be read"),
        (lost, "lost", "unreadable or changed since", "Films that the manifest calls readable"),
    ):
        if len(rows):
            shown = rows.head(_LISTED)
            more = len(rows) - len(shown)
            listed = zip(shown["path"], map(named, shown["label"]), shown[reason], strict=True)
            pieces.append(
                folded(
                    f"{counted(len(rows), 'film')} {what}",
                    table(f"{when}, and why", texts("File", "Class", "Reason"), listed),
                    paragraph(f"{more:,} more are not listed.", soft=True) if more else "",
                    is_open=True,
                )
            )
    return joined(*pieces)


def _of_check(seen: Seen) -> Iterator[Odd]:
    """What `plainfilm check` finds in single films; damaged ones have a table of their own."""
    for finding in check_films(seen.survey, None):
        rows = [row for (row,) in finding.rows] if finding.kind == "film" else []
        rows = [row for row in rows if seen.is_shown[row]]
        if rows:
            reason = {row: said for (row,), said in zip(finding.rows, finding.reasons, strict=True)}
            what = finding.text.partition(" films ")[2].partition(":")[0] or finding.text
            yield Odd(finding.title, what, rows, [reason[row] for row in rows])


def _of_set(seen: Seen) -> Iterator[Odd]:
    """What is unlike the rest of the set: contrast and size."""
    contrast = seen.class_films.contrast
    flat = [row for row in np.argsort(contrast).tolist() if 4 <= contrast[row] < _FLAT]
    if flat:
        yield Odd(
            "Almost constant",
            "have hardly any contrast",
            flat,
            [f"grey levels spread by {contrast[row]:.1f}" for row in flat],
        )
    facts = seen.survey.facts
    width, height = (facts[side].to_numpy(np.float64) for side in ("width", "height"))
    longer = np.maximum(width, height)
    unusual = _unusual_sizes(longer, [*zip(width, height, strict=True)], seen.is_shown)
    if unusual:
        what = f"unlike {_COMMON_SHARE:.0%} of the films, or {_FAR_SIZE:g} times larger or smaller than the middle one"
        yield Odd("Unusual size", what, unusual, [f"{width[row]:.0f} × {height[row]:.0f}" for row in unusual])


def _unusual_sizes(
    longer: NDArray[np.float64], sizes: list[tuple[float, float]], is_shown: NDArray[np.bool_]
) -> list[int]:
    rows = np.flatnonzero(is_shown).tolist()
    if not rows:
        return []
    counts: dict[tuple[float, float], int] = {}
    for row in rows:
        counts[sizes[row]] = counts.get(sizes[row], 0) + 1
    commonest = max(counts, key=lambda size: counts[size])
    middle = float(np.median(longer[is_shown]))
    is_one_size = counts[commonest] >= _COMMON_SHARE * len(rows)
    unusual = [
        row
        for row in rows
        if (is_one_size and sizes[row] != commonest) or not middle / _FAR_SIZE <= longer[row] <= middle * _FAR_SIZE
    ]
    return sorted(unusual, key=lambda row: -abs(np.log(longer[row] / middle)))


def _films(seen: Seen, kind: Odd) -> tuple[Html, ...]:
    reason = dict(zip(kind.rows, kind.reasons, strict=True))
    shown = list(kind.rows)[:_SHOWN]
    more = f", {len(shown):,} of them shown" if len(shown) < len(kind.rows) else ""
    return (
        heading(f"{kind.title}{'' if kind.title.endswith('?') else ':'} {counted(len(kind.rows), 'film')}{more}"),
        gallery(
            seen.shown(
                shown,
                _SIDE_PX,
                lambda row: (
                    reason[row] or seen.where(row),
                    seen.swatch(seen.text(row, "label")),
                    seen.text(row, "image_id"),
                ),
            )
        ),
    )


def _likest(seen: Seen) -> Iterator[Html]:
    """The films most and least like the mean film of their class."""
    likeness = seen.class_films.likeness
    if np.isnan(likeness).all():
        return
    a_class = max(1, min(_A_ROW, _NEAREST // max(1, len(seen.labels))))
    most, least = [], []
    for name in seen.labels:
        known = [row for row in seen.rows_of(name) if not np.isnan(likeness[row])]
        ranked = sorted(known, key=lambda row: -likeness[row])
        most += ranked[:a_class]
        least += ranked[a_class:][::-1][:a_class]
    correlation = "Correlation with the mean of the other films of the class"
    told_of_least = (
        f"{correlation}, lowest first: another view or crop, inverted, no chest film, or just another build."
    )
    told_of_most = f"{correlation}, highest first: what a typical film of each class looks like."
    for title, told, rows in (
        ("Least like their class", told_of_least, least),
        ("Most like their class", told_of_most, most),
    ):
        yield heading(title)
        yield paragraph(told)
        yield gallery(
            seen.shown(
                rows,
                _SIDE_PX,
                lambda row: (
                    seen.swatch(seen.text(row, "label")),
                    f"correlation {likeness[row]:.2f}".replace("-", "−"),
                    seen.text(row, "image_id"),
                ),
            )
        )

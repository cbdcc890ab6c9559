"""Near twins side by side, from the table that `prepare` writes beside the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from plainfilm.core.cells import as_written
from plainfilm.core.page import (
    Html,
    Section,
    heading,
    joined,
    numbers,
    pairs,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.core.tables import read_table
from plainfilm.core.words import counted
from plainfilm.errors import BadManifest
from plainfilm.prepare.duplicates import IDENTICAL
from plainfilm.prepare.sections.seen import Seen

TABLE = "twins.csv"
_NEEDED = ("image_id", "twin", "similarity", "kind")
_WORST_SHOWN = 18
_OTHERS_SHOWN = 18
_CHANGES_LISTED = 20
_SIDE_PX = 224


class Pair(NamedTuple):
    """Two rows that hold one picture; labels and splits are the manifest's of today."""

    first: int
    second: int
    similarity: float
    kind: str
    is_across_splits: bool
    is_across_labels: bool


@dataclass(frozen=True)
class Twins:
    """All pairs that are known. strangers: pairs that name a film which is not in the manifest."""

    pairs: tuple[Pair, ...]
    strangers: int
    is_searched: bool

    @cached_property
    def across_splits(self) -> int:
        """Pairs with a film in each of two splits."""
        return sum(pair.is_across_splits for pair in self.pairs)

    @cached_property
    def across_labels(self) -> int:
        """Pairs with a film of each of two classes."""
        return sum(pair.is_across_labels for pair in self.pairs)

    @property
    def told(self) -> str:
        """What the number of pairs is, in a few words."""
        return (
            "pairs that hold one picture"
            if self.is_searched
            else "pairs with identical pixels; others were not looked for"
        )


def read_twins(seen: Seen) -> Twins:
    """The pairs in twins.csv beside the manifest; where it is absent, the films with identical pixels.

    Raises BadManifest where the table is there and is none.
    """
    path = seen.manifest.path.with_name(TABLE) if seen.manifest.path else None
    if path is None or not path.exists():
        return Twins(tuple(_worst_first(_identical(seen))), 0, is_searched=False)
    listed = _listed(path)
    row_of = {name: row for row, name in enumerate(seen.films["image_id"])}
    found = []
    for first, second, similarity, kind in zip(*(listed[name] for name in _NEEDED), strict=True):
        if first in row_of and second in row_of:
            found.append(_pair(seen, row_of[first], row_of[second], similarity, kind))
    return Twins(tuple(_worst_first(found)), len(listed) - len(found), is_searched=True)


def twins_section(seen: Seen, twins: Twins) -> Section:
    """The worst pairs, some of every other kind, and how many there are of which kind."""
    if not twins.pairs:
        return section("Twins", paragraph("No two films hold one picture." if twins.is_searched else _not_searched()))
    worst = [pair for pair in twins.pairs if pair.is_across_splits or pair.is_across_labels]
    others = [pair for pair in twins.pairs if not (pair.is_across_splits or pair.is_across_labels)]
    strangers = (
        f" {counted(twins.strangers, 'pair')} of {TABLE} with films that are not in this manifest."
        if twins.strangers
        else ""
    )
    return section(
        "Twins",
        paragraph(
            f"{counted(len(twins.pairs), 'pair holds', 'pairs hold')} one picture. In two splits: {twins.across_splits:,}; "
            f"under two labels: {twins.across_labels:,}. Similarity is 1 for identical pixels; what was done to one of the "
            f"two is told as far as it is seen.{strangers}",
            "" if twins.is_searched else f" {_not_searched()}",
        ),
        _by_change(twins),
        *_shown(seen, "The worst: in two splits, or under two labels", worst, _WORST_SHOWN),
        *_shown(seen, "Some of each kind", list(_in_turn(others)), _OTHERS_SHOWN),
    )


def _not_searched() -> str:
    return 'Near twins (cropped, turned, mirrored, saved anew) were not looked for: "plainfilm prepare" finds them.'


def _listed(path: Path) -> pd.DataFrame:
    listed = read_table(path)
    missing = [name for name in _NEEDED if name not in listed]
    if missing:
        raise BadManifest(
            f'has no column {", ".join(missing)}: make it again with "plainfilm prepare", or remove it', path
        )
    similarity = pd.to_numeric(listed["similarity"], errors="coerce")
    if similarity.isna().any():
        row = int(similarity.isna().to_numpy().argmax())
        raise BadManifest(f'row {row + 2}: similarity is "{listed["similarity"].iloc[row]}", expected a number', path)
    names = {name: listed[name].map(as_written) for name in ("image_id", "twin")}
    return listed.assign(similarity=similarity, **names)


def _identical(seen: Seen) -> Iterator[Pair]:
    """Each film with the very pixels of an earlier one."""
    first_of: dict[str, int] = {}
    for row, digest in enumerate(seen.films["sha256"]):
        if digest and first_of.setdefault(digest, row) != row:
            yield _pair(seen, first_of[digest], row, 1.0, IDENTICAL)


def _pair(seen: Seen, first: int, second: int, similarity: float, kind: str) -> Pair:
    def differ(column: str) -> bool:
        one, other = seen.text(first, column), seen.text(second, column)
        return bool(one and other and one != other)

    return Pair(first, second, similarity, kind, differ("split"), differ("label"))


def _worst_first(found: Iterator[Pair] | list[Pair]) -> list[Pair]:
    return sorted(
        found,
        key=lambda pair: (-(pair.is_across_splits + pair.is_across_labels), -pair.is_across_splits, -pair.similarity),
    )


def _in_turn(found: list[Pair]) -> Iterator[Pair]:
    """One pair of each kind, then a second of each, and so on, so that the first few show every kind."""
    by_kind: dict[str, list[Pair]] = {}
    for pair in found:
        by_kind.setdefault(pair.kind, []).append(pair)
    kinds = sorted(by_kind.values(), key=len, reverse=True)
    return (pair for turn in zip_longest(*kinds) for pair in turn if pair is not None)


def _by_change(twins: Twins) -> Html:
    """Pairs by each single thing that tells the two apart; a pair stands under all of its own."""
    of_change: dict[str, list[Pair]] = {}
    for pair in twins.pairs:
        for change in pair.kind.split(", "):
            of_change.setdefault(change, []).append(pair)
    commonest = sorted(of_change, key=lambda change: -len(of_change[change]))[:_CHANGES_LISTED]
    return table(
        "Pairs by what tells the two films apart; a pair stands under each of its changes",
        [*texts("Change"), *numbers("Pairs", "In two splits", "Under two labels", "Least similarity")],
        [_sums(change, of_change[change]) for change in commonest],
        [_sums("All", list(twins.pairs))],
    )


def _sums(name: str, found: list[Pair]) -> list[str]:
    return [
        name,
        f"{len(found):,}",
        f"{sum(pair.is_across_splits for pair in found):,}",
        f"{sum(pair.is_across_labels for pair in found):,}",
        f"{min(pair.similarity for pair in found):.3f}",
    ]


def _shown(seen: Seen, title: str, found: list[Pair], most: int) -> tuple[Html, ...]:
    if not found:
        return ()
    chosen = found[:most]
    films = seen.shown([row for pair in chosen for row in pair[:2]], _SIDE_PX, lambda row: _lines(seen, row))
    couples = [(films[2 * place], films[2 * place + 1], joined(_verdict(pair))) for place, pair in enumerate(chosen)]
    more = f"{len(chosen):,} of {len(found):,}; {TABLE} lists all." if len(found) > len(chosen) else ""
    return heading(title), pairs(couples), paragraph(more, soft=True) if more else Html()


def _lines(seen: Seen, row: int) -> tuple[str, ...]:
    return (seen.swatch(seen.text(row, "label")), seen.where(row), seen.text(row, "image_id"))


def _verdict(pair: Pair) -> Html:
    worse = [
        text
        for text, is_so in (("in two splits", pair.is_across_splits), ("under two labels", pair.is_across_labels))
        if is_so
    ]
    return paragraph(
        strong(f"{pair.similarity:.3f}"), " ", pair.kind, joined(" · ", strong(", ".join(worse))) if worse else ""
    )

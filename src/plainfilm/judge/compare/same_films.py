"""One set of films for all: the same films, labels, groups and classes, or a refusal that says where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.manifest import shown
from plainfilm.core.ranking import Booleans, Floats, Integers
from plainfilm.errors import BadPredictions
from plainfilm.judge.compare.contestants import Contestant, Sheet


@dataclass(frozen=True)
class Field:
    """The films on which all contestants are compared, sorted by name.

    classes: C names. image_id (N,), label_index (N,) in 0..C-1, group (N,) of names.
    notes: what a reader should know of how the films were put together.
    """

    classes: tuple[str, ...]
    image_id: NDArray[np.object_]
    label_index: Integers
    group: NDArray[np.object_]
    notes: tuple[str, ...]


def on_one_field(contestants: Sequence[Contestant]) -> tuple[Field, list[Floats]]:
    """The films that all contestants scored, and for each contestant (S, N, C) probabilities of its S trainings.

    A label or group that one table does not know is taken from another. Films without any label, and those that no contestant could
    read, are left out. Raises BadPredictions where the films, their labels, groups or classes are not the same, naming which.
    """
    sheets = [sheet for contestant in contestants for sheet in contestant.sheets]
    classes = sheets[0].classes
    given = [sheet.in_order(classes) for sheet in sheets]
    for sheet in sheets[1:]:
        _refuse_other_films(sheets[0], sheet)
    image_id = np.sort(sheets[0].films["image_id"].to_numpy(object))
    order = [np.argsort(sheet.films["image_id"].to_numpy(object), kind="stable") for sheet in sheets]
    is_scored = [sheet.films["is_scored"].to_numpy()[place] for sheet, place in zip(sheets, order, strict=True)]
    for sheet, scored in zip(sheets[1:], is_scored[1:], strict=True):
        _refuse_half_scored(sheets[0], sheet, image_id, is_scored[0], scored)
    label, group = (_agreed(sheets, order, column, image_id) for column in ("label", "group"))
    kept = is_scored[0] & (label != "")
    if not kept.any():
        raise BadPredictions("no film has both a label and a score: nothing to compare", sheets[0].place)
    places = {name: place for place, name in enumerate(classes)}
    alone = group == ""
    notes = []
    for count, what in (
        (int((~is_scored[0]).sum()), "could not be read and are left out"),
        (int((is_scored[0] & (label == "")).sum()), "have no label and are left out"),
        (
            int((kept & alone).sum()),
            "have no known group: each stands for itself, as if it were of a patient of its own",
        ),
    ):
        if count:
            notes.append(f"{count:,} of {len(image_id):,} films {what}")
    field = Field(
        classes,
        image_id[kept],
        np.array([places[name] for name in label[kept]], dtype=np.int64),
        np.where(alone, "film " + image_id, group)[kept],
        (*notes, *_borrowed(sheets)),
    )
    sorted_scores = iter([scores[place][kept] for scores, place in zip(given, order, strict=True)])
    return field, [np.stack([next(sorted_scores) for _ in contestant.sheets]) for contestant in contestants]


def _refuse_other_films(one: Sheet, other: Sheet) -> None:
    ours, theirs = set(one.films["image_id"]), set(other.films["image_id"])
    if ours == theirs:
        return
    for scoring, failing, films in ((one, other, ours - theirs), (other, one, theirs - ours)):
        broken = sorted(films & failing.failed)
        if broken:
            raise BadPredictions(
                f"could not read films that {scoring.place} scored: {shown(broken)} ({len(broken):,} in all). Score them again",
                failing.place,
            )
    sides = [
        f"{len(only):,} only in {where} ({shown(sorted(only))})"
        for where, only in ((one.place, ours - theirs), (other.place, theirs - ours))
        if only
    ]
    raise BadPredictions(
        f"these are scores of different films: {', '.join(sides)}; {len(ours & theirs):,} in both. Only scores of the same films "
        "can be compared"
    )


def _refuse_half_scored(
    one: Sheet, other: Sheet, image_id: NDArray[np.object_], ours: Booleans, theirs: Booleans
) -> None:
    for scoring, failing, films in ((one, other, image_id[ours & ~theirs]), (other, one, image_id[theirs & ~ours])):
        if len(films):
            raise BadPredictions(
                f"has no score for films that {scoring.place} scored: {shown(list(films))} ({len(films):,} in all). "
                "Score them again",
                failing.place,
            )


def _agreed(
    sheets: Sequence[Sheet], order: Sequence[Integers], column: str, image_id: NDArray[np.object_]
) -> NDArray[np.object_]:
    """What the sheets know of each film. Raises BadPredictions where two know different things."""
    known = np.full(len(image_id), "", dtype=object)
    source = np.zeros(len(image_id), dtype=np.int64)
    for place, (sheet, rows) in enumerate(zip(sheets, order, strict=True)):
        said = sheet.films[column].to_numpy(object)[rows]
        differs = np.flatnonzero((known != "") & (said != "") & (known != said))
        if len(differs):
            film = differs[0]
            raise BadPredictions(
                f"gives {_films(len(differs))} another {column} than {sheets[source[film]].place}: {image_id[film]} is "
                f'"{said[film]}" here and "{known[film]}" there',
                sheet.place,
            )
        source = np.where(known == "", place, source)
        known = np.where(known == "", said, known)
    return known


def _borrowed(sheets: Sequence[Sheet]) -> list[str]:
    """Which tables know no labels or groups, where others do."""
    notes = []
    for column in ("label", "group"):
        without = [sheet.place for sheet in sheets if (sheet.films[column] == "").all()]
        if 0 < len(without) < len(sheets):
            notes.append(f"{shown(without)}: no {column} is known there, those of the others are taken")
    return notes


def _films(count: int) -> str:
    return "1 film" if count == 1 else f"{count:,} films"

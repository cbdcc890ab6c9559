"""Is a set of films sound? Leaks between the sides of a split, one picture under two labels, gaps, films that are none.

    findings = check_films(survey, side)

What is known is said as known (a leak, a damaged file), what a number suggests is said as a suspicion (a film that looks inverted).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.chest import Likeness
from plainfilm.core.manifest import shown
from plainfilm.core.words import EXAMPLES
from plainfilm.prepare.duplicates import IDENTICAL, Twin
from plainfilm.prepare.group import half_named_patients
from plainfilm.prepare.survey import Survey

_BLANK = 4.0  # standard deviation of a thumbnail's grey levels below which a film shows nothing
_ODD_SHAPE = 1.8  # width over height, or the other way round
_SMALL_PX = 100
_FRAME = 0.25  # share of the side that a constant frame takes
_LATERAL = ("LL", "RL", "L", "LAT", "LATERAL", "LLAT", "RLAT")
_TABLE_COLUMNS = ("kind", "level", "title", "set", "image_id", "path", "label", "side", "patient_id", "reason")
_FEW = 5  # films of a source below which its absence from a side is chance


class Finding(NamedTuple):
    """One thing that is wrong, or may be.

    kind: leak, label, split, film, or source (how a source was read).
    level: failure for a leak, warning for what should be looked at, note for what is good to know.
    title: a few words. text: one sentence with numbers and names.
    rows: the films concerned, as row positions; those of one inner tuple belong together (a pair of twins, the films of a patient).
    reasons: a few words for each of `rows`.
    """

    kind: Literal["leak", "label", "split", "film", "source"]
    level: Literal["failure", "warning", "note"]
    title: str
    text: str
    rows: tuple[tuple[int, ...], ...] = ()
    reasons: tuple[str, ...] = ()


def check_films(survey: Survey, side: pd.Series[str] | None) -> list[Finding]:
    """Everything that can be found, the worst first.

    side: which side of the split each film is on, "" for none; None where there is no split.
    """
    found: list[Finding] = []
    if side is not None:
        found += [*_leaks(survey, side), *_gaps(survey, side)]
    found += [*_labels(survey), *_films(survey)]
    order = {"failure": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.level])


def has_leak(findings: Sequence[Finding]) -> bool:
    """Whether the split leaks."""
    return any(finding.kind == "leak" for finding in findings)


def findings_table(findings: Sequence[Finding], survey: Survey, sides: Sequence[str] | None) -> pd.DataFrame:
    """One row a film and finding: kind, level, title, set (films with the same number belong together), image_id, path, label,
    side, patient_id, reason. sides: where each film stands; None where there is no split.
    """
    rows = []
    for finding in findings:
        for number, together in enumerate(finding.rows, start=1):
            reason = finding.reasons[number - 1] if finding.reasons else ""
            for row in together:
                film = survey.films.iloc[row]
                rows.append(
                    [
                        finding.kind,
                        finding.level,
                        finding.title,
                        number,
                        film["image_id"],
                        film["path"],
                        film["label"],
                        sides[row] if sides else "",
                        film["patient_id"],
                        reason,
                    ]
                )
    return pd.DataFrame(rows, columns=[*_TABLE_COLUMNS])


def _leaks(survey: Survey, side: pd.Series[str]) -> Iterator[Finding]:
    """Identical pictures, near twins and patients on two sides; then groups that nothing of these explains."""
    films, sides = survey.films, side.to_numpy(dtype=object)
    explained: set[str] = set()

    def is_torn(rows: Sequence[int]) -> bool:
        return len({sides[row] for row in rows} - {""}) > 1

    def finding(title: str, what: tuple[str, str], torn: Sequence[tuple[tuple[int, ...], str]]) -> Finding:
        explained.update(films["group"].iloc[row] for rows, _ in torn for row in rows)
        films_concerned = {row for rows, _ in torn for row in rows}
        first = ", ".join(f"{films['image_id'].iloc[row]} ({sides[row]})" for row in torn[0][0][:4])
        one, many = what
        text = f"{len(torn):,} {one if len(torn) == 1 else many} on two sides, {len(films_concerned):,} films{EXAMPLES}{first}"
        return Finding(
            "leak", "failure", title, text, tuple(rows for rows, _ in torn), tuple(reason for _, reason in torn)
        )

    for title, what, key in (
        ("Identical pictures on two sides", ("picture", "pictures"), films["sha256"]),
        ("Patients on two sides", ("patient", "patients"), films["patient_id"]),
        ("Patients of DICOM headers on two sides", ("patient", "patients"), half_named_patients(films)),
    ):
        torn = [(rows, "") for rows in _sets(films, key) if is_torn(rows)]
        if torn:
            yield finding(title, what, torn)
    near = [twin for twin in survey.twins if twin.kind != IDENTICAL and is_torn(twin[:2])]
    if near:
        near.sort(key=lambda twin: -twin.similarity)
        pairs = [((twin.first, twin.second), _alike(twin)) for twin in near]
        yield finding("Near twins on two sides", ("pair of near twins", "pairs of near twins"), pairs)
    rest = [
        (rows, "")
        for rows in _sets(films, films["group"])
        if is_torn(rows) and films["group"].iloc[rows[0]] not in explained
    ]
    if rest:
        yield finding("Groups on two sides", ("group", "groups"), rest)


def _labels(survey: Survey) -> Iterator[Finding]:
    """One picture under two labels."""
    label = survey.films["label"].to_numpy(dtype=object)
    torn = [
        twin
        for twin in survey.twins
        if label[twin.first] and label[twin.second] and label[twin.first] != label[twin.second]
    ]
    if torn:
        first = torn[0]
        names = " and ".join(f"{survey.films['image_id'].iloc[row]} ({label[row]})" for row in first[:2])
        yield Finding(
            "label",
            "warning",
            "One picture under two labels",
            f"{len(torn):,} {'pair holds' if len(torn) == 1 else 'pairs hold'} one picture under two labels, of which at least "
            f"one is wrong{EXAMPLES}{names}",
            tuple((twin.first, twin.second) for twin in torn),
            tuple(_alike(twin) for twin in torn),
        )


def _gaps(survey: Survey, side: pd.Series[str]) -> Iterator[Finding]:
    """Classes and sources that a side of the split lacks."""
    films = survey.films
    names = [name for name in dict.fromkeys(side) if name]
    placed = (films["status"] == "ok").to_numpy() & (side != "").to_numpy()
    for key, what, level in (("label", "class", "warning"), ("source", "source", "note")):
        counts = pd.crosstab(films.loc[placed, key].to_numpy(dtype=object), side[placed].to_numpy(dtype=object))
        counts = counts.reindex(columns=names, fill_value=0)  # a side may have no readable film
        for name in names:
            lacking = [
                str(value)
                for value in counts.index
                if value
                and counts.loc[value, name] == 0
                and (key == "label" or counts.loc[value].sum() >= _FEW * len(names))
            ]
            if lacking:
                yield Finding(
                    "split",
                    level,  # type: ignore[arg-type]
                    f"A {what} missing from {name}",
                    f"{name} has no film of {'the ' + what if len(lacking) == 1 else str(len(lacking)) + ' ' + key + 's:'} "
                    f"{shown(lacking)}: what holds for {'it' if len(lacking) == 1 else 'them'} cannot be "
                    f"{'learnt' if name == 'train' else 'measured'} there",
                )


def _films(survey: Survey) -> Iterator[Finding]:
    """Single films that are damaged, or odd."""
    films, facts = survey.films, survey.facts
    is_ok = (films["status"] == "ok").to_numpy()
    errors = np.flatnonzero(~is_ok)
    if len(errors):
        yield _odd(
            "warning", "Damaged", "cannot be read", survey, errors, [str(films["error"].iloc[row]) for row in errors]
        )
    spread = np.array([thumbnail.std() for thumbnail in survey.thumbnails])
    blank = is_ok & (spread < _BLANK)
    shape = facts["width"].to_numpy(dtype=float) / np.maximum(facts["height"].to_numpy(dtype=float), 1)
    small = facts[["width", "height"]].min(axis=1).to_numpy(dtype=float)
    frame = np.maximum(
        *(facts[f"frame_{one}"].to_numpy(dtype=float) + facts[f"frame_{other}"].to_numpy(dtype=float)
          for one, other in (("top", "bottom"), ("left", "right")))
    )  # fmt: skip
    view = films["view"].str.upper().str.strip()
    likeness = survey.likeness
    seen = is_ok & ~blank
    tests: list[tuple[Literal["warning", "note"], str, str, NDArray[np.bool_], Sequence[str]]] = [
        ("warning", "Blank", "show nothing", blank, [f"grey levels spread by {value:.1f}" for value in spread]),
        ("warning", "No chest film?", "look like no frontal chest film", seen & likeness.is_foreign, _likenesses(likeness)),
        ("warning", "Inverted?", "look inverted (black is white)", seen & likeness.is_inverted, _likenesses(likeness)),
        ("warning", "Turned or cropped?", "look upside down, lie on a side, or show a part of a chest",
         seen & likeness.is_turned, _likenesses(likeness)),
        ("warning", "Lateral", "are lateral by their header or table", is_ok & view.isin(_LATERAL).to_numpy(), list(view)),
        ("warning", "Framed", f"have a frame of one grey over more than {_FRAME:.0%} of a side", seen & (frame > _FRAME),
         [f"{value:.0%} of the side" for value in frame]),
        ("warning", "Oddly shaped", f"are longer than {_ODD_SHAPE:g} times their width or the other way round",
         is_ok & ((shape > _ODD_SHAPE) | (shape < 1 / _ODD_SHAPE)), _sizes(films)),
        ("warning", "Very small", f"are less than {_SMALL_PX} pixels wide or high", is_ok & (small < _SMALL_PX), _sizes(films)),
        ("note", "In colour", "are stored in colour", is_ok & facts["colour"].isin(["rgb", "rgba", "palette"]).to_numpy(),
         list(facts["colour"])),
    ]  # fmt: skip
    notes = films["oddities"].where(films["status"] == "ok", "") if "oddities" in films else pd.Series("", films.index)
    for note in dict.fromkeys(notes[notes != ""]):
        rows = np.flatnonzero((notes == note).to_numpy())
        yield _odd("note", "Odd file", f"are odd files ({note})", survey, rows, [note] * len(rows))
    for level, title, what, which, reasons in tests:
        rows = np.flatnonzero(which)
        if len(rows):
            yield _odd(level, title, what, survey, rows, [reasons[int(row)] for row in rows])


def _odd(
    level: Literal["warning", "note"],
    title: str,
    what: str,
    survey: Survey,
    rows: NDArray[np.int64],
    reasons: Sequence[str],
) -> Finding:
    names = shown([str(survey.films["image_id"].iloc[row]) for row in rows])
    text = f"{len(rows):,} of {len(survey.films):,} films {what}: {names}"
    return Finding("film", level, title, text, tuple((int(row),) for row in rows), tuple(reasons))


def _likenesses(likeness: Likeness) -> list[str]:
    return [f"likeness to a chest film {value:.2f}" for value in likeness.value]


def _sizes(films: pd.DataFrame) -> list[str]:
    return [f"{width}×{height}" for width, height in zip(films["width"], films["height"], strict=True)]


def _alike(twin: Twin) -> str:
    return f"{twin.kind}, similarity {twin.similarity:.3f}"


def _sets(films: pd.DataFrame, key: pd.Series[str]) -> list[tuple[int, ...]]:
    """Row positions of readable films with the same known value of `key`, two or more."""
    values = key.where(films["status"] == "ok", "").to_numpy(dtype=object)
    together: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        if value:
            together.setdefault(value, []).append(row)
    return [tuple(rows) for rows in together.values() if len(rows) > 1]

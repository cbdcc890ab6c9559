"""Splits that leave one source out: what is learnt from all other sources, tried on the films of the one.

Of a group that has films of the left-out source and of others, the others train nothing: they would show the network the very
patient or picture that it is tried on. Films of unknown source are in no such split, since they may come from the source that
is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from plainfilm.core.manifest import LEFT_OUT, Manifest, shown
from plainfilm.core.words import counted
from plainfilm.errors import BadConfig, BadManifest
from plainfilm.prepare.split import SplitPlan, fill_validation

FEWEST_FILMS = 10  # of a source that is worth a training
_VALIDATION = 0.15


@dataclass(frozen=True)
class LeftOut:
    """One source that is left out.

    column: its split column. films: how many of its films there are. classes: those that it supplies, in order.
    dropped: films of other sources that share a group with it and so train nothing. is_tied: whether each source that is left
    supplies one class only.
    """

    source: str
    column: str
    films: int
    classes: tuple[str, ...]
    dropped: int
    is_tied: bool = False

    @property
    def note(self) -> str:
        """What a reader of its scores must know; empty where there is nothing."""
        told = []
        if len(self.classes) == 1:
            told.append(
                f"it supplies {self.classes[0]} alone, so its accuracy is the sensitivity and nothing tells the"
                " specificity"
            )
        if self.is_tied:
            told.append("no source that is left supplies two classes, so in training hospital and disease are one")
        if self.dropped:
            told.append(f"{counted(self.dropped, 'film')} of other sources share a group with it and train nothing")
        return "; ".join(told)


@dataclass(frozen=True)
class LeftOutPlan:
    """Which sources are left out in turn.

    manifest: with one split column for each of them, not written yet. splits: one each, the largest source first.
    refused: source -> why it is not left out. unknown: films of unknown source, which are in no split.
    """

    manifest: Manifest
    splits: tuple[LeftOut, ...]
    refused: dict[str, str]
    unknown: int


def leave_sources_out(manifest: Manifest, seed: int = 0) -> LeftOutPlan:
    """One split for each known source: its films are the test, of the others 15%, whole groups, the validation.

    seed: of the draw of the validation films.
    Raises BadManifest, with the reason for each source, where fewer than two sources are known or none can be left out.
    """
    usable = manifest.ok[manifest.ok["label"] != ""]
    known = usable[usable["source"] != ""]
    counts = known["source"].value_counts()
    if len(counts) < 2:
        found = f"one source alone ({counts.index[0]})" if len(counts) else "no source"
        raise BadManifest(
            f"names {found} for its {counted(len(usable), 'film')}: leaving one out needs two or more. Join sources by "
            '"plainfilm prepare --metadata TABLE"',
            manifest.path,
        )
    table, splits, refused = manifest.films.copy(), [], {}
    for source in sorted(counts.index, key=lambda name: (-counts[name], name)):
        inside = known[known["source"] == source]
        why = _obstacle(source, inside, known, manifest.classes)
        if why:
            refused[source] = why
            continue
        rest = known[(known["source"] != source) & ~known["group"].isin(inside["group"])]
        try:
            drawn = fill_validation(rest.assign(split="train"), manifest.classes, SplitPlan(val=_VALIDATION, seed=seed))
        except BadConfig as error:
            refused[source] = f"without it, {error}"
            continue
        column = _column(source, set(table.columns))
        table[column] = ""
        table.loc[drawn.index, column] = drawn
        table.loc[inside.index, column] = "test"
        dropped = int(((known["source"] != source) & known["group"].isin(inside["group"])).sum())
        held = tuple(name for name in manifest.classes if name in set(inside["label"]))
        is_tied = bool((rest.groupby("source")["label"].nunique() == 1).all())
        splits.append(LeftOut(source, column, len(inside), held, dropped, is_tied))
    if not splits:
        reasons = tuple(f"{source}: {why}" for source, why in refused.items())
        raise BadManifest(f"has no source that can be left out. {'; '.join(reasons)}", manifest.path, reasons)
    whole = Manifest(table, manifest.classes, manifest.root, manifest.info)
    return LeftOutPlan(whole, tuple(splits), refused, len(usable) - len(known))


def _obstacle(source: str, inside: pd.DataFrame, known: pd.DataFrame, classes: tuple[str, ...]) -> str:
    """Why a source cannot be left out; "" where it can."""
    elsewhere = known[(known["source"] != source) & ~known["group"].isin(inside["group"])]
    emptied = [name for name in classes if name not in set(elsewhere["label"])]
    if emptied:
        is_tied = all((known.loc[known["label"] == name, "source"] == source).all() for name in emptied)
        if is_tied:
            comes = "comes" if len(emptied) == 1 else "come"
            return f"{shown(emptied)} {comes} from {source} alone: class and source are one"
        return (
            f"without its films and the groups that they belong to, no film of {shown(emptied)} is left to learn from"
        )
    if len(inside) < FEWEST_FILMS:
        return f"has {counted(len(inside), 'film')}, fewer than {FEWEST_FILMS}"
    if inside["group"].nunique() < 2:
        return "its films are of one group, which cannot tell how sure a loss would be"
    return ""


def _column(source: str, taken: set[str]) -> str:
    """A name for the split column that no other has."""
    plain = re.sub(r"\W+", "_", source.lower(), flags=re.ASCII).strip("_") or "source"
    name, number = f"{LEFT_OUT}{plain}", 2
    while name in taken:
        name, number = f"{LEFT_OUT}{plain}_{number}", number + 1
    return name

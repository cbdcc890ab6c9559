"""Reasons to doubt the numbers of a run, found in the manifest and the metrics alone, without another training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from plainfilm.core.manifest import Manifest, shown
from plainfilm.core.page import Level
from plainfilm.core.run import Run
from plainfilm.judge.evaluate import SPLIT_NAMES, shown_split

FEW_FILMS = 30  # of a class: below, one film more or less moves its sensitivity by over three points
_GRAVEST_FIRST: tuple[Level, ...] = ("failure", "warning", "note", "pass")


@dataclass(frozen=True)
class Doubt:
    """One reason to doubt.

    level: "failure" (the numbers do not mean what they seem to), "warning" (they are weaker than they seem) or "note".
    title: the reason in a few words.
    sentences: the evidence, and what to do.
    """

    level: Level
    title: str
    sentences: tuple[str, ...]


def find_doubts(run: Run, manifest: Manifest, metrics: Mapping[str, Any]) -> list[Doubt]:
    """All reasons to doubt, the gravest first.

    manifest: the one that was judged on. metrics: as `evaluate_predictions` gives them.
    """
    found = [
        *_of_manifest(manifest, split_column(run, manifest)),
        *_of_sources(manifest.ok, manifest.classes),
        *_of_run(run, manifest, metrics),
        *_of_films(metrics),
    ]
    return sorted(found, key=lambda doubt: _GRAVEST_FIRST.index(doubt.level))


def split_column(run: Run, manifest: Manifest) -> str:
    """The split column that the run was trained on, or `split` where this manifest has no such column."""
    return run.config.split if run.config.split in manifest.films else "split"


def films_by_source(films: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How many films of each class (column) each source (row) supplies; the largest first, the unknown, "", last."""
    counts = pd.crosstab(films["source"], films["label"]).reindex(columns=list(classes), fill_value=0)
    films_of = counts.sum(axis=1).to_dict()
    order = sorted(films_of, key=lambda source: (source == "", -films_of[source], source))
    return counts.loc[order]


def classes_tied_to_source(films: pd.DataFrame, classes: Sequence[str]) -> dict[str, list[str]]:
    """Class -> its sources, for the classes none of whose known sources supplies a film of another class."""
    supplied = films_by_source(films[films["source"] != ""], classes) > 0
    if supplied.any().sum() < 2:
        return {}
    shared = supplied.sum(axis=1) > 1
    own = {name: list(supplied.index[supplied[name]]) for name in classes}
    return {name: sources for name, sources in own.items() if sources and not shared[sources].any()}


def _of_manifest(manifest: Manifest, column: str) -> list[Doubt]:
    problems = manifest.check([column])
    leaks = tuple(problem.text for problem in problems if problem.kind == "leak")
    others = tuple(problem.text for problem in problems if problem.kind != "leak")
    found = []
    if leaks:
        advice = (
            'The numbers below are too good by an unknown amount. Split again with "plainfilm prepare" and train again.'
        )
        found.append(Doubt("failure", "The splits leak", (*_as_sentences(leaks), advice)))
    if others:
        found.append(Doubt("warning", "The split lacks films", _as_sentences(others)))
    return found


def _of_sources(films: pd.DataFrame, classes: Sequence[str]) -> list[Doubt]:
    if not (films["source"] != "").any():
        unknown = (
            "The manifest names no source. Whether the network knows the disease or the hospital, nobody can tell.",
            'Join the sources with "plainfilm prepare --metadata TABLE".',
        )
        return [Doubt("warning", "Where the films come from is unknown", unknown)]
    tied = classes_tied_to_source(films, classes)
    if not tied:
        return []
    evidence = [f"No source of {name} supplies another class (its sources: {shown(tied[name])})." for name in tied]
    meaning = (
        "A network that recognises the hospital, the scanner or the file knows these classes without looking at a "
        "lung, and these numbers cannot tell the one from the other. Films of several classes from one source can."
    )
    return [Doubt("failure", f"Class and source are one: {shown(list(tied))}", (*evidence, meaning))]


def _of_run(run: Run, manifest: Manifest, metrics: Mapping[str, Any]) -> list[Doubt]:
    found = []
    split = shown_split(metrics)
    if not run.is_complete:
        found.append(Doubt("warning", "The training is not finished", ('Go on with "plainfilm train ... --resume".',)))
    if split != "test":
        choice = "The best weights were picked on these films, which flatters them." if split == "val" else ""
        text = f"All numbers here are of the {SPLIT_NAMES[split]} split. {choice}".strip()
        found.append(Doubt("warning", "The test split was not read", (text,)))
    elif run.test_readings > 1:
        text = "Whatever was chosen after an earlier reading was chosen with its help, which flatters the numbers."
        found.append(Doubt("note", f"The test split was read {run.test_readings} times", (text,)))
    if manifest.fingerprint != run.fingerprint:
        text = (
            f"The run was trained on the manifest {run.fingerprint[:12]}, this one is {manifest.fingerprint[:12]}: "
            "films, labels or splits differ, and test films of the one may be training films of the other."
        )
        found.append(Doubt("warning", "Judged on another manifest than the run was trained on", (text,)))
    return found


def _of_films(metrics: Mapping[str, Any]) -> list[Doubt]:
    name = shown_split(metrics)
    split, place = metrics["splits"][name], f"the {SPLIT_NAMES[name]} split"
    found = []
    support = {label: int(split["metrics"][f"support/{label}"]) for label in metrics["classes"]}
    few = [f"{label} ({films})" for label, films in support.items() if films < FEW_FILMS]
    if few:
        text = f"Fewer than {FEW_FILMS} films in {place}: {', '.join(few)}."
        found.append(
            Doubt("warning", "Few films", (text, "Look at the intervals of these classes before their scores."))
        )
    for key, title, text in (
        ("unreadable", "Unreadable films", "cannot be read and are left out of all numbers"),
        ("unlabelled", "Films without a label", "have no label and are left out of all numbers"),
        ("ungrouped", "Films without a group", "are counted as a patient of their own, which narrows the intervals"),
    ):
        if split.get(key):
            found.append(Doubt("note", title, (f"In {place}, films that {text}: {split[key]:,}.",)))
    return found


def _as_sentences(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts)

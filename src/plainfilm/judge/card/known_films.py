"""What the manifest says about the films of a run, fact by fact; see `plainfilm.judge.card.evidence`."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from plainfilm.core.association import classes_tied_to_source, films_by_source
from plainfilm.core.manifest import SPLITS
from plainfilm.judge.card.evidence import LISTED, Evidence, Fact, count, listed, tally
from plainfilm.judge.evaluate import SPLIT_NAMES

_TWINS_SOUGHT, _TWINS_NOT_SOUGHT = "pairs of near twins", "near twins were not looked for"  # as prepare's notes say it
_OF_THE_SPLIT = ("the split ", "no split was drawn", "no film has a label")
_ADULT = 18


def origin(evidence: Evidence) -> Fact:
    """What the table of films was made from, as prepare noted it."""
    info = evidence.manifest.info
    made = info.get("provenance", {})
    of_twins = (_TWINS_SOUGHT, _TWINS_NOT_SOUGHT)  # copies() tells these, partition() those of the split
    notes = [
        note
        for note in info.get("notes", [])
        if not note.startswith(_OF_THE_SPLIT) and not any(told in note for told in of_twins)
    ]
    return Fact.of(
        f"The table of films was made by: {made['command']} ({made.get('made_at', 'no date')})."
        if made.get("command")
        else "",
        f"Layout of the source: {info['layout']}." if info.get("layout") else "",
        f"Notes from making it: {'; '.join(notes)}." if notes else "",
        missing="" if made else "how the table of films was made is not recorded",
    )


def sources(evidence: Evidence) -> Fact:
    """Where the films come from, by the name of the source."""
    counts = films_by_source(evidence.films, evidence.manifest.classes)
    unknown = int((evidence.films["source"] == "").sum())
    if unknown == len(evidence.films):
        return Fact.of(missing="where the films come from: the manifest names no source")
    named = [
        f"{source}: {', '.join(f'{label} {films:,}' for label, films in row.items() if films)}"
        for source, row in counts.iloc[:LISTED].iterrows()
        if source
    ]
    more = sum(1 for source in counts.index if source) - len(named)
    rest = f"; and {count(more, 'smaller source')}" if more > 0 else ""
    tied = classes_tied_to_source(evidence.films, evidence.manifest.classes)
    return Fact.of(
        f"Films by source and class. {'; '.join(named)}{rest}.",
        f"No source of {listed(list(tied))} supplies another class, so these classes and their sources cannot be told apart."
        if tied
        else "",
        missing=f"the source of {count(unknown, 'film')} is unknown" if unknown else "",
    )


def eligibility(evidence: Evidence) -> Fact:
    """Which films were taken."""
    return Fact.of(
        "Taken: films that can be read, that have a label of one of the classes "
        f"{', '.join(evidence.manifest.classes)}, and that stand in a split."
    )


def labels(evidence: Evidence) -> Fact:
    """Where the labels come from: the machine knows that they were given, not by whom."""
    unlabelled = int((evidence.films["label"] == "").sum())
    layout = evidence.manifest.info.get("layout")
    where = f" (layout: {layout})" if layout else ""
    return Fact.of(
        f"The labels were taken as the source gives them{where}; plainfilm held none of them against its film.",
        f"{count(unlabelled, 'film')} without a label left out." if unlabelled else "Every readable film has a label.",
    )


def missing_data(evidence: Evidence) -> Fact:
    """What could not be read or is not known, and what became of it."""
    failed = evidence.manifest.films[evidence.manifest.films["status"] == "error"]
    unlabelled = int((evidence.films["label"] == "").sum())
    blanks = {
        name: int((evidence.films[name].isna() | (evidence.films[name].astype(object) == "")).sum())
        for name in ("patient_id", "source", "view", "age", "sex")
    }
    unknown = [f"{name.replace('_id', '')} {films:,}" for name, films in blanks.items() if films]
    return Fact.of(
        f"{count(len(failed), 'film')} could not be read and {count(unlabelled, 'readable film')} had no label: left out of "
        "training and of all numbers; the manifest says why. No pixel and no label was filled in.",
        f"Of {count(len(evidence.films), 'readable film')}, unknown: {', '.join(unknown)}. Unknown was left unknown; the network "
        "sees pixels alone."
        if unknown
        else "Patient, source, view, age and sex are known for every readable film.",
    )


def demographics(evidence: Evidence) -> Fact:
    """Sex, age and view by split."""
    films = evidence.films
    known = [
        name for name in ("sex", "age", "view") if (films[name].notna() & (films[name].astype(object) != "")).any()
    ]
    lines = [
        f"{SPLIT_NAMES[split].capitalize()}, in films: {_people(evidence.part(split), known)}."
        for split in SPLITS
        if known
    ]
    absent = [name for name in ("sex", "age", "view") if name not in known]
    partly = [name for name in known if (films[name].isna() | (films[name].astype(object) == "")).any()]
    return Fact.of(
        *lines,
        missing=[
            f"{', '.join(absent)} of the people or films: the manifest does not know them" if absent else "",
            f"{', '.join(partly)}: known for some films only" if partly else "",
        ],
    )


def _people(films: pd.DataFrame, known: list[str]) -> str:
    told = [f"{name} {tally(films[name])}" for name in ("sex", "view") if name in known]
    if "age" in known:
        age = films["age"].dropna().astype(float)
        span = f"{age.median():.0f} years in the middle, {age.min():.0f} to {age.max():.0f}" if len(age) else "unknown"
        children = f", below {_ADULT}: {(age < _ADULT).sum():,}" if len(age) else ""
        told.insert(0, f"age {span}{children} (known for {len(age):,} of {len(films):,})")
    return "; ".join(told)


def acquisition(evidence: Evidence) -> Fact:
    """How the films were taken, as far as a manifest knows: views and sizes."""
    films = evidence.films
    sizes = (films["width"].astype(str) + "×" + films["height"].astype(str)).where(films["width"].notna(), "")
    return Fact.of(
        f"Views: {tally(films['view'])}." if (films["view"] != "").any() else "",
        f"Sizes in pixels: {tally(sizes)}." if (sizes != "").any() else "",
        missing="" if (films["view"] != "").all() else "the view (PA, AP, lateral) of some films or of all",
    )


def partition(evidence: Evidence) -> Fact:
    """How the films came into the splits."""
    parts = {split: evidence.part(split) for split in SPLITS}
    told = [
        f"{SPLIT_NAMES[split]} {count(len(films), 'film')} in {count(films['group'].nunique(), 'group')}"
        for split, films in parts.items()
    ]
    notes = [note for note in evidence.manifest.info.get("notes", []) if note.startswith(_OF_THE_SPLIT)]
    return Fact.of(
        f"Split by the column {evidence.column} of the manifest: {', '.join(told)}.",
        f"As prepare noted: {'; '.join(notes)}." if notes else "",
        missing="" if notes else "how the split was drawn is not recorded in the manifest",
    )


def disjoint(evidence: Evidence) -> Fact:
    """At which level the splits share nothing."""
    leaks = [problem.text for problem in evidence.manifest.check([evidence.column]) if problem.kind == "leak"]
    if leaks:
        return Fact.of(
            f"The splits are not disjoint: {'; '.join(leaks)}.",
            missing='a split without leaks ("plainfilm prepare"), and a new training',
        )
    twins = copies(evidence)
    people = patients(evidence)
    return Fact.of(
        "Whole groups lie in one split; a group holds the films of one patient and the copies of one picture. Checked: no group, "
        "no known patient and no identical picture stands in two splits.",
        *people.known,
        *twins.known,
        missing=(*people.missing, *twins.missing),
    )


def patients(evidence: Evidence) -> Fact:
    """How many people are known."""
    known = evidence.films.loc[evidence.films["patient_id"] != "", "patient_id"]
    unknown = len(evidence.films) - len(known)
    return Fact.of(
        f"Patients known: {known.nunique():,}, with {count(len(known), 'film')}." if len(known) else "",
        missing=f"the patient of {count(unknown, 'film')} is unknown: nobody can check whether one patient stands in two splits"
        if unknown
        else "",
    )


def copies(evidence: Evidence) -> Fact:
    """Whether near twins were looked for when the groups were made."""
    notes = [str(note) for note in evidence.manifest.info.get("notes", [])]
    sought = [note for note in notes if _TWINS_SOUGHT in note]
    refused = any(_TWINS_NOT_SOUGHT in note for note in notes)
    groups = evidence.films["group"].value_counts()
    return Fact.of(
        f"Near twins were looked for: {sought[0]}." if sought else "",
        f"Groups of more than one film: {int((groups > 1).sum()):,}, with {count(int(groups[groups > 1].sum()), 'film')}.",
        missing=""
        if sought
        else f"near twins {'were not' if refused else 'may not have been'} looked for: copies may stand in two splits",
    )


def flow(evidence: Evidence) -> Fact:
    """From the films of the source to those in each split."""
    films, ok = evidence.manifest.films, evidence.films
    unplaced = int((ok[evidence.column] == "").sum())
    placed = ", ".join(f"{SPLIT_NAMES[split]} {len(evidence.part(split)):,}" for split in SPLITS)
    without = int((ok["patient_id"] == "").sum())
    return Fact.of(
        f"{count(len(films), 'film')} in the manifest; {len(films) - len(ok):,} unreadable; "
        f"{unplaced:,} readable in no split; {placed}.",
        missing=f"the number of patients: unknown for {count(without, 'film')}" if without else "",
    )


def training_films(evidence: Evidence) -> Fact:
    """Counts of the training split by class."""
    counts = evidence.part("train")["label"].value_counts()
    told = ", ".join(f"{label} {int(counts.get(label, 0)):,}" for label in evidence.manifest.classes)
    return Fact.of(
        f"Training films by class: {told}; {count(len(evidence.part('train')), 'film')} in all.",
        f"Fingerprint of the manifest (films, labels, groups, splits): {evidence.manifest.fingerprint}.",
    )


FILM_FACTS: dict[str, Callable[[Evidence], Fact]] = {
    tell.__name__: tell
    for tell in (
        origin, sources, eligibility, labels, missing_data, demographics, acquisition, partition, disjoint, patients, copies,
        flow, training_films,
    )
}  # fmt: skip

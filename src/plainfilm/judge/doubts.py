"""Reasons to doubt the numbers of a run, found in the manifest and the metrics alone, without another training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainfilm.core.association import classes_tied_to_source
from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.manifest import Manifest, shown
from plainfilm.core.page import Level
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.judge.evaluate import SPLIT_NAMES, shown_split

FEW_FILMS = 30  # of a class: below, one film more or less moves its sensitivity by over three points
_HELD_AGAINST = ("accuracy", "balanced_accuracy", "macro_auroc")
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
        *_of_sources(manifest),
        *_of_file(manifest, metrics),
        *_of_run(run, manifest, metrics),
        *_of_films(metrics),
    ]
    return sorted(found, key=lambda doubt: _GRAVEST_FIRST.index(doubt.level))


def split_column(run: Run, manifest: Manifest) -> str:
    """The split column that the run was trained on, or `split` where this manifest has no such column."""
    return run.config.split if run.config.split in manifest.films else "split"


def scores_of_file(manifest: Manifest) -> dict[str, Any]:
    """What guessing the class from the file alone reached when the manifest was made; empty where nobody measured it.

    Returns accuracy, balanced_accuracy and macro_auroc, each an interval as in metrics.json, of all readable films.
    """
    hints = manifest.info.get("hints", {})
    score = hints.get("file", {}).get("all")
    is_of_all_classes = set(hints.get("classes", ())) == set(manifest.classes)
    return {name: score[name] for name in _HELD_AGAINST} if score and is_of_all_classes else {}


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


def _of_sources(manifest: Manifest) -> list[Doubt]:
    films = manifest.ok
    if not (films["source"] != "").any():
        unknown = (
            "The manifest names no source. Whether the network knows the disease or the hospital, nobody can tell.",
            'Join the sources with "plainfilm prepare --metadata TABLE".',
        )
        return [Doubt("warning", "Where the films come from is unknown", unknown)]
    tied = classes_tied_to_source(films, manifest.classes)
    foretold = _foretold_by_source(manifest, list(tied))
    if not tied:
        return foretold
    evidence = [f"No source of {name} supplies another class (its sources: {shown(tied[name])})." for name in tied]
    meaning = (
        "A network that recognises the hospital, the scanner or the file knows these classes without looking at a "
        "lung, and these numbers cannot tell the one from the other. Films of several classes from one source can."
    )
    return [Doubt("failure", f"Class and source are one: {shown(list(tied))}", (*evidence, meaning)), *foretold]


def _foretold_by_source(manifest: Manifest, tied: Sequence[str]) -> list[Doubt]:
    """The classes that their source foretells without settling them, as far as that was measured."""
    hints = manifest.info.get("hints", {})
    found = next((one for one in hints.get("findings", []) if one["by"] == "source"), None)
    names = [name for name in found["classes"] if name not in tied] if found else []
    if not found or not names:
        return []
    values = hints["source"]["cramers_v_of"]
    each = ", ".join(f"{name} {format_interval(interval_of(values[name]))}" for name in names)
    text = f"Cramér's V of source and class, each class against the rest: {each}; 0 is no tie, 1 a full one."
    return [Doubt(found["level"], f"The source foretells {shown(names)}", (text, "Look at the scores by source."))]


def _of_file(manifest: Manifest, metrics: Mapping[str, Any]) -> list[Doubt]:
    """Whether the network knows more than the file gives away."""
    file = scores_of_file(manifest)
    split = shown_split(metrics)
    measured = metrics["splits"][split]["metrics"]
    if not file or set(metrics["classes"]) != set(manifest.classes):
        return []
    network, guess = (interval_of(scores["macro_auroc"]) for scores in (measured, file))
    compared = (
        f"Size, format, compression, border and grey levels of the file reach a macro AUROC of {format_interval(guess)} "
        f"on all films; the network reaches {format_interval(network)} on the "
        f"{SPLIT_NAMES[split]} split."
    )
    if network.low <= guess.high:
        return [Doubt("failure", "The network is not surely better than a guess from the file alone", (compared,))]
    found = [one for one in manifest.info["hints"].get("findings", []) if one["by"] == "file"]
    told = tuple(_as_sentences([one["text"] for one in found]))
    return [Doubt("warning", "The file alone gives the class away in part", (*told, compared))] if found else []


def _of_run(run: Run, manifest: Manifest, metrics: Mapping[str, Any]) -> list[Doubt]:
    found = []
    split = shown_split(metrics)
    if not run.is_complete:
        found.append(Doubt("warning", "The training is not finished", ('Go on with "plainfilm train ... --resume".',)))
    if split != "test":
        choice = "The best weights were picked on these films, which flatters them." if split == "val" else ""
        text = f"All numbers here are of the {SPLIT_NAMES[split]} split. {choice}".strip()
        times = counted(run.test_readings, "time")  # an audit reads it too
        read = (f"The test split was read {times} for this run; none of these numbers is of it.",)
        title = "These numbers are not of the test split" if run.test_readings else "The test split was not read"
        found.append(Doubt("warning", title, (text, *(read if run.test_readings else ()))))
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

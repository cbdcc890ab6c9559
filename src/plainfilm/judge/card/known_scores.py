"""What the metrics of a run say about its scores, fact by fact; see `plainfilm.judge.card.evidence`."""

from __future__ import annotations

from collections.abc import Callable

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.page import Level
from plainfilm.judge.card.evidence import LISTED, Evidence, Fact, count, listed
from plainfilm.judge.doubts import FEW_FILMS
from plainfilm.judge.evaluate import SPLIT_NAMES

_OVERALL = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_auroc": "macro AUROC",
    "macro_average_precision": "macro average precision", "macro_f1": "macro F1", "log_loss": "log loss", "brier": "Brier score",
}  # fmt: skip
_BY_CLASS = {"recall": "sensitivity", "specificity": "specificity", "precision": "precision", "auroc": "AUROC"}
LEVEL_WORDS: dict[Level, str] = {
    "pass": "Pass",
    "note": "Note",
    "warning": "Warning",
    "failure": "Alarm",
}  # as the report says
_EVALUATE = '"plainfilm evaluate RUN" reads it, once the choices are made'


def uncertainty(evidence: Evidence) -> Fact:
    """How the intervals were drawn."""
    drawn = evidence.metrics["bootstrap"]
    alone = int(evidence.measured.get("ungrouped", 0))
    return Fact.of(
        f"Intervals: {drawn['level']:.0%}, from {drawn['repeats']:,} bootstraps over groups (patients and copies of one "
        f"picture), seed {drawn['seed']}.",
        missing=f"{count(alone, 'film')} without a group count as a patient each, which narrows the intervals"
        if alone
        else "",
    )


def measures(evidence: Evidence) -> Fact:
    """Which measures there are."""
    return Fact.of(
        f"Measured: {', '.join(_OVERALL.values())}; for each class against the rest: {', '.join(_BY_CLASS.values())}, F1, average "
        "precision; confusion matrix, ROC and precision-recall curves with bands."
    )


def readings(evidence: Evidence) -> Fact:
    """Which films were judged, and how often the test split was looked at."""
    known = [f"Judged: {SPLIT_NAMES[split]} split, {_size(evidence, split)}." for split in evidence.judged_splits]
    is_read = evidence.is_test_judged or evidence.run.test_readings > 0
    times = count(evidence.run.test_readings, "time")
    read = f"The test split was read {times} for this run; each reading is counted." if is_read else ""
    return Fact.of(*known, read, missing=_without_test(evidence))


def _without_test(evidence: Evidence) -> str:
    """What is missing where the numbers are not of the test split; "" where they are."""
    if evidence.is_test_judged:
        return ""
    if not evidence.run.test_readings:
        return f"the test split was not read ({_EVALUATE})"
    times = count(evidence.run.test_readings, "time")  # by an audit, which makes no scores
    return f"these numbers are not of the test split, which was read {times} ({_EVALUATE})"


def _size(evidence: Evidence, split: str) -> str:
    measured = evidence.metrics["splits"][split]
    return f"{count(measured['films'], 'film')} in {count(measured['groups'], 'group')}"


def test_size(evidence: Evidence) -> Fact:
    """How many films of each class the shown numbers rest on."""
    support = {name: int(evidence.measured["metrics"][f"support/{name}"]) for name in evidence.metrics["classes"]}
    few = [f"{name} {films}" for name, films in support.items() if films < FEW_FILMS]
    return Fact.of(
        f"{evidence.shown_name.capitalize()} split: {_size(evidence, evidence.shown)}; by class: "
        f"{', '.join(f'{name} {films:,}' for name, films in support.items())}.",
        f"Fewer than {FEW_FILMS} films of: {', '.join(few)}." if few else "",
        missing="why this many films: no sample size was computed beforehand by plainfilm",
    )


def internal_test(evidence: Evidence) -> Fact:
    """Scores on test films of the same sources as the training films."""
    if not evidence.is_test_judged:
        return Fact.of(missing=_without_test(evidence))
    scores = _overall(evidence, "test")
    return Fact.of(f"Test split, {_size(evidence, 'test')}, of the same table of films as the training: {scores}.")


def _overall(evidence: Evidence, split: str) -> str:
    return ", ".join(f"{title} {evidence.interval(name, split)}" for name, title in _OVERALL.items())


def performance(evidence: Evidence) -> Fact:
    """The scores as a whole, split by split."""
    told = [
        f"{SPLIT_NAMES[split].capitalize()} split: {_overall(evidence, split)}." for split in evidence.judged_splits
    ]
    return Fact.of(*told, missing=_without_test(evidence))


def by_class(evidence: Evidence) -> Fact:
    """The scores of each class against the rest, on the shown split."""
    told = []
    for name in evidence.metrics["classes"]:
        scores = [f"{title} {evidence.interval(f'{measure}/{name}')}" for measure, title in _BY_CLASS.items()]
        told.append(f"{evidence.shown_name.capitalize()} split, {name}: {', '.join(scores)}.")
    return Fact.of(*told, missing=_without_test(evidence))


def by_source(evidence: Evidence) -> Fact:
    """The scores within each source, on the shown split."""
    named = [one for one in evidence.measured.get("subgroups", {}).get("source", []) if one["value"]]
    told = [
        f"{evidence.shown_name.capitalize()} split, source {one['value']} ({', '.join(one['classes'])}; "
        f"{count(one['films'], 'film')}): accuracy {format_interval(interval_of(one['accuracy']))}."
        for one in named[:LISTED]
    ]
    return Fact.of(*told, missing="" if told else "scores by source were not measured, or the sources are not known")


def file_alone(evidence: Evidence) -> Fact:
    """What guessing from the file alone reaches."""
    guess = evidence.metrics.get("file_alone") or {}
    told = ", ".join(
        f"{name.replace('_', ' ').replace('auroc', 'AUROC')} {format_interval(interval_of(value))}"
        for name, value in guess.items()
    )
    return Fact.of(
        f"Guessed from the file alone (size, format, compression, border, grey levels), on all films: {told}."
        if guess
        else "",
        missing="" if guess else "what guessing from the file alone reaches was not measured",
    )


def failures(evidence: Evidence) -> Fact:
    """What was got wrong, and where to look at it."""
    classes, counts = evidence.metrics["classes"], evidence.measured["confusion"]["counts"]
    wrong = [
        (films, f"{classes[truth]} taken for {classes[answer]} {films:,}")
        for truth, row in enumerate(counts)
        for answer, films in enumerate(row)
        if answer != truth and films
    ]
    commonest = listed([text for _, text in sorted(wrong, key=lambda pair: -pair[0])])
    films = sum(films for films, _ in wrong)
    return Fact.of(
        f"{evidence.shown_name.capitalize()} split: {films:,} of {count(evidence.measured['films'], 'film')} "
        f"wrong{f' ({commonest})' if wrong else ''}. The report shows the confusion matrix and the films of whose wrong "
        "class the network was surest.",
        missing=_without_test(evidence),
    )


def limits(evidence: Evidence) -> Fact:
    """The doubts that the report found, by their titles."""
    titles = [doubt.title for doubt in evidence.doubts]
    return Fact.of(
        f"Found by the machine: {'; '.join(titles)}."
        if titles
        else "The machine's own checks found no reason to doubt; they are few."
    )


def doubts(evidence: Evidence) -> Fact:
    """The doubts in full, the gravest first."""
    told = [f"{LEVEL_WORDS[doubt.level]}: {doubt.title}. {' '.join(doubt.sentences)}" for doubt in evidence.doubts]
    return Fact.of(*(told or ["The machine's own checks found no reason to doubt; they are few."]))


SCORE_FACTS: dict[str, Callable[[Evidence], Fact]] = {
    tell.__name__: tell
    for tell in (
        uncertainty, measures, readings, test_size, internal_test, performance, by_class, by_source, file_alone, failures,
        limits, doubts,
    )
}  # fmt: skip

"""What one must know first of a run on films from elsewhere: plain sentences, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.manifest import shown
from plainfilm.core.page import Level
from plainfilm.core.words import counted
from plainfilm.judge.doubts import Doubt
from plainfilm.judge.outside.vocabulary import near_sentences, vocabulary_of
from plainfilm.judge.subgroups import COLUMNS

_GRAVEST_FIRST: tuple[Level, ...] = ("failure", "warning", "note", "pass")
_FEW = 30
_LISTED = 4
FAIR_FILMS = 5  # of either class
_MEASURES = {"balanced_accuracy": "Balanced accuracy", "macro_auroc": "Macro AUROC"}
_OWN = {"test": "test", "val": "validation"}


def headlines(metrics: Mapping[str, Any]) -> list[Doubt]:
    """All that a reader must know before the scores: the gap between seen and unseen sources first, then the gravest.

    metrics: as `judge.outside.judge_outside` gives them, with the key "readings".
    """
    rest = [
        *_of_classes(metrics), *_of_negatives(metrics), *_of_foreign(metrics), *_of_acquaintance(metrics), *_of_subgroups(metrics),
        *_of_refusals(metrics), *_of_films(metrics),
    ]  # fmt: skip
    return [*_of_gap(metrics), *sorted(rest, key=lambda doubt: _GRAVEST_FIRST.index(doubt.level))]


def chosen_part(metrics: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The part of the films whose loss is the headline: those of unseen sources where there are any."""
    parts = {part["sources"]: part for part in metrics["gap"]["parts"]}
    return next((parts[name] for name in ("unseen", "unknown", "all", "seen") if name in parts), None)


def gap_sentence(metrics: Mapping[str, Any]) -> str:
    """The headline in one sentence; "" where nothing can be compared."""
    part = chosen_part(metrics)
    if part is None or "accuracy" not in part:
        return ""
    accuracy = {name: interval_of(value) for name, value in part["accuracy"].items()}
    own = counted(part["own_films"], f"{_OWN[metrics['gap']['own']]} film")
    return (
        f"On {own} of its own sources accuracy {accuracy['own'].value:.3f}, at the same mix of classes; on"
        f" {counted(part['films'], 'film')} of {_of_sources(part)} {accuracy['there'].value:.3f}:"
        f" {_moved(part['accuracy']['loss'])}."
    )


def _of_gap(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    part = chosen_part(metrics)
    if part is None:
        yield Doubt(
            "failure",
            "Nothing here can be scored",
            (
                (
                    "No film bears a label that is a class of the run. Below stands what the run calls them; whether it"
                    " is right, nobody can tell."
                ),
            ),
        )
        return
    if "accuracy" not in part:
        yield Doubt(
            "warning",
            "Not held against the run's own films",
            ("The run holds no scores of own films of these classes, so what it loses here is unknown.",),
        )
        return
    loss = interval_of(part["accuracy"]["loss"])
    level: Level = "failure" if loss.low > 0 else "note"
    where = {"unseen": "films of unseen sources", "unknown": "films of unknown source"}.get(
        part["sources"], "these films"
    )
    if loss.low > 0:
        title = f"Accuracy falls by {loss.value:.2f} on {where}"
    elif loss.high < 0:
        title = f"Accuracy is higher by {-loss.value:.2f} on {where}"
    else:
        title = f"No loss of accuracy is shown on {where}"
        title += f"; it may be up to {loss.high:.2f}" if loss.high > 0 else ""
    told = (gap_sentence(metrics), _other_measures(part), _worth(metrics), _compared(metrics, part), _sources(part))
    yield Doubt(level, title, tuple(filter(None, told)))


def _moved(loss: Mapping[str, float | None]) -> str:
    """`it loses 0.560 (0.510 to 0.610)`."""
    interval = interval_of(loss)
    if interval.value >= 0:
        return f"it loses {format_interval(interval)}"
    gain = {"value": -interval.value, "low": -interval.high, "high": -interval.low}
    return f"it gains {format_interval(interval_of(gain))}"


def _other_measures(part: Mapping[str, Any]) -> str:
    told = []
    for name, title in _MEASURES.items():
        own, there = (interval_of(part[name][side]).value for side in ("own", "there"))
        if part[name]["loss"]["value"] is not None:
            told.append(f"{title} {own:.3f} on its own films, {there:.3f} on these: {_moved(part[name]['loss'])}.")
    return " ".join(told)


def _worth(metrics: Mapping[str, Any]) -> str:
    """Whether it beats guessing, and answering the commonest class; "" where it surely does both."""
    measured = metrics["scores"]["metrics"]
    area, accuracy = (interval_of(measured[name]) for name in ("macro_auroc", "accuracy"))
    support = {name: measured[f"support/{name}"] for name in metrics["classes"]}
    commonest = max(support, key=lambda name: support[name])
    always = support[commonest] / metrics["scores"]["films"]
    told = []
    if area.low <= 0.5:
        told.append(
            "It does not surely tell the classes apart better than guessing does (macro AUROC"
            f" {format_interval(area)})."
        )
    if always < 1:
        told.append(
            f"Always answering “{commonest}” would be right for {always:.3f} of all judged films; the run is right for"
            f" {format_interval(accuracy)}."
        )
    return " ".join(told)


def _compared(metrics: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """Which films were held against each other."""
    if len(part["classes"]) == len(metrics["classes"]):
        return ""
    return f"Both sides are films of {shown(part['classes'])} alone, the classes that both hold."


def _sources(part: Mapping[str, Any]) -> str:
    if part["sources"] == "unknown":
        return "The source of these films is unknown, so the run may have seen films of it in training."
    if part["sources"] != "unseen":
        return ""
    alike = "; ".join(f"{name} (like {other})" for name, other in list(part["alike"].items())[:4])
    return (
        f"Unseen is a source that no training film names. Named alike, and so perhaps seen after all: {alike}."
        if alike
        else ""
    )


def _of_sources(part: Mapping[str, Any]) -> str:
    if part["sources"] in ("unseen", "seen"):
        return f"{len(part['names']):,} {part['sources']} source{'s' if len(part['names']) > 1 else ''}"
    return "unknown source" if part["sources"] == "unknown" else "all their sources together"


def _of_classes(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    near = near_sentences(vocabulary_of(metrics["vocabulary"]))
    if near:
        yield Doubt("warning", "Labels there that are spelt much like a class of ours", tuple(near))


def _of_negatives(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    near = {
        our for _, our in metrics["vocabulary"]["near"].items()
    }  # a label there that is spelt much alike may be the class
    found = [one for one in metrics["negatives"] if one["films"] and one["label"] not in near]
    if not found:
        return
    sentences = []
    for one in found:
        above = [
            f"{interval_of(point['share']).value:.3f} lie above its threshold for {point['aim']} {point['wanted']:g}"
            for point in one["above"]
        ]
        told = (
            f"{one['label']}: called in {format_interval(interval_of(one['called']))} of"
            f" {counted(one['films'], 'film')}"
        )
        sentences.append("; ".join([told, *above]) + ".")
    is_alarming = any(one["called"]["low"] is not None and one["called"]["low"] > 0 for one in found)
    names = shown([one["label"] for one in found])
    title = f"No labelled film here is {names}: every such answer is a false positive"
    if not all(one["is_sure"] for one in found):
        title = f"No film here is labelled {names}; where the labels there exclude it, every such answer is a false positive"
    yield Doubt(
        "warning" if is_alarming else "note",
        title,
        tuple(sentences),
    )


def _of_foreign(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    foreign = [one for one in metrics["called"] if one["label"] and one["ours"] is None]
    if not foreign:
        return
    told = [
        f"{one['label']}, {counted(one['films'], 'film')}: called {called(one['predicted'])}; turned away"
        f" {format_interval(interval_of(one['turned_away']), 2)}."
        for one in foreign[:_LISTED]
    ]
    more = [f"{len(foreign) - _LISTED} more labels are listed below."] if len(foreign) > _LISTED else []
    text = (
        "The run can only answer with its own classes, so each answer here is wrong, or nobody can tell. They never"
        " enter a score."
    )
    yield Doubt(
        "note",
        f"Labels there that the run has no class for: {shown([one['label'] for one in foreign])}",
        (text, *told, *more),
    )


def called(predicted: Mapping[str, int]) -> str:
    """`COVID 12, Normal 3`, the commonest first."""
    given = sorted((name for name in predicted if predicted[name]), key=lambda name: -predicted[name])
    return ", ".join(f"{name} {predicted[name]:,}" for name in given)


def _of_acquaintance(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    left_out = metrics["left_out"]
    if left_out:
        why: dict[str, int] = {}
        for one in left_out:
            why[one["why"]] = why.get(one["why"], 0) + 1
        told = ", ".join(f"{reason} {films:,}" for reason, films in why.items())
        yield Doubt(
            "warning",
            f"{counted(len(left_out), 'film')} of these are the run's own: of its training, validation or test",
            (f"Left out of all scores: {told}. They are named below.",),
        )
    if metrics["notes"]:
        yield Doubt(
            "warning", "Not all could be looked for", tuple(f"{note.rstrip('.')}." for note in metrics["notes"])
        )
    if metrics.get("readings", 1) > 1:
        text = "Whatever was chosen after an earlier reading was chosen with its help, which flatters the numbers."
        yield Doubt("note", f"These films were read {metrics['readings']} times for this run", (text,))


def _of_subgroups(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    sentences = subgroup_sentences(metrics["differences"])
    if sentences:
        yield Doubt("warning", "Not all films fare alike", tuple(sentences))


def subgroup_sentences(found: Mapping[str, Any]) -> list[str]:
    """One sentence for each subgroup whose accuracy differs beyond chance. found: as `judge.subgroups.differences` gives it."""
    return [
        f"{COLUMNS[one['column']].capitalize()} {one['value']}: accuracy {interval_of(one['accuracy']).value:.3f} on"
        f" {counted(one['films'], 'film')}, {abs(one['difference']):.3f} {'less' if one['difference'] < 0 else 'more'}"
        f" than on all others (p = {one['p']:.2g}, corrected for {counted(found['tested'], 'test')})."
        for one in found["supported"]
    ]


def _of_refusals(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    away = ((metrics["scores"] or {}).get("trust") or {}).get("turned_away")
    if not away or not away["films"]:
        return
    whole = interval_of(metrics["scores"]["metrics"]["accuracy"])
    rest = interval_of(away["accuracy_of_the_rest"])
    told = f"Accuracy with them {format_interval(whole)}, without them {format_interval(rest)}."
    reasons = "; ".join(f"{reason}: {films:,}" for reason, films in away["reasons"].items())
    share = format_interval(interval_of(away["share"]), 2)
    yield Doubt(
        "note",
        f"{counted(away['films'], 'film')} would be turned away, a share of {share}",
        (f"{reasons[0].upper()}{reasons[1:]}.", told),
    )


def _of_films(metrics: Mapping[str, Any]) -> Iterator[Doubt]:
    scores = metrics["scores"]
    if scores is None:
        return
    support = {name: int(scores["metrics"][f"support/{name}"]) for name in metrics["classes"]}
    few = [f"{name} ({films})" for name, films in support.items() if 0 < films < _FEW]
    if few:
        yield Doubt(
            "warning",
            "Few films",
            (f"Fewer than {_FEW} films here: {', '.join(few)}. Look at the intervals before the scores.",),
        )
    if sum(films > 0 for films in support.values()) == 1:
        text = (
            "Films of one class tell how often it is found, not whether it is told from another: accuracy is the"
            " sensitivity here."
        )
        yield Doubt("warning", "One class only", (text,))
    elif not any(one["value"] for one in metrics["subgroups"].get("source", ())):
        text = "Whether a source supplies several classes, so that hospital and disease can be told apart, nobody can tell."
        yield Doubt("warning", "The sources of these films are unknown", (text,))
    elif not fair_contrasts(metrics["pairwise_auroc"]):
        text = (
            f"No source here supplies {FAIR_FILMS} films each of two classes of the run. Where the films come from, and"
            " what is wrong with the patient, go together, so these scores cannot tell the one from the other."
        )
        yield Doubt("warning", "Class and source are one here, too", (text,))


def fair_contrasts(pairs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The pairs of classes within one source that rest on a few films each."""
    return [pair for pair in pairs if pair["source"] is not None and min(pair["films"]) >= FAIR_FILMS]

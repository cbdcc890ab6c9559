"""What was measured beyond the scores, fact by fact: probabilities, thresholds, refusals, subgroups, films of other places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.judge.card.evidence import LISTED, Evidence, Fact, count, listed

_ENOUGH = 20  # films of a class, below which an AUROC says little
_ERRORS = {
    "ece": "expected calibration error",
    "classwise_ece": "classwise",
    "brier": "Brier score",
    "log_loss": "log loss",
}


def calibration(evidence: Evidence) -> Fact:
    """Whether probabilities mean what they say."""
    fitted, measured = evidence.calibration, evidence.trust("calibration")
    known = []
    if fitted is None:
        known.append("Probabilities are the softmax of the logits; nothing was fitted after the training.")
    else:
        scaling = fitted.scaling
        kind = {
            "none": "Probabilities are the softmax of the logits; no scaling was fitted",
            "temperature": f"Probabilities are scaled by one temperature, {scaling.temperature:.3g}",
            "vector": "Probabilities are scaled by a weight and a bias for each class",
        }[scaling.kind]
        rests = (
            f", fitted on {count(fitted.films, 'validation film')} in {count(fitted.groups, 'group')}"
            if fitted.films and scaling.kind != "none"
            else ""
        )
        known += [f"{kind}{rests}.", *(f"{note[:1].upper()}{note[1:]}." for note in fitted.notes)]
    if isinstance(measured, Mapping):
        is_scaled = fitted is not None and fitted.scaling.kind != "none"
        whens = (
            {"before": "before scaling", "after": "after scaling"}
            if is_scaled
            else {"before": "as the network gives them"}
        )
        known += [
            f"Probabilities on the {evidence.shown_name} split, {title}: {', '.join(_intervals(measured[when], _ERRORS))}."
            for when, title in whens.items()
        ]
        known.append(_fitted_on_these(evidence, "The scaling was") if is_scaled else "")
    return Fact.of(*known, missing="" if measured else "calibration was not measured")


def _fitted_on_these(evidence: Evidence, what: str) -> str:
    """What to know where the shown films are those of the fit; "" where they are not."""
    if evidence.shown != "val":
        return ""
    return f"{what} fitted on these very validation films, so these numbers say nothing of new ones."


def thresholds(evidence: Evidence) -> Fact:
    """Operating points: chosen on validation, judged on the shown split."""
    points = evidence.trust("operating_points") or []
    asked = [(point, there) for point in points for there in point.get("at_prevalence", [])]
    return Fact.of(
        *(_threshold(point, evidence.shown_name) for point in points),
        *(
            f"{point['label']} at threshold {point['threshold']:.3g} where {there['prevalence']:.3g} of people have it: "
            f"{', '.join(_intervals(there, {'ppv': 'positive', 'npv': 'negative'}))} predictive value."
            for point, there in asked
        ),
        "" if points else "No threshold was chosen: the answer is the class of the highest probability.",
        missing="" if asked else "predictive values at the share of ill people where the network is to be used",
    )


def _threshold(point: Mapping[str, Any], where: str) -> str:
    reached = ", ".join(_intervals(point, {"sensitivity": "sensitivity", "specificity": "specificity"}))
    return (
        f"{point['label']}, {point['aim']} {point['wanted']:g} wanted: threshold {point['threshold']:.3g} from validation; on the "
        f"{where} split {reached}."
    )


def abstention(evidence: Evidence) -> Fact:
    """Prediction sets, answers held back, and films that are turned away."""
    sets, selective, away = (evidence.trust(name) for name in ("prediction_sets", "selective", "turned_away"))
    titles = {"coverage": "hold the true class", "size": "classes a set", "single": "one class alone", "empty": "empty"}
    known = []
    if sets:
        known.append(f"Prediction sets for a wanted error of {sets['error']:g}: {', '.join(_intervals(sets, titles))}.")
    if selective:
        known += [
            f"Share of wrong answers over the share answered, surest first: {text}."
            for text in _intervals(selective, {"area": "area"})
        ]
    if away:
        why = ", ".join(f"{reason} {films:,}" for reason, films in away.get("reasons", {}).items())
        share = format_interval(interval_of(away["share"]))
        known.append(
            f"Turned away as no frontal chest film or as unlike the training films: {share} of the {evidence.shown_name} "
            f"films{f' ({why})' if why else ''}."
        )
    return Fact.of(
        *known,
        _fitted_on_these(evidence, "Prediction sets and refusals were") if sets else "",
        missing=[
            "" if sets else "prediction sets were not measured",
            "" if away else "turning films away was not measured",
        ],
    )


def subgroups(evidence: Evidence) -> Fact:
    """Scores by view, sex and age band, as `judge.subgroups` gives them; those by source are a fact of their own."""
    columns = {name: rows for name, rows in _subgroups(evidence).items() if name != "source"}
    told = []
    for column, rows in columns.items():
        each = [
            f"{row['value']}: {format_interval(interval_of(row['accuracy']))} on {count(row['films'], 'film')}"
            for row in rows[:LISTED]
            if row["value"]
        ]
        told += [f"{evidence.shown_name.capitalize()} split, accuracy by {column}. {'; '.join(each)}."] if each else []
    absent = [column for column in ("sex", "age", "view") if not any(row["value"] for row in columns.get(column, ()))]
    return Fact.of(*told, missing=f"scores by {listed(absent)} were not measured or are not known" if absent else "")


def _subgroups(evidence: Evidence) -> Mapping[str, Any]:
    found: Mapping[str, Any] = evidence.measured.get("subgroups", {})
    return found


def outside(evidence: Evidence) -> Fact:
    """Films of another manifest than the training's, as `judge.outside` gives them."""
    told = [_elsewhere(name, metrics) for name, metrics in list(evidence.outside.items())[:LISTED]]
    return Fact.of(
        *told,
        missing="where those films come from and how they were labelled"
        if told
        else 'films of another place were not judged ("plainfilm evaluate RUN --on MANIFEST"): say why, or judge some',
    )


def _elsewhere(name: str, metrics: Mapping[str, Any]) -> str:
    scores, left_out = metrics.get("scores"), metrics.get("counts", {}).get("left_out", 0)
    if not scores:
        return f"On {name}: no film could be judged."
    titles = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_auroc": "macro AUROC"}
    kinds = [part["sources"] for part in metrics.get("gap", {}).get("parts", [])]
    known = f"; {count(left_out, 'film')} that the run may know left out" if left_out else ""
    return (
        f"On {name}: {count(scores['films'], 'film')} in {count(scores['groups'], 'group')}"
        f"{f' (sources: {listed(kinds)})' if kinds else ''}, {', '.join(_intervals(scores['metrics'], titles))}{known}."
        f"{_told_apart(metrics)}"
    )


def _told_apart(metrics: Mapping[str, Any]) -> str:
    """How its classes are told from those of other films that it does not know, where there are enough of both."""
    found = [one for one in metrics.get("foreign_auroc", ()) if min(one["films"]) >= _ENOUGH]
    told = [
        f"{one['class']} from {one['label']}, {one['films'][0]:,} and {one['films'][1]:,} films: "
        f"AUROC {format_interval(interval_of(one['auroc']))}"
        for one in found[:LISTED]
    ]
    return f" Its classes told from those that it does not know: {'; '.join(told)}." if told else ""


def robustness(evidence: Evidence) -> Fact:
    """What was tried beyond the one split and the one kind of film."""
    tried = {
        "scores by source": any(one["value"] for one in _subgroups(evidence).get("source", ())),
        "a guess from the file alone": bool(evidence.metrics.get("file_alone")),
        "scores by sex, age or view": any(
            row["value"] for name, rows in _subgroups(evidence).items() if name != "source" for row in rows
        ),
        "films of another place": bool(evidence.outside),
        "shortcuts": _is_audited(evidence, "less", "hidden"),
        "films that were changed on purpose": _is_audited(evidence, "robustness", "stamps"),
    }
    done, open_ = ([name for name, is_done in tried.items() if is_done is wanted] for wanted in (True, False))
    return Fact.of(
        f"Looked at: {listed(done)}." if done else "",
        missing=[
            f"not looked at: {listed(open_)}" if open_ else "",
            "other seeds and splits",
        ],
    )


def _is_audited(evidence: Evidence, *checks: str) -> bool:
    """Whether the audit has an answer to one of these checks."""
    found = evidence.standing.audit
    made = [found.found(check) for check in checks] if found else []
    return any(finding is not None and finding.verdict != "unknown" for finding in made)


def _intervals(values: Mapping[str, Any], titles: Mapping[str, str]) -> list[str]:
    return [
        f"{title} {format_interval(interval_of(values[name]))}"
        for name, title in titles.items()
        if isinstance(values.get(name), Mapping)
    ]


TRUST_FACTS: dict[str, Callable[[Evidence], Fact]] = {
    tell.__name__: tell for tell in (calibration, thresholds, abstention, subgroups, outside, robustness)
}

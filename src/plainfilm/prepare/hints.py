"""What foretells the class before anyone looks at a lung: the source a film comes from, and its file alone.

The numbers go into dataset.json, under "hints" in its info, so that every later score can be held against them:

    {"repeats", "level", "seed", "folds": how the intervals and the guesses are drawn,
     "classes": those that are judged, "left_out": {CLASS: its groups, where they are too few},
     "source": {"films", "unknown", "sources": counts, "commonest": CLASS, "commonest_accuracy": interval,
                "cramers_v": interval, "cramers_v_of": {CLASS: interval}, "accuracy": interval, "tied": {CLASS: [sources]}},
     "file": {"films", "groups": counts, "commonest": CLASS, "commonest_accuracy": interval,
              "all": SCORE, "without_lungs": SCORE, "kinds": {KIND: SCORE, or None where it is the same in every film}},
     "findings": [{"level": "failure" or "warning", "by": "source" or "file", "classes", "text"}]}

An interval is {"value", "low", "high"}, a score {"accuracy", "balanced_accuracy", "macro_auroc": intervals, "auroc":
{CLASS: interval}}; None is what cannot be known. In place of the numbers, "source" and "file" may hold {"reason": why
there are none}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plainfilm.core.association import associate, classes_tied_to_source
from plainfilm.core.bootstrap import format_interval, interval_json, interval_of
from plainfilm.core.guess import guess_out_of_fold, score_guesses
from plainfilm.core.manifest import shown
from plainfilm.core.progress import Progress
from plainfilm.prepare.facts import HISTOGRAM, KINDS, TEXT_FACTS
from plainfilm.prepare.split import folds_by_group

FEWEST_GROUPS = 20  # of a class: below, luck raises an alarm in one set of a hundred
FOLDS = 5
REPEATS = 1000
LEVEL = 0.95
# Where a number's lower end reaches the first it is an alarm, where it reaches the second a warning. A V of 0.3 is a
# "medium" tie (Cohen 1988, chapter 7); an AUROC of 0.7 is what many call acceptable for a test of the disease itself.
_ALARMING_V, _NOTABLE_V = 0.3, 0.2
_ALARMING_AUROC, _NOTABLE_AUROC = 0.7, 0.6
_COMPRESSION_AUROC = 0.85
# Opacities change how grey levels are spread, and how well the film compresses: these may know the disease itself.
MAY_HOLD_DISEASE = ("compression", "histogram")
WITHOUT_LUNGS = tuple(kind for kind in KINDS if kind not in MAY_HOLD_DISEASE)
_LOGARITHMS = ("width", "height", "bytes_a_pixel")
_COMMONEST_TEXTS = 12


def find_hints(
    films: pd.DataFrame, facts: pd.DataFrame, classes: Sequence[str], seed: int, progress: Progress
) -> dict[str, Any]:
    """Measure what source and file foretell, as the top of this file says.

    films: rows with label, source, group and status. facts: as `facts_table` gives them, with the same index.
    """
    readable = films[films["status"] == "ok"]
    groups = {name: readable.loc[readable["label"] == name, "group"].nunique() for name in classes}
    judged = [name for name in classes if groups[name] >= FEWEST_GROUPS]
    hints: dict[str, Any] = {"repeats": REPEATS, "level": LEVEL, "seed": seed, "folds": FOLDS, "classes": judged}
    hints["left_out"] = {name: count for name, count in groups.items() if name not in judged}
    if len(judged) < 2:
        few = shown([f"{name} has {count}" for name, count in hints["left_out"].items()]) or "no film has a label"
        reason = f"too few films to say: two classes of {FEWEST_GROUPS} groups are needed, {few}"
        return {**hints, "source": {"reason": reason}, "file": {"reason": reason}, "findings": []}
    usable = readable[readable["label"].isin(judged)]
    usable = usable.assign(fold=folds_by_group(usable, judged, FOLDS, seed))
    hints["source"] = _by_source(usable[usable["source"] != ""], int((usable["source"] == "").sum()), judged, seed)
    hints["file"] = _by_file(usable, facts.loc[usable.index], judged, seed, progress)
    hints["findings"] = [
        *_findings_of_source(hints["source"]),
        *_findings_of_file(hints["file"]),
        *_findings_of_compression(hints["file"]),
    ]
    return hints


def hint_lines(hints: Mapping[str, Any]) -> list[str]:
    """What was found, in a few lines for a reader: of the source, of the file, and every alarm."""
    return [
        f"source -> class: {_source_line(hints['source'])}",
        f"file -> class: {_file_line(hints['file'])}",
        *(f"{'ALARM' if one['level'] == 'failure' else 'WARNING'}: {one['text']}" for one in hints["findings"]),
    ]


def interval_text(value: Mapping[str, float | None]) -> str:
    """`0.946 (0.935 to 0.957)`, from an interval as dataset.json holds it."""
    return format_interval(interval_of(value))


# The source -----------------------------------------------------------------------------------------------------------


def _by_source(known: pd.DataFrame, unknown: int, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """known: the films whose source is known; unknown: how many are not."""
    sources = sorted(set(known["source"]))
    counts = {"films": len(known), "unknown": unknown, "sources": len(sources)}
    if not sources:
        return {
            **counts,
            "reason": "unknown, since no film has a source: nobody can tell the disease from the hospital",
        }
    groups = known.groupby("label")["group"].nunique().reindex(list(classes), fill_value=0)
    present = [name for name in classes if groups[name] >= FEWEST_GROUPS]
    if len(present) < 2:
        return {**counts, "reason": f"unknown, since too few films ({len(known):,}) have a source"}
    if len(sources) == 1:
        return {**counts, "reason": f"nothing to foretell it by, since all films with a source are from {sources[0]}"}
    known = known[known["label"].isin(present)]
    label = _places(known["label"], present)
    found = associate(
        _places(known["source"], sources), label, known["fold"], known["group"].to_numpy(object), present,
        repeats=REPEATS, seed=seed, level=LEVEL,
    )  # fmt: skip
    tied = classes_tied_to_source(known, present)
    return {
        **counts,
        "commonest": present[int(np.bincount(label).argmax())],
        "commonest_accuracy": interval_json(found.commonest_accuracy),
        "cramers_v": interval_json(found.cramers_v),
        "cramers_v_of": {name: interval_json(value) for name, value in found.cramers_v_of.items()},
        "accuracy": interval_json(found.accuracy),
        "tied": tied,
    }


def _findings_of_source(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    values = found.get("cramers_v_of", {})
    alarming, notable = _by_level(values, _ALARMING_V, _NOTABLE_V)
    names = alarming or notable
    tied = [name for name in alarming if name in found["tied"]]
    loose = [
        f"{name} (Cramér's V against the rest {interval_text(values[name])})" for name in names if name not in tied
    ]
    parts = [
        *([f"no source of {_listed(tied)} supplies another class"] if tied else []),
        *([f"the source foretells {', '.join(loose)}"] if loose else []),
    ]
    if parts:
        text = (
            f"{', and '.join(parts)}. A network may learn the hospital in place of the disease; only scores within one "
            "source can tell."
        )
        yield {"level": "failure" if alarming else "warning", "by": "source", "classes": names, "text": text}


def _source_line(found: Mapping[str, Any]) -> str:
    if "reason" in found:
        return str(found["reason"])
    if found["cramers_v"]["value"] is None:
        return "cannot be known: hardly a source supplies two films"
    left_out = f"; {found['unknown']:,} films of unknown source are left out" if found["unknown"] else ""
    return (
        f"Cramér's V {interval_text(found['cramers_v'])} between 0, no tie, and 1. By the source alone, "
        f"{interval_text(found['accuracy'])} of the films are named rightly; by always saying {found['commonest']}, "
        f"{found['commonest_accuracy']['value']:.3f}{left_out}"
    )


# The file -------------------------------------------------------------------------------------------------------------


def _by_file(
    films: pd.DataFrame, facts: pd.DataFrame, classes: Sequence[str], seed: int, progress: Progress
) -> dict[str, Any]:
    label, group = _places(films["label"], classes), films["group"].to_numpy(object)

    def score(kinds: Sequence[str]) -> dict[str, Any] | None:
        columns = numbers_of(facts, kinds)
        if columns.size == 0 or (np.ptp(columns, axis=0) == 0).all():
            return None
        probability = guess_out_of_fold(columns, label, films["fold"], len(classes), seed=seed)
        found = score_guesses(probability, label, group, classes, repeats=REPEATS, seed=seed, level=LEVEL)
        return {
            "accuracy": interval_json(found.accuracy),
            "balanced_accuracy": interval_json(found.balanced_accuracy),
            "macro_auroc": interval_json(found.macro_auroc),
            "auroc": {name: interval_json(value) for name, value in found.auroc.items()},
        }

    asked = {"all": tuple(KINDS), "without_lungs": WITHOUT_LUNGS, **{kind: (kind,) for kind in KINDS}}
    scores = {}
    with progress.task("Guessing the class from the file alone", len(asked), "guesses") as task:
        for name, kinds in asked.items():
            scores[name] = score(kinds)
            task.advance(note=name)
    commonest = int(np.bincount(label).argmax())
    return {
        "films": len(films),
        "groups": int(films["group"].nunique()),
        "commonest": classes[commonest],
        "commonest_accuracy": float((label == commonest).mean()),
        "all": scores["all"],
        "without_lungs": scores["without_lungs"],
        "kinds": {kind: scores[kind] for kind in KINDS},
    }


def numbers_of(facts: pd.DataFrame, kinds: Sequence[str]) -> NDArray[np.float64]:
    """(N, P) the facts of some kinds as numbers that a model can compare: sizes as logarithms, shares as roots, texts as flags."""
    columns: list[NDArray[np.float64]] = []
    for name in (name for kind in kinds for name in KINDS[kind]):
        if name in TEXT_FACTS:
            commonest = facts[name].value_counts().index[:_COMMONEST_TEXTS]
            columns += [(facts[name] == text).to_numpy(np.float64) for text in commonest]
            continue
        values = facts[name].to_numpy(np.float64)
        is_unknown = np.isnan(values)
        if is_unknown.any():
            columns.append(is_unknown.astype(np.float64))
            values = np.where(is_unknown, 0 if is_unknown.all() else np.nanmean(values), values)
        columns.append(np.log(values) if name in _LOGARITHMS else np.sqrt(values) if name in HISTOGRAM else values)
    if "size and shape" in kinds:
        columns.append(np.log(facts["width"].to_numpy(np.float64) / facts["height"].to_numpy(np.float64)))
    return np.stack(columns, axis=1)


def _findings_of_file(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    score = found.get("without_lungs")
    if score is None:
        return
    alarming, notable = _by_level(score["auroc"], _ALARMING_AUROC, _NOTABLE_AUROC)
    names = (
        alarming or notable
    )  # one class that is known makes the others easier: what is only notable beside it is its echo
    if names:
        each = ", ".join(
            f"{name} (AUROC {interval_text(score['auroc'][name])}, best by its {_best_kind(found['kinds'], name)})"
            for name in names
        )
        text = (
            f"without a look at the lungs, the file tells from the rest: {each}. A network may learn that in place of "
            "the disease."
        )
        yield {"level": "failure" if alarming else "warning", "by": "file", "classes": names, "text": text}


def _findings_of_compression(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Lungs change how well a film compresses, but not as much as another program or setting does."""
    score = (found.get("kinds") or {}).get("compression")
    if score is None:
        return
    names, _ = _by_level(score["auroc"], _COMPRESSION_AUROC, _COMPRESSION_AUROC)
    if names:
        each = ", ".join(f"{name} (AUROC {interval_text(score['auroc'][name])})" for name in names)
        text = f"the compression of the file alone tells from the rest: {each}. A network may learn that in place of the disease."
        yield {"level": "warning", "by": "file", "classes": names, "text": text}


def _best_kind(kinds: Mapping[str, Any], name: str) -> str:
    """The kind of facts without lungs that knows a class best by itself."""
    known = {kind: kinds[kind]["auroc"][name]["value"] for kind in WITHOUT_LUNGS if kinds[kind] is not None}
    return max(known, key=lambda kind: known[kind] or 0.0)


def _file_line(found: Mapping[str, Any]) -> str:
    if "reason" in found:
        return str(found["reason"])
    if found["all"] is None:
        return "all files are alike"
    bare = found["without_lungs"]
    without = f"; without {' and '.join(MAY_HOLD_DISEASE)}, {interval_text(bare['accuracy'])}" if bare else ""
    return (
        f"by the file alone ({', '.join(KINDS)}), {interval_text(found['all']['accuracy'])} are named rightly{without}; by "
        f"always saying {found['commonest']}, {found['commonest_accuracy']:.3f}"
    )


# Both -----------------------------------------------------------------------------------------------------------------


def _by_level(
    values: Mapping[str, Mapping[str, float | None]], alarming: float, notable: float
) -> tuple[list[str], list[str]]:
    """The classes whose interval begins at or above the first bound, and those whose begins between the two."""
    low = {name: value["low"] for name, value in values.items() if value["low"] is not None}
    return (
        [name for name, end in low.items() if end >= alarming],
        [name for name, end in low.items() if notable <= end < alarming],
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _places(names: pd.Series[str], among: Sequence[str]) -> NDArray[np.intp]:
    return pd.Categorical(names, categories=list(among)).codes.astype(np.intp)

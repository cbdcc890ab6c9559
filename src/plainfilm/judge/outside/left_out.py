"""What networks are worth on the one source that each of them never saw: numbers, a page, and lines for a terminal.

left_out.json:

    {"format_version": 1, "classes", "bootstrap", "unknown": films of unknown source, "refused": {SOURCE: why},
     "sources": [{"source", "run", "note", "films", "groups", "classes": [..], "own_films", "own_groups",
       MEASURE: {"own", "there", "loss": interval}, "recall": {CLASS: interval}, "auroc": {CLASS: interval or null}}]}

"own" is the same network on validation films of the same classes, from the sources that it was trained on, its accuracy at the mix
of classes of the source that was left out; "there" is on that source. An interval is {"value", "low", "high"}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from plainfilm.core.bootstrap import Interval, format_interval, interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.looks import class_looks
from plainfilm.core.page import Html, alert, bullets, estimate, numbers, page, paragraph, section, swatch, table, texts
from plainfilm.core.predictions import Predictions
from plainfilm.core.words import counted
from plainfilm.judge.judged import JudgedFilms, Resampling
from plainfilm.judge.outside.gap import GAP_MEASURES, Own, loss_of
from plainfilm.judge.subgroups import by_subgroup

FORMAT_VERSION = 1
_TITLES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "macro_auroc": "Macro AUROC"}


def judge_left_out(
    predictions: Predictions, calibration: Calibration, source: str, note: str, drawing: Resampling | None = None
) -> dict[str, Any]:
    """One entry of "sources". predictions: of the network that never saw `source`, with its validation and test films."""
    drawing = drawing or Resampling()
    test, validation = (predictions.where(predictions.table["split"] == name) for name in ("test", "val"))
    judged = JudgedFilms.of(test, calibration)
    (whole,) = by_subgroup(judged, test.judged.table["source"].to_numpy(object), predictions.classes, drawing)
    return {
        "source": source,
        "note": note,
        **loss_of(test.judged, calibration, Own(validation, "val"), drawing),
        "recall": whole["recall"],
        "auroc": whole["auroc"],
    }


def left_out_json(
    classes: Sequence[str],
    sources: Sequence[Mapping[str, Any]],
    refused: Mapping[str, str],
    unknown: int,
    drawing: Resampling | None = None,
) -> dict[str, Any]:
    """What left_out.json holds. sources: as `judge_left_out` gives them, with "run"."""
    return {
        "format_version": FORMAT_VERSION,
        "classes": list(classes),
        "bootstrap": {**asdict(drawing or Resampling()), "unit": "group"},
        "unknown": unknown,
        "refused": dict(refused),
        "sources": list(sources),
    }


def why_not_judged(found: Mapping[str, Any]) -> str:
    """Why the loss on a source that was left out is not known, or not how sure it is; "" where both are.

    found: as `judge_left_out` gives it.
    """
    if "accuracy" not in found:
        return f"no validation film of the other sources is of {' or '.join(found['classes']) or 'any of its classes'}"
    sides = {"its": ("films", "groups"), "the validation": ("own_films", "own_groups")}
    alone = [
        f"{whose} {counted(found[films], 'film')} {'is' if found[films] == 1 else 'are'} of one group"
        for whose, (films, groups) in sides.items()
        if found[groups] < 2
    ]
    if alone:
        return f"{' and '.join(alone)}, and one group cannot tell how groups differ"
    return "" if _is_judged(interval_of(found["accuracy"]["loss"])) else "how sure it is cannot be told from its films"


def _is_judged(loss: Interval) -> bool:
    return not (math.isnan(loss.low) or math.isnan(loss.high))


def left_out_sentences(found: Mapping[str, Any]) -> list[str]:
    """What was learnt, source by source, and which sources could not be left out."""
    told = []
    for one in found["sources"]:
        if why := why_not_judged(one):
            told.append(f"Without {one['source']}: a loss cannot be judged: {why}.")
            continue
        accuracy = {name: interval_of(value) for name, value in one["accuracy"].items()}
        loss = accuracy["loss"]
        verdict = "a loss of" if loss.low > 0 else "a gain, a loss of" if loss.high < 0 else "a loss is not shown:"
        told.append(
            f"Without {one['source']}: accuracy {accuracy['own'].value:.3f} on"
            f" {counted(one['own_films'], 'validation film')} of the other sources, at the same mix of classes,"
            f" {accuracy['there'].value:.3f} on its {counted(one['films'], 'film')}; {verdict} {format_interval(loss)}."
        )
    told += [f"{one['source']}: {one['note']}." for one in found["sources"] if one["note"]]
    told += [f"{source} was not left out: {why}." for source, why in found["refused"].items()]
    if found["unknown"]:
        told.append(
            f"{counted(found['unknown'], 'film')} of unknown source were left aside: they may come from the source left"
            " out."
        )
    return told


def left_out_text(found: Mapping[str, Any]) -> str:
    """For a terminal."""
    return "\n".join(left_out_sentences(found))


def left_out_page(found: Mapping[str, Any], name: str) -> str:
    """One offline page: the losses, then each source by class."""
    colours = {label: look.colour for label, look in class_looks(found["classes"]).items()}
    losses = [interval_of(one["accuracy"]["loss"]) for one in found["sources"] if not why_not_judged(one)]
    is_lost = any(loss.low > 0 for loss in losses)
    if is_lost:
        most = max(loss.value for loss in losses if loss.low > 0)
        title = f"On a source that it never saw, the network loses up to {most:.2f} of accuracy"
    elif losses:
        possible = max(loss.high for loss in losses)
        title = f"No loss is shown on a source never seen; it may be up to {possible:.2f}"
    else:
        title = "On a source never seen, the loss cannot be judged"
    overall = [
        [
            one["source"] if place == 0 else "",
            _TITLES[measure],
            *(estimate(interval_of(one[measure][side])) for side in ("own", "there", "loss")),
            f"{one['own_films']:,}",
            f"{one['films']:,}",
        ]
        for one in found["sources"]
        if "accuracy" in one
        for place, measure in enumerate(GAP_MEASURES)
    ]
    overall += [
        [one["source"], f"cannot be judged: {why_not_judged(one)}", "", "", "", "", f"{one['films']:,}"]
        for one in found["sources"]
        if "accuracy" not in one
    ]
    columns = [
        *texts("Left out", "Measure"),
        *numbers("Seen sources", "Left-out source", "Loss", "Films seen", "Films left out"),
    ]
    by_class = [
        [
            one["source"] if place == 0 else "",
            swatch(colours[label], label),
            estimate(interval_of(one["recall"][label])),
            estimate(interval_of(one["auroc"][label])) if one["auroc"][label] else "one class only",
        ]
        for one in found["sources"]
        for place, label in enumerate(one["recall"])
    ]
    drawn = found["bootstrap"]
    content: list[Html] = [
        alert("failure" if is_lost else "note", title, *left_out_sentences(found)),
        paragraph(
            "Each row is a network of its own, trained on all other known sources, and tried on the one. Beside it,"
            " the same network on validation films of the same classes from the sources that it was trained on (its"
            " best weights were picked on these, which flatters them a little), its accuracy there told at the mix of"
            f" classes of the source left out. In brackets: {drawn['level']:.0%} intervals, {drawn['repeats']:,} bootstraps"
            " over groups."
        ),
        table("Seen and left-out sources", columns, overall),
        table(
            "Each left-out source by class",
            [*texts("Left out", "Class"), *numbers("Sensitivity", "AUROC within it")],
            by_class,
        ),
    ]
    if found["refused"]:
        content.append(paragraph("Not left out:"))
        content.append(bullets(f"{source}: {why}." for source, why in found["refused"].items()))
    runs = section("The networks", bullets(f"{one['source']}: {one['run']}" for one in found["sources"]))
    return page(f"{name}: one source left out", [section("What is left on a source never seen", *content), runs])

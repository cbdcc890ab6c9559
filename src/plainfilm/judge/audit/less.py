"""Check 1: small networks of one kind, each retrained on less of the film. What stands where no lung is, is no finding.

evidence: {"classes", "rows": [{"sees", "accuracy", "balanced_accuracy", "macro_auroc", "auroc": {CLASS}}], "run", "commonest",
"highest": {"sees", "label"}}
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import Interval, bootstrap, format_interval, interval_json
from plainfilm.core.calibration import Calibration
from plainfilm.core.predictions import Predictions
from plainfilm.core.regions import SEEN_NAMES, Seen
from plainfilm.core.words import counted
from plainfilm.judge.evaluate import SPLIT_NAMES
from plainfilm.judge.judged import JudgedFilms, Resampling

WARN_AUROC, FAIL_AUROC = 0.60, 0.70
FEWEST_GROUPS = 10  # of a class among the judged films; with fewer, "pass" would mean nothing
THRESHOLDS = {"warns from": WARN_AUROC, "fails from": FAIL_AUROC}
WITHOUT_LUNGS: tuple[Seen, ...] = ("border", "background")
_MEASURES = ("accuracy", "balanced_accuracy", "macro_auroc")
_THRESHOLD = (
    f"the highest AUROC of a class without the lungs: warn where its interval begins at {WARN_AUROC:.2f} or above,"
    f" fail from {FAIL_AUROC:.2f}"
)


def judge_less(
    scores: Mapping[Seen, Predictions],
    side: str,
    run: Predictions | None,
    drawing: Resampling,
    *,
    calibration: Calibration | None = None,
    without_lungs: Collection[str] = (),
) -> Finding:
    """What is left of the answer without the lungs.

    scores: key of SEEN_NAMES -> scores of a network that saw this alone, all on the same films, none of which it saw in training.
    side: the split of those among them that numbers are shown of. run: the run's own scores of these; calibration: what makes its
    answers out of them, as in its report. without_lungs: image_id of films in which no lungs were found; nothing is hidden in
    them, so "background" is judged on the others.
    The finding's number rests on all films; its interval holds for all classes and both parts at once (Bonferroni), since the
    highest is picked.
    """
    every = next(iter(scores.values()))
    classes = every.classes
    scores, without = _with_lungs_hidden(scores, without_lungs)
    shown = {seen: table.where(table.table["split"] == side) for seen, table in scores.items()}
    rows = [
        {"sees": seen, **measured(table, drawing)}
        for seen, table in shown.items()
        if seen != "background" or _films(table)
    ]
    evidence: dict[str, Any] = {
        "classes": list(classes),
        "rows": rows,
        "run": None if run is None else measured(run, drawing, calibration),
        "commonest": commonest_share(every.where(every.table["split"] == side)),
        "thresholds": THRESHOLDS,
    }
    present = [seen for seen in WITHOUT_LUNGS if seen in scores and _films(scores[seen])]
    strict = replace(drawing, level=1 - (1 - drawing.level) / (len(classes) * max(1, len(present))))
    areas = {(seen, name): area for seen in present for name, area in aurocs(scores[seen], strict).items()}
    many = {seen: groups_by_class(scores[seen]) for seen in present}
    known = {
        (seen, name): area
        for (seen, name), area in areas.items()
        if not math.isnan(area.low) and many[seen].get(name, 0) >= FEWEST_GROUPS
    }
    if not known:
        told = (
            f"No class has films of {FEWEST_GROUPS} groups among those that are judged: too few to tell what is left without"
            " the lungs."
        )
        return Finding("less", "unknown", _MEASURE, None, _THRESHOLD, (told, *without), _MORE_FILMS, evidence)
    (seen, name), highest = max(known.items(), key=lambda item: item[1].low)
    evidence["highest"] = {"sees": seen, "label": name}
    verdict = level_of(highest.low)
    if without and not any(part == "background" for part, _ in known):
        verdict = "unknown" if verdict == "pass" else verdict
        without += (f"Of the others, no class has films of {FEWEST_GROUPS} groups, so the border alone was judged.",)
    told_all = (*_told(rows, seen, name, highest, scores[seen]), *how_much_is_possible(verdict, highest), *without)
    return Finding("less", verdict, _MEASURE, highest, _THRESHOLD, told_all, _ADVICE[verdict], evidence)


def _with_lungs_hidden(
    scores: Mapping[Seen, Predictions], without_lungs: Collection[str]
) -> tuple[dict[Seen, Predictions], tuple[str, ...]]:
    """The scores, those of "background" of films whose lungs were found alone; and a sentence on the others, if there are any."""
    table = scores.get("background")
    if table is None:
        return dict(scores), ()
    has_lungs = ~table.table["image_id"].isin(list(without_lungs))
    found = table.where(has_lungs)
    films, every = _films(found), _films(table)
    if films == every:
        return dict(scores), ()
    told = (
        f"In {every - films:,} of {counted(every, 'film')} no lungs were found, so they could not be hidden: what is said of"
        f" {SEEN_NAMES['background']} rests on the others."
    )
    return {**scores, "background": found}, (told,)


def _films(scores: Predictions) -> int:
    return len(scores.judged.table)


def level_of(low: float, warn: float = WARN_AUROC, fail: float = FAIL_AUROC) -> Verdict:
    """The verdict on the lower end of an interval."""
    return "fail" if low >= fail else "warn" if low >= warn else "pass"


def measured(scores: Predictions, drawing: Resampling, calibration: Calibration | None = None) -> dict[str, Any]:
    """Accuracy, balanced accuracy, macro AUROC and the AUROC of each class, with intervals; plain probabilities where None."""
    found = _measures(scores, drawing, calibration)
    return {
        **{name: interval_json(found[name]) for name in _MEASURES},
        "auroc": {name: interval_json(found[f"auroc/{name}"]) for name in scores.classes},
    }


def aurocs(scores: Predictions, drawing: Resampling, calibration: Calibration | None = None) -> dict[str, Interval]:
    """The AUROC of each class."""
    found = _measures(scores, drawing, calibration)
    return {name: found[f"auroc/{name}"] for name in scores.classes}


def _measures(scores: Predictions, drawing: Resampling, calibration: Calibration | None) -> Mapping[str, Interval]:
    films = JudgedFilms.of(scores, calibration or Calibration.none(scores.classes))
    return bootstrap(films.probability, films.label_index, films.group, scores.classes, **asdict(drawing)).measures


def commonest_share(scores: Predictions) -> float:
    """The accuracy of always naming the commonest class."""
    count = np.bincount(scores.judged.label_index)
    return float(count.max() / count.sum())


def groups_by_class(scores: Predictions) -> dict[str, int]:
    """How many groups each class's judged films are of."""
    return {str(name): int(count) for name, count in scores.judged.table.groupby("label")["group"].nunique().items()}


def how_much_is_possible(verdict: Verdict, highest: Interval) -> list[str]:
    """What a pass cannot exclude, where the films are few."""
    if verdict != "pass" or highest.high < FAIL_AUROC:
        return []
    return [
        f"So few films cannot exclude more: an AUROC of up to {highest.high:.2f} is possible. A pass says that nothing was found."
    ]


def _told(rows: list[dict[str, Any]], seen: Seen, name: str, highest: Interval, judged: Predictions) -> list[str]:
    films = judged.judged.table
    told_split = [SPLIT_NAMES[name] for name in ("val", "test") if (films["split"] == name).any()]
    told = [
        f"A small network that sees {SEEN_NAMES[seen]} tells {name} from the rest with AUROC {format_interval(highest)}, on"
        f" {counted(len(films), 'film')} of {counted(films['group'].nunique(), 'group')} that it never saw"
        f" ({' and '.join(told_split)});"
        " the interval allows for having picked the highest."
    ]
    reached = {row["sees"]: row for row in rows}
    if "film" in reached:
        parts = ", ".join(
            f"{reached[part]['accuracy']['value']:.3f} from {SEEN_NAMES[part]}"
            for part in SEEN_NAMES
            if part in reached and part != "film"
        )
        told.append(
            f"On the {told_split[-1]} films, of accuracy {reached['film']['accuracy']['value']:.3f} on the whole film, the same"
            f" kind of network reaches {parts}."
        )
    return told


_MEASURE = "highest AUROC of a class without the lungs"
_MORE_FILMS = "Add films and patients."
_ADVICE: dict[Verdict, str] = {
    "pass": "",
    "warn": "Look at what differs outside the lungs between the classes (plainfilm explore), and take it away or balance it.",
    "fail": (
        "Do not read the accuracy as knowledge of the disease. Find out what differs outside the lungs (plainfilm explore: mean"
        " films, sources, sizes); take classes from the same sources; train with region = lungs where that is not done, with"
        " erasing and other augmentation; judge on sources that supply every class."
    ),
    "unknown": _MORE_FILMS,
}

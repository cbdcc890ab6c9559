"""What a run loses on films of sources that it never saw, held against its own films of the same classes.

Accuracy changes with the mix of classes alone, so that of the own films is told at the mix of the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plainfilm.core.bootstrap import Interval, bootstrap, index_groups, interval_json, resample
from plainfilm.core.calibration import Calibration
from plainfilm.core.intervals import share_ends, standard_error
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Floats, Integers, each_once, share_of
from plainfilm.judge.judged import JudgedFilms, Resampling
from plainfilm.judge.outside.vocabulary import named_alike

GAP_MEASURES = ("accuracy", "balanced_accuracy", "macro_auroc")


@dataclass(frozen=True)
class Own:
    """What the outside films are held against.

    predictions: the run's scores on films of its own manifest. split: which they are, "test" or "val".
    """

    predictions: Predictions
    split: str


def gaps(
    judged: Predictions, calibration: Calibration, own: Own | None, seen: frozenset[str] | None, drawing: Resampling
) -> Iterator[dict[str, Any]]:
    """Each kind of source against the run's own films of the same classes; the parts that `outside.py` describes.

    judged: films from elsewhere. seen: the sources of the training films, None where nobody knows them.
    """
    source = judged.table["source"].to_numpy(object)
    is_known = source != ""
    is_seen = np.isin(source, list(seen or ())) & is_known
    kinds = {"unseen": is_known & ~is_seen, "unknown": ~is_known, "seen": is_seen}
    if seen is None:
        kinds = {}
    kinds = {name: chosen for name, chosen in kinds.items() if chosen.any()}
    if len(kinds) != 1:
        kinds["all"] = np.ones(len(source), np.bool_)
    for name, chosen in kinds.items():
        part = judged.where(chosen)
        names = [str(place) for place in part.table["source"].value_counts().index if place]
        yield {
            "sources": name,
            "names": names,
            "alike": named_alike(names, sorted(seen or ())) if name == "unseen" else {},
            **loss_of(part, calibration, own, drawing),
        }


def loss_of(part: Predictions, calibration: Calibration, own: Own | None, drawing: Resampling) -> dict[str, Any]:
    """What films lose against the run's own of the same classes: one of the gap's parts, without its sources.

    part: judged films. Without own films of these classes, the measures are absent; classes that the own films lack are left out.
    """
    known = set() if own is None else set(own.predictions.judged.table["label"])
    is_shared = part.table["label"].isin(list(known)).to_numpy()
    there = JudgedFilms.of(part.where(is_shared) if is_shared.any() else part, calibration)
    classes = [name for index, name in enumerate(part.classes) if (there.label_index == index).any()]
    facts = {"films": len(there.group), "groups": index_groups(there.group)[1], "classes": classes}
    if own is None or not is_shared.any():
        return facts
    here = JudgedFilms.of(own.predictions.where(own.predictions.table["label"].isin(classes)), calibration)
    own_measures, measures = (
        dict(bootstrap(films.probability, films.label_index, films.group, part.classes, **asdict(drawing)).measures)
        for films in (here, there)
    )
    mix = np.bincount(there.label_index, minlength=len(part.classes)) / len(there.label_index)
    own_measures["accuracy"] = accuracy_at(mix, here, drawing)
    return {
        **facts,
        "own_films": len(here.group),
        "own_groups": index_groups(here.group)[1],
        **{
            name: {
                "own": interval_json(own_measures[name]),
                "there": interval_json(measures[name]),
                "loss": interval_json(less(own_measures[name], measures[name])),
            }
            for name in GAP_MEASURES
        },
    }


def accuracy_at(mix: Floats, films: JudgedFilms, drawing: Resampling) -> Interval:
    """The accuracy that films would have at another mix of classes: their recalls, weighted by its shares in every replicate.

    mix: (C,) shares of the classes, together 1; each class with a share has a film. A class that a replicate lost is left out of
    it. The interval is that of a share of as many films as weigh the same (Kish).
    """
    place, groups = index_groups(films.group)
    is_class = np.eye(len(mix))[films.label_index]  # (N, C)
    is_found = is_class * films.is_right[:, None]

    def statistic(weight: Integers) -> Floats:
        count = weight @ is_class  # (W, C)
        recall = np.nan_to_num(share_of(weight @ is_found, count))
        return share_of(recall @ mix, (count > 0) @ mix)[:, None]

    value = statistic(each_once(len(place)))[0]
    if groups < 2:
        return Interval(float(value[0]), math.nan, math.nan)
    replicate = resample(statistic, films.group, repeats=drawing.repeats, seed=drawing.seed)
    of_film = (mix / np.maximum(is_class.sum(axis=0), 1))[films.label_index]  # (N,) together 1
    of_group = np.bincount(place, weights=of_film)
    error = standard_error(replicate, groups)
    behind = np.array([1 / (of_group @ of_group)])
    low, high = share_ends(value, error, behind, float(1 / (of_film @ of_film)), drawing.level)
    return Interval(float(value[0]), float(low[0]), float(high[0]))


def less(one: Interval, other: Interval) -> Interval:
    """The difference of two measures of independent films, its ends put together from theirs.

    Source: MOVER, Zou & Donner 2008, doi:10.1002/sim.3095; for shares Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873.
    """
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Interval(value, low, high)

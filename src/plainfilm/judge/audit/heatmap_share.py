"""Check 7: does the run look at the lungs more than a map would that knows nothing?

A map spread evenly over the film has as much of its strength inside the lungs as these have of the film: the lungs' share. What
counts is how much more the run's maps have there, film by film. Classes of absence ("Normal") are judged like all others: there,
too, the lungs are what a reader looks at before saying that nothing is wrong, and a run that finds its reason for "Normal" beside
them has not looked at the chest.

A pass says little. Maps are coarse, 3 x 3 places at 96 pixels and 7 x 7 at 224, so that even a sound network gains but a few
points (0.01 to 0.08 on phantoms at 96 pixels), and one that reads a word in the corner gains none, but loses none either. So what
is accused is a loss that coarseness does not explain.

Evidence: {"rows": [{"label", "share", "lungs_share", "gain": interval, "films": n}], "unmapped": films without any positive
strength, "thresholds"}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from plainfilm.core.audit import Finding, Verdict
from plainfilm.core.bootstrap import Interval, format_interval, index_groups, interval_json
from plainfilm.core.intervals import effective_groups, student_quantile
from plainfilm.core.ranking import Booleans, Floats, refuse_lengths
from plainfilm.core.words import counted
from plainfilm.judge.judged import Resampling

__all__ = ["judge_heatmaps", "mean_interval"]

FEWEST_FILMS, FEWEST_GROUPS = 20, 10  # of a class
FAILING_GAIN, WARNING_GAIN = -0.10, -0.05
_MEASURE = "heatmap share inside the lungs beyond the lungs' share of the film, at the class where it is surely least"
_THRESHOLD = (
    f"warns where, for a class, the upper end lies below {WARNING_GAIN:g}: the run looks at the lungs clearly less than a"
    f" map that knows nothing; fails below {FAILING_GAIN:g}; the intervals allow for the number of classes"
)
_LINES = {"warns below": WARNING_GAIN, "fails below": FAILING_GAIN}


class _OfClass(NamedTuple):
    """What was found of one class. gain: with an interval of its own; surely: with one that allows for the number of classes."""

    label: str
    films: int
    share: Interval
    lungs_share: Interval
    gain: Interval
    surely: Interval


def judge_heatmaps(
    label: Sequence[str] | npt.NDArray[np.object_],
    share_inside: npt.ArrayLike,
    lungs_share: npt.ArrayLike,
    group: Sequence[str] | npt.NDArray[np.object_],
    classes: Sequence[str],
    drawing: Resampling,
) -> Finding:
    """Shares of strength inside the lungs, by class.

    label: (N,) the class whose map it is: the one that the run answered.
    share_inside: (N,) 0..1 of its positive strength, NaN where it has none.
    lungs_share: (N,) 0..1 of the film, NaN or 0 where no lungs were found: such films are left out.
    group: (N,). classes: in the order of the table. Raises ValueError where the lengths differ.
    """
    names, groups = np.asarray(label, object), np.asarray(group, object)
    share, of_film = np.asarray(share_inside, np.float64), np.asarray(lungs_share, np.float64)
    refuse_lengths(label=names, share_inside=share, lungs_share=of_film, group=groups)
    has_lungs = of_film > 0
    is_usable = np.isfinite(share) & has_lungs
    unmapped = int((has_lungs & ~np.isfinite(share)).sum())
    chosen = {name: is_usable & (names == name) for name in classes}
    judged = [
        name
        for name, rows in chosen.items()
        if rows.sum() >= FEWEST_FILMS and index_groups(groups[rows])[1] >= FEWEST_GROUPS
    ]
    few = [f"{name} ({counted(int(chosen[name].sum()), 'film')})" for name in classes if name not in judged]
    told_few = [f"Too few films with a map and lungs, so not judged: {', '.join(few)}."] if few else []
    if unmapped:
        told_few.append(
            f"{counted(unmapped, 'map')} without any positive strength {'is' if unmapped == 1 else 'are'} left out."
        )
    if not judged:
        return Finding("heatmaps", "unknown", _MEASURE, None, _THRESHOLD, tuple(told_few))
    level = 1 - (1 - drawing.level) / len(judged)
    found = [_of_class(name, share, of_film, chosen[name], groups, drawing, level) for name in judged]
    worst = min(found, key=_surest_loss)
    verdict = _verdict(found)
    rows = [_row(one) for one in found]
    told = [
        f"{one.label}: {format_interval(one.share)} of the strength lies inside the lungs, which fill"
        f" {format_interval(one.lungs_share)} of the film: {'more' if one.gain.value >= 0 else 'less'} than an even map by"
        f" {_unsigned(one.gain)}."
        for one in found
    ]
    evidence = {"rows": rows, "unmapped": unmapped, "thresholds": _LINES}
    return Finding(
        "heatmaps", verdict, _MEASURE, worst.surely, _THRESHOLD, (*told, *told_few), _advice(verdict, found), evidence
    )


def heatmaps_unknown(why: str) -> Finding:
    """The finding where the network has no heatmaps. why: a sentence."""
    return Finding("heatmaps", "unknown", _MEASURE, None, _THRESHOLD, (why,))


def mean_interval(value: Floats, group: npt.NDArray[np.object_], level: float) -> Interval:
    """The mean of films (N,) with its interval over groups: Student's t, and the standard error of a ratio of group sums.

    The ends are NaN with fewer than two groups, and where all groups have the same mean: then nothing is seen of how they differ.
    Source: Cochran 1977, Sampling Techniques, chapter 9.
    """
    place, groups = index_groups(group)
    mean = float(value.mean())
    size = np.bincount(place)
    apart = np.bincount(place, weights=value) - mean * size
    error = math.sqrt(float(apart @ apart) * groups / max(groups - 1, 1)) / len(value)
    if groups < 2 or error < 1e-12:
        return Interval(mean, math.nan, math.nan)
    everyone: Booleans = np.ones((len(value), 1), np.bool_)
    freedom = np.maximum(effective_groups(place, everyone) - 1, 1)
    reach = float(student_quantile(level, freedom)[0]) * error
    return Interval(mean, mean - reach, mean + reach)


def _of_class(
    name: str,
    share: Floats,
    of_film: Floats,
    chosen: Booleans,
    group: npt.NDArray[np.object_],
    drawing: Resampling,
    level: float,
) -> _OfClass:
    share, of_film, group = share[chosen], of_film[chosen], group[chosen]
    inside, lungs = (_within(mean_interval(column, group, drawing.level), 0, 1) for column in (share, of_film))
    gain, surely = (_within(mean_interval(share - of_film, group, one), -1, 1) for one in (drawing.level, level))
    return _OfClass(name, len(share), inside, lungs, gain, surely)


def _within(found: Interval, least: float, most: float) -> Interval:
    low, high = np.clip([found.low, found.high], least, most).tolist()
    return replace(found, low=low, high=high)


def _row(one: _OfClass) -> dict[str, Any]:
    return {
        "label": one.label,
        "share": interval_json(one.share),
        "lungs_share": interval_json(one.lungs_share),
        "gain": interval_json(one.gain),
        "films": one.films,
    }


def _surest_loss(one: _OfClass) -> tuple[float, float]:
    """By which a class is the worst: the upper end, which the verdict goes by, an unknown one last; then the gain."""
    return (math.inf if math.isnan(one.surely.high) else one.surely.high, one.gain.value)


def _verdict(found: Sequence[_OfClass]) -> Verdict:
    lowest, _ = min(map(_surest_loss, found))
    if lowest == math.inf:
        return "unknown"
    return "fail" if lowest < FAILING_GAIN else "warn" if lowest < WARNING_GAIN else "pass"


def _unsigned(gain: Interval) -> str:
    if gain.value >= 0:
        return format_interval(gain)
    return format_interval(Interval(-gain.value, -gain.high, -gain.low))


def _advice(verdict: Verdict, found: Sequence[_OfClass]) -> str:
    if verdict not in ("warn", "fail"):
        return ""
    names = " and ".join(one.label for one in found if one.surely.high < WARNING_GAIN)
    return (
        f'Look at the maps of {names} ("plainfilm explain") for what lies beside the lungs: letters, borders, tubes, the edge'
        f" of the field."
        " Train with --region lungs, and see what of the score is left."
    )

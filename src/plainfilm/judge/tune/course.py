"""How a search went: the best score so far after each trial, and the learning curves of all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from plainfilm.core.curves import Curve, curves
from plainfilm.core.looks import BLUE, GREEN, PURPLE, VERMILION
from plainfilm.core.page import Html, drawing, drawings, paragraph, table, texts
from plainfilm.core.trials import Trial, Tuned, ranked
from plainfilm.core.words import counted
from plainfilm.judge.tune.samples import DASHES, FAINT, dot, legend_of, line
from plainfilm.judge.tune.words import DIGITS, score_name, states_words, trial_numbers, values_words

_SOFT = "var(--soft)"
_BEST_COLOURS = (GREEN, VERMILION, PURPLE)
_CURVES_DRAWN = 60
_FLAT = 0.01  # drawn above and below a line that never rises


def course(tuned: Tuned) -> Iterator[Html]:
    """How many trials ended in which way, the best score after each, and what failed."""
    yield paragraph(f"Trials: {states_words(tuned)}.")
    so_far = _best_so_far(tuned)
    if so_far:
        numbers, spent, best = zip(*so_far, strict=True)
        ended = [trial for trial in tuned.trials if trial.state != "running"]
        last, total = max(trial.number for trial in ended), sum(trial.seconds for trial in ended) / 60
        yield drawings(
            _climb(tuned, "Best so far, trial by trial", "trial", numbers, best, float(last), counts_x=True),
            _climb(tuned, "Best so far, over time", "minutes of training, all trials", spent, best, total),
            is_large=True,
        )
    failed = tuned.of_state("failed")
    if failed:
        rows = ([f"{trial.number}", values_words(trial), trial.why] for trial in failed)
        yield table("Trials that failed", texts("Trial", "Settings", "Why"), rows)
    if tuned.of_state("running"):
        yield paragraph(
            f"Not ended when this was written: {trial_numbers(tuned.of_state('running'))}. They go on with plainfilm tune "
            "--resume, unless another process trains them now."
        )


def _climb(
    tuned: Tuned,
    title: str,
    x_title: str,
    x: Sequence[float],
    best: Sequence[float],
    end: float,
    *,
    counts_x: bool = False,
) -> Html:
    """end: how far to the right it goes."""
    told = f"Best {score_name(tuned)} from {best[0]:.{DIGITS}f} to {best[-1]:.{DIGITS}f}"
    ends = None if max(best) > min(best) else (best[0] - _FLAT, best[0] + _FLAT)
    places = [*_steps(x, best), *([(end, best[-1])] if end > x[-1] else [])]
    x_places, y_places = zip(*places, strict=True)
    climb = Curve("best so far", BLUE, x_places, y_places)
    chart = curves(
        title, [climb], x_title, told, y_title=score_name(tuned), counts_x=counts_x, across=(0.0, end or 1.0), ends=ends
    )
    return drawing(title, chart, f"{told}.")


def _steps(x: Sequence[float], y: Sequence[float]) -> Iterator[tuple[float, float]]:
    """The corners of a line that stays at each value until the next place, and only then moves."""
    yield x[0], y[0]
    for place, (before, now) in zip(x[1:], pairwise(y), strict=True):
        yield place, before
        if now != before:
            yield place, now


def _best_so_far(tuned: Tuned) -> list[tuple[float, float, float]]:
    """(number of the trial, minutes of training, best score) at every trial that has ended, from the first complete one on."""
    sign = -1 if tuned.search.lower_is_better else 1
    found, minutes, best = [], 0.0, -math.inf
    for trial in tuned.trials:
        if trial.state == "running":
            continue
        minutes += trial.seconds / 60
        if trial.state == "complete":
            best = max(best, sign * trial.score)
        if best > -math.inf:
            found.append((float(trial.number), minutes, sign * best))
    return found


def has_learning_curves(tuned: Tuned) -> bool:
    """Whether any trial has told a score before it ended."""
    return any(trial.curve for trial in tuned.trials)


def learning_curves(tuned: Tuned) -> Iterator[Html]:
    """The validation score of each trial over its course, the best in colours of their own. One trial at least has a curve."""
    ranking = ranked(tuned.trials, tuned.search.lower_is_better)[: len(_BEST_COLOURS)]
    best = [(trial, colour) for trial, colour in zip(ranking, _BEST_COLOURS, strict=False) if trial.curve]
    others = [trial for trial in tuned.trials if trial.curve and trial not in ranking][:_CURVES_DRAWN]
    bold = [_curve(trial, colour) for trial, colour in best]
    faint = [_curve(trial, BLUE if trial.state == "complete" else _SOFT, is_faint=True) for trial in others]
    yield legend_of(_samples(best, others))
    caption = (
        f"Validation {score_name(tuned)} after each epoch, over the share of the trial's course: trials of different length stand "
        "alike, as they do when one is pruned."
    )
    drawn = [_over_course(tuned, "All trials", [*bold, *faint], caption)]
    if len(bold) > 1 and faint:
        drawn.append(_over_course(tuned, f"The best {len(bold)} alone", bold, "The same, on an axis of their own."))
    yield drawings(*drawn, is_large=True)


def _samples(best: Sequence[tuple[Trial, str]], others: Sequence[Trial]) -> Iterator[tuple[Html, str]]:
    """What is drawn in which way, as far as it occurs; a trial of a single epoch is a dot."""
    for trial, colour in best:
        yield line(colour) if len(trial.curve) > 1 else dot(colour), f"trial {trial.number}"
    for is_complete, colour, dashes, name in (
        (True, BLUE, "", "other complete trials"),
        (False, _SOFT, DASHES, "not complete"),
    ):
        epochs = {len(trial.curve) > 1 for trial in others if (trial.state == "complete") == is_complete}
        if True in epochs:
            yield line(colour, FAINT, dashes), name
        if False in epochs:
            yield dot(colour), f"{name}, a single epoch"


def _over_course(tuned: Tuned, title: str, lines: Sequence[Curve], caption: str) -> Html:
    told = f"{score_name(tuned)} of {counted(len(lines), 'trial')} after each epoch"
    chart = curves(
        f"Learning curves: {title}",
        lines,
        "share of the course done",
        told,
        y_title=score_name(tuned),
        across=(0.0, 1.0),
    )
    return drawing(title, chart, caption)


def _curve(trial: Trial, colour: str, *, is_faint: bool = False) -> Curve:
    share, score = zip(*trial.curve, strict=True)
    dashes = "" if trial.state == "complete" else DASHES
    return Curve(f"trial {trial.number}", colour, share, score, dashes, is_faint)

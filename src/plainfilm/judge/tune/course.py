"""How a search went: the best score so far after each trial, and the learning curves of all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from plainfilm.core.curves import Curve, curves
from plainfilm.core.looks import BLUE, GREEN, PURPLE, VERMILION
from plainfilm.core.page import Html, drawing, drawings, legend, paragraph, table, texts
from plainfilm.core.trials import Trial, Tuned, ranked
from plainfilm.core.words import counted
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
        count, spent, best = zip(*so_far, strict=True)
        yield drawings(
            _climb(tuned, "Best so far, trial by trial", "trials ended", count, best, counts_x=True),
            _climb(tuned, "Best so far, over time", "minutes of training, all trials", spent, best),
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
    tuned: Tuned, title: str, x_title: str, x: Sequence[float], best: Sequence[float], *, counts_x: bool = False
) -> Html:
    told = f"Best {score_name(tuned)} from {best[0]:.{DIGITS}f} to {best[-1]:.{DIGITS}f}"
    ends = None if max(best) > min(best) else (best[0] - _FLAT, best[0] + _FLAT)
    line = Curve("best so far", BLUE, x, best)
    return drawing(title, curves(title, [line], x_title, told, counts_x=counts_x, ends=ends), f"{told}.")


def _best_so_far(tuned: Tuned) -> list[tuple[float, float, float]]:
    """(trials ended, minutes of training, best score) at every end, from the first complete trial on."""
    ended = sorted(
        (trial for trial in tuned.trials if trial.state != "running"), key=lambda trial: (trial.begun, trial.number)
    )
    sign = -1 if tuned.search.lower_is_better else 1
    found, minutes, best = [], 0.0, -math.inf
    for count, trial in enumerate(ended, start=1):
        minutes += trial.seconds / 60
        if trial.state == "complete":
            best = max(best, sign * trial.score)
        if best > -math.inf:
            found.append((float(count), minutes, sign * best))
    return found


def learning_curves(tuned: Tuned) -> Iterator[Html]:
    """The validation score of each trial over its course, the best trials in colours of their own."""
    best = ranked(tuned.trials, tuned.search.lower_is_better)[: len(_BEST_COLOURS)]
    drawn = [trial for trial in tuned.trials if trial.curve and trial not in best][:_CURVES_DRAWN]
    lines = [_curve(trial, colour) for trial, colour in zip(best, _BEST_COLOURS, strict=False) if trial.curve]
    lines += [_curve(trial, BLUE if trial.state == "complete" else _SOFT, is_faint=True) for trial in drawn]
    told = f"{score_name(tuned)} of {counted(len(lines), 'trial')} after each epoch"
    yield legend(
        [
            *((colour, f"trial {trial.number}") for trial, colour in zip(best, _BEST_COLOURS, strict=False)),
            (BLUE, "other complete trials"),
            (_SOFT, "not complete (dashed)"),
        ]
    )
    chart = curves("Learning curves", lines, "share of the course done", told)
    caption = (
        f"Validation {score_name(tuned)} after each epoch, over the share of the trial's course: trials of different length stand "
        "alike, as they do when one is pruned."
    )
    yield drawings(drawing("All trials", chart, caption), is_large=True)


def _curve(trial: Trial, colour: str, *, is_faint: bool = False) -> Curve:
    share, score = zip(*trial.curve, strict=True)
    dashes = "" if trial.state == "complete" else "4 3"
    return Curve(f"trial {trial.number}", colour, share, score, dashes, is_faint)

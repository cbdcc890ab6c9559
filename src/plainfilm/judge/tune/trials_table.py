"""The trials of a search in a table, the best first."""

from __future__ import annotations

import math
from collections.abc import Iterator

from plainfilm.core.html import breakable, element
from plainfilm.core.page import Html, estimate, joined, link, numbers, paragraph, table, texts
from plainfilm.core.trials import State, Trial, Tuned, ranked, reached
from plainfilm.core.words import counted, duration
from plainfilm.judge.tune.words import DIGITS, STATE_WORDS, score_name, setting_name, value_words


def trials_table(tuned: Tuned) -> Iterator[Html]:
    """A row a trial: its state, its score, its settings, how long it took."""
    names = [one.name for one in tuned.search.ranges]
    settings = [setting_name(name)[0].upper() + setting_name(name)[1:] for name in names]
    score = score_name(tuned)
    columns = [
        *texts("Trial", "State"),
        *numbers(score[0].upper() + score[1:]),
        *texts(*settings),
        *numbers("Best epoch", "Epochs", "Time"),
    ]
    best = ranked(tuned.trials, tuned.search.lower_is_better)
    states: tuple[State, ...] = ("pruned", "running", "failed")
    others = [trial for state in states for trial in tuned.of_state(state)]
    rows = (
        [
            joined(f"{trial.number} ", element("small", link("run", f"{trial.folder}/")) if trial.curve else ""),
            STATE_WORDS[trial.state],
            _score_cell(tuned, trial),
            *(breakable(value_words(trial.values[name])) for name in names),
            f"{trial.best_epoch or '–'}",
            f"{len(trial.curve)}",
            duration(trial.seconds),
        ]
        for trial in [*best, *others]
    )
    yield table("All trials, the best first", columns, rows)
    yield paragraph(
        f"Weights are kept of {counted(len(tuned.kept), 'trial')}, the best; their intervals are over groups of validation films. "
        "Settings and history of every trial are in its run.",
        soft=True,
    )


def _score_cell(tuned: Tuned, trial: Trial) -> Html:
    if trial.number in tuned.kept:
        return estimate(tuned.kept[trial.number], DIGITS)
    score = reached(trial, tuned.search.lower_is_better)
    if math.isnan(score):
        return joined("–")
    return joined(f"{score:.{DIGITS}f}" if trial.state == "complete" else f"({score:.{DIGITS}f})")

"""What a search tells of its settings: which of them mattered, and the score against each."""

from __future__ import annotations

from collections.abc import Iterator

from plainfilm.core.chart import Branch, Guess, Line, forest
from plainfilm.core.looks import BLUE, GREEN
from plainfilm.core.page import (
    Html,
    alert,
    drawing,
    drawings,
    estimate,
    legend,
    numbers,
    paragraph,
    strong,
    table,
    texts,
)
from plainfilm.core.scatter import Dot, scatter
from plainfilm.core.search import Range, Value
from plainfilm.core.trials import Tuned
from plainfilm.core.words import counted
from plainfilm.judge.tune.trials_table import reached
from plainfilm.judge.tune.words import (
    CANNOT_BE_TOLD,
    DIGITS,
    STATE_WORDS,
    importance_sentence,
    importance_words,
    score_name,
    setting_name,
    value_words,
)

_SOFT = "var(--soft)"


# Which settings mattered ----------------------------------------------------------------------------------------------


def importance(tuned: Tuned) -> Iterator[Html]:
    """How much each setting mattered, against what chance gives, and which of them is told from it."""
    sentence = importance_sentence(tuned)
    is_told = any(one.is_told(len(tuned.importances)) for one in tuned.importances)
    yield alert("note", sentence)
    if not tuned.importances:
        return
    settings = len(tuned.importances)
    told = [
        Branch(
            setting_name(one.name),
            [Guess(setting_name(one.name), BLUE if one.is_told(settings) else _SOFT, one.value)],
            importance_words(one, settings),
        )
        for one in tuned.importances
    ]
    highest = max(max(one.value.high, one.chance) for one in tuned.importances)
    worst_chance = max(one.chance for one in tuned.importances)
    chart = forest(
        "Importance",
        told,
        "importance",
        low=0.0,
        high=highest,
        lines=[Line("by chance, at most", worst_chance, "dotted")],
    )
    yield drawings(
        drawing("Importance of each setting", chart, "With its interval over trials. In colour: told from chance."),
        is_large=True,
    )
    rows = (
        [
            setting_name(one.name),
            estimate(one.value),
            f"{one.chance:.3f}",
            f"{one.p:.3f}",
            _verdict_cell(importance_words(one, settings)),
        ]
        for one in tuned.importances
    )
    columns = [*texts("Setting"), *numbers("Importance", "By chance, at most", "p"), *texts("Verdict")]
    yield table("Importance of each setting", columns, rows)
    yield paragraph(
        "Importance says how otherwise the best quarter of the trials is spread over a setting than all trials are, from 0 (not at "
        "all) to 1. "
        "“By chance” is what shuffled scores give in 95 of 100 shuffles. A setting is said to matter where its interval lies above "
        f"that and p is at most 0.05 for all {settings} together. That it {CANNOT_BE_TOLD} does not mean that it does not matter.",
        soft=True,
    )
    if is_told:
        yield paragraph(
            "It speaks of the ranges that were searched: where a range is wide enough, every setting matters.",
            soft=True,
        )


def _verdict_cell(words: str) -> str:
    return words if words == CANNOT_BE_TOLD else strong(words)


# Score against each setting -------------------------------------------------------------------------------------------


def score_against_settings(tuned: Tuned) -> Iterator[Html]:
    """A chart a setting: each trial's score over the value that it had."""
    yield paragraph(
        "Each point is a trial; other settings differ too from point to point, so a slope here is no proof. Rings are pruned "
        "trials, at the score that they had when they were given up."
    )
    yield legend([(GREEN, "the best"), (BLUE, "complete"), (_SOFT, "pruned (ring)")])
    yield drawings(*(_one_setting(tuned, one) for one in tuned.search.ranges))


def _one_setting(tuned: Tuned, one: Range) -> Html:
    shown = [(trial, score) for trial in tuned.trials if (score := reached(tuned, trial)) is not None]
    best = tuned.best
    dots = [
        Dot(
            _place(one, trial.values[one.name]),
            score,
            GREEN if trial == best else BLUE if trial.state == "complete" else _SOFT,
            f"trial {trial.number}: {value_words(trial.values[one.name])}, {score:.{DIGITS}f}, {STATE_WORDS[trial.state]}",
            is_hollow=trial.state != "complete",
        )
        for trial, score in shown
    ]
    name = setting_name(one.name)
    told = f"{score_name(tuned)} of {counted(len(dots), 'trial')} against {name}"
    choices = [value_words(choice) for choice in one.choices]
    chart = scatter(name, dots, name, told, is_log=one.is_log, choices=choices)
    return drawing(name[0].upper() + name[1:], chart, "")


def _place(one: Range, value: Value) -> float:
    return float(one.choices.index(value)) if one.choices else float(value)

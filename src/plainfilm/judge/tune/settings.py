"""What a search tells of its settings: which of them mattered, and the score against each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from plainfilm.core.chart import Branch, Guess, forest
from plainfilm.core.html import element
from plainfilm.core.looks import BLUE, GREEN
from plainfilm.core.page import (
    Html,
    alert,
    bullets,
    drawing,
    drawings,
    estimate,
    joined,
    numbers,
    paragraph,
    strong,
    table,
    texts,
)
from plainfilm.core.scatter import Dot, scatter
from plainfilm.core.search import Range, Value
from plainfilm.core.trials import AT_RANDOM, Importance, Tuned, most_p, reached
from plainfilm.core.words import counted
from plainfilm.judge.tune.samples import dot, legend_of, ring, tick
from plainfilm.judge.tune.words import (
    CANNOT_BE_TOLD,
    DIGITS,
    STATE_WORDS,
    importance_reason,
    importance_sentence,
    importance_words,
    score_name,
    setting_name,
    value_words,
)

_SOFT = "var(--soft)"
_IMPORTANCE = (
    "How otherwise the best quarter of the trials is spread over a setting than all trials are, from 0 (not at all) to 1. It "
    "speaks of the ranges that were searched: where a range is wide enough, every setting matters."
)
_PRUNED = "Pruned and failed trials count as worse than every complete one, all alike; those that have not ended are left out."
_INTERVAL = (
    "The trials drawn anew from themselves, with repeats (95%), and widened to hold the value. Repeats make the best quarter look "
    "narrower than it is, so drawn trials mostly give more importance than the real ones: an interval may lie almost wholly to one "
    "side of its value."
)


# Which settings mattered ----------------------------------------------------------------------------------------------


def importance(tuned: Tuned) -> Iterator[Html]:
    """How much each setting mattered, against what chance gives, and which of them is told from it."""
    sentence = importance_sentence(tuned)
    yield alert("note", sentence)
    if not tuned.importances:
        return
    settings = len(tuned.importances)
    told = [
        Branch(
            setting_name(one.name),
            [Guess(setting_name(one.name), BLUE if one.is_told(settings) else _SOFT, one.value)],
            importance_words(one, settings),
            tick=one.chance,
        )
        for one in tuned.importances
    ]
    highest = max(max(one.value.high, one.chance) for one in tuned.importances)
    chart = forest("Importance", told, "importance", low=0.0, high=highest)
    yield legend_of(
        [
            (dot(BLUE), "told from chance"),
            (dot(_SOFT), "not told from it"),
            (tick(), "the most that chance gives in 95 of 100 shuffles, of that setting"),
        ]
    )
    yield drawings(
        drawing("Importance of each setting", chart, "With its interval over trials."),
        _told("Importance", _IMPORTANCE, "Matters", _matters(settings), "Pruned", _PRUNED),
        is_large=True,
    )
    rows = (
        [
            setting_name(one.name),
            estimate(one.value),
            f"{one.chance:.3f}",
            f"{one.p:.3f}",
            _verdict_cell(one, settings),
        ]
        for one in tuned.importances
    )
    columns = [*texts("Setting"), *numbers("Importance", "By chance, at most", "p"), *texts("Verdict")]
    yield table("Importance of each setting", columns, rows)
    yield _told("Chance", _chance(tuned), "Interval", _INTERVAL)


def _matters(settings: int) -> str:
    return (
        f"Said where the whole interval lies above chance and p is at most {most_p(settings):.3f} (0.05 for all {settings} "
        f"together). That it {CANNOT_BE_TOLD} does not mean that a setting does not matter."
    )


def _chance(tuned: Tuned) -> str:
    """What chance and p suppose, and how far that holds here."""
    ended = len(tuned.trials) - len(tuned.of_state("running"))
    first = "but for the very first, which took the settings as they were given"
    drawn = (
        f"The first {AT_RANDOM} trials were, {first}; the {ended - AT_RANDOM} after them were proposed by the search, which stays "
        "near what went well. So chance and p are approximate here, and “matters” is a hint, no proof."
        if ended > AT_RANDOM
        else f"These were, {first}."
    )
    return (
        "What shuffled scores give; p is the share of shuffles that give as much. Both suppose that trials were drawn at random. "
        + drawn
    )


def _told(*words: str) -> Html:
    """Words and their meanings, by turns."""
    pairs = zip(words[::2], words[1::2], strict=True)
    return bullets(joined(strong(f"{word}."), " ", meaning) for word, meaning in pairs)


def _verdict_cell(one: Importance, settings: int) -> Html:
    reason = importance_reason(one, settings)
    if not reason:
        return strong(importance_words(one, settings))
    return joined(importance_words(one, settings), ": ", element("small", reason))


# Score against each setting -------------------------------------------------------------------------------------------


def score_against_settings(tuned: Tuned) -> Iterator[Html]:
    """A chart a setting: each trial's score over the value that it had."""
    yield paragraph(
        "Each point is a trial; other settings differ too from point to point, so a slope here is no proof. Rings are pruned "
        "trials, at the score that they had when they were given up."
    )
    yield legend_of(
        sample
        for sample, is_there in (
            ((dot(GREEN), "the best"), tuned.best is not None),
            ((dot(BLUE), "complete"), len(tuned.of_state("complete")) > 1),
            ((ring(_SOFT), "pruned"), bool(tuned.of_state("pruned"))),
        )
        if is_there
    )
    yield drawings(*(_one_setting(tuned, one) for one in tuned.search.ranges), is_large=True)


def _one_setting(tuned: Tuned, one: Range) -> Html:
    scores = [(trial, reached(trial, tuned.search.lower_is_better)) for trial in tuned.trials]
    shown = [(trial, score) for trial, score in scores if not math.isnan(score)]
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
    chart = scatter(name, dots, name, score_name(tuned), told, is_log=one.is_log, choices=choices)
    return drawing(name[0].upper() + name[1:], chart, "")


def _place(one: Range, value: Value) -> float:
    return float(one.choices.index(value)) if one.choices else float(value)

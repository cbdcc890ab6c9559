"""The page of a search: what was best and how far to believe it, how the search went, which settings mattered, all trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from plainfilm.core.chart import Branch, Guess, Line, forest
from plainfilm.core.curves import Curve, curves
from plainfilm.core.html import breakable, element
from plainfilm.core.looks import BLUE, GREEN, PURPLE, VERMILION
from plainfilm.core.page import (
    Card,
    Html,
    Section,
    alert,
    bullets,
    cards,
    code,
    drawing,
    drawings,
    estimate,
    folded,
    joined,
    legend,
    link,
    numbers,
    page,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.core.scatter import Dot, scatter
from plainfilm.core.search import Range, Value
from plainfilm.core.trials import State, Trial, Tuned, ranked
from plainfilm.core.words import counted, duration
from plainfilm.judge.tune_words import (
    CANNOT_BE_TOLD,
    DIGITS,
    STATE_WORDS,
    headline,
    importance_sentence,
    importance_words,
    optimism,
    rivals,
    score_name,
    setting_name,
    states_words,
    value_words,
    values_words,
)

_SOFT = "var(--soft)"
_BEST_COLOURS = (GREEN, VERMILION, PURPLE)
_CURVES_DRAWN = 60
_FLAT = 0.01  # drawn above and below a line that never rises


def tune_page(tuned: Tuned) -> str:
    """One offline page, whatever has come of the search so far."""
    searched = ", ".join(setting_name(one.name) for one in tuned.search.ranges)
    lead = f"{counted(len(tuned.trials), 'trial')} over {searched}; judged by validation {score_name(tuned)}"
    made = tuned.made
    footer = f"Made by {made['command']} at {made['made_at']}, plainfilm {made['versions'].get('plainfilm', '')}"
    return page("Search for settings", list(_sections(tuned)), lead=lead, footer=footer)


def _sections(tuned: Tuned) -> Iterator[Section]:
    yield section("Verdict", *_verdict(tuned))
    if tuned.trials:
        yield section("How the search went", *_course(tuned))
    yield section("Which settings mattered", *_importance(tuned))
    if any(_reached(tuned, trial) for trial in tuned.trials):
        yield section("Score against each setting", *_against(tuned))
        yield section("Learning curves", *_learning(tuned))
    if tuned.trials:
        yield section("Trials", *_trials(tuned))
    yield section("What was searched", *_searched(tuned))
    yield section("How to read this", *_reading(tuned))


# Verdict --------------------------------------------------------------------------------------------------------------


def _verdict(tuned: Tuned) -> Iterator[Html]:
    best = tuned.best
    if best is None:
        reasons = bullets(f"trial {trial.number}: {trial.why}" for trial in tuned.of_state("failed")[:3])
        told = f"Trials: {states_words(tuned)}. The test split was not read."
        yield alert("warning", headline(tuned), told, *([reasons] if tuned.of_state("failed") else []))
        return
    yield alert("note", headline(tuned), f"Trial {best.number}: {values_words(best)}.")
    yield alert("warning", "This score is too good", optimism(tuned), word="Beware")
    others = rivals(tuned)
    if others:
        yield alert(
            "note",
            "Which trial is best is not settled",
            f"{counted(len(others), 'other trial')} lie{'s' if len(others) == 1 else ''} within the interval of the best one's "
            f"score ({_numbers_of(others)}): these validation films cannot tell which of them is best.",
        )
    first = tuned.trials[0]
    if first.state == "complete" and first.number != best.number and first.values == tuned.search.own_values:
        yield alert(
            "note",
            "The settings as they were given",
            f"Trial {first.number} took them unchanged and reached {first.score:.{DIGITS}f}.",
        )
    yield alert("note", "One seed", f"Every trial was trained with seed {tuned.search.config.seed} alone. How far another seed "
                "moves a score is not known here; plainfilm train --seeds 3 tells it of the best settings.")  # fmt: skip
    seconds = sum(trial.seconds for trial in tuned.trials)
    wanted = f" of {tuned.wanted} wanted" if tuned.wanted > len(tuned.trials) else ""
    yield cards(
        [
            Card(f"Best {score_name(tuned)}", f"{best.score:.{DIGITS - 1}f}", f"trial {best.number}, validation"),
            Card("Trials", f"{len(tuned.trials)}", f"{states_words(tuned)}{wanted}"),
            Card("Training", duration(seconds), "all trials together"),
            Card("Test films read", "0", f"{tuned.test_films:,} taken out beforehand"),
        ]
    )
    yield paragraph("Next: ", code(f"plainfilm train {tuned.manifest} -o RUN --recipe best.toml"))


# How the search went --------------------------------------------------------------------------------------------------


def _course(tuned: Tuned) -> Iterator[Html]:
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
            f"Not ended when this was written: {_numbers_of(tuned.of_state('running'))}. They go on with plainfilm tune --resume, "
            "unless another process trains them now."
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


# Which settings mattered ----------------------------------------------------------------------------------------------


def _importance(tuned: Tuned) -> Iterator[Html]:
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


def _against(tuned: Tuned) -> Iterator[Html]:
    yield paragraph(
        "Each point is a trial; other settings differ too from point to point, so a slope here is no proof. Rings are pruned "
        "trials, at the score that they had when they were given up."
    )
    yield legend([(GREEN, "the best"), (BLUE, "complete"), (_SOFT, "pruned (ring)")])
    yield drawings(*(_one_setting(tuned, one) for one in tuned.search.ranges))


def _one_setting(tuned: Tuned, one: Range) -> Html:
    shown = [(trial, score) for trial in tuned.trials if (score := _reached(tuned, trial)) is not None]
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


def _reached(tuned: Tuned, trial: Trial) -> float | None:
    """Its score; of a pruned trial the best that it had; None where it has none."""
    if trial.state == "complete":
        return trial.score
    if trial.state != "pruned" or not trial.curve:
        return None
    scores = [score for _, score in trial.curve]
    return min(scores) if tuned.search.lower_is_better else max(scores)


# Learning curves ------------------------------------------------------------------------------------------------------


def _learning(tuned: Tuned) -> Iterator[Html]:
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


# Trials ---------------------------------------------------------------------------------------------------------------


def _trials(tuned: Tuned) -> Iterator[Html]:
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
    reached = _reached(tuned, trial)
    if reached is None:
        return joined("–")
    return joined(f"{reached:.{DIGITS}f}" if trial.state == "complete" else f"({reached:.{DIGITS}f})")


# What was searched ----------------------------------------------------------------------------------------------------


def _searched(tuned: Tuned) -> Iterator[Html]:
    config = tuned.search.config
    rows = ([setting_name(one.name), _range_words(one)] for one in tuned.search.ranges)
    yield table("Settings that were searched", texts("Setting", "Range"), rows)
    each = f"{config.minutes:g} minutes" if config.minutes else counted(config.epochs, "epoch")
    yield paragraph(
        f"Each trial had {each}. Chosen by Optuna’s TPE, from the trials before it; judged on "
        f"{counted(tuned.films, 'validation film')} in {counted(tuned.groups, 'group')}."
    )
    yield folded("Settings that were fixed", element("pre", code(config.to_toml())))


def _range_words(one: Range) -> str:
    if one.choices:
        return ", ".join(value_words(choice) for choice in one.choices)
    assert one.low is not None and one.high is not None
    return f"{value_words(one.low)} to {value_words(one.high)}{', in factors' if one.is_log else ''}"


# How to read it -------------------------------------------------------------------------------------------------------


def _reading(tuned: Tuned) -> Iterator[Html]:
    told = {
        "Too good": "The best of many scores on the same films is too high even where all settings are alike. What the settings "
        "are worth, only films that chose nothing can tell: train with best.toml, then read the test split once.",
        "Interval": "How far the score would move with other films of the same kind (95%, bootstrap over groups). It does not hold "
        "the spread over seeds, nor what choosing has added.",
        "Pruned": "Given up when, after a fifth of its course or later, its best score was below the middle of what the complete "
        "trials had reached at the same share of theirs. A slow starter may be lost that way.",
        "Size and network": "They cost time too. Where trials are bounded by epochs, a larger one had more computing; by "
        "--trial-minutes all have the same.",
    }
    yield bullets(joined(strong(f"{word}."), " ", meaning) for word, meaning in told.items())


def _numbers_of(trials: Sequence[Trial]) -> str:
    shown = ", ".join(f"{trial.number}" for trial in trials[:8])
    more = f" and {len(trials) - 8} more" if len(trials) > 8 else ""
    return f"trial {shown}" if len(trials) == 1 else f"trials {shown}{more}"

"""The page of a search: what was best and how far to believe it, how the search went, which settings mattered, all trials."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path

from plainfilm.core.html import element
from plainfilm.core.page import (
    Card,
    Html,
    Section,
    alert,
    bullets,
    cards,
    code,
    folded,
    joined,
    page,
    paragraph,
    section,
    strong,
    table,
    texts,
)
from plainfilm.core.search import AUGMENT, Range
from plainfilm.core.trials import Tuned, reached
from plainfilm.core.words import counted, duration, in_minutes
from plainfilm.judge.tune.course import course, has_learning_curves, learning_curves
from plainfilm.judge.tune.settings import importance, score_against_settings
from plainfilm.judge.tune.trials_table import trials_table
from plainfilm.judge.tune.words import (
    DIGITS,
    headline,
    optimism,
    rivals,
    score_name,
    setting_name,
    states_words,
    trial_numbers,
    value_words,
    values_words,
)


def tune_page(tuned: Tuned) -> str:
    """One offline page, whatever has come of the search so far."""
    searched = ", ".join(setting_name(one.name) for one in tuned.search.ranges)
    lead = f"{counted(len(tuned.trials), 'trial')} over {searched}; judged by validation {score_name(tuned)}"
    return page("Search for settings", list(_sections(tuned)), lead=lead, footer=_footer(tuned))


def _footer(tuned: Tuned) -> str:
    """The command that wrote the page; before it the one that began the study, where that is another."""
    made, begun = tuned.made, tuned.begun
    version = f"plainfilm {made['versions'].get('plainfilm', '')}"
    if not begun or begun["command"] == made["command"]:
        return f"Made by {made['command']} at {made['made_at']}, {version}"
    return (
        f"Begun by {begun['command']} at {begun['made_at']}. "
        f"Gone on with and written by {made['command']} at {made['made_at']}, {version}"
    )


def _sections(tuned: Tuned) -> Iterator[Section]:
    yield section("Verdict", *_verdict(tuned))
    if tuned.trials:
        yield section("How the search went", *course(tuned))
    yield section("Which settings mattered", *importance(tuned))
    if not all(math.isnan(reached(trial, tuned.search.lower_is_better)) for trial in tuned.trials):
        yield section("Score against each setting", *score_against_settings(tuned))
    if has_learning_curves(tuned):
        yield section("Learning curves", *learning_curves(tuned))
    if tuned.trials:
        yield section("Trials", *trials_table(tuned))
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
            f"score ({trial_numbers(others)}): these validation films cannot tell which of them is best.",
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
    recipe = Path(tuned.directory) / "best.toml"
    command = ["plainfilm", "train", tuned.manifest, "-o", "RUN", "--recipe", str(recipe)]
    yield paragraph("Next: ", code(shlex.join(command)))
    if tuned.search.config.minutes:
        yield paragraph(
            "The minutes were for training alone. best.toml asks for as many epochs as the best trial did in them; scoring and the "
            "report come on top."
        )


# What was searched ----------------------------------------------------------------------------------------------------


def _searched(tuned: Tuned) -> Iterator[Html]:
    config = tuned.search.config
    rows = ([setting_name(one.name), _range_words(one)] for one in tuned.search.ranges)
    yield table("Settings that were searched", texts("Setting", "Range"), rows)
    each = in_minutes(config.minutes) if config.minutes else counted(config.epochs, "epoch")
    yield paragraph(
        f"Each trial had {each}. Chosen by Optuna’s TPE, from the trials before it; judged on "
        f"{counted(tuned.films, 'validation film')} in {counted(tuned.groups, 'group')}."
    )
    if AUGMENT in tuned.search.texts:
        yield paragraph(
            "The augmentation factor multiplies every strength of augmentation; the shares of films that are mirrored (flip) and "
            "that are varied at all (share) stay as they are."
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
        "Pruned": "Given up when, after a fifth of its course or later, its best score was worse than the middle of what the "
        "complete trials had reached at the same share of theirs. A slow starter may be lost that way.",
        "Size and network": "They cost time too. Where trials are bounded by epochs, a larger one had more computing; by "
        "--trial-minutes all have the same.",
    }
    yield bullets(joined(strong(f"{word}."), " ", meaning) for word, meaning in told.items())

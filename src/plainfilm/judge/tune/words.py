"""A search in words: what the terminal prints, and the sentences that the page shares with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.search import Value
from plainfilm.core.trials import Importance, Trial, Tuned, most_p
from plainfilm.core.words import counted

SCORES = {
    "macro_auroc": "macro AUROC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "loss": "loss",
}
STATE_WORDS = {"complete": "complete", "pruned": "pruned", "failed": "failed", "running": "not ended"}
CANNOT_BE_TOLD = "cannot be told yet"
DIGITS = 4


def score_name(tuned: Tuned) -> str:
    """The score that the trials are judged by."""
    return SCORES[tuned.search.config.monitor]


def setting_name(name: str) -> str:
    """A setting as people write it."""
    return "augmentation factor" if name == "augment" else "network" if name == "model" else name.replace("_", " ")


def value_words(value: Value) -> str:
    """A value of a setting."""
    return f"{value:.3g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def values_words(trial: Trial) -> str:
    """`network cnn-swish, size 64, learning rate 0.003`."""
    return ", ".join(f"{setting_name(name)} {value_words(value)}" for name, value in trial.values.items())


def trial_numbers(trials: Sequence[Trial]) -> str:
    """`trials 3, 5, 8`, and how many more."""
    shown = ", ".join(f"{trial.number}" for trial in trials[:8])
    more = f" and {len(trials) - 8} more" if len(trials) > 8 else ""
    return f"trial {shown}" if len(trials) == 1 else f"trials {shown}{more}"


def best_interval(tuned: Tuned) -> Interval:
    """The score of the best trial; its ends are unknown where its weights are gone."""
    best = tuned.best
    assert best is not None
    return tuned.kept.get(best.number, Interval(best.score, math.nan, math.nan))


def headline(tuned: Tuned) -> str:
    """What was found, in one sentence."""
    best = tuned.best
    if best is None:
        return "No trial is complete: there is no best setting yet"
    ended = len(tuned.trials) - len(tuned.of_state("running"))
    return f"Best of {counted(ended, 'trial')}: validation {score_name(tuned)} {format_interval(best_interval(tuned), DIGITS)}"


def optimism(tuned: Tuned) -> str:
    """What to think of the best score."""
    complete = len(tuned.of_state("complete"))
    seen = f"{counted(tuned.films, 'validation film')} in {counted(tuned.groups, 'group')}"
    picked = (
        f"It was picked as the best of {counted(complete, 'complete trial')} on the same {seen}, so it is too good to be true of "
        "other films; by how much is not known. "
        if complete > 1
        else f"It rests on {seen}, whose scores also picked its best epoch. "
    )
    return (
        picked
        + f"The test split was not read: its {counted(tuned.test_films, 'film')} were taken out before the search began."
    )


def rivals(tuned: Tuned) -> list[Trial]:
    """Complete trials, other than the best, whose score lies within the interval of the best one's."""
    best, interval = tuned.best, best_interval(tuned)
    end = interval.high if tuned.search.lower_is_better else interval.low
    if math.isnan(end):
        return []
    sign = -1 if tuned.search.lower_is_better else 1
    return [trial for trial in tuned.of_state("complete") if trial != best and sign * trial.score >= sign * end]


def importance_words(one: Importance, settings: int) -> str:
    """What the trials tell of a setting."""
    return "matters" if one.is_told(settings) else CANNOT_BE_TOLD


def importance_reason(one: Importance, settings: int) -> str:
    """Which of the two conditions a setting fails that cannot be told from chance; "" for one that can."""
    missed = [
        "" if one.is_rare(settings) else f"p is above {most_p(settings):.3f}",
        "" if one.is_above_chance else "the interval reaches down to chance",
    ]
    return " and ".join(filter(None, missed))


def importance_sentence(tuned: Tuned) -> str:
    """Which settings mattered, in one sentence."""
    if not tuned.importances:
        return f"Which settings mattered {CANNOT_BE_TOLD}: there are too few trials to ask."
    told = [setting_name(one.name) for one in tuned.importances if one.is_told(len(tuned.importances))]
    if not told:
        return f"Which settings mattered {CANNOT_BE_TOLD} from these {counted(len(tuned.trials), 'trial')}."
    rest = len(tuned.importances) - len(told)
    others = f"; of the {'other' if rest == 1 else f'{rest} others'} it {CANNOT_BE_TOLD}" if rest else ""
    return f"What mattered: {', '.join(told)}{others}."


def states_words(tuned: Tuned) -> str:
    """`14 complete, 5 pruned, 1 failed`."""
    counts = ((word, len(tuned.of_state(state))) for state, word in STATE_WORDS.items())  # type: ignore[arg-type]
    return ", ".join(f"{count} {word}" for word, count in counts if count) or "none"


def tuning_text(tuned: Tuned) -> Iterator[str]:
    """What the terminal prints when a search has ended."""
    yield f"{headline(tuned)}."
    best = tuned.best
    if best is not None:
        yield f"Trial {best.number}: {values_words(best)}"
        yield optimism(tuned)
        others = rivals(tuned)
        if others:
            yield (
                f"{counted(len(others), 'other trial')} lie{'s' if len(others) == 1 else ''} within its interval: these films "
                "cannot tell which of them is best."
            )
    yield importance_sentence(tuned)
    yield f"Trials: {states_words(tuned)}."
    for trial in tuned.of_state("failed")[:3]:
        yield f"trial {trial.number} failed: {trial.why}"

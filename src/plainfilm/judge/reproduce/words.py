"""A reproduction in words: the finding in one sentence, what its differences may be called, and why a claim is no yardstick.

Own split and leak-free split have other test films, and each network was trained once: a number that is lower is not yet a loss.
So every difference is said with its interval, and called one only where that leaves out 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.recipe import Claimed, RecipeNetwork
from plainfilm.core.reproduction import WAYS, Reproduction, Trained, Way
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.judge.compare.words import signed
from plainfilm.judge.outside.gap import less
from plainfilm.judge.reproduce.same_films import paired_change

Runs = Mapping[tuple[str, str], Run]

WAY_WORDS: dict[Way, str] = {"own": "own split", "leak-free": "leak-free split", "no-lungs": "leak-free, lungs black"}
MEASURES = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "macro_auroc": "macro AUROC",
}  # fmt: skip
_UNDER: dict[Way, str] = {
    "own": "under its own split",
    "leak-free": "when no patient or picture stands on both sides",
    "no-lungs": "with the lungs blacked out",
}
_STEPS: tuple[tuple[Way, Way, str], ...] = (
    ("own", "leak-free", "From its own split to the leak-free one"),
    ("leak-free", "no-lungs", "From lungs seen to lungs black, both leak-free"),
)
_CUTS_SHORT = ("size", "epochs", "minutes")  # settings without which a claim is no yardstick
_DIGITS = 3


class Step(NamedTuple):
    """From one way to another, of one network. told: which. change: the second less the first.

    is_paired: whether it was measured film by film, which is sharper than putting it together from two intervals.
    """

    network: str
    told: str
    change: Interval
    is_paired: bool = False

    @property
    def verdict(self) -> str:
        """What the interval allows to be said."""
        if math.isnan(self.change.low):
            return "no interval, so nothing can be said"
        if self.change.low <= 0 <= self.change.high:
            return "not settled: other films of the same kind could turn it"
        return f"{'higher' if self.change.low > 0 else 'lower'} by more than other films of the same kind explain"


def claimed_of(claimed: Claimed, measure: str) -> float | None:
    """What was claimed of a measure; None where nothing was."""
    return {"accuracy": claimed.accuracy, "macro_f1": claimed.macro_f1, "macro_auroc": claimed.auroc}.get(measure)


def foremost(reproduction: Reproduction) -> tuple[RecipeNetwork, str]:
    """The network that the finding speaks of, and the measure: the first that has both a claim and scores, accuracy before all."""
    networks = reproduction.recipe.networks
    measured = [network for network in networks if any(score_of(reproduction, network.name, way) for way in WAYS)]
    for measure in ("accuracy", "macro_f1", "macro_auroc"):
        for network in measured:
            if claimed_of(network.claimed, measure) is not None:
                return network, measure
    return (measured or networks)[0], "accuracy"


def finding(reproduction: Reproduction) -> str:
    """The one sentence: claimed, and measured in each way with its interval."""
    network, measure = foremost(reproduction)
    claim = claimed_of(network.claimed, measure)
    words = MEASURES[measure]
    of = f"{network.name}, {words}" if len(reproduction.recipe.networks) > 1 else words[:1].upper() + words[1:]
    said = f"no {words} was claimed" if claim is None else f"claimed {claim:.{_DIGITS}f}"
    scores = {way: score_of(reproduction, network.name, way, measure) for way in WAYS}
    measured = [f"{format_interval(score, _DIGITS)} {_UNDER[way]}" for way, score in scores.items() if score]
    if not measured:
        return f"{of}: {said}; nothing could be measured."
    absent = [
        f"; {WAY_WORDS[way]}: {absence(reproduction.row(network.name, way))}"
        for way, score in scores.items()
        if not score
    ]
    return f"{of}: {said}; measured {', '.join(measured)}{''.join(absent)}."


def ranges(reproduction: Reproduction) -> str:
    """What all networks of a recipe reached, way by way, without intervals; "" where there is one network or one score."""
    told = []
    networks = [network.name for network in reproduction.recipe.networks]
    _, measure = foremost(reproduction)
    for way in WAYS:
        found = [score.value for name in networks if (score := score_of(reproduction, name, way, measure))]
        if len(found) > 1:
            told.append(f"{min(found):.{_DIGITS}f} to {max(found):.{_DIGITS}f} {_UNDER[way]} ({len(found)} networks)")
    return f"Over its networks, {MEASURES[measure]} lies from {', from '.join(told)}." if told else ""


def steps(reproduction: Reproduction, network: str, measure: str, runs: Runs) -> Iterator[Step]:
    """What changes from way to way, where both are known; of accuracy film by film, where the films are the same."""
    for first, second, told in _STEPS:
        both = [score_of(reproduction, network, way, measure) for way in (first, second)]
        if both[0] and both[1]:
            change = less(both[1], both[0])
            pair = [runs.get((network, way)) for way in (first, second)]
            is_of_same_films = measure == "accuracy" and {first, second} == {"leak-free", "no-lungs"}
            paired = paired_change(pair[0], pair[1], change.value) if is_of_same_films and pair[0] and pair[1] else None
            yield Step(network, told, paired or change, is_paired=paired is not None)


def step_words(step: Step) -> str:
    """`From its own split to the leak-free one: -0.029 (-0.055 to -0.003), lower by more than ...`"""
    return f"{step.told}: {signed(step.change, _DIGITS)}, {step.verdict}."


def leak_words(row: Trained | None) -> str:
    """How far the own split leaks, in a sentence; "" where it is not known."""
    films = test_films(row)
    if row is None or not films:
        return ""
    if not row.leaks:
        return "No test film of its own split shares a patient or a picture with a training film."
    share = f"{counted(row.leaks, 'test film')} of {films:,} ({row.leaks / films:.0%})"
    return f"Under its own split, {share} share a patient or a picture with a training film."


def test_films(row: Trained | None) -> int:
    """How many films the row was judged on."""
    return sum(map(sum, row.confusion)) if row else 0


def commonest_share(reproduction: Reproduction) -> float | None:
    """What always answering the commonest class reaches on the leak-free test films; of the own split where those are unknown."""
    for way in ("leak-free", "no-lungs", "own"):
        counts = [films for films in reproduction.films.get(way, {}).get("test", {}).values() if films]
        if counts:
            return max(counts) / sum(counts)
    return None


# Whether the claim is a yardstick -------------------------------------------------------------------------------------


def why_not_comparable(reproduction: Reproduction) -> dict[str, str]:
    """What makes the claim no yardstick for what was measured here: a few words -> a sentence; empty where nothing does."""
    told = {}
    if reproduction.quick:
        size = f"{reproduction.size} pixels" if reproduction.size else "the recipe's own size"
        plural = "" if reproduction.minutes == 1 else "s"
        time = f" and about {reproduction.minutes:g} minute{plural} a training" if reproduction.minutes else ""
        told["quick mode"] = (
            f"Quick mode: {size}{time}. It shows how the ways of splitting differ, not what the recipe can reach."
        )
    from_scratch = _networks_where(reproduction, lambda row: row.is_from_scratch_instead)
    if from_scratch:
        told["from scratch instead of the recipe's weights"] = (
            f"Trained from scratch although the recipe starts from weights of another training: {from_scratch}."
        )
    other = _networks_where(reproduction, lambda row: "weights" in row.changed and not row.is_from_scratch_instead)
    if other:
        told["other first weights"] = f"Started from other weights than the recipe's: {other}."
    names = {name for row in reproduction.rows for name in row.changed if name in _CUTS_SHORT}
    if names and not reproduction.quick:
        cut = ", ".join(setting_name(name) for name in sorted(names))
        told[f"other {cut}"] = f"Not as the recipe has it: {cut} (the table below says how)."
    return told


def _networks_where(reproduction: Reproduction, holds: Callable[[Trained], bool]) -> str:
    """The networks of the rows for which something holds; "every network" where that is all."""
    names = [network.name for network in reproduction.recipe.networks]
    found = [name for name in names if any(row.network == name and holds(row) for row in reproduction.rows)]
    return "every network" if found and len(found) == len(names) > 1 else ", ".join(found)


def setting_name(name: str) -> str:
    """A setting as prose has it."""
    return name.removeprefix("augment_").replace("_", " ") + (" (augmentation)" if name.startswith("augment_") else "")


def setting_value(name: str, value: Any) -> str:
    """A setting's value; of a path the last name alone."""
    if name == "minutes" and not value:
        return "as epochs take"
    if value in (math.inf, "inf"):
        return "no end"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return PurePath(text).name if "/" in text or "\\" in text else text


# Rows -----------------------------------------------------------------------------------------------------------------


def score_of(reproduction: Reproduction, network: str, way: Way, measure: str = "accuracy") -> Interval | None:
    """A score of a network in a way; None where it is not known."""
    row = reproduction.row(network, way)
    score = row.scores.get(measure) if row else None
    return None if score is None or math.isnan(score.value) else score


def is_tried(reproduction: Reproduction, network: str) -> bool:
    """Whether any training of a network was reached."""
    return any(row.network == network for row in reproduction.rows)


def absence(row: Trained | None) -> str:
    """Why a way has no scores, in a word or two."""
    return "not trained yet" if row is None else "failed"

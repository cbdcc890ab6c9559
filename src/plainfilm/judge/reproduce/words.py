"""A reproduction in words: the finding in one sentence, what its differences may be called, and why a claim is no yardstick.

Own split and leak-free split mostly have other test films, and each network was trained once: a number that is lower is not yet a
loss. So every difference is said with its interval, and called one only where that leaves out 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from plainfilm.core.bootstrap import Interval, format_interval
from plainfilm.core.recipe import Claimed, RecipeNetwork
from plainfilm.core.reproduction import WAYS, Reproduction, Trained, Way
from plainfilm.core.run import Run
from plainfilm.core.words import counted, in_minutes
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
_ALL_BUT_LUNGS = "when it saw all but the lungs"  # the third way of a network that sees the lungs alone in the others
_OWN_TO_LEAK_FREE = "From its own split to the leak-free one"
_TO_LUNGS_BLACK = "From lungs seen to lungs black, both leak-free"
_TO_ALL_BUT_LUNGS = "From the lungs alone to all but the lungs, both leak-free"
_ALIKE = 1.05  # films shown in one training over those in another, up to which the two count as equal
_CUTS_SHORT = ("size", "epochs", "minutes")  # settings without which a claim is no yardstick
_DIGITS = 3


class Step(NamedTuple):
    """From one way to another, of one network. told: which. change: the second less the first.

    is_paired: whether it was measured film by film, which is sharper than putting it together from two intervals.
    unequal: why the two trainings cannot be held against each other, a clause; "" where they can.
    is_of_complements: whether the one saw the lungs alone and the other all but the lungs.
    """

    network: str
    told: str
    change: Interval
    is_paired: bool = False
    unequal: str = ""
    is_of_complements: bool = False

    @property
    def verdict(self) -> str:
        """What the interval allows to be said."""
        opposite = "; the two see opposite parts of a film, so this is no price of removing the lungs"
        return self._course + (opposite if self.is_of_complements else "")

    @property
    def _course(self) -> str:
        if math.isnan(self.change.low):
            return "no interval, so nothing can be said"
        if self.is_paired and self.change.low == self.change.high == 0:
            none = "not one test film turned right or wrong"
            return f"{none}, but {self.unequal}" if self.unequal else none
        is_settled = not self.change.low <= 0 <= self.change.high
        course = "higher" if self.change.low > 0 else "lower"
        if self.unequal:
            return f"{course if is_settled else 'not settled'}, but {self.unequal}"
        if not is_settled:
            return "not settled: other films of the same kind could turn it"
        return f"{course} by more than other films of the same kind explain"


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
    measured = [
        f"{format_interval(score, _DIGITS)} {_under(reproduction, network, way)}"
        for way, score in scores.items()
        if score
    ]
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
    network, measure = foremost(reproduction)
    for way in WAYS:
        found = [score.value for name in networks if (score := score_of(reproduction, name, way, measure))]
        if len(found) > 1:
            told.append(
                f"{min(found):.{_DIGITS}f} to {max(found):.{_DIGITS}f} {_under(reproduction, network, way)} ({len(found)} networks)"
            )
    return f"Over its networks, {MEASURES[measure]} lies from {', from '.join(told)}." if told else ""


def steps(reproduction: Reproduction, network: str, measure: str, runs: Runs) -> Iterator[Step]:
    """What changes from way to way, where both are known; of accuracy film by film, where the films are the same."""
    is_of_complements = sees_lungs_alone(reproduction, reproduction.recipe.network(network))
    to_black = _TO_ALL_BUT_LUNGS if is_of_complements else _TO_LUNGS_BLACK
    pairs: tuple[tuple[Way, Way, str], ...] = (
        ("own", "leak-free", _OWN_TO_LEAK_FREE), ("leak-free", "no-lungs", to_black),
    )  # fmt: skip
    for first, second, told in pairs:
        both = [score_of(reproduction, network, way, measure) for way in (first, second)]
        if both[0] and both[1]:
            change = less(both[1], both[0])
            before, after = (runs.get((network, way)) for way in (first, second))
            paired = paired_change(before, after, change.value) if before and after and measure == "accuracy" else None
            yield Step(
                network,
                told,
                paired or change,
                is_paired=paired is not None,
                unequal=unequal_words(reproduction, network, (first, second)),
                is_of_complements=is_of_complements and second == "no-lungs",
            )


def step_words(step: Step) -> str:
    """`From its own split to the leak-free one: -0.029 (-0.055 to -0.003), lower by more than ...`"""
    return f"{step.told}: {signed(step.change, _DIGITS)}, {step.verdict}."


def sees_lungs_alone(reproduction: Reproduction, network: RecipeNetwork) -> bool:
    """Whether the recipe shows the network the lungs and nothing else; then the third way shows it the opposite."""
    return reproduction.recipe.config(network).region == "lungs"


def _under(reproduction: Reproduction, network: RecipeNetwork, way: Way) -> str:
    return _ALL_BUT_LUNGS if way == "no-lungs" and sees_lungs_alone(reproduction, network) else _UNDER[way]


# What weighs against a number -----------------------------------------------------------------------------------------


def unequal_words(reproduction: Reproduction, network: str, ways: Sequence[Way]) -> str:
    """Why trainings of a network cannot be held against each other, a clause; "" where each was shown about as many films."""
    rows = [row for way in ways if (row := reproduction.row(network, way)) and not row.problem]
    shown = [row.films_seen for row in rows]
    if not all(shown):
        is_by_clock = bool(reproduction.minutes)
        return "the clock ended the trainings and how many films each was shown is not known" if is_by_clock else ""
    if not shown or max(shown) <= _ALIKE * min(shown):
        return ""
    told = " against ".join(f"{films:,}" for films in shown)
    return f"the trainings were unequal ({told} films shown), which alone can make a difference"


def unequal_trainings(reproduction: Reproduction) -> Iterator[str]:
    """A line for each network whose ways were shown numbers of films that differ, or may."""
    for network in reproduction.recipe.networks:
        if unequal_words(reproduction, network.name, WAYS):
            rows = [row for way in WAYS if (row := reproduction.row(network.name, way)) and not row.problem]
            shown = ((f"{row.films_seen:,}" if row.films_seen else "not known", WAY_WORDS[row.way]) for row in rows)
            if len(rows) > 1:
                yield f"{network.name}, films shown: {'; '.join(f'{films} ({way})' for films, way in shown)}"


def weaknesses(reproduction: Reproduction) -> Iterator[str]:
    """What an accuracy hides, a sentence each: classes that a network never names, and accuracy that a constant answer reaches."""
    classes = reproduction.recipe.classes
    for network in reproduction.recipe.networks:
        rows = [row for way in WAYS if (row := reproduction.row(network.name, way)) and test_films(row)]
        silent: dict[str, list[str]] = {}
        for row in rows:
            named = [sum(column) for column in zip(*row.confusion, strict=True)]
            never = [name for name, films in zip(classes, named, strict=False) if not films]
            if never:
                silent.setdefault(" or ".join(never), []).append(WAY_WORDS[row.way])
        for never_named, ways in silent.items():
            yield f"{network.name} calls no test film {never_named}: {'; '.join(ways)}."
        for row in rows:
            score, constant = row.scores.get("accuracy"), max(map(sum, row.confusion)) / test_films(row)
            if score is not None and score.low <= constant:
                yield (
                    f"{network.name}, {WAY_WORDS[row.way]}: accuracy {format_interval(score, _DIGITS)} reaches down to that "
                    f"of always answering the commonest class, {constant:.{_DIGITS}f}."
                )


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
        minutes = in_minutes(reproduction.minutes)
        time = (
            f", about {minutes} under the own split and as many steps in the other ways" if reproduction.minutes else ""
        )
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

"""The trials of a search, and what they have told: the nouns that learn makes, and that the page shows. tune.json holds them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from plainfilm.core.bootstrap import Interval, interval_json, interval_of
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import check_format, read_json
from plainfilm.core.search import Search, Values
from plainfilm.errors import BadRun

FORMAT_VERSION = 1
State = Literal["running", "complete", "pruned", "failed"]
_FULL_TRIALS = 4  # complete ones before any is pruned
_FIRST_COURSE = 0.2  # before it scores say too little of where a training will end
AT_RANDOM = 8  # trials before the search learns from them; the first of these takes the settings as they were given
_ERROR = 0.05  # chance of even one setting that is said to matter and does not


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    number: from 0. values: of the searched settings. state: complete, or pruned (given up for bad), failed, still running.
    score: validation score of its best epoch; NaN where it is not complete. best_epoch: that epoch, 0 where unknown.
    curve: (share of its course done, 0..1; validation score) after each epoch, in order.
    seconds: that it trained. begun: when, in ISO 8601. why: what it failed by.
    """

    number: int
    values: Values
    state: State
    score: float = math.nan
    best_epoch: int = 0
    curve: tuple[tuple[float, float], ...] = ()
    seconds: float = 0.0
    begun: str = ""
    why: str = ""

    @property
    def folder(self) -> str:
        """Its run, below the study's folder."""
        return f"trials/{self.number:04d}"


@dataclass(frozen=True)
class Importance:
    """How much one setting mattered.

    value: how otherwise the best quarter of the trials is spread over the setting than all trials are, 0 (not at all) to 1: D
        / (1 + D) of PED-ANOVA's Pearson divergence D; with its interval over trials.
    chance: what shuffled scores give at the most, in 95 of 100 shuffles. p: share of shuffles that give as much.
    """

    name: str
    value: Interval
    chance: float
    p: float

    @property
    def is_above_chance(self) -> bool:
        """Whether its whole interval lies above what chance gives."""
        return self.value.low > self.chance

    def is_rare(self, settings: int) -> bool:
        """Whether few enough shuffles give as much. settings: how many are asked about at once."""
        return self.p <= most_p(settings)

    def is_told(self, settings: int) -> bool:
        """Whether the trials tell that it matters. settings: how many are asked about at once."""
        return self.is_rare(settings) and self.is_above_chance


@dataclass(frozen=True)
class Tuned:
    """A search and what has come of it so far.

    search: what is searched. trials: all of them, by number.
    kept: number -> validation score with its interval over groups, of the trials whose weights are kept.
    importances: one a setting, the largest first; empty where there are too few trials to ask.
    wanted: how many trials were asked for; 0 where only time was. films, groups: of the validation split.
    test_films: how many were taken out before the search began. manifest: where it lay. made: as `provenance` gives it.
    begun: the same of when the study was begun; empty where unknown. directory: of the study, as it was typed; "" where unknown.
    """

    search: Search
    trials: tuple[Trial, ...]
    kept: Mapping[int, Interval]
    importances: tuple[Importance, ...]
    wanted: int
    films: int
    groups: int
    test_films: int
    manifest: str
    made: Mapping[str, Any] = field(default_factory=dict)
    begun: Mapping[str, Any] = field(default_factory=dict)
    directory: str = ""

    @property
    def best(self) -> Trial | None:
        """The complete trial of the best score; None where there is none."""
        found = ranked(self.trials, self.search.lower_is_better)
        return found[0] if found else None

    def of_state(self, state: State) -> list[Trial]:
        """The trials of one state."""
        return [trial for trial in self.trials if trial.state == state]

    def config_of(self, trial: Trial) -> TrainConfig:
        """All settings of a trial."""
        return self.search.config_of(trial.values)

    def to_dict(self) -> dict[str, Any]:
        """As tune.json holds it."""
        best = self.best
        return {
            "format_version": FORMAT_VERSION,
            "monitor": self.search.config.monitor,
            "over": self.search.texts,
            "fixed": {name: _as_json(value) for name, value in asdict(self.search.config).items()},
            "best": None if best is None else best.number,
            "trials": [_trial_json(trial) for trial in self.trials],
            "kept": {str(number): interval_json(interval) for number, interval in self.kept.items()},
            "importances": [
                {
                    "name": one.name,
                    **interval_json(one.value),
                    "chance": one.chance,
                    "p": one.p,
                    "is_told": one.is_told(len(self.importances)),
                }
                for one in self.importances
            ],
            "wanted": self.wanted,
            "validation": {"films": self.films, "groups": self.groups},
            "test_films_left_out": self.test_films,
            "manifest": self.manifest,
            "made": dict(self.made),
            "begun": dict(self.begun),
            "study": self.directory,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Tuned:
        """The inverse of to_dict()."""
        config = TrainConfig().with_changes({name: _of_json(one) for name, one in value["fixed"].items()}, "fixed")
        importances = (
            Importance(one["name"], interval_of(one), float(one["chance"]), float(one["p"]))
            for one in value["importances"]
        )
        return cls(
            Search.of_texts(config, value["over"]),
            tuple(_trial_of(one) for one in value["trials"]),
            {int(number): interval_of(one) for number, one in value["kept"].items()},
            tuple(importances),
            int(value["wanted"]),
            int(value["validation"]["films"]),
            int(value["validation"]["groups"]),
            int(value["test_films_left_out"]),
            str(value["manifest"]),
            value["made"],
            value.get("begun", {}),
            str(value.get("study", "")),
        )

    @classmethod
    def open(cls, path: Path) -> Tuned:
        """Read tune.json. Raises BadRun where it is missing, damaged or of another version."""
        value = read_json(path, BadRun)
        check_format(value, FORMAT_VERSION, path, BadRun)
        try:
            return cls.from_dict(value)
        except (KeyError, TypeError, ValueError) as cause:
            raise BadRun(f"is damaged ({cause})", path) from cause


def most_p(settings: int) -> float:
    """The largest p that tells a setting from chance, of so many that are asked about at once (Bonferroni)."""
    return _ERROR / settings


def reached(trial: Trial, lower_is_better: bool) -> float:
    """Its score; of a pruned trial the best that it had; NaN where it has none."""
    if trial.state != "pruned" or not trial.curve:
        return trial.score
    scores = [score for _, score in trial.curve]
    return min(scores) if lower_is_better else max(scores)


def ranked(trials: Iterable[Trial], lower_is_better: bool) -> list[Trial]:
    """The complete trials, the best first; of equal ones the earlier."""
    sign = 1 if lower_is_better else -1
    return sorted(
        (trial for trial in trials if trial.state == "complete"), key=lambda trial: (sign * trial.score, trial.number)
    )


def is_hopeless(trial: Trial, others: Sequence[Trial], lower_is_better: bool) -> bool:
    """Whether a running trial is to be pruned: it does worse than the middle of the complete trials did at this point.

    They are compared at the same share of their course, not at the same epoch, so that trials of different length, size or
    pace stand alike; each by its best score up to there. Source: the median rule of Golovin et al. 2017, section 3.2.
    """
    full = [other for other in others if other.state == "complete" and other.curve]
    if not trial.curve or len(full) < _FULL_TRIALS:
        return False
    course = trial.curve[-1][0]
    if not _FIRST_COURSE <= course < 1:
        return False
    sign = -1 if lower_is_better else 1
    reached = [best for other in full if (best := _best_until(other, course, sign)) > -math.inf]
    return len(reached) >= _FULL_TRIALS and _best_until(trial, course, sign) < median(reached)


def _best_until(trial: Trial, course: float, sign: int) -> float:
    """The best score that it had by then, the higher the better; -inf before its first epoch ended."""
    return max((sign * score for share, score in trial.curve if share <= course + 1e-6), default=-math.inf)


def _trial_json(trial: Trial) -> dict[str, Any]:
    values = {name: _as_json(value) for name, value in trial.values.items()}
    return {**asdict(trial), "values": values, "curve": [list(place) for place in trial.curve], "run": trial.folder}


def _trial_of(value: Mapping[str, Any]) -> Trial:
    given = {name: one for name, one in value.items() if name != "run"}
    score = math.nan if given["score"] is None else float(given["score"])
    trial = Trial(**{**given, "score": score, "values": {name: _of_json(one) for name, one in given["values"].items()}})
    return replace(trial, curve=tuple((float(share), float(reached)) for share, reached in given["curve"]))


def _as_json(value: Any) -> Any:
    """JSON knows no infinity."""
    if isinstance(value, tuple):
        return list(value)
    return "inf" if value == math.inf else value


def _of_json(value: Any) -> Any:
    return math.inf if value == "inf" else value

"""What a comparison found: the leaderboard, the difference of every pair, and what the tests say of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from plainfilm.core.bootstrap import Interval, interval_json

FORMAT_VERSION = 1
MEASURES = ("accuracy", "balanced_accuracy", "macro_auroc", "macro_f1", "log_loss", "brier")
LOWER_IS_BETTER = ("log_loss", "brier")
TESTED = ("accuracy", "macro_auroc")
ERROR = 0.05  # the chance of even one wrong "supported" in a family of tests

RowKind = Literal["method", "table", "ensemble"]


@dataclass(frozen=True)
class Spread:
    """How far the trainings of one method lie apart on the same films: another thing than how sure one of them is.

    value: of each training. sd: their standard deviation, with n - 1.
    """

    value: tuple[float, ...]
    sd: float

    @property
    def low(self) -> float:
        """The lowest."""
        return min(self.value)

    @property
    def high(self) -> float:
        """The highest."""
        return max(self.value)


@dataclass(frozen=True)
class Row:
    """One contestant, or an ensemble.

    measures: name -> mean over trainings, with the interval over groups of films; MEASURES and "auroc/<class>".
    spread: name -> spread over trainings; empty where there is one.
    """

    name: str
    kind: RowKind
    trainings: int
    measures: dict[str, Interval]
    spread: dict[str, Spread]


@dataclass(frozen=True)
class Verdict:
    """What the tests say of one measure of one pair.

    test: what was computed, in words. p_films: over groups of films.
    p_trainings: of Welch's test over trainings; None unless both rows were trained twice or more.
    p: the larger of the two. p_corrected: by Holm, over the family. is_supported: whether that is at most ERROR.
    """

    test: str
    p_films: float
    p_trainings: float | None
    p: float
    p_corrected: float
    is_supported: bool


@dataclass(frozen=True)
class Difference:
    """Two rows, the first of which stands higher on the leaderboard.

    first, second: their names.
    is_of_methods: whether it is one of methods, each trained twice or more, and not of these networks only.
    measures: name -> first less second, with the paired interval, as in Row.
    verdicts: name -> what the tests say, of TESTED; a measure that is unknown has none.
    auroc_p: class -> p-value of its AUROC, not corrected.
    """

    first: str
    second: str
    is_of_methods: bool
    measures: dict[str, Interval]
    verdicts: dict[str, Verdict]
    auroc_p: dict[str, float]

    def better(self, measure: str) -> str:
        """The name of the row with the better value."""
        is_first = (self.measures[measure].value > 0) != (measure in LOWER_IS_BETTER)
        return self.first if is_first else self.second


@dataclass(frozen=True)
class Comparison:
    """Everything that was found.

    split: on which films. by: the measure that rows are sorted by, best first. rows: the leaderboard, ensembles included.
    differences: all pairs of contestants. ensemble_differences: all pairs in which an ensemble stands.
    class_films: class -> films. notes: on the films. repeats, seed, level: of the bootstrap.
    """

    split: str
    by: str
    classes: tuple[str, ...]
    films: int
    groups: int
    class_films: dict[str, int]
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    ensemble_differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    repeats: int
    seed: int
    level: float

    @property
    def tests(self) -> int:
        """How many tests Holm's procedure corrects the differences of contestants for."""
        return sum(len(difference.verdicts) for difference in self.differences)

    @property
    def foremost_ensemble_differences(self) -> tuple[Difference, ...]:
        """Those of an ensemble and the contestant that stands highest: what one wants to know of an ensemble."""
        best = next(row.name for row in self.rows if row.kind != "ensemble")
        return tuple(pair for pair in self.ensemble_differences if best in (pair.first, pair.second))

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return {
            "format_version": FORMAT_VERSION,
            **{name: getattr(self, name) for name in ("split", "by", "films", "groups", "class_films")},
            "classes": list(self.classes),
            "notes": list(self.notes),
            "bootstrap": {"repeats": self.repeats, "level": self.level, "seed": self.seed, "unit": "group"},
            "error": ERROR,
            "rows": [_row_json(row) for row in self.rows],
            "differences": [_difference_json(difference) for difference in self.differences],
            "ensemble_differences": [_difference_json(difference) for difference in self.ensemble_differences],
        }


# JSON -----------------------------------------------------------------------------------------------------------------


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "trainings": row.trainings,
        "measures": {name: interval_json(interval) for name, interval in row.measures.items()},
        "spread_over_trainings": {
            name: {"sd": spread.sd, "low": spread.low, "high": spread.high, "values": list(spread.value)}
            for name, spread in row.spread.items()
        },
    }


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {
        "first": difference.first,
        "second": difference.second,
        "is_of_methods": difference.is_of_methods,
        "measures": {name: interval_json(interval) for name, interval in difference.measures.items()},
        "verdicts": {name: asdict(verdict) for name, verdict in difference.verdicts.items()},
        "auroc_p": difference.auroc_p,
    }

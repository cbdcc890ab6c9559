"""What the files of a run let a machine say, for the model card and the checklists: each fact with what it leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from plainfilm.core.bootstrap import format_interval, interval_of
from plainfilm.core.calibration import Calibration
from plainfilm.core.files import read_json
from plainfilm.core.manifest import SPLITS, Manifest
from plainfilm.core.run import Run
from plainfilm.errors import BadRun
from plainfilm.judge.audit.standing import Standing, standing
from plainfilm.judge.doubts import Doubt, find_doubts, split_column
from plainfilm.judge.evaluate import SPLIT_NAMES, shown_split

LISTED = 8  # of anything that a sentence names one by one


@dataclass(frozen=True)
class Fact:
    """What is known of one matter, and what is not.

    known: sentences, each from the files of the run or of the manifest; empty where they say nothing.
    missing: what an author must add or do before the matter is settled; empty where nothing is open.
    """

    known: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, *known: str, missing: str | Sequence[str] = ()) -> Fact:
        """Empty sentences fall away."""
        missing = (missing,) if isinstance(missing, str) else missing
        return cls(tuple(filter(None, known)), tuple(filter(None, missing)))


@dataclass(frozen=True)
class Evidence:
    """The files that facts are read from.

    manifest: the one that was judged on. metrics: the content of metrics.json, of which the parts that came later may be absent.
    """

    run: Run
    manifest: Manifest
    metrics: Mapping[str, Any]

    @property
    def is_of_training(self) -> bool:
        """Whether the manifest is the one that the run was trained on, so that it tells of the training films."""
        return self.manifest.fingerprint == self.run.fingerprint

    @cached_property
    def column(self) -> str:
        """The manifest's split column that the run was trained on."""
        return split_column(self.run, self.manifest)

    @cached_property
    def films(self) -> pd.DataFrame:
        """The readable films."""
        return self.manifest.ok

    def part(self, split: str) -> pd.DataFrame:
        """The readable films of a split."""
        return self.films[self.films[self.column] == split]

    @cached_property
    def shown(self) -> str:
        """The split whose numbers stand first."""
        return shown_split(self.metrics)

    @property
    def shown_name(self) -> str:
        """Its name as people say it."""
        return SPLIT_NAMES[self.shown]

    @property
    def measured(self) -> Mapping[str, Any]:
        """What was measured on it."""
        return self.metrics["splits"][self.shown]  # type: ignore[no-any-return]

    @property
    def judged_splits(self) -> list[str]:
        """The splits that were judged, test first."""
        return [name for name in reversed(SPLITS) if name in self.metrics["splits"]]

    @property
    def is_test_judged(self) -> bool:
        """Whether these metrics hold the test split."""
        return "test" in self.metrics["splits"]

    @cached_property
    def completion(self) -> Mapping[str, Any]:
        """How the training ended; empty where it did not."""
        return self.run.completion() if self.run.is_complete else {}

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """What the training ran in; empty where nobody wrote it down."""
        path = self.run / "environment.json"
        return read_json(path) if path.is_file() else {}

    @cached_property
    def calibration(self) -> Calibration | None:
        """What was fitted after the training, or None."""
        path = self.run / "calibration.json"
        return Calibration.open(path) if path.is_file() else None

    @cached_property
    def outside(self) -> dict[str, dict[str, Any]]:
        """The metrics on other manifests, by the name of their folder in the run (on/NAME/metrics.json)."""
        return {path.parent.name: read_json(path, BadRun) for path in sorted((self.run / "on").glob("*/metrics.json"))}

    @cached_property
    def standing(self) -> Standing:
        """What the run's audit says, or why it says nothing."""
        return standing(self.run)

    @cached_property
    def doubts(self) -> list[Doubt]:
        """Reasons to doubt, the gravest first."""
        return find_doubts(self.run, self.manifest, self.metrics)

    def trust(self, name: str) -> Any:
        """What `judge.trust` measured of the shown split under this name; None where it did not."""
        return self.measured.get("trust", {}).get(name)

    def interval(self, measure: str, split: str | None = None) -> str:
        """A measure with its interval; "not measured" where it is not there."""
        value = self.metrics["splits"][split or self.shown]["metrics"].get(measure)
        return format_interval(interval_of(value)) if isinstance(value, Mapping) else "not measured"


def count(number: int, what: str) -> str:
    """`1 film`, `1,234 films`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def tally(values: pd.Series[str]) -> str:
    """How often each value stands there, the commonest first, the unknown last: `AP 12, PA 3, unknown 4`."""
    counts = values[values != ""].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    told = [f"{name} {films:,}" for name, films in counts.iloc[:LISTED].items()]
    others, unknown = int(counts.iloc[LISTED:].sum()), int((values == "").sum())
    return ", ".join([*told, *([f"others {others:,}"] * (others > 0)), *([f"unknown {unknown:,}"] * (unknown > 0))])


def listed(names: Sequence[str]) -> str:
    """Names one by one, and how many more there are."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")

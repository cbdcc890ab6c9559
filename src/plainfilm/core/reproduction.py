"""What became of a published recipe here: every network of it, trained in three ways.

    own         as its authors did: split at random over films, so that patients and twins stand on both sides
    leak-free   the same shares of films, but whole groups only
    no-lungs    as leak-free, and the lungs are black in every film, in training and in test

It lies as reproduce.json beside the page, in the form of `Reproduction.to_dict`. An interval is {"value", "low", "high"}, None
for what is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from plainfilm.core.bootstrap import Interval, interval_json, interval_of
from plainfilm.core.files import check_format, read_json, write_json
from plainfilm.core.recipe import Recipe
from plainfilm.errors import BadConfig, BadRun

FORMAT_VERSION = 1
Way = Literal["own", "leak-free", "no-lungs"]
WAYS: tuple[Way, ...] = get_args(Way)
SCORES = ("accuracy", "balanced_accuracy", "macro_auroc", "macro_f1")
CLASS_SCORES = ("sensitivity", "precision", "f1", "auroc")

Counts = Mapping[str, Mapping[str, int]]  # split -> class -> films


@dataclass(frozen=True)
class Trained:
    """One network trained in one way, judged on the test films of that way.

    network: as the recipe shows it. way: one of WAYS. run: its folder, relative to the page; a Run where problem is "".
    changed: setting -> (the recipe's, ours), for those that differ; the region of no-lungs is no difference, but the way itself.
    seconds, epochs: of the training. films_seen: how many it was shown, a film each time it came; 0 where unknown.
    problem: why there are no scores; "" where there are.
    leaks: test films that share a group or their pixels with a training film.
    scores: by SCORES. class_scores: class -> by CLASS_SCORES. confusion: [truth][predicted], films.
    """

    network: str
    way: Way
    run: str
    changed: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    epochs: int = 0
    films_seen: int = 0
    problem: str = ""
    leaks: int = 0
    scores: Mapping[str, Interval] = field(default_factory=dict)
    class_scores: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a way that is none, or scores where there is a problem."""
        if self.way not in WAYS:
            raise ValueError(f"way is {self.way!r}")
        if bool(self.problem) == bool(self.scores):
            raise ValueError(f"{self.run}: a training has either scores or a problem")

    @property
    def is_from_scratch_instead(self) -> bool:
        """Whether it began with random weights although the recipe does not: its scores say nothing of what was claimed."""
        return bool(self.changed.get("weights", ("", ""))[1] == "scratch")

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return {
            "network": self.network,
            "way": self.way,
            "run": self.run,
            "changed": {name: list(both) for name, both in self.changed.items()},
            "seconds": self.seconds,
            "epochs": self.epochs,
            "films_seen": self.films_seen,
            "problem": self.problem,
            "leaks": self.leaks,
            "scores": _intervals_json(self.scores),
            "class_scores": {name: _intervals_json(scores) for name, scores in self.class_scores.items()},
            "confusion": [list(row) for row in self.confusion],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trained:
        """The inverse of to_dict(). Raises KeyError, TypeError, ValueError or AttributeError for what is none."""
        return cls(
            network=str(values["network"]),
            way=values["way"],
            run=str(values["run"]),
            changed={str(name): (theirs, ours) for name, (theirs, ours) in values["changed"].items()},
            seconds=float(values["seconds"]),
            epochs=int(values["epochs"]),
            films_seen=int(values.get("films_seen", 0)),
            problem=str(values["problem"]),
            leaks=int(values["leaks"]),
            scores=_intervals_of(values["scores"]),
            class_scores={str(name): _intervals_of(scores) for name, scores in values["class_scores"].items()},
            confusion=tuple(tuple(int(cell) for cell in row) for row in values["confusion"]),
        )


@dataclass(frozen=True)
class Reproduction:
    """A recipe, what was done in its place, and what came of it.

    recipe: as published. quick: whether size and time were cut for a machine without a GPU. minutes: of one training; 0 where
    epochs decide. weights: those asked for in place of the recipe's; "" where its own were taken. size: of the films, pixels;
    0 where each network had its recipe's own. films: way -> split -> class -> films.
    left_out: label of the manifest -> films of it that the recipe has no class for. without_lungs: films among those used in which
    no lungs were found, so that "no-lungs" left them as they were. notes: what else a reader must know, a sentence each.
    rows: of the networks in the recipe's order, the ways in the order of WAYS; a training that was not reached has none.
    made: command, versions, seed, inputs.
    """

    recipe: Recipe
    quick: bool
    minutes: float
    weights: str
    size: int
    films: Mapping[str, Counts]
    rows: tuple[Trained, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    without_lungs: int = 0
    notes: tuple[str, ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)

    def row(self, network: str, way: Way) -> Trained | None:
        """The training of a network in a way; None where it was not reached."""
        return next((row for row in self.rows if (row.network, row.way) == (network, way)), None)

    def to_dict(self) -> dict[str, Any]:
        """The values, for JSON."""
        return {
            "format_version": FORMAT_VERSION,
            "recipe": self.recipe.to_dict(),
            "quick": self.quick,
            "minutes": self.minutes,
            "weights": self.weights,
            "size": self.size,
            "films": {way: {name: dict(each) for name, each in splits.items()} for way, splits in self.films.items()},
            "left_out": dict(self.left_out),
            "without_lungs": self.without_lungs,
            "notes": list(self.notes),
            "rows": [row.to_dict() for row in self.rows],
            "made": dict(self.made),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Reproduction:
        """The inverse of to_dict(). Raises BadConfig, KeyError, TypeError, ValueError or AttributeError for what is none."""
        return cls(
            recipe=Recipe.from_dict(values["recipe"]),
            quick=bool(values["quick"]),
            minutes=float(values["minutes"]),
            weights=str(values["weights"]),
            size=int(values["size"]),
            films={
                str(way): {
                    str(name): {str(label): int(films) for label, films in each.items()}
                    for name, each in splits.items()
                }
                for way, splits in values["films"].items()
            },
            rows=tuple(Trained.from_dict(row) for row in values["rows"]),
            left_out={str(label): int(films) for label, films in values["left_out"].items()},
            without_lungs=int(values["without_lungs"]),
            notes=tuple(str(note) for note in values["notes"]),
            made=dict(values["made"]),
        )

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def open(cls, path: Path) -> Reproduction:
        """Read it. Raises BadRun where it is damaged or of another format."""
        values = read_json(path, BadRun)
        check_format(values, FORMAT_VERSION, path, BadRun)
        try:
            return cls.from_dict(values)
        except (BadConfig, KeyError, TypeError, ValueError, AttributeError) as cause:
            raise BadRun(f"is damaged ({type(cause).__name__}: {cause})", path) from cause


def _intervals_json(scores: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: interval_json(interval) for name, interval in scores.items()}


def _intervals_of(scores: Mapping[str, Any]) -> dict[str, Interval]:
    return {str(name): interval_of(interval) for name, interval in scores.items()}

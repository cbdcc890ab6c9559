"""Who takes part in a comparison: runs, folders of runs and tables of scores become contestants.

Runs that differ in seed alone are one contestant with several trainings; runs on the folds of one split are pooled, so that each
film is scored by the network that did not train on it; repeats of a split count like seeds.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import shown
from plainfilm.core.metrics import softmax
from plainfilm.core.predictions import Predictions
from plainfilm.core.ranking import Floats
from plainfilm.core.run import Run
from plainfilm.core.tables import read_table
from plainfilm.errors import BadPredictions

Kind = Literal["method", "table"]
_COLUMN = re.compile(r"split(?:_r(?P<repeat>\d+))?(?:_f(?P<fold>\d+))?")
_SETTINGS_NAMED = 3


@dataclass(frozen=True)
class Sheet:
    """What one network, or one for each fold, says of the films of one split.

    place: as errors and the page name it.
    films: N rows with image_id, label, group (both empty where unknown) and is_scored.
    probability: (N, C), NaN where the film has no score. classes: C names.
    failed: films outside the split that could not be read.
    """

    place: str
    films: pd.DataFrame
    probability: Floats
    classes: tuple[str, ...]
    failed: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, predictions: Predictions, split: str, place: str, probability: Callable[[Floats], Floats] = softmax
    ) -> Sheet:
        """The films of a split. A table whose column split is empty throughout is taken whole.

        probability: from (N, C) logits. Raises BadPredictions where no film is of the split.
        """
        table = predictions.table
        counts = Counter(table["split"].to_numpy(object))
        del counts[""]
        is_here = (table["split"] == split).to_numpy() if counts else np.ones(len(table), np.bool_)
        if not is_here.any():
            held = ", ".join(f"{name} ({films:,})" for name, films in sorted(counts.items())) or "no film"
            raise BadPredictions(
                f'has no scores of the {split} split, only of {held}: "plainfilm evaluate" the run first, or try another --split',
                place,
            )
        here = predictions.where(is_here)
        is_scored = here.has_score & (here.table["status"] == "ok").to_numpy()
        given = np.full(here.logit.shape, np.nan)
        if is_scored.any():
            given[is_scored] = probability(here.logit[is_scored])
        films = here.table[["image_id", "label", "group"]].assign(is_scored=is_scored)
        failed = frozenset(table.loc[(table["status"] == "error").to_numpy() & ~is_here, "image_id"])
        return cls(place, films, given, predictions.classes, failed)

    @classmethod
    def pooled(cls, sheets: Sequence[Sheet], place: str) -> Sheet:
        """Folds as one sheet. Raises BadPredictions where two of them score one film."""
        films = pd.concat([sheet.films for sheet in sheets], ignore_index=True)
        twice = films.loc[films["image_id"].duplicated(), "image_id"]
        if len(twice):
            raise BadPredictions(
                f"tests films in two folds: {shown(list(twice))}; are these folds of one split?", place
            )
        classes = sheets[0].classes
        given = np.concatenate([sheet.in_order(classes) for sheet in sheets])
        return cls(place, films, given, classes, frozenset().union(*(sheet.failed for sheet in sheets)))

    def in_order(self, classes: Sequence[str]) -> Floats:
        """(N, C) probabilities in another order of the same classes. Raises BadPredictions where they are not the same."""
        if set(classes) != set(self.classes):
            raise BadPredictions(
                f"knows the classes {', '.join(self.classes)}; the others know {', '.join(classes)}", self.place
            )
        return self.probability[:, [self.classes.index(name) for name in classes]]


@dataclass(frozen=True)
class Contestant:
    """One row of the comparison: a method with its trainings, or a table of scores.

    sheets: one for each training. trainings: what tells them apart, "seed 0", "repeat 1, seed 0"; as long.
    runs: those behind the sheets, none for a table. is_scaled: whether probabilities were calibrated.
    """

    name: str
    kind: Kind
    sheets: tuple[Sheet, ...]
    trainings: tuple[str, ...]
    runs: tuple[Run, ...] = ()
    is_scaled: bool = False

    @classmethod
    def of_table(cls, predictions: Predictions, name: str, split: str = "test") -> Contestant:
        """A table of scores, held in memory."""
        return cls(name, "table", (Sheet.of(predictions, split, name),), ("",))


# Opening --------------------------------------------------------------------------------------------------------------


def open_contestants(places: Sequence[Path], split: str) -> list[Contestant]:
    """Open runs, folders of runs and tables, and say who takes part.

    Raises BadRun for a run that is damaged or not finished, BadPredictions for all else that cannot be compared.
    """
    runs: list[Run] = []
    tables: list[Path] = []
    for place in places:
        if place.is_dir():
            runs += _runs_in(place)
        elif place.exists():
            tables.append(place)
        else:
            raise BadPredictions("is missing: name runs, folders of runs, or tables of scores", place)
    resolved = Counter(place.resolve() for place in [*tables, *(run.directory for run in runs)])
    for place in [*tables, *(run.directory for run in runs)]:
        if resolved[place.resolve()] > 1:
            raise BadPredictions("is named twice: name each run and table once", place)
    for run in runs:
        run.require_complete()
    methods = _methods(runs)
    homes = [_home(method) for method in methods] + tables
    names = _distinct_names(homes, [method[0].config for method in methods])
    contestants = [_of_method(name, method, split) for name, method in zip(names, methods, strict=False)]
    return contestants + [
        Contestant(name, "table", (Sheet.of(_open_table(path), split, str(path)),), ("",))
        for name, path in zip(names[len(methods) :], tables, strict=True)
    ]


def _runs_in(place: Path) -> list[Run]:
    """The run itself, or the runs in a folder and in its folders."""
    if Run.is_run(place):
        return [Run.open(place)]
    try:
        inside = sorted(folder for folder in place.iterdir() if folder.is_dir())
        below = [inner for folder in inside for inner in ([folder] if Run.is_run(folder) else sorted(folder.iterdir()))]
    except OSError as cause:
        raise BadPredictions(f"cannot be read ({cause.strerror})", place) from cause
    found = [Run.open(folder) for folder in below if folder.is_dir() and Run.is_run(folder)]
    if not found:
        raise BadPredictions('holds no run: name a folder that "plainfilm train" wrote, or a table of scores', place)
    return found


def _open_table(path: Path) -> Predictions:
    raw = read_table(path, BadPredictions)
    models = sorted({str(name) for name in raw["model"]}) if "model" in raw else []
    if len(models) > 1:
        raise BadPredictions(
            f"holds the scores of {len(models)} models ({shown(models)}): write a table for each; where one method was "
            "trained in folds, give all rows one name in the column model",
            path,
        )
    predictions = Predictions.open(path)
    if not len(predictions.table):
        raise BadPredictions("holds no film", path)
    return predictions


# Methods --------------------------------------------------------------------------------------------------------------


def _methods(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that share settings, data and way to split, but for the seed; a training that is there twice stands alone."""
    together: dict[tuple[str, TrainConfig, bool], list[Run]] = {}
    for run in runs:
        settings = replace(run.config, seed=0, split="split")
        together.setdefault((run.fingerprint, settings, "_f" in run.config.split), []).append(run)
    methods = []
    for members in together.values():
        by_folder: dict[Path, list[Run]] = {}
        for run in members:
            by_folder.setdefault(run.directory.resolve().parent, []).append(run)
        for part in [members] if _are_distinct(members) else by_folder.values():
            methods += [part] if _are_distinct(part) else [[run] for run in part]
    return methods


def _are_distinct(runs: Sequence[Run]) -> bool:
    return len({(run.config.split, run.config.seed) for run in runs}) == len(runs)


def _of_method(name: str, runs: Sequence[Run], split: str) -> Contestant:
    """The trainings of a method; the folds of each are pooled."""
    trainings: dict[tuple[int, int], list[Run]] = {}
    for run in runs:
        trainings.setdefault((_part(run, "repeat"), run.config.seed), []).append(run)
    repeats = {repeat for repeat, _ in trainings}
    sheets, titles, scaled = [], [], []
    for (repeat, seed), members in sorted(trainings.items()):
        title = f"repeat {repeat}, seed {seed}" if len(repeats) > 1 else f"seed {seed}"
        found = [_of_run(run, split) for run in sorted(members, key=lambda run: _part(run, "fold"))]
        scaled += [is_scaled for _, is_scaled in found]
        place = str(members[0].directory) if len(members) == 1 else f"{_home(members)} ({title})"
        sheets.append(found[0][0] if len(found) == 1 else Sheet.pooled([sheet for sheet, _ in found], place))
        titles.append(title)
    if len(repeats) > 1 and _part(runs[0], "fold") < 0:
        raise BadPredictions(
            "holds repeats of a split that test different films: compare the runs of one repeat at a time, or train in folds",
            _home(runs),
        )
    return Contestant(name, "method", tuple(sheets), tuple(titles), tuple(runs), any(scaled))


def _of_run(run: Run, split: str) -> tuple[Sheet, bool]:
    """A run's scores on a split, and whether they are calibrated."""
    path = run / "predictions.csv"
    if not path.exists():
        raise BadPredictions(f'has no scores: "plainfilm evaluate {run.directory}" first', run.directory)
    predictions = Predictions.open(path)
    if not (run / "calibration.json").exists():
        return Sheet.of(predictions, split, str(run.directory)), False
    from plainfilm.core.calibration import Calibration

    calibration = Calibration.open(run / "calibration.json")
    if calibration.classes != predictions.classes:
        raise BadPredictions(
            f'is of other classes than its calibration: "plainfilm evaluate {run.directory}" again', path
        )
    is_scaled = calibration.scaling.kind != "none"
    return Sheet.of(predictions, split, str(run.directory), calibration.probability), is_scaled


def _part(run: Run, part: Literal["repeat", "fold"]) -> int:
    """The number of the repeat or fold in the name of the split column, -1 where there is none."""
    found = _COLUMN.fullmatch(run.config.split)
    return int(found[part]) if found and found[part] else -1


def _home(runs: Sequence[Run]) -> Path:
    """The run's folder, or the one that holds all runs of a method."""
    return Path(os.path.commonpath([run.directory for run in runs]) if len(runs) > 1 else runs[0].directory)


def _distinct_names(homes: Sequence[Path], configs: Sequence[TrainConfig]) -> list[str]:
    """The shortest end of each path that no other has; for methods in one folder, the settings that tell them apart."""
    parts = [home.resolve().parts for home in homes]
    names = []
    for own in parts:
        lengths = range(1, len(own) + 1)
        others = [other for other in parts if other != own]
        fits = (n for n in lengths if all(other[-n:] != own[-n:] for other in others))
        names.append("/".join(own[-next(fits, len(own)) :]))
    for name in [name for name, count in Counter(names).items() if count > 1]:
        places = [place for place, other in enumerate(names) if other == name]
        values = [asdict(configs[place]) for place in places if place < len(configs)]
        differing = [
            key for key in values[0] if key not in ("seed", "split") and len({str(each[key]) for each in values}) > 1
        ]
        for number, place in enumerate(places):
            told = ", ".join(f"{key} {values[number][key]}" for key in differing[:_SETTINGS_NAMED])
            names[place] = f"{name} ({told})" if told else f"{name} (no. {number + 1})"
    still = Counter(names)
    return [
        name if still[name] == 1 else f"{name} no. {names[:place].count(name) + 1}" for place, name in enumerate(names)
    ]

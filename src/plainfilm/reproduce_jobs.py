"""The job of `reproduce`: every network of a published recipe, trained in three ways, judged on test films, on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.files import make_directory, provenance, read_json, write_text
from plainfilm.core.manifest import SPLITS, Manifest
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.recipe import Recipe
from plainfilm.core.reproduction import CLASS_SCORES, SCORES, WAYS, Reproduction, Trained
from plainfilm.core.run import Run
from plainfilm.core.words import counted, in_minutes, one_line
from plainfilm.errors import BadRun, Interrupted, PlainfilmError
from plainfilm.jobs import evaluate_run, require_extra
from plainfilm.learn.failures import OF_SETTINGS
from plainfilm.prepare.recipe_films import leaking, recipe_films, split_counts
from plainfilm.reproduce_checks import (
    MANIFEST,
    refuse_absent_films,
    refuse_absent_weights,
    refuse_leaks,
    refuse_other_settings,
    refuse_taken,
)
from plainfilm.reproduce_plan import Instead, Training, plan, split_of

_NUMBERS, _PAGE = "reproduce.json", "reproduce.html"


class Reproduced(NamedTuple):
    """What a reproduction gave, and where its page is."""

    reproduction: Reproduction
    page: Path

    @property
    def failed(self) -> int:
        """How many trainings ended without scores."""
        return sum(1 for row in self.reproduction.rows if row.problem)


def reproduce(
    recipe: Recipe,
    manifest: Manifest,
    directory: Path,
    instead: Instead | None = None,
    *,
    stated: Mapping[str, str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Reproduced:
    """Train every network of a recipe in every way, judge each on its test films; write manifest, runs, reproduce.json, the page.

    stated: label of the manifest -> class of the recipe. resume: go on with what lies in `directory`.
    A training that fails keeps its reason and does not stop the others.
    Raises BadConfig, BadManifest, BadRun, CannotWrite and WeightsUnavailable before anything is trained; Interrupted on Ctrl-C,
    with all that was finished kept.
    """
    require_extra("reproduce")
    out: Progress = progress or Silence()
    instead = instead or Instead()
    trainings = plan(recipe, instead, directory)
    found = recipe_films(manifest, recipe, stated or {})
    refuse_leaks(found.manifest, manifest.path)
    refuse_absent_films(found.manifest, manifest.path)
    refuse_taken(directory, found.manifest, resume)
    refuse_other_settings(directory, trainings)
    refuse_absent_weights(recipe, trainings, directory, out)
    for note in found.notes:
        out.say(note)
    make_directory(directory)
    with _locked(directory):
        path = directory / MANIFEST
        begun_with = Manifest.open(path) if path.is_file() else found.manifest.write(path)
        opened = replace(begun_with, root=found.manifest.root)  # the films may have moved since
        begun = Reproduction(
            recipe=recipe,
            quick=instead.quick,
            minutes=instead.training_minutes,
            weights=instead.weights,
            size=instead.side,
            films={way: split_counts(opened, split_of(way)) for way in WAYS},
            rows=(),
            left_out=found.left_out,
            without_lungs=_known_without_lungs(directory),
            notes=found.notes,
            made=provenance(recipe.split.seed, manifest=manifest.fingerprint, recipe=recipe.name),
        )
        return Reproduced(_filled(begun, trainings, opened, directory, out), directory / _PAGE)


def _filled(
    reproduction: Reproduction, trainings: Sequence[Training], manifest: Manifest, directory: Path, out: Progress
) -> Reproduction:
    """The same with a row for each training: of those that are there, then of those trained now; the page is written after each."""
    rows: dict[str, Trained] = {}
    runs: dict[tuple[str, str], Run] = {}

    def add(training: Training) -> None:
        nonlocal reproduction
        row, run, without_lungs = _trained(training, manifest, directory, reproduction.quick, out)
        rows[training.folder] = row
        if run is not None:
            runs[training.network.name, training.way] = run
        in_order = tuple(rows[each.folder] for each in trainings if each.folder in rows)
        known = reproduction.without_lungs if without_lungs is None else without_lungs
        reproduction = replace(reproduction, rows=in_order, without_lungs=known)

    done = [training for training in trainings if _is_judged(directory / training.folder)]
    for training in done:
        add(training)
    _write(reproduction, runs, directory)
    left = [training for training in trainings if training not in done]
    _say_how_long(left, directory, out)
    for number, training in enumerate(left, start=1):
        out.say(f"{number} of {len(left)}: {training.network.name}, {training.way}")
        add(training)
        _write(reproduction, runs, directory)
    return reproduction


def _known_without_lungs(directory: Path) -> int:
    """How many films had no lungs, where an earlier part of this reproduction counted them."""
    path = directory / _NUMBERS
    return Reproduction.open(path).without_lungs if path.is_file() else 0


def _say_how_long(left: Sequence[Training], directory: Path, progress: Progress) -> None:
    """How many trainings are to come, and how long they take where each has its minutes."""
    untrained = [training for training in left if not (directory / training.folder / "complete.json").is_file()]
    if untrained:
        minutes = sum(training.config.minutes for training in untrained)
        time = f", about {in_minutes(minutes)} in all, and some time each to judge it" if minutes else ""
        progress.say(f"{counted(len(untrained), 'training')} to come{time}")


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep a second process out of the folder; the lock goes with the process. Raises BadRun where one is."""
    try:
        with FileLock(directory / ".lock", timeout=0):
            yield
    except Timeout:
        raise BadRun("is being worked on by another process: wait for it, or choose another -o", directory) from None


# One training ---------------------------------------------------------------------------------------------------------


def _trained(
    training: Training, manifest: Manifest, directory: Path, is_quick: bool, progress: Progress
) -> tuple[Trained, Run | None, int | None]:
    """Its row, its run where it has scores, and how many films have no lungs where that was looked for."""
    row = Trained(
        training.network.name,
        training.way,
        training.folder,
        training.changed,
        problem="not trained",
        leaks=leaking(manifest.films, training.config.split),
    )
    without_lungs = None
    try:
        run, without_lungs = _run_of(training, manifest, directory / training.folder, progress)
        if not _is_judged(run.directory):
            evaluate_run(run, manifest, splits=("val", "test") if is_quick else SPLITS, progress=progress)
    except Interrupted:
        raise
    except (PlainfilmError, *OF_SETTINGS) as error:  # torch has no kind of its own for memory or devices
        problem = one_line(" ".join(str(error).split()) or type(error).__name__)
        progress.say(f"{training.network.name}, {training.way}: failed: {problem}")
        return replace(row, problem=problem), None, without_lungs
    facts = run.completion()
    row = replace(
        row,
        problem="",
        seconds=float(facts["seconds"]),
        epochs=int(facts["epochs"]),
        films_seen=int(facts.get("films_seen", 0)),
        **_scores(run),
    )
    return row, run, without_lungs


def _run_of(training: Training, manifest: Manifest, place: Path, progress: Progress) -> tuple[Run, int | None]:
    """The finished run, and how many films have no lungs where the way goes by them.

    Where minutes end a training, they are those of the first way, and films are decoded before they begin; the other ways take as
    many steps as the first one took. By the clock, whatever else the machine does would decide which way learns more.
    """
    from plainfilm.learn.device import chosen_device
    from plainfilm.learn.films import cache_films
    from plainfilm.learn.infer import cacheable
    from plainfilm.learn.train import train

    run = Run.open(place) if Run.is_run(place) else None
    is_done = run is not None and run.is_complete
    if run is not None and is_done and (training.way != "no-lungs" or _is_judged(place)):
        return run, None
    config = training.config
    cache = cache_films(manifest, cacheable(manifest, config.split), config.preprocess, chosen_device("cpu"), progress)
    without_lungs = len(cache.without_lungs) if training.way == "no-lungs" else None
    if (
        run is not None and is_done
    ):  # it was stopped while it was judged, before anybody was told how many films have no lungs
        return run, without_lungs
    make_directory(place.parent)
    steps = _steps_of(place.parent / WAYS[0]) if config.minutes else 0
    run = train(manifest, place, config, resume=True, allow_leaks=training.way == "own", steps=steps, progress=progress)
    return run, without_lungs


def _steps_of(place: Path) -> int:
    """How many steps a finished training took; 0 where it is not finished."""
    return int(Run.open(place).completion()["steps"]) if (place / "complete.json").is_file() else 0


def _is_judged(place: Path) -> bool:
    """Whether a finished run lies there, and its test films were judged."""
    path = place / "metrics.json"
    is_finished = (place / "complete.json").is_file() and path.is_file()
    return is_finished and "test" in read_json(path, BadRun).get("splits", {})


def _scores(run: Run) -> dict[str, Any]:
    """What its metrics.json holds of the test films, as Trained keeps it."""
    test = read_json(run / "metrics.json", BadRun)["splits"]["test"]
    measured = test["metrics"]
    return {
        "scores": {name: interval_of(measured[name]) for name in SCORES},
        "class_scores": {
            label: {name: interval_of(measured[f"{_KEPT_AS.get(name, name)}/{label}"]) for name in CLASS_SCORES}
            for label in run.classes
        },
        "confusion": tuple(tuple(row) for row in test["confusion"]["counts"]),
    }


_KEPT_AS = {"sensitivity": "recall"}  # in metrics.json


def _write(reproduction: Reproduction, runs: Mapping[tuple[str, str], Run], directory: Path) -> None:
    from plainfilm.judge.reproduce.page import reproduce_page

    reproduction.write(directory / _NUMBERS)
    write_text(directory / _PAGE, reproduce_page(reproduction, runs))

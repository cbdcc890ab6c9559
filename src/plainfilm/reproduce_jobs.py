"""The job of `reproduce`: every network of a published recipe, trained in three ways, judged on test films, on one page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import make_directory, provenance, read_json, write_text
from plainfilm.core.manifest import SPLIT_BY_FILM, SPLITS, Manifest, shown
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.recipe import Recipe, RecipeNetwork
from plainfilm.core.reproduction import CLASS_SCORES, SCORES, WAYS, Reproduction, Trained, Way
from plainfilm.core.run import Run
from plainfilm.core.words import counted, one_line
from plainfilm.errors import BadConfig, BadManifest, BadRun, Interrupted, PlainfilmError, WeightsUnavailable
from plainfilm.jobs import evaluate_run, require_extra
from plainfilm.prepare.recipe_films import leaking, recipe_films, split_counts

QUICK_SIZE = 64
QUICK_MINUTES = 1.0
_MANIFEST, _NUMBERS, _PAGE = "manifest.csv", "reproduce.json", "reproduce.html"
_RUNS_OWN = (
    "split",
    "region",
    "device",
    "seed",
)  # settings that make the way or the machine, no difference from the recipe


@dataclass(frozen=True)
class Instead:
    """What is done in place of what the recipe says; 0 or "" for as it says.

    quick: 64 pixels and a minute a training, where neither size nor time is given. minutes: of one training, in place of epochs.
    size: pixels. epochs: of one training. weights: "scratch" or a file, for networks that the recipe starts from ImageNet.
    networks: of the recipe, all where empty. device: "auto", "cpu", "cuda" or "mps".
    """

    quick: bool = False
    minutes: float = 0.0
    size: int = 0
    epochs: int = 0
    weights: str = ""
    networks: tuple[str, ...] = ()
    device: str = "auto"

    def __post_init__(self) -> None:
        """Raise BadConfig for what contradicts itself."""
        if self.minutes and self.epochs:
            raise BadConfig("--minutes and --epochs: each says when a training ends; give one of them")
        if self.minutes < 0 or self.epochs < 0:
            raise BadConfig("--minutes and --epochs: expected more than 0")

    @property
    def training_minutes(self) -> float:
        """Minutes of one training; 0 where epochs decide."""
        return self.minutes or (QUICK_MINUTES if self.quick and not self.epochs else 0.0)

    @property
    def side(self) -> int:
        """Pixels; 0 for the recipe's own."""
        return self.size or (QUICK_SIZE if self.quick else 0)


class Training(NamedTuple):
    """One training to come: of a network, in a way, with settings, in a folder below the reproduction's."""

    network: RecipeNetwork
    way: Way
    config: TrainConfig
    theirs: TrainConfig
    folder: str

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Setting -> (the recipe's, ours), for those that differ."""
        theirs, ours = asdict(self.theirs), asdict(self.config)
        return {
            name: (_speakable(theirs[name]), _speakable(ours[name]))
            for name in ours
            if theirs[name] != ours[name] and name not in _RUNS_OWN
        }


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
    _refuse_absent_films(found.manifest, manifest.path)
    _refuse_taken(directory, found.manifest, resume)
    _refuse_other_settings(directory, trainings)
    _refuse_absent_weights(recipe, trainings, directory, out)
    for note in found.notes:
        out.say(note)
    make_directory(directory)
    with _locked(directory):
        path = directory / _MANIFEST
        opened = Manifest.open(path) if path.is_file() else found.manifest.write(path)
        begun = Reproduction(
            recipe=recipe,
            quick=instead.quick,
            minutes=instead.training_minutes,
            weights=instead.weights,
            size=instead.side,
            films={way: split_counts(opened, _column(way)) for way in WAYS},
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


def plan(recipe: Recipe, instead: Instead, directory: Path) -> list[Training]:
    """The trainings, network by network, each in all ways: of the networks asked for, and of those begun in `directory` before.

    Raises BadConfig for a network or a value that is none.
    """
    chosen = [recipe.network(name) for name in instead.networks] or recipe.networks
    changes: dict[str, Any] = {"device": instead.device}
    if instead.side:
        changes["size"] = instead.side
    if instead.epochs:
        changes["epochs"] = instead.epochs
    if instead.training_minutes:
        changes["minutes"] = float(instead.training_minutes)
    trainings = []
    for network in recipe.networks:
        if network not in chosen and not (directory / network.slug).is_dir():
            continue
        theirs = recipe.config(network)
        weights: dict[str, Any] = {}
        if instead.weights and theirs.weights == "imagenet":
            weights = {"weights": instead.weights}
            if instead.weights == "scratch":
                weights["frozen_epochs"] = 0.0  # random weights that are frozen learn nothing
        for way in WAYS:
            region = {"region": "background"} if way == "no-lungs" else {}
            config = theirs.with_changes({**changes, **weights, **region, "split": _column(way)}, "options")
            trainings.append(Training(network, way, config, theirs, f"{network.slug}/{way}"))
    return trainings


def _column(way: Way) -> str:
    return SPLIT_BY_FILM if way == "own" else "split"


# Before anything is trained -------------------------------------------------------------------------------------------


def _refuse_absent_films(manifest: Manifest, path: Path | None) -> None:
    """Raise BadManifest where films are gone: every training would fail over them. path: of the manifest as it was given."""
    gone = [film for film in manifest.films["path"] if not manifest.film_path(film).is_file()]
    if gone:
        raise BadManifest(
            f"names {counted(len(gone), 'film')} that cannot be found below {manifest.root}: {shown(gone)}. Bring them back, or"
            " prepare again",
            path,
        )


def _refuse_other_settings(directory: Path, trainings: Sequence[Training]) -> None:
    """Raise BadRun where a training was begun there with other settings: its numbers would stand among others under one heading."""
    for training in trainings:
        place = directory / training.folder
        if Run.is_run(place) and (run := Run.open(place)).config != training.config:
            before, now = asdict(run.config), asdict(training.config)
            differ = ", ".join(f"{name} {before[name]}, not {now[name]}" for name in now if before[name] != now[name])
            raise BadRun(f"was begun with other settings ({differ}): give the same again, or choose another -o", place)


def _refuse_absent_weights(recipe: Recipe, trainings: Sequence[Training], directory: Path, progress: Progress) -> None:
    """Build each network once, so that weights that cannot be had are told before an hour is spent. Raises WeightsUnavailable."""
    from plainfilm.learn.model import build_network, check_network_name

    asked: set[str] = set()
    for training in trainings:
        config = training.config
        check_network_name(config.model)
        is_done = (directory / training.folder / "complete.json").is_file()
        if config.weights == "scratch" or training.network.name in asked or is_done:
            continue
        asked.add(training.network.name)
        if config.weights == "imagenet":
            progress.say(f"Fetching the ImageNet weights of {config.model}, unless they were fetched before")
        try:
            build_network(config, recipe.classes)
        except WeightsUnavailable as error:
            raise WeightsUnavailable(f"{training.network.name}: {error}") from error


def _refuse_taken(directory: Path, manifest: Manifest, resume: bool) -> None:
    """Raise BadRun where something else lies there, or nothing to go on with."""
    path = directory / _MANIFEST
    if resume and path.is_file():
        if Manifest.open(path).fingerprint != manifest.fingerprint:
            raise BadRun("was begun on other films or with another recipe: choose another -o", directory)
    elif resume and not directory.exists():
        raise BadRun("is missing: there is nothing to go on with. Leave out --resume", directory)
    elif directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadRun("is no empty folder: choose another -o, or go on with it by --resume", directory)


def _known_without_lungs(directory: Path) -> int:
    """How many films had no lungs, where an earlier part of this reproduction counted them."""
    path = directory / _NUMBERS
    return Reproduction.open(path).without_lungs if path.is_file() else 0


def _say_how_long(left: Sequence[Training], directory: Path, progress: Progress) -> None:
    """How many trainings are to come, and how long they take where each has its minutes."""
    untrained = [training for training in left if not (directory / training.folder / "complete.json").is_file()]
    if untrained:
        minutes = sum(training.config.minutes for training in untrained)
        time = f", {minutes:g} minutes in all, and some time each to judge it" if minutes else ""
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
    except (PlainfilmError, RuntimeError, MemoryError) as error:  # torch has no kind of its own for memory or devices
        problem = one_line(" ".join(str(error).split()) or type(error).__name__)
        progress.say(f"{training.network.name}, {training.way}: failed: {problem}")
        return replace(row, problem=problem), None, without_lungs
    facts = run.completion()
    row = replace(row, problem="", seconds=float(facts["seconds"]), epochs=int(facts["epochs"]), **_scores(run))
    return row, run, without_lungs


def _run_of(training: Training, manifest: Manifest, place: Path, progress: Progress) -> tuple[Run, int | None]:
    """The finished run, and how many films have no lungs where the way goes by them.

    Films are decoded before the time of a training begins, so that each way has as much of it.
    """
    from plainfilm.learn.device import chosen_device
    from plainfilm.learn.films import cache_films
    from plainfilm.learn.infer import cacheable
    from plainfilm.learn.train import train

    if Run.is_run(place) and (run := Run.open(place)).is_complete:
        return run, None
    config = training.config
    cache = cache_films(manifest, cacheable(manifest, config.split), config.preprocess, chosen_device("cpu"), progress)
    make_directory(place.parent)
    run = train(manifest, place, config, resume=True, allow_leaks=training.way == "own", progress=progress)
    return run, len(cache.without_lungs) if training.way == "no-lungs" else None


def _is_judged(place: Path) -> bool:
    """Whether a finished run lies there, and its test films were judged."""
    path = place / "metrics.json"
    is_finished = (place / "complete.json").is_file() and path.is_file()
    return is_finished and "test" in read_json(path, BadRun).get("splits", {})


def _speakable(value: Any) -> Any:
    """The value as JSON can hold it."""
    return "inf" if value == math.inf else value


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

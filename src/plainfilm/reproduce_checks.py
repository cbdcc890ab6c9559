"""What `reproduce` refuses before anything is trained: films and weights that are gone, and a folder that holds something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from plainfilm.core.bootstrap import interval_of
from plainfilm.core.files import read_json
from plainfilm.core.manifest import Manifest, shown
from plainfilm.core.predictions import Predictions
from plainfilm.core.progress import Progress
from plainfilm.core.recipe import Recipe
from plainfilm.core.reproduction import SCORES
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.errors import BadManifest, BadRun, PlainfilmError, WeightsUnavailable
from plainfilm.reproduce_plan import Training

MANIFEST = "manifest.csv"  # below the reproduction's folder
LOCK = ".lock"  # which stays where Ctrl-C came before anything was written


def refuse_absent_films(manifest: Manifest, path: Path | None) -> None:
    """Raise BadManifest where films are gone: every training would fail over them. path: of the manifest as it was given."""
    gone = [film for film in manifest.films["path"] if not manifest.film_path(film).is_file()]
    if gone:
        raise BadManifest(
            f"names {counted(len(gone), 'film')} that cannot be found below {manifest.root}: {shown(gone)}. Bring them back, or"
            " prepare again",
            path,
        )


def refuse_leaks(manifest: Manifest, path: Path | None) -> None:
    """Raise BadManifest where the leak-free split leaks, since groups do not hold all films of a patient or all copies of a film.

    manifest: with both splits. path: of the manifest as it was given.
    """
    leaks = [problem.text for problem in manifest.check(["split"]) if problem.kind == "leak"]
    if leaks:
        raise BadManifest(
            f"cannot be split without leaks, since its groups are not those of its patients: {'; '.join(leaks[:3])}. Prepare the"
            " films again, with the patients in --metadata",
            path,
        )


def refuse_other_settings(directory: Path, trainings: Sequence[Training]) -> None:
    """Raise BadRun where a training was begun there with other settings: its numbers would stand among others under one heading.

    So it does where a training that ended is damaged, naming the folder to remove.
    """
    for training in trainings:
        place = directory / training.folder
        if Run.is_run(place) and (run := _undamaged(place)).config != training.config:
            before, now = asdict(run.config), asdict(training.config)
            differ = ", ".join(f"{name} {before[name]}, not {now[name]}" for name in now if before[name] != now[name])
            raise BadRun(f"was begun with other settings ({differ}): give the same again, or choose another -o", place)


def _undamaged(place: Path) -> Run:
    """The run there, each of whose files that the page needs can be read. Raises BadRun, which says what to remove."""
    try:
        run = Run.open(place)
        run.history()
        if run.is_complete:
            facts = run.completion()
            for name in ("seconds", "epochs", "steps"):
                float(facts[name])
        if run.is_complete and (run / "metrics.json").is_file():
            run.calibration()
            test = read_json(run / "metrics.json", BadRun)["splits"].get("test")
            if test is not None:
                for name in SCORES:
                    interval_of(test["metrics"][name])
                if (run / "predictions.csv").is_file():
                    Predictions.open(run / "predictions.csv")
    except (PlainfilmError, KeyError, TypeError, ValueError, AttributeError) as cause:
        told = str(cause) if isinstance(cause, PlainfilmError) else f"{type(cause).__name__}: {cause}"
        raise BadRun(
            f"is a damaged training ({told}). Remove this folder and give the same command again with --resume: it alone is "
            "trained anew",
            place,
        ) from cause
    return run


def refuse_absent_weights(recipe: Recipe, trainings: Sequence[Training], directory: Path, progress: Progress) -> None:
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


def refuse_taken(directory: Path, manifest: Manifest, resume: bool) -> None:
    """Raise BadRun where something else lies there, or nothing to go on with."""
    path = directory / MANIFEST
    if resume and path.is_file():
        begun = Manifest.open(path)
        is_same = begun.info.get("recipe") == manifest.info.get("recipe")  # several recipes take the very same films
        if not is_same or begun.fingerprint != manifest.fingerprint:
            raise BadRun("was begun on other films or with another recipe: choose another -o", directory)
    elif resume and not directory.exists():
        raise BadRun("is missing: there is nothing to go on with. Leave out --resume", directory)
    elif directory.exists() and not (directory.is_dir() and all(each.name == LOCK for each in directory.iterdir())):
        raise BadRun("is no empty folder: choose another -o, or go on with it by --resume", directory)

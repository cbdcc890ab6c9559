"""What `reproduce` refuses before anything is trained: films and weights that are gone, and a folder that holds something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from plainfilm.core.manifest import Manifest, shown
from plainfilm.core.progress import Progress
from plainfilm.core.recipe import Recipe
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.errors import BadManifest, BadRun, WeightsUnavailable
from plainfilm.reproduce_plan import Training

MANIFEST = "manifest.csv"  # below the reproduction's folder


def refuse_absent_films(manifest: Manifest, path: Path | None) -> None:
    """Raise BadManifest where films are gone: every training would fail over them. path: of the manifest as it was given."""
    gone = [film for film in manifest.films["path"] if not manifest.film_path(film).is_file()]
    if gone:
        raise BadManifest(
            f"names {counted(len(gone), 'film')} that cannot be found below {manifest.root}: {shown(gone)}. Bring them back, or"
            " prepare again",
            path,
        )


def refuse_other_settings(directory: Path, trainings: Sequence[Training]) -> None:
    """Raise BadRun where a training was begun there with other settings: its numbers would stand among others under one heading."""
    for training in trainings:
        place = directory / training.folder
        if Run.is_run(place) and (run := Run.open(place)).config != training.config:
            before, now = asdict(run.config), asdict(training.config)
            differ = ", ".join(f"{name} {before[name]}, not {now[name]}" for name in now if before[name] != now[name])
            raise BadRun(f"was begun with other settings ({differ}): give the same again, or choose another -o", place)


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
        if Manifest.open(path).fingerprint != manifest.fingerprint:
            raise BadRun("was begun on other films or with another recipe: choose another -o", directory)
    elif resume and not directory.exists():
        raise BadRun("is missing: there is nothing to go on with. Leave out --resume", directory)
    elif directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadRun("is no empty folder: choose another -o, or go on with it by --resume", directory)

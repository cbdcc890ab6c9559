"""Whole jobs that cross rooms: each command of the command line is one of these.

Rooms do not import each other; here they hand each other their nouns. torch and matplotlib are imported by the jobs that need
them, so that importing plainfilm stays light.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainfilm.core.calibration import Calibration, Wishes
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import make_directory, provenance, refuse_foreign, write_json, write_text
from plainfilm.core.gate import gate_reasons
from plainfilm.core.manifest import SPLITS, Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run, first_place
from plainfilm.core.words import writable_name
from plainfilm.errors import BadImage, BadManifest, BadRun, Interrupted, MissingExtra
from plainfilm.prepare.ingest import PrepareOptions, prepare
from plainfilm.prepare.sections.settings import Augment, Example
from plainfilm.serve.films import films_below

if TYPE_CHECKING:
    from plainfilm.judge.compare.comparison import Comparison

_COMPARISON_FILES = ("compare.html", "compare.json", "leaderboard.csv")
_NEEDED = ("torch", "torchvision", "timm", "lightning_fabric", "safetensors", "matplotlib", "scipy")


class Evaluation(NamedTuple):
    """What evaluating a run gave: the run, what metrics.json holds, and where the report is."""

    run: Run
    metrics: dict[str, Any]
    report: Path


def train_runs(
    manifest: Manifest,
    directory: Path,
    config: TrainConfig,
    *,
    splits: Sequence[str] = (),
    seeds: int = 1,
    resume: bool = False,
    allow_leaks: bool = False,
    tensorboard: bool = False,
    read_test: bool = False,
    started: float | None = None,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Train one run, or one for each split column and seed in folders below `directory`, and evaluate each.

    splits: the split columns, config.split alone where empty. seeds: how many, from config.seed on.
    read_test: whether the evaluation reads the test split too; train and validation are always reported.
    Raises what learn.train and evaluate raise.
    """
    require_extra("train")
    from plainfilm.learn.train import train

    out: Progress = progress or Silence()
    if resume and not directory.exists():
        raise BadRun(
            "is missing: there is no run to go on with. Name its folder by -o, or leave out --resume", directory
        )
    columns = list(splits) or [config.split]
    several = len(columns) > 1 or seeds > 1
    places = {
        (column, seed): directory / f"{column}-seed{seed}" if several else directory
        for column in columns
        for seed in range(config.seed, config.seed + seeds)
    }
    _refuse_wrong_places(manifest, directory, places, resume)
    chosen = (*SPLITS,) if read_test else ("train", "val")
    evaluations = []
    for (column, seed), place in places.items():
        if several:
            out.say(f"{place}")
        run = train(
            manifest,
            place,
            replace(config, split=column, seed=seed),
            resume=resume,
            allow_leaks=allow_leaks,
            tensorboard=tensorboard,
            started=time.monotonic() if several or started is None else started,
            evaluated_films=sum(len(manifest.split(name, column)) for name in chosen if column in manifest.films),
            progress=out,
        )
        evaluations.append(evaluate_run(run, manifest, splits=chosen, progress=out))
    return evaluations


def _refuse_wrong_places(
    manifest: Manifest, directory: Path, places: Mapping[tuple[str, int], Path], resume: bool
) -> None:
    """Refuse before hours of training what would stop a later run of several: its split column, its folder."""
    for (column, _), place in places.items():
        if column not in manifest.split_columns:
            known = ", ".join(manifest.split_columns)
            raise BadManifest(f'has no split column "{column}"; it has {known}', manifest.path)
        if not resume:
            Run.refuse_taken(place)
    if resume and len(places) == 1 and not Run.is_run(directory) and any(map(Run.is_run, directory.iterdir())):
        raise BadRun("holds several runs: to go on with them, give --splits and --seeds as at first", directory)


def train_first(
    manifest: Manifest,
    directory: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    allow_leaks: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train the run that the one in `directory` will start from, beside it; it is not evaluated.

    Raises what learn.train raises; BadRun, before it begins, where something lies in `directory` that is not gone on with.
    """
    require_extra("train")
    from plainfilm.learn.train import train

    out: Progress = progress or Silence()
    if not resume:
        Run.refuse_taken(directory)
    place = first_place(directory)
    out.say(f"First training: {place}")
    return train(manifest, place, config, resume=resume, allow_leaks=allow_leaks, progress=out)


def evaluate_run(
    run: Run,
    manifest: Manifest | None = None,
    *,
    splits: Sequence[str] = SPLITS,
    wishes: Wishes | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score the films of the splits, calibrate on train and validation, judge the scores, and write all of it into the run.

    manifest: the one that the run was trained on; opened from where it lay where None.
    wishes: what thresholds and prediction sets are to reach, and for which prevalence predictive values are wanted.
    Writes predictions.csv, calibration.json, metrics.json, report.html and model_card.md.
    Every reading of the test split is counted in the run before it happens.
    """
    require_extra("evaluate")
    from plainfilm.judge.doubts import scores_of_file
    from plainfilm.judge.evaluate import evaluate_predictions
    from plainfilm.judge.report import write_report

    out: Progress = progress or Silence()
    run.require_complete()
    manifest = run.own_manifest(manifest)
    wishes = wishes or Wishes()
    wishes.check(run.classes)
    if "test" in splits and len(manifest.split("test", run.config.split)):
        run.record_test_reading("evaluate")
    predictions, calibration = score_and_calibrate(run, manifest, splits, wishes, out)
    metrics = evaluate_predictions(predictions, calibration, manifest.films, prevalence=wishes.prevalence)
    metrics["file_alone"] = scores_of_file(manifest)
    metrics["made"] = provenance(run.config.seed, manifest=manifest.fingerprint)
    predictions.write(run / "predictions.csv")
    calibration.write(run / "calibration.json")
    write_json(run / "metrics.json", metrics)
    return Evaluation(run, metrics, write_report(run, manifest, predictions, metrics))


def score_and_calibrate(
    run: Run, manifest: Manifest, splits: Sequence[str], wishes: Wishes, out: Progress
) -> tuple[Predictions, Calibration]:
    """Scores of a run on splits of its own manifest, with the reasons for which films are turned away; and what made the answers.

    splits: train and val among them, which the calibration is fitted on. Nothing is written.
    """
    from plainfilm.judge.calibrate import calibrate
    from plainfilm.learn.infer import predict_manifest

    predictions = predict_manifest(run, manifest, splits, out, column=run.config.split)
    looked = _looked_at(predictions, manifest, out)
    train, validation = (predictions.where(predictions.table["split"] == name) for name in ("train", "val"))
    calibration = calibrate(
        train, validation, wishes, looked[(predictions.table["split"] == "val").to_numpy()].tolist()
    )
    assert predictions.embedding is not None
    reasons = calibration.reasons_to_turn_away(looked.tolist(), predictions.embedding)
    return predictions.with_reasons(reasons), calibration


def _looked_at(predictions: Predictions, manifest: Manifest, out: Progress) -> NDArray[np.object_]:
    """(N,) what the gate says of the validation and test films; "" of all others."""
    path_of = dict(zip(manifest.films["image_id"], manifest.films["path"], strict=True))
    is_asked = (predictions.table["split"].isin(["val", "test"]) & (predictions.table["status"] == "ok")).to_numpy()
    paths = [manifest.film_path(path_of[image_id]) for image_id in predictions.table["image_id"][is_asked]]
    said = np.full(len(predictions.table), "", object)
    said[is_asked] = gate_reasons(paths, out)
    return said


class Compared(NamedTuple):
    """What comparing gave: what was found, the page, and how often the test split was read for each run, this time included."""

    comparison: Comparison
    page: Path
    test_readings: dict[str, int]


def compare_runs(
    places: Sequence[Path],
    directory: Path,
    *,
    split: str = "test",
    by: str = "accuracy",
    with_ensembles: bool = True,
    progress: Progress | None = None,
) -> Compared:
    """Compare runs, folders of runs and tables of scores on the same films; write compare.html, compare.json, leaderboard.csv.

    split: "test" or "val". by: the measure that sorts, of judge.comparison.MEASURES.
    A comparison on the test split counts as a reading in each run, before it happens.
    Raises BadPredictions and BadRun for what cannot be compared, CannotWrite where `directory` holds something else.
    """
    from plainfilm.judge.compare.compare import compare, refuse_too_few
    from plainfilm.judge.compare.contestants import open_contestants
    from plainfilm.judge.compare.page import compare_page
    from plainfilm.judge.compare.same_films import on_one_field
    from plainfilm.judge.compare.words import leaderboard_csv

    refuse_foreign(directory, _COMPARISON_FILES, "comparison")
    contestants = open_contestants(places, split)
    refuse_too_few(contestants, with_ensembles)
    on_one_field(contestants)  # refuses what cannot be compared before a reading is counted
    runs = [run for contestant in contestants for run in contestant.runs]
    readings = {str(run.directory): run.record_test_reading("compare") for run in runs} if split == "test" else {}
    comparison = compare(contestants, split=split, by=by, with_ensembles=with_ensembles, progress=progress)
    made = provenance(comparison.seed, **{each.name: each.sheets[0].place for each in contestants})
    make_directory(directory)
    write_json(directory / "compare.json", {**comparison.to_dict(), "test_readings": readings, "made": made})
    write_text(directory / "leaderboard.csv", leaderboard_csv(comparison))
    write_text(directory / "compare.html", compare_page(comparison, contestants, made))
    return Compared(comparison, directory / "compare.html", readings)


def predict_paths(run: Run, sources: Sequence[Path], progress: Progress | None = None) -> Predictions:
    """Scores of a run on files, and on all films in folders. Raises BadImage where a source is missing or a folder empty."""
    require_extra("predict")
    from plainfilm.learn.infer import predict_films

    run.require_complete()
    out: Progress = progress or Silence()
    return predict_films(run, list(films_at(sources)), out)


def films_of(source: Path) -> list[Path]:
    """The film itself, or all films below a folder, in order; linked folders and our own pictures of films are passed over."""
    if not source.is_dir():
        return [source]
    return [film.path for film in films_below(source) if not film.error]  # an error is that of a folder


def films_at(sources: Sequence[Path]) -> Iterator[Path]:
    """The films of files and folders, one after another. Raises BadImage where a source is missing or a folder empty."""
    for source in sources:
        if not source.exists():
            raise BadImage("is missing", writable_name(source))
        films = films_of(source)
        if not films:
            raise BadImage("holds no film", source)
        yield from films


def explore_films(
    manifest: Manifest, path: Path, *, samples: int = 12, seed: int = 0, progress: Progress | None = None
) -> Path:
    """Write one offline page of a whole set of films; returns its path.

    samples: films of each class to show. seed: of all that is drawn by chance. Without torch the page does not show augmentation,
    and says what to install. Raises what `write_explore_page` raises.
    """
    from plainfilm.prepare.explore import write_explore_page

    augment = _augmentations(seed)
    return write_explore_page(manifest, path, samples=samples, seed=seed, augment=augment, progress=progress)


def _augmentations(seed: int) -> Augment | str:
    """What shows augmentation, which needs torch; or, without torch, which extra to install."""
    if importlib.util.find_spec("torch") is None:
        return str(MissingExtra("showing what augmentation does", "torch"))

    def show(films: NDArray[np.uint8]) -> list[Example]:
        from plainfilm.learn.showcase import show_augmentations

        return [Example(*shown) for shown in show_augmentations(films, seed)]

    return show


def run_demo(
    directory: Path, *, films_per_class: int = 200, seed: int = 0, progress: Progress | None = None
) -> Evaluation:
    """The whole job on phantoms: draw them, prepare, train, evaluate with the test split, report."""
    require_extra("demo")
    out: Progress = progress or Silence()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadRun("is no empty folder: choose another -o", directory)
    out.say(f"Drawing {4 * films_per_class} chest phantoms")
    phantoms = directory / "phantoms"
    make_directory(directory)
    try:
        return _demo(directory, phantoms, films_per_class, seed, out)
    except BaseException as error:  # Ctrl-C too: the same command is to work again
        for entry in ("phantoms", "data", "run"):
            shutil.rmtree(directory / entry, ignore_errors=True)
        if isinstance(error, Interrupted):
            raise Interrupted("stopped; nothing is kept, and the same command begins anew") from None
        raise


def _demo(directory: Path, phantoms: Path, films_per_class: int, seed: int, out: Progress) -> Evaluation:
    from plainfilm.prepare.phantom_set import PhantomOptions, make_phantoms

    options = PhantomOptions(films_per_patient=1.5, sources=2, damaged=2)
    with out.task("Drawing phantoms", 4 * films_per_class + options.damaged) as task:
        make_phantoms(
            phantoms, films_per_class, seed=seed, options=options, progress=lambda done, total: task.advance()
        )
    manifest = prepare(phantoms, directory / "data", PrepareOptions(metadata=phantoms / "metadata.csv"), progress=out)
    config = TrainConfig(weights="scratch", size=96, epochs=30, batch_size=32, progressive="none", seed=seed)
    (evaluation,) = train_runs(manifest, directory / "run", config, read_test=True, progress=out)
    return evaluation


def require_extra(command: str) -> None:
    """Raise MissingExtra where a package that training and judging need is not installed. command: the one that needs it."""
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"plainfilm {command}", package)

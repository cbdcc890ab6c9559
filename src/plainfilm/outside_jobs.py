"""Jobs on films from elsewhere: judge a run on another manifest, and train with each source left out in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from plainfilm.core.calibration import Calibration, Wishes
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import make_directory, provenance, read_json, write_json, write_text
from plainfilm.core.manifest import Manifest
from plainfilm.core.predictions import Predictions
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.core.words import counted
from plainfilm.errors import BadConfig, BadManifest, BadRun
from plainfilm.jobs import Evaluation, require_extra, score_and_calibrate, train_runs
from plainfilm.prepare.left_out import leave_sources_out
from plainfilm.prepare.overlap import Thumbnails, find_overlap

if TYPE_CHECKING:
    from plainfilm.judge.outside.gap import Own
    from plainfilm.judge.outside.outside import Acquaintance


class OutsideEvaluation(NamedTuple):
    """What judging a run on another manifest gave: the run, what metrics.json holds, where the page is."""

    run: Run
    metrics: dict[str, Any]
    report: Path


def evaluate_outside(
    run: Run,
    manifest: Manifest,
    *,
    stated: Mapping[str, str] | None = None,
    directory: Path | None = None,
    trained_on: Manifest | None = None,
    prevalence: Mapping[str, float] | None = None,
    repeats: int = 2000,
    progress: Progress | None = None,
) -> OutsideEvaluation:
    """Judge a run on all readable films of another manifest, whatever their split; write its predictions, metrics and report.

    stated: label there -> class of the run, for those that are not called the same. directory: run/on/NAME where None, after
    the folder that holds the manifest. trained_on: the manifest that the run was trained on; opened from where it lay where
    None. prevalence: class -> how common it is where the run is to be used. repeats: bootstraps behind each interval.
    Every reading is counted in the run before it happens.
    Raises BadConfig where `stated` names what is not there, or the manifest is the run's own.
    """
    require_extra("evaluate")
    from plainfilm.judge.outside.vocabulary import match_classes

    out: Progress = progress or Silence()
    run.require_complete()
    place = _free_place(run, manifest, directory)
    films = manifest.ok
    Wishes(prevalence=prevalence or {}).check(run.classes)
    present = set(films["label"])
    labels = [name for name in manifest.classes if name in present]
    vocabulary = match_classes(run.classes, labels, stated or {})
    if not len(films):
        raise BadManifest("has no readable film", manifest.path)
    from plainfilm.core.chest import reasons  # what takes long to load comes after what may be refused
    from plainfilm.judge.judged import Resampling
    from plainfilm.judge.outside.outside import judge_outside, relabelled
    from plainfilm.judge.outside.page import write_outside_report
    from plainfilm.judge.report import rewrite_report
    from plainfilm.learn.infer import predict_all

    trained_on = run.own_manifest(trained_on) if trained_on else _trained_on(run)
    calibration = _calibration(run, trained_on, out)
    own = _own(run, trained_on, out)
    pictures = hashlib.sha256("\n".join(sorted(films["sha256"])).encode()).hexdigest()
    readings = run.record_outside_reading(pictures, str(manifest.path))
    looks = Thumbnails([manifest.film_path(path) for path in films["path"]], out, "Reading the films from elsewhere")
    known = _acquaintance(run, films, looks, trained_on, out)
    predictions = predict_all(run, manifest, out)
    said = dict(zip(films["image_id"][looks.is_readable], reasons(looks.small[looks.is_readable]), strict=True))
    gate = [said.get(image_id, "") for image_id in predictions.table["image_id"]]
    assert predictions.embedding is not None
    predictions = predictions.with_reasons(calibration.reasons_to_turn_away(gate, predictions.embedding))
    predictions = relabelled(predictions, vocabulary)
    out.say("Judging the scores")
    metrics = judge_outside(
        predictions, manifest.films, vocabulary, calibration, own, known, prevalence, Resampling(repeats=repeats)
    )
    metrics["readings"] = readings
    metrics["manifest"] = {"path": str(manifest.path), "fingerprint": manifest.fingerprint, "pictures": pictures}
    metrics["made"] = provenance(run.config.seed, manifest=manifest.fingerprint, run=run.fingerprint)
    make_directory(place)
    predictions.write(place / "predictions.csv")
    write_json(place / "metrics.json", metrics)
    report = write_outside_report(run, manifest, predictions, calibration, metrics, place)
    if trained_on is not None:
        rewrite_report(run, trained_on)  # its model card tells of films from elsewhere
    return OutsideEvaluation(run, metrics, report)


def _free_place(run: Run, manifest: Manifest, directory: Path | None) -> Path:
    """Where the results go. Raises BadConfig where they would lie among other things of the same names."""
    if manifest.fingerprint == run.fingerprint:
        raise BadConfig(
            f"--on {manifest.path}: is the manifest that {run.directory} was trained on; plainfilm evaluate"
            f" {run.directory} judges it"
        )
    assert manifest.path is not None
    place = directory or run / "on" / manifest.path.resolve().parent.name
    if Run.is_run(place):
        raise BadConfig(f"-o {place}: is a run, whose own results would be overwritten; choose another folder")
    if place.is_file():
        raise BadConfig(f"-o {place}: is a file; name a folder")
    other = _judged_before(place)
    if other and other["fingerprint"] != manifest.fingerprint and not _is_same_file(other["path"], manifest.path):
        raise BadConfig(
            f"--on {manifest.path}: {place} holds the results on another manifest, {other['path']}, which would be"
            " overwritten; name another folder by -o"
        )
    return place


def _judged_before(place: Path) -> dict[str, str] | None:
    """The manifest ("path", "fingerprint") whose results lie in a folder; None where none do, or nobody can tell."""
    path = place / "metrics.json"
    try:
        found = read_json(path, BadRun).get("manifest") if path.is_file() else None
    except BadRun:  # damaged: made anew
        return None
    if not isinstance(found, Mapping) or not {"path", "fingerprint"} <= set(found):
        return None
    return {name: str(found[name]) for name in ("path", "fingerprint")}


def _is_same_file(one: str, other: Path) -> bool:
    return Path(one).resolve() == other.resolve()


def _trained_on(run: Run) -> Manifest | None:
    """The manifest of the training where it still is as it was."""
    try:
        return run.own_manifest()
    except BadManifest:
        return None


def _calibration(run: Run, trained_on: Manifest | None, out: Progress) -> Calibration:
    """The run's; made now from its training and validation films where it has none yet. The test split is not read."""
    if (run / "calibration.json").is_file():
        return run.calibration()
    if trained_on is None:
        raise BadManifest(
            f"is gone or has changed, and {run.directory} has no calibration yet, which its films are needed for: say"
            " by --manifest where it lies now",
            run.manifest_path,
        )
    out.say(f"{run.directory} has no calibration yet: making it from its training and validation films")
    _, calibration = score_and_calibrate(run, trained_on, ("train", "val"), Wishes(), out)
    calibration.write(run / "calibration.json")
    return calibration


def _own(run: Run, trained_on: Manifest | None, out: Progress) -> Own | None:
    """The run's scores on its own test films where they were read before, else on validation; None where there are none."""
    from plainfilm.judge.outside.gap import Own
    from plainfilm.learn.infer import predict_manifest

    if (run / "predictions.csv").is_file():
        predictions = Predictions.open(run / "predictions.csv")
        for split in ("test", "val"):
            chosen = predictions.where(predictions.table["split"] == split)
            if predictions.classes == run.classes and len(chosen.judged.table):
                return Own(chosen, split)
    if trained_on is None:
        return None
    return Own(predict_manifest(run, trained_on, ("val",), out, column=run.config.split), "val")


def _acquaintance(
    run: Run, films: pd.DataFrame, looks: Thumbnails, trained_on: Manifest | None, out: Progress
) -> Acquaintance:
    """Which sources the run was trained on, and which of the films are among its own, those of its test split included."""
    from plainfilm.judge.outside.outside import Acquaintance

    if trained_on is None:
        nobody = pd.DataFrame(columns=["image_id", "why", "of"])
        note = (
            f"The manifest of the training ({run.manifest_path}) is gone or has changed: which films and sources the"
            " run has seen in training, nobody can tell. Say by --manifest where it lies now"
        )
        return Acquaintance(None, nobody, (note,))
    rows = trained_on.ok
    column = run.config.split
    seen = rows[rows[column] != ""]
    paths = [trained_on.film_path(path) for path in seen["path"]]
    seen_looks = Thumbnails(paths, out, "Reading the run's own films")
    overlap = find_overlap(films, seen, looks, seen_looks, out)
    sources = rows.loc[rows[column] == "train", "source"]
    unnamed = int((sources == "").sum())
    notes = list(overlap.notes)
    if unnamed:
        notes.append(
            f"{counted(unnamed, 'training film')} of {len(sources):,} name no source, so one that seems unseen may be"
            " known"
        )
    named = frozenset(sources) - {""}
    return Acquaintance(named or None, overlap.films, tuple(notes))


# One source left out --------------------------------------------------------------------------------------------------


class LeftOutResult(NamedTuple):
    """What training without each source gave: the evaluations, what left_out.json holds, where the page is."""

    evaluations: list[Evaluation]
    found: dict[str, Any]
    page: Path


def train_left_out(
    manifest: Manifest,
    directory: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    tensorboard: bool = False,
    repeats: int = 2000,
    progress: Progress | None = None,
) -> LeftOutResult:
    """Train once for each known source, on the films of all others, and judge on that source; its films are the test split.

    Writes manifest.csv, one run a source, left_out.json and left_out.html into `directory`. resume: go on with what lies there.
    repeats: bootstraps behind each interval.
    Raises BadManifest, before any training, where no source can be left out; BadRun where the folder is taken.
    """
    require_extra("train")
    from plainfilm.judge.judged import Resampling
    from plainfilm.judge.outside.left_out import judge_left_out, left_out_json, left_out_page

    out: Progress = progress or Silence()
    plan = leave_sources_out(manifest, config.seed)
    for source, why in plan.refused.items():
        out.say(f"{source} is not left out: {why}")
    for split in plan.splits:
        out.say(f"Without {split.source}: tried on its {counted(split.films, 'film')} ({', '.join(split.classes)})")
    opened = _written(plan.manifest, directory, resume)
    drawing = Resampling(repeats=repeats)
    evaluations, sources = [], []
    for split in plan.splits:
        place = directory / split.column
        out.say(f"{place}")
        (evaluation,) = train_runs(
            opened,
            place,
            replace(config, split=split.column),
            resume=resume and place.exists(),
            tensorboard=tensorboard,
            read_test=True,
            progress=out,
        )
        run = evaluation.run
        scores = Predictions.open(run / "predictions.csv")
        judged = judge_left_out(scores, run.calibration(), split.source, split.note, drawing)
        evaluations.append(evaluation)
        sources.append({**judged, "run": str(run.directory)})
    found = left_out_json(manifest.classes, sources, plan.refused, plan.unknown, drawing)
    found["made"] = provenance(config.seed, manifest=opened.fingerprint)
    write_json(directory / "left_out.json", found)
    write_text(directory / "left_out.html", left_out_page(found, directory.resolve().name))
    return LeftOutResult(evaluations, found, directory / "left_out.html")


def _written(manifest: Manifest, directory: Path, resume: bool) -> Manifest:
    """The manifest with its split columns, on disk. Raises BadRun where something else lies there."""
    path = directory / "manifest.csv"
    if resume and path.is_file():
        opened = Manifest.open(path)
        if opened.fingerprint != manifest.fingerprint:
            raise BadRun("was begun on other films or with another --seed: choose another -o", directory)
        return opened
    if resume and not directory.exists():
        raise BadRun("is missing: there is nothing to go on with. Leave out --resume", directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadRun("is no empty folder: choose another -o, or go on with it by --resume", directory)
    make_directory(directory)
    return manifest.write(path)

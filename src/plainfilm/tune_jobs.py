"""The job behind `plainfilm tune`: begin a study or go on with it, run trials, write what they have told."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from plainfilm.core.bootstrap import Interval, bootstrap
from plainfilm.core.cells import csv_line, harmless
from plainfilm.core.config import TrainConfig
from plainfilm.core.files import provenance, write_json, write_text
from plainfilm.core.manifest import Manifest
from plainfilm.core.metrics import softmax
from plainfilm.core.predictions import Predictions
from plainfilm.core.progress import Progress, Silence
from plainfilm.core.run import Run
from plainfilm.core.search import Search
from plainfilm.core.study import Study
from plainfilm.core.trials import Trial, Tuned, ranked, reached
from plainfilm.core.words import counted, in_minutes
from plainfilm.errors import BadManifest, BadRun, Interrupted, MissingExtra
from plainfilm.jobs import require_extra

USUAL_TRIALS = 20


class Tuning(NamedTuple):
    """What tuning gave: the study, what it told, where the page is, and why it ended, in words."""

    study: Study
    tuned: Tuned
    page: Path
    ended: str


def tune(
    manifest: Manifest,
    directory: Path,
    search: Search | None,
    *,
    trials: int | None = None,
    minutes: float = 0.0,
    keep: int = 3,
    resume: bool = False,
    allow_leaks: bool = False,
    started: float | None = None,
    repeats: int = 200,
    progress: Progress | None = None,
) -> Tuning:
    """Search for good settings on a manifest's training and validation films. The films of the test split are taken out first.

    search: what is searched; None, where resumed, for what the study was begun with.
    trials: in the study in all, failed and pruned ones counted; None for what it was begun with, which is 20 where no time is
    given either, else as many as there is time for.
    minutes: until this call ends, from `started` (time.monotonic()); 0 for as long as it takes.
    keep: how many of the best trials keep their weights. resume: go on with the study in `directory`, or join those who do.
    repeats: replicates behind each interval of importance.
    Raises BadManifest, BadConfig, BadRun, WeightsUnavailable before any trial; Interrupted on Ctrl-C, when results are written.
    """
    require_extra("tune")
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtra("plainfilm tune", "optuna")
    from plainfilm.learn.trial_store import TrialStore
    from plainfilm.learn.tune import check_networks, run_trials

    out: Progress = progress or Silence()
    until = (time.monotonic() if started is None else started) + minutes * 60 if minutes else math.inf
    if resume:
        study = Study.open(directory)
        study.require_same(search, manifest)
        TrialStore(study / "study.journal", study.search)  # refused here where it is damaged or lost
    else:
        assert search is not None, "a new study needs a search"
        Study.require_free(directory)
        _refuse_bad(manifest, search, allow_leaks)
        check_networks(search, manifest.classes, out)
        wanted = trials if trials is not None else 0 if minutes else USUAL_TRIALS
        study = Study.create(directory, search, wanted, manifest)
    wanted = study.wanted if trials is None else trials
    if not wanted and not minutes:
        raise BadRun("was begun with as many trials as there is time for: give --minutes or --trials", directory)
    out.say(_announced(study, wanted, minutes))
    films = replace(study.manifest(), root=manifest.root)  # they may have moved since
    try:
        ended = run_trials(
            study,
            films,
            wanted=wanted,
            until=until,
            keep=keep,
            allow_leaks=allow_leaks,
            progress=out,
            after_each=lambda told: _write_table(study, told),
        )
    except Interrupted:
        tuned = write_results(study, films, wanted, repeats=repeats, progress=out)
        done = sum(trial.state != "running" for trial in tuned.trials)
        raise Interrupted(
            f"stopped with {counted(done, 'trial')} done; {study / 'tune.html'} says what they tell. Go on with --resume"
        ) from None
    tuned = write_results(study, films, wanted, repeats=repeats, progress=out)
    return Tuning(study, tuned, study / "tune.html", ended)


def write_results(
    study: Study, manifest: Manifest, wanted: int, *, repeats: int = 200, progress: Progress | None = None
) -> Tuned:
    """Write best.toml, trials.csv, tune.json and tune.html from what the trials have told so far. manifest: the study's own."""
    from plainfilm.judge.tune.page import tune_page
    from plainfilm.learn.importance import importances
    from plainfilm.learn.trial_store import TrialStore

    out: Progress = progress or Silence()
    validation = manifest.split("val", study.search.config.split)
    with study.locked():
        trials = TrialStore(study / "study.journal", study.search).trials()
        out.say("Asking which settings mattered")
        tuned = Tuned(
            study.search,
            tuple(trials),
            _kept_scores(study, manifest, trials, out),
            importances(study.search, trials, seed=study.search.config.seed, repeats=repeats),
            wanted,
            films=int((validation["label"] != "").sum()),
            groups=int(validation.loc[validation["label"] != "", "group"].nunique()),
            test_films=study.test_films,
            manifest=str(study.manifest_path),
            made=provenance(study.search.config.seed, manifest=study.fingerprint),
            begun=study.begun,
            directory=str(study.directory),
        )
        _write_table(study, trials)
        write_json(study / "tune.json", tuned.to_dict())
        write_text(study / "tune.html", tune_page(tuned))
    return tuned


def _refuse_bad(manifest: Manifest, search: Search, allow_leaks: bool) -> None:
    """Look at the whole split, test included: a group that stands in test and training would leave with the test films."""
    column = search.config.split
    if column not in manifest.split_columns:
        raise BadManifest(f'has no split column "{column}"; it has {", ".join(manifest.split_columns)}', manifest.path)
    problems = [problem for problem in manifest.check([column]) if not (allow_leaks and problem.kind == "leak")]
    if problems:
        texts = tuple(problem.text for problem in problems)
        leaks = any(problem.kind == "leak" for problem in problems)
        hint = ". To search on a leaking split all the same, add --allow-leaks" if leaks else ""
        raise BadManifest("; ".join(texts) + hint, manifest.path, texts)


def _announced(study: Study, wanted: int, minutes: float) -> str:
    """What is about to be searched."""
    ranges = "\n".join(f"  {name.replace('_', '-')}: {text}" for name, text in study.search.texts.items())
    trials = f"{counted(wanted, 'trial')}" if wanted else "as many trials as there is time for"
    config = study.search.config
    each = in_minutes(config.minutes) if config.minutes else counted(config.epochs, "epoch")
    time_given = f", {in_minutes(minutes)}" if minutes else ""
    return f"Searching\n{ranges}\n{trials} of {each}{time_given}; {study.test_films:,} test films are taken out"


def _kept_scores(study: Study, manifest: Manifest, trials: Sequence[Trial], out: Progress) -> dict[int, Interval]:
    """The validation score of every trial whose weights are kept, with its interval over groups."""
    from plainfilm.learn.infer import predict_manifest

    found = {}
    monitor = study.search.config.monitor
    for trial in ranked(trials, study.search.lower_is_better):
        place = study.run_of(trial)
        if not (place / "weights.safetensors").is_file():
            continue
        path = place / "predictions.csv"
        if not path.is_file():
            run = Run.open(place)
            predict_manifest(run, manifest, ("val",), out, column=run.config.split).write(path)
        predictions = Predictions.open(path)
        # plainfilm evaluate writes other splits there too.
        judged = predictions.where(predictions.table["split"] == "val").judged
        measured = bootstrap(softmax(judged.logit), judged.label_index, judged.group, judged.classes)
        ends = measured.measures["log_loss" if monitor == "loss" else monitor]
        # The score is that of the training, whose arithmetic may be shorter than that of the prediction.
        found[trial.number] = Interval(trial.score, min(ends.low, trial.score), max(ends.high, trial.score))
    return found


def _write_table(study: Study, trials: Sequence[Trial]) -> None:
    """trials.csv, a row a trial; and best.toml where there is a best. pruned_at: the best score that a pruned trial had."""
    names = [one.name for one in study.search.ranges]
    rows = [
        [
            "number",
            "state",
            f"val_{study.search.config.monitor}",
            "pruned_at",
            *names,
            "best_epoch",
            "seconds",
            "begun",
            "run",
            "why",
        ]
    ]
    for trial in trials:
        score = "" if math.isnan(trial.score) else f"{trial.score:.6f}"
        seen = reached(trial, study.search.lower_is_better)
        pruned_at = "" if trial.state != "pruned" or math.isnan(seen) else f"{seen:.6f}"
        values = [harmless(str(trial.values[name])) for name in names]
        facts = [str(trial.best_epoch or ""), f"{trial.seconds:g}", trial.begun, trial.folder, harmless(trial.why)]
        rows.append([str(trial.number), trial.state, score, pruned_at, *values, *facts])
    write_text(study / "trials.csv", "".join(map(csv_line, rows)))
    best = ranked(trials, study.search.lower_is_better)
    if best:
        write_text(study / "best.toml", _to_repeat(study, best[0]).to_toml())


def _to_repeat(study: Study, trial: Trial) -> TrainConfig:
    """The settings of a trial for a training of its own: as many epochs as it did in its minutes, where minutes ended it.

    A training's minutes hold its scoring and the decoding of films too, so the same minutes would be another, shorter training.
    """
    config = study.search.config_of(trial.values)
    if not config.minutes:
        return config
    return replace(config, minutes=0.0, epochs=max(1, int(Run.open(study.run_of(trial)).completion()["epochs"])))

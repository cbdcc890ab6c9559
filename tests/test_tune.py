"""The search: what it tries, what it never reads, and what becomes of trials that are pruned, fail, or are left behind."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import TINY
from plainfilm.core.config import TrainConfig
from plainfilm.core.manifest import Manifest
from plainfilm.core.progress import Silence
from plainfilm.core.run import Run
from plainfilm.core.search import Search, Values, range_of, search_of
from plainfilm.core.study import Study
from plainfilm.core.trials import Trial, Tuned, ranked
from plainfilm.errors import BadConfig, BadManifest, BadRun, CannotWrite, Interrupted, WeightsUnavailable

pytest.importorskip("torch")
pytest.importorskip("optuna")

from plainfilm.learn import tune as tune_module
from plainfilm.learn.importance import FEWEST, importances
from plainfilm.learn.propose import proposed
from plainfilm.learn.trial_store import TrialStore
from plainfilm.tune_jobs import tune

FIXED = replace(TINY, model="cnn-plain", size=16, epochs=1, dropout=0.0)
SEARCH = Search(FIXED, (range_of("learning_rate", "1e-4..1e-2:log"), range_of("size", "16,24")))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def studied(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of five trials, ended."""
    place = tmp_path_factory.mktemp("studies") / "study"
    return tune(manifest, place, SEARCH, trials=5, keep=2, repeats=10).study


def _number_of(trials: tuple[Trial, ...], state: str) -> int:
    return sum(trial.state == state for trial in trials)


# What it tries --------------------------------------------------------------------------------------------------------


def _pretended(search: Search, count: int, score: object, seed: int = 0) -> list[Trial]:
    """Trials that never trained. score: function of the values."""
    trials: list[Trial] = []
    for number in range(count):
        values = proposed(search, trials, seed)
        assert values is not None
        trials.append(Trial(number, values, "complete", score(values), curve=((1.0, score(values)),)))  # type: ignore[operator]
    return trials


def _log_rate(values: Values) -> float:
    return math.log10(float(values["learning_rate"]))


def test_proposals_begin_with_the_settings_given_and_never_come_twice() -> None:
    search = search_of(replace(FIXED, learning_rate=3e-3), [], [], ["learning-rate=1e-4..1e-2:log", "size=16,24"])
    search = Search(search.config, tuple(one for one in search.ranges if one.name in ("learning_rate", "size")))
    trials = _pretended(search, 24, lambda values: -abs(_log_rate(values) + 2.5))
    assert trials[0].values == {"learning_rate": 3e-3, "size": 16}
    assert len({search.config_of(trial.values) for trial in trials}) == 24
    late = [abs(_log_rate(trial.values) + 2.5) for trial in trials[12:]]
    assert np.median(late) < 0.4  # it has learnt where to look; at random this would be 0.5
    again = _pretended(search, 12, lambda values: -abs(_log_rate(values) + 2.5))
    assert [trial.values for trial in again] == [trial.values for trial in trials[:12]]


def test_a_small_search_is_walked_through_once_and_then_there_is_none_left() -> None:
    search = Search(FIXED, (range_of("size", "16..18"), range_of("contrast", "none,clahe")))
    trials = _pretended(search, 6, lambda values: 0.5)
    assert len({tuple(trial.values.items()) for trial in trials}) == 6
    assert proposed(search, trials, 0) is None


def test_a_place_where_trials_fail_is_left() -> None:
    search = Search(FIXED, (range_of("learning_rate", "1e-4..1e-2:log"), range_of("weight_decay", "0.001..0.1:log")))
    trials: list[Trial] = []
    for number in range(30):
        values = proposed(search, trials, 1)
        assert values is not None
        fails = _log_rate(values) > -3
        trials.append(Trial(number, values, "failed" if fails else "complete", math.nan if fails else 0.5))
    assert sum(trial.state == "failed" for trial in trials[15:]) < 6


def test_importance_finds_the_setting_that_matters_and_accuses_no_other() -> None:
    search = Search(
        FIXED,
        (
            range_of("learning_rate", "1e-4..1e-2:log"),
            range_of("weight_decay", "0.001..0.1:log"),
            range_of("size", "16,24"),
        ),
    )
    rng = np.random.default_rng(0)
    trials = _pretended(search, 20, lambda values: -abs(_log_rate(values) + 2.5) + 0.02 * rng.normal())
    found = importances(search, trials, repeats=60)
    assert [one.name for one in found if one.is_told(3)] == ["learning_rate"]
    assert all(one.value.low <= one.value.value <= one.value.high for one in found)
    assert importances(search, trials[: FEWEST - 1]) == ()
    alike = [replace(trial, score=0.5, curve=((1.0, 0.5),)) for trial in trials]
    assert not any(one.is_told(3) for one in importances(search, alike, repeats=60))


# What it never reads, and what it leaves ------------------------------------------------------------------------------


def test_no_film_of_the_test_split_is_there_when_the_search_begins(manifest: Manifest, tmp_path: Path) -> None:
    """They are taken away, and the study does not notice."""
    test = manifest.split("test")
    hidden = replace(manifest, root=tmp_path / "films").write(tmp_path / "data" / "manifest.csv")
    for path in manifest.films["path"]:
        if path not in set(test["path"]):
            (tmp_path / "films" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "films" / path).write_bytes(manifest.film_path(path).read_bytes())
    tuning = tune(hidden, tmp_path / "study", SEARCH, trials=2, repeats=5)
    assert _number_of(tuning.tuned.trials, "complete") == 2
    for path in (tmp_path / "study").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [name for name in test["image_id"] if f"{name}," in content.decode(errors="ignore")], path
    assert tuning.tuned.test_films == len(test)


def test_what_a_study_leaves(studied: Study) -> None:
    tuned = Tuned.open(studied / "tune.json")
    best = tuned.best
    assert best is not None and len(tuned.trials) == 5
    assert TrainConfig.from_toml(studied / "best.toml") == tuned.config_of(best)
    rows = list(csv.DictReader((studied / "trials.csv").read_text().splitlines()))
    assert [int(row["number"]) for row in rows] == [0, 1, 2, 3, 4]
    kept = [trial.number for trial in tuned.trials if (studied.run_of(trial) / "weights.safetensors").exists()]
    assert sorted(kept) == sorted(trial.number for trial in ranked(tuned.trials, False)[:2]) == sorted(tuned.kept)
    for trial in tuned.trials:
        run = Run.open(studied.run_of(trial))
        assert run.config == tuned.config_of(trial) and len(run.history()) == len(trial.curve)
        assert trial.score == max(epoch["val_macro_auroc"] for epoch in run.history())
        assert run.test_readings == 0
    interval = tuned.kept[best.number]
    assert interval.low <= best.score <= interval.high
    assert "was not read" in (studied / "tune.html").read_text()


def test_a_study_that_has_its_trials_is_written_again_and_can_be_given_more(studied: Study, manifest: Manifest) -> None:
    before = Tuned.open(studied / "tune.json").trials
    again = tune(manifest, studied.directory, None, resume=True, repeats=5)
    assert again.tuned.trials == before and "all 5" in again.ended
    more = tune(manifest, studied.directory, SEARCH, trials=6, resume=True, repeats=5)
    assert more.tuned.trials[:5] == before and len(more.tuned.trials) == 6


def test_another_manifest_or_search_is_refused_with_what_differs(
    studied: Study, manifest: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(BadRun, match="by --resume"):
        tune(manifest, studied.directory, SEARCH, trials=5)
    films = manifest.films.copy()
    films.loc[films.index[0], "split"] = "train" if films["split"].iloc[0] != "train" else ""
    other = replace(manifest, films=films).write(tmp_path / "manifest.csv")
    with pytest.raises(BadRun, match="begun on another manifest"):
        tune(other, studied.directory, None, resume=True)
    changed = Search(replace(FIXED, batch_size=8), (range_of("size", "16,32"),))
    with pytest.raises(BadRun) as refused:
        tune(manifest, studied.directory, changed, resume=True)
    message = str(refused.value)
    assert (
        "size was 16,24 and is 16,32" in message and "learning_rate was 0.0001..0.01:log and is not searched" in message
    )
    assert "batch_size was 16 and is 8" in message
    with pytest.raises(BadRun, match="is missing"):
        tune(manifest, tmp_path / "nothing", SEARCH, resume=True)


# Trials that do not end well ------------------------------------------------------------------------------------------


def test_a_failed_trial_says_why_and_the_search_goes_on(manifest: Manifest, tmp_path: Path) -> None:
    search = Search(
        replace(FIXED, model="cnn-swish", size=32), (range_of("size", "16,32"), range_of("weight_decay", "0..0.1"))
    )
    tuning = tune(manifest, tmp_path / "study", search, trials=3, repeats=5)
    failed = [trial for trial in tuning.tuned.trials if trial.state == "failed"]
    assert failed and all(
        "films of size 16 are too small for network cnn-swish" in trial.why and trial.values["size"] == 16
        for trial in failed
    )
    assert tuning.tuned.best is not None
    assert "too small" in (tmp_path / "study" / "tune.html").read_text()


def test_a_diverged_trial_is_recorded(manifest: Manifest, tmp_path: Path) -> None:
    search = Search(replace(FIXED, optimizer="sgd", clip_norm=0.0, epochs=3), (range_of("learning_rate", "50..100"),))
    tuning = tune(manifest, tmp_path / "study", search, trials=2, repeats=5)
    assert tuning.tuned.best is None and [trial.state for trial in tuning.tuned.trials] == ["failed", "failed"]
    assert all("the loss became" in trial.why for trial in tuning.tuned.trials)
    assert not (tmp_path / "study" / "best.toml").exists()
    assert "No trial is complete" in (tmp_path / "study" / "tune.html").read_text()


def test_a_bad_trial_is_pruned_and_can_be_told_from_a_complete_one(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tune_module, "is_hopeless", lambda trial, others, lower: len(others) > 1 and trial.curve[-1][0] < 1
    )
    tuning = tune(manifest, tmp_path / "study", Search(replace(FIXED, epochs=3), SEARCH.ranges), trials=3, repeats=5)
    assert [trial.state for trial in tuning.tuned.trials] == ["complete", "pruned", "pruned"]
    for trial in tuning.tuned.trials[1:]:
        assert len(trial.curve) == 1 and math.isnan(trial.score)
        assert not (tuning.study.run_of(trial) / "weights.safetensors").exists()
    rows = list(csv.DictReader((tuning.study / "trials.csv").read_text().splitlines()))
    assert [bool(row["pruned_at"]) for row in rows] == [False, True, True]
    assert float(rows[1]["pruned_at"]) == pytest.approx(tuning.tuned.trials[1].curve[0][1], abs=1e-6)


def test_weights_that_cannot_be_had_are_told_before_any_trial(manifest: Manifest, tmp_path: Path) -> None:
    search = Search(replace(FIXED, weights="imagenet"), SEARCH.ranges)
    with pytest.raises(WeightsUnavailable, match="--weights scratch"):
        tune(manifest, tmp_path / "study", search, trials=2)
    assert not (tmp_path / "study").exists()
    with pytest.raises(BadConfig, match="no network is called"):
        tune(manifest, tmp_path / "study", Search(replace(FIXED, model="cnn-plian"), SEARCH.ranges), trials=2)


def test_a_leak_is_refused_though_it_would_leave_with_the_test_films(manifest: Manifest, tmp_path: Path) -> None:
    films = manifest.films.copy()
    test, train = (films.index[films["split"] == name][0] for name in ("test", "train"))
    films.loc[test, "group"] = films.loc[train, "group"]
    leaking = replace(manifest, films=films).write(tmp_path / "manifest.csv")
    with pytest.raises(BadManifest, match="train and test"):
        tune(leaking, tmp_path / "study", SEARCH, trials=1)


# Several processes, and none ------------------------------------------------------------------------------------------


def _process(manifest: Manifest, place: Path, *more: str) -> subprocess.Popen[str]:
    assert manifest.path is not None
    command = [sys.executable, "-W", "error", "-m", "plainfilm", "tune", str(manifest.path), "-o", str(place), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _begin(manifest: Manifest, place: Path, *, wanted: int = 4, epochs: int = 1) -> Study:
    return Study.create(place, Search(replace(FIXED, epochs=epochs), SEARCH.ranges), wanted, manifest)


def _wait_for(there: object, seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not there():  # type: ignore[operator]
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_process_loses_no_trial_and_none_is_counted_twice(manifest: Manifest, tmp_path: Path) -> None:
    study = _begin(manifest, tmp_path / "study", wanted=2, epochs=30)
    killed = _process(manifest, study.directory, "--resume")
    history = study / "trials" / "0000" / "history.jsonl"
    _wait_for(lambda: history.exists() and len(history.read_text().splitlines()) > 1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(history.read_text().splitlines()) < 30
    assert [trial.state for trial in TrialStore(study / "study.journal", study.search).trials()] == ["running"]
    tuned = tune(manifest, study.directory, None, resume=True, repeats=5).tuned
    assert [trial.number for trial in tuned.trials] == [0, 1] and not tuned.of_state("running")
    assert [epoch["epoch"] for epoch in Run.open(study.run_of(tuned.trials[0])).history()] == list(range(1, 31))


@pytest.mark.slow
def test_processes_share_a_study_and_train_each_trial_once(manifest: Manifest, tmp_path: Path) -> None:
    study = _begin(manifest, tmp_path / "study", wanted=8, epochs=8)
    processes = [_process(manifest, study.directory, "--resume") for _ in range(2)]
    told = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    tuned = Tuned.open(study / "tune.json")
    assert [trial.number for trial in tuned.trials] == list(range(8))
    assert len({tuned.config_of(trial) for trial in tuned.trials}) == 8
    assert not tuned.of_state("running") and not tuned.of_state("failed")
    for number in range(8):
        assert sum(f"trial {number}: " in each for each in told) == 1


def test_what_is_no_fault_of_a_trial_is_not_counted_against_it(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = _begin(manifest, tmp_path / "study")

    def full(*_: object, **__: object) -> None:
        raise CannotWrite("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(tune_module, "train", full)
        for _ in range(4):
            with pytest.raises(CannotWrite):
                tune(manifest, study.directory, None, trials=1, resume=True, repeats=5)
    tuning = tune(manifest, study.directory, None, trials=1, resume=True, repeats=5)
    assert [trial.state for trial in tuning.tuned.trials] == ["complete"]


def test_the_best_of_trials_by_the_clock_is_repeated_by_its_epochs(studied: Study) -> None:
    from plainfilm.tune_jobs import _to_repeat

    (best, *_) = ranked(Tuned.open(studied / "tune.json").trials, lower_is_better=False)
    config = studied.search.config
    by_the_clock = replace(studied, search=replace(studied.search, config=replace(config, minutes=0.3, epochs=99)))
    repeated = _to_repeat(by_the_clock, best)
    assert (repeated.minutes, repeated.epochs) == (0, config.epochs)
    assert _to_repeat(studied, best) == studied.search.config_of(best.values)


def test_a_trial_whose_process_dies_again_and_again_is_given_up(manifest: Manifest, tmp_path: Path) -> None:
    study = _begin(manifest, tmp_path / "study")
    store = TrialStore(study / "study.journal", study.search)
    trial = store.begin(study.search.first_values)
    store.count_beginnings(trial, 2)
    tuning = tune(manifest, study.directory, None, trials=2, resume=True, repeats=5)
    assert [trial.state for trial in tuning.tuned.trials] == ["failed", "complete"]
    assert "killed 3 times" in tuning.tuned.trials[0].why


@pytest.mark.slow
def test_ctrl_c_lays_the_trial_down_and_it_goes_on_where_it_stood(manifest: Manifest, tmp_path: Path) -> None:
    study = _begin(manifest, tmp_path / "study", epochs=30)
    process = _process(manifest, study.directory, "--resume", "--trials", "1")
    history = study / "trials" / "0000" / "history.jsonl"
    _wait_for(history.exists)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130 and "Go on with --resume" in told.splitlines()[-1]
    assert "Traceback" not in told
    before = history.read_text().splitlines()
    assert len(before) < 30 and Tuned.open(study / "tune.json").of_state("running")
    tuning = tune(manifest, study.directory, None, trials=1, resume=True, repeats=5)
    assert history.read_text().splitlines()[: len(before)] == before
    assert [trial.state for trial in tuning.tuned.trials] == ["complete"]


def test_ctrl_c_while_a_trial_ends_keeps_it_and_stops(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune_module.train

    def asked_at_its_end(*arguments: object, **options: object) -> Run:
        whole(*arguments, **options)  # type: ignore[arg-type]
        raise Interrupted("stopped when the training had just ended")

    monkeypatch.setattr(tune_module, "train", asked_at_its_end)
    with pytest.raises(Interrupted):
        tune(manifest, tmp_path / "study", SEARCH, trials=3, repeats=10)
    study = Study.open(tmp_path / "study")
    (trial,) = TrialStore(study / "study.journal", study.search).trials()
    assert trial.state == "complete" and math.isfinite(trial.score)


def test_the_time_given_is_kept_and_what_trains_then_goes_on_later(manifest: Manifest, tmp_path: Path) -> None:
    begun = time.monotonic()
    search = Search(replace(FIXED, epochs=3000), SEARCH.ranges)
    tuning = tune(manifest, tmp_path / "study", search, minutes=0.04, repeats=5)
    assert time.monotonic() - begun < 15 and tuning.ended == "the time is over"
    assert {trial.state for trial in tuning.tuned.trials} <= {"running"}  # none, where getting ready took all of it
    assert "no best setting yet" in (tmp_path / "study" / "tune.html").read_text()
    with pytest.raises(BadRun, match="give --minutes or --trials"):
        tune(manifest, tmp_path / "study", None, resume=True)


def test_a_line_that_was_half_written_is_cut_off(manifest: Manifest, tmp_path: Path) -> None:
    study = _begin(manifest, tmp_path / "study")
    journal = study / "study.journal"
    TrialStore(journal, study.search).begin(study.search.first_values)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":6,"worker_id":"a","tri')
    store = TrialStore(journal, study.search)
    assert journal.read_bytes() == whole and len(store.trials()) == 1
    store.end(store.trials()[0], "complete", score=0.5)
    assert TrialStore(journal, study.search).trials()[0].score == 0.5
    journal.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(BadRun, match="is damaged"):
        TrialStore(journal, study.search)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (None, "is missing, but trials/ holds"),
        (slice(0, 0), "is empty, but trials/ holds"),
        (slice(0, 3), "lines of it are lost"),
        (slice(1, None), "its first lines are gone"),
    ],
)
def test_a_lost_journal_is_refused_and_nothing_is_changed(
    studied: Study, manifest: Manifest, tmp_path: Path, lines: slice | None, said: str
) -> None:
    shutil.copytree(studied.directory, tmp_path / "study", ignore=shutil.ignore_patterns("cache", ".*"))
    journal = tmp_path / "study" / "study.journal"
    kept = b"" if lines is None else b"".join(journal.read_bytes().splitlines(keepends=True)[lines])
    journal.unlink() if lines is None else journal.write_bytes(kept)

    def files() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in (tmp_path / "study").rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }

    before = files()
    with pytest.raises(BadRun, match="bring it back from a copy, or begin another study with -o") as refused:
        tune(manifest, tmp_path / "study", None, trials=9, resume=True)
    assert said in str(refused.value) and files() == before


def test_a_damaged_line_of_the_journal_is_named(studied: Study, tmp_path: Path) -> None:
    lines = (studied / "study.journal").read_bytes().splitlines(keepends=True)
    for broken in (b"nonsense\n", b'{"op_code":7}\n'):
        (tmp_path / "study.journal").write_bytes(b"".join([*lines[:6], broken, *lines[7:]]))
        with pytest.raises(BadRun, match=r"damaged in line 7 .*bring it back from a copy"):
            TrialStore(tmp_path / "study.journal", studied.search)


def test_the_command_that_began_a_study_is_kept(studied: Study, manifest: Manifest) -> None:
    tuned = tune(manifest, studied.directory, None, resume=True, repeats=5).tuned
    assert tuned.begun == json.loads((studied / "search.json").read_text())["made"]
    assert Tuned.open(studied / "tune.json").begun == tuned.begun


def test_intervals_rest_on_validation_films_alone_after_a_trial_was_evaluated(
    studied: Study, manifest: Manifest
) -> None:
    from plainfilm.learn.infer import predict_manifest

    before = Tuned.open(studied / "tune.json")
    assert before.best is not None
    run = Run.open(studied.run_of(before.best))
    predict_manifest(run, studied.manifest(), ("train", "val"), Silence()).write(
        run / "predictions.csv"
    )  # as plainfilm evaluate does
    again = tune(manifest, studied.directory, None, resume=True, repeats=5).tuned
    assert again.kept[before.best.number] == before.kept[before.best.number]


def test_optuna_itself_reads_the_journal(studied: Study) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(studied / "study.journal")))
    study = optuna.load_study(study_name=None, storage=storage)
    assert study.best_value == pytest.approx(
        json.loads((studied / "tune.json").read_text())["trials"][study.best_trial.number]["score"]
    )
